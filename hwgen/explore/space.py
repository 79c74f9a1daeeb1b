"""The space that is searched: parameters and their values, relations, networks, memory, device."""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from dataclasses import dataclass
from importlib import resources

import simpleeval

from ..config import Config, load_toml, preset
from ..cost.timing import Timing
from ..energy import table
from ..energy.prices import DEFAULT
from ..errors import HwgenError
from ..files import read_toml
from ..network.shapes import NETWORKS
from ..synth.targets import TARGETS

__all__ = ["Space", "Workload", "example"]

_LAYERS = "CONV*,DW*,PW*,[0-9]*"


def example():
    """The text of a commented SPACE.toml."""
    return resources.files(__package__).joinpath("example.toml").read_text()


@dataclass(frozen=True)
class Workload:
    """A network that points are judged by.

    Attributes
    ----------
    network : str
        A name of :data:`~hwgen.network.shapes.NETWORKS`, or a path of an ONNX file.
    layers : str
        Which layers of a known network count: patterns, separated by commas.
    weight : float
        How often the network runs, beside the others.
    """
    network: str
    layers: str = _LAYERS
    weight: float = 1

    @property
    def known(self):
        """Whether it is a network known by name, no file."""
        return self.network in NETWORKS


@dataclass(frozen=True)
class Space:
    """All points: every combination of the parameters' values for which the relations hold.

    A point is a dict: parameter to value, of the parameters that are searched, in their order.

    Attributes
    ----------
    base : Config
        What the parameters that are not searched are.
    parameters : dict of str to tuple
        Values of each searched parameter.
    derived : dict of str to str
        Parameters that follow from the others: expressions.
    relations : tuple of str
        Expressions that must hold.
    workloads : tuple of Workload
    timing : Timing
        The DRAM.
    target : Target
        The device whose cells are counted.
    energy : Table
        Energies of accesses.
    """
    base: Config
    parameters: dict
    derived: dict
    relations: tuple
    workloads: tuple
    timing: Timing
    target: object
    energy: object

    @classmethod
    def read(cls, path, networks=()):
        """The space of a SPACE.toml; ``networks`` take the place of its own.

        Raises :exc:`HwgenError` for what is unknown, missing or of the wrong kind.
        """
        text = read_toml(path, "space")
        tables = {"preset": str, "config": str, "target": str, "energy": str, "parameters": dict,
                  "relations": list, "networks": list, "dram": dict}
        for key, value in text.items():
            if key not in tables:
                raise HwgenError(f"{path}: {key!r} is unknown: a space has "
                                 f"{', '.join(tables)}.")
            if not isinstance(value, tables[key]):
                raise HwgenError(f"{path}: {key} = {value!r} is not a {_KINDS[tables[key]]}.")
        if "preset" in text and "config" in text:
            raise HwgenError(f"{path}: preset and config exclude each other: give one base.")
        base = load_toml(text["config"]) if "config" in text else \
            preset(text.get("preset", "eyeriss"))
        parameters, derived = {}, {}
        for name, entry in text.get("parameters", {}).items():
            _known(path, name)
            if isinstance(entry, str):
                derived[name] = entry
            else:
                parameters[name] = _values(path, name, entry)
        if not parameters:
            raise HwgenError(f"{path} searches no parameter: give [parameters], as in "
                             f"'hwgen explore --example'.")
        name = text.get("target", base.name if base.name in TARGETS else "ecp5-85f")
        if name not in TARGETS:
            raise HwgenError(f"{path}: target = {name!r} is unknown: choose one of "
                             f"{', '.join(TARGETS)}.")
        relations = tuple(text.get("relations", ()))
        space = cls(base, parameters, derived, relations,
                    _workloads(path, networks or text.get("networks", ())),
                    _timing(path, text.get("dram", {})), TARGETS[name],
                    table(text.get("energy", DEFAULT)))
        space._check(path)
        return space

    def _check(self, path):
        """Evaluate every expression once, so that a wrong one is told before the work."""
        point = {name: values[0] for name, values in self.parameters.items()}
        for expression in (*self.derived.values(), *self.relations):
            if not isinstance(expression, str):
                raise HwgenError(f"{path}: {expression!r} is not an expression: write it as text, "
                                 f"as in \"rows <= cols\".")
            try:
                self._evaluate(expression, self.settings(point))
            except HwgenError as error:
                raise HwgenError(f"{path}: {error}") from None

    @property
    def size(self):
        """Combinations of the values, those that a relation leaves out included."""
        return math.prod(map(len, self.parameters.values()))

    @property
    def hash(self):
        """Identity of what a point's results depend on."""
        body = [self.base.to_dict(), self.derived, dataclasses.asdict(self.timing),
                self.target.name, dataclasses.asdict(self.energy),
                [dataclasses.asdict(w) for w in self.workloads]]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]

    def points(self):
        """Every point for which the relations hold, in order."""
        for values in itertools.product(*self.parameters.values()):
            point = dict(zip(self.parameters, values, strict=True))
            if self.holds(point):
                yield point

    def holds(self, point):
        """Whether the relations hold for a point."""
        names = self.settings(point)
        return all(self._evaluate(relation, names) for relation in self.relations)

    def config(self, point):
        """The :class:`Config` of a point; raises :exc:`HwgenError` if there is no such."""
        return self.base.replace(**self.settings(point))

    def key(self, point):
        """What the results of a point are filed under: the same for every way to say it."""
        base = self.base.to_dict()
        return json.dumps({name: value for name, value in sorted(self.settings(point).items())
                           if value != base[name]})

    def settings(self, point):
        """Every parameter of a point; an expression may name them."""
        names = {**self.base.to_dict(), **point}
        for name, expression in self.derived.items():
            value = self._evaluate(expression, names)
            names[name] = math.floor(value) if isinstance(value, float) else value
        return names

    @staticmethod
    def _evaluate(expression, names):
        functions = {"min": min, "max": max, "ceil": math.ceil, "floor": math.floor,
                     "round": round, "log2": math.log2}
        try:
            return simpleeval.simple_eval(expression, names=names, functions=functions)
        except (simpleeval.InvalidExpression, SyntaxError, TypeError, ValueError,
                ArithmeticError) as error:
            raise HwgenError(f"the expression {expression!r} cannot be evaluated: {error}; it may "
                             f"name the configuration's parameters, numbers, + - * / // % ** "
                             f"comparisons, and, or, not, {', '.join(functions)}.") from None


_KINDS = {str: "text", dict: "table", list: "list"}


@functools.cache
def _fields():
    return {field.name: field.type for field in dataclasses.fields(Config) if field.name != "name"}


def _known(path, name):
    if name not in _fields():
        raise HwgenError(f"{path}: parameter {name!r} is unknown: the parameters are "
                         f"{', '.join(_fields())}.")


def _values(path, name, entry):
    """The values of a parameter: a list, or ``{from, to, step}``."""
    kind = _fields()[name]
    what = f"{path}: {name} = {entry!r}"
    if isinstance(entry, dict):
        if kind is not int or not set(entry) <= {"from", "to", "step"} or \
                not {"from", "to"} <= set(entry) or \
                any(type(n) is not int for n in entry.values()) or entry.get("step", 1) < 1:
            raise HwgenError(f"{what} is no range: write {{ from = 8, to = 16, step = 4 }}.")
        entry = list(range(entry["from"], entry["to"] + 1, entry.get("step", 1)))
    if not isinstance(entry, list) or not entry or any(type(value) is not kind for value in entry):
        raise HwgenError(f"{what} is not a list of values of type {kind.__name__}, a range "
                         f"{{ from, to, step }}, or an expression as text.")
    if len(set(entry)) < len(entry):
        raise HwgenError(f"{what} has a value twice.")
    return tuple(entry)


def _workloads(path, entries):
    found = []
    for entry in entries:
        entry = {"name": entry} if isinstance(entry, str) else dict(entry)
        name, layers = entry.pop("name", None), entry.pop("layers", _LAYERS)
        weight = entry.pop("weight", 1)
        if entry or not isinstance(name, str) or not isinstance(layers, str) or \
                type(weight) not in (int, float) or not 0 < weight < math.inf:
            raise HwgenError(f"{path}: a network is name, layers (a pattern) and weight (more than "
                             f"0), as in {{ name = \"alexnet\", layers = \"CONV*\", weight = 1 }}.")
        found.append(Workload(name, layers, float(weight)))
    if not found:
        raise HwgenError(f"{path} names no network: give [[networks]], or --networks.")
    if len({workload.network for workload in found}) < len(found):
        raise HwgenError(f"{path} names a network twice: give it once, with a weight.")
    return tuple(found)


def _timing(path, entry):
    known = {"latency": int, "bytes_per_cycle": (int, float)}
    for name, value in entry.items():
        if name not in known or not isinstance(value, known[name]) or isinstance(value, bool) or \
                not 0 <= value <= 100_000:
            raise HwgenError(f"{path}: dram has latency (cycles, 0 to 100000) and bytes_per_cycle "
                             f"(0: a bus word each way), not {name} = {value!r}.")
    return Timing(entry.get("latency", Timing.latency),
                  float(entry.get("bytes_per_cycle", Timing.bytes_per_cycle)))
