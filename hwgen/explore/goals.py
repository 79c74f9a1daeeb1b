"""What is better: objectives, constraints, and the points that no other beats."""

import operator
import re
from dataclasses import dataclass

import numpy as np

from ..errors import HwgenError
from ..synth.estimate import estimate
from ..synth.targets import RESOURCES, TARGETS
from .evaluate import METRICS

__all__ = ["Constraint", "Fits", "constraint", "front", "objectives"]

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def objectives(text):
    """``{metric: more is better}`` of ``cycles,cells``; raises :exc:`HwgenError`."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METRICS:
            raise HwgenError(f"--objective {name!r} is unknown: choose among "
                             f"{', '.join(METRICS)}.")
    if len(set(names)) < len(names):
        raise HwgenError(f"--objective {text!r} names one twice.")
    return {name: METRICS[name] for name in names}


@dataclass(frozen=True)
class Constraint:
    """A bound of a metric."""
    metric: str
    comparison: str
    bound: float

    def excess(self, config, metrics):
        """By which share of the bound a point misses it; 0 or less if it holds."""
        value = metrics[self.metric]
        if _COMPARISONS[self.comparison](value, self.bound):
            return 0.0
        return (abs(value - self.bound) or 1e-9) / (abs(self.bound) or 1)


@dataclass(frozen=True)
class Fits:
    """A device that holds the accelerator."""
    target: object

    def excess(self, config, metrics):
        """By which share of the device the scarcest resource exceeds it; 0 if it fits."""
        total, capacity = estimate(config, self.target).total, self.target.capacity
        return max(0.0, *(total[name] / capacity[name] - 1 for name in RESOURCES))


def constraint(text):
    """``cells<=34000``, ``utilisation >= 0.9`` or ``fits=ecp5-85f``; raises :exc:`HwgenError`."""
    match = re.fullmatch(r"\s*fits\s*=\s*(\S+)\s*", text)
    if match:
        device = TARGETS.get(match[1])
        if device is None or device.capacity is None:
            devices = [name for name, target in TARGETS.items() if target.capacity]
            raise HwgenError(f"--constraint {text!r} names no device: choose one of "
                             f"{', '.join(devices)}.")
        return Fits(device)
    match = re.fullmatch(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*", text)
    try:
        bound = float(match[3]) if match else None
    except ValueError:
        bound = None
    if bound is None or match[1] not in METRICS:
        raise HwgenError(f"--constraint {text!r} is neither a bound nor 'fits=DEVICE': write "
                         f"METRIC<=NUMBER, with one of {', '.join(METRICS)} and <=, >=, < or >.")
    return Constraint(match[1], match[2], bound)


def front(rows, goals):
    """The rows that no other row beats in one objective and equals in the rest.

    Parameters
    ----------
    rows : list of dict
        Metrics of points that meet every constraint.
    goals : dict of str to bool
        As :func:`objectives` gives them.

    Returns
    -------
    list of int
        Indices, best in the first objective first; of equal rows the first alone.
    """
    if not rows:
        return []
    values = np.array([[-row[name] if more else row[name] for name, more in goals.items()]
                       for row in rows], float)
    found, seen = [], set()
    for index in np.lexsort(values.T[::-1]):
        value = values[index]
        beaten = (values <= value).all(axis=1) & (values < value).any(axis=1)
        if not beaten.any() and tuple(value) not in seen:
            seen.add(tuple(value))
            found.append(int(index))
    return found
