"""What a point is worth: its mappings' cycles and bytes by the cost model, and its cells."""

import fnmatch
import functools
import hashlib
from dataclasses import dataclass, replace

import numpy as np

from .. import energy
from ..compiler import compile_network
from ..errors import HwgenError
from ..host.fitting import fitted
from ..importer import onnx_import
from ..importer.float_models import refuse_float
from ..network.graph import Conv, Network, Tensor
from ..network.shapes import NETWORKS
from ..synth.estimate import clock, estimate

__all__ = ["METRICS", "Job", "chosen_layers", "evaluate", "fitted_network", "load"]

#: What is known of a point, and whether more of it is better.
METRICS = {"cycles": False, "ms": False, "utilisation": True, "dram_bytes": False,
           "energy": False, "energy_per_mac": False, "mhz": True, "cells": False, "ff": False,
           "bram": False, "dsp": False, "pes": False}


@dataclass(frozen=True)
class Job:
    """What a worker needs to evaluate points: the space without its files.

    Attributes
    ----------
    space : Space
    models : tuple of bytes or None
        Of each workload the ONNX file, None for a known network.
    """
    space: object
    models: tuple


def load(space):
    """The :class:`Job` of a space.

    Raises :exc:`HwgenError` if a network is unknown, a file cannot be read, is float, or has no
    layer for the accelerator.
    """
    models = []
    for workload in space.workloads:
        if workload.known:
            chosen_layers(workload)
            models.append(None)
            continue
        try:
            with open(workload.network, "rb") as file:
                content = file.read()
        except OSError as error:
            raise HwgenError(f"network {workload.network!r} is neither a known network nor a file "
                             f"that can be read ({error.strerror}): name an ONNX model or one of "
                             f"{', '.join(NETWORKS)}.") from None
        model = _model(content, space.base.tables)
        refuse_float(model, workload.network)
        models.append(content)
    return Job(space, tuple(models))


def evaluate(job, point):
    """What a point is worth.

    Returns
    -------
    dict
        ``point``; either ``refused``, a sentence, or ``metrics`` (those of :data:`METRICS`, over
        all networks by their weights) and ``networks``: of each its ``network``, ``weight``,
        ``macs``, ``cycles``, ``utilisation``, ``dram_bytes``, ``energy``, and ``layers``.
    """
    space = job.space
    try:
        config = space.config(point)
        networks = [_network(config, workload, model, space.timing, space.energy)
                    for workload, model in zip(space.workloads, job.models, strict=True)]
        resources = estimate(config, space.target).total
    except HwgenError as error:
        return {"point": point, "refused": str(error)}

    def total(name):
        return sum(network["weight"] * network[name] for network in networks)
    mhz = clock(config, space.target)
    metrics = {
        "cycles": total("cycles"), "ms": total("cycles") / mhz / 1e3,
        "utilisation": total("macs") / total("cycles") / (config.rows * config.cols),
        "dram_bytes": total("dram_bytes"), "energy": total("energy"),
        "energy_per_mac": total("energy") / total("macs"), "mhz": mhz,
        "cells": resources["logic_cells"],
        **{name: resources[name] for name in ("ff", "bram", "dsp")},
        "pes": config.rows * config.cols}
    return {"point": point, "metrics": metrics, "networks": networks}


def _network(config, workload, model, timing, table):
    layers = list(_known_layers(config, workload, timing, table) if model is None else
                  _model_layers(config, model, timing, table))
    total = {name: sum(layer["count"] * layer[name] for layer in layers)
             for name in ("macs", "cycles", "dram_bytes", "energy")}
    return {"network": workload.network, "weight": workload.weight, **total,
            "utilisation": total["macs"] / total["cycles"] / (config.rows * config.cols),
            "layers": layers}


def chosen_layers(workload):
    """The :class:`LayerShape` s of a known network that count."""
    shapes = [shape for shape in NETWORKS[workload.network] if any(
        fnmatch.fnmatchcase(shape.name, pattern) for pattern in workload.layers.split(","))]
    if not shapes:
        raise HwgenError(f"layers = {workload.layers!r} matches no layer of {workload.network}; "
                         f"its layers are "
                         f"{', '.join(s.name for s in NETWORKS[workload.network])}.")
    return shapes


def _known_layers(config, workload, timing, table):
    found, alike = [], {}
    for shape in chosen_layers(workload):
        what = replace(shape, name="", count=1)
        if what not in alike:
            alike[what] = compile_network(_shape_network(what), config, timing=timing)
        found += _layers(alike[what], table, shape.name, shape.count)
    return found


def _shape_network(shape):
    """A network of one layer whose values do not matter: its weights take no memory."""
    uint8 = np.dtype(np.uint8)
    x = Tensor("x", (shape.c, shape.h, shape.w), uint8, 128, 0.02, (1, shape.c, shape.h, shape.w))
    y = Tensor("y", (shape.m, shape.e, shape.f), uint8, 128, 0.02, (1, shape.m, shape.e, shape.f))
    weight = np.broadcast_to(np.int16(1), (shape.m, shape.c // shape.groups, shape.r, shape.s))
    conv = Conv("layer", x, y, weight, np.zeros(shape.m, np.int32),
                np.full(shape.m, 0.01, np.float32), (shape.u, shape.u), (1, 1), shape.pads,
                shape.groups)
    return Network("layer", [conv], {"x": (x.onnx_shape, uint8)}, {"y": (y.onnx_shape, uint8)})


@functools.lru_cache(maxsize=8)
def _imported(digest, content, tables):
    return onnx_import.Model(content, tables=tables)


def _model(content, tables):
    return _imported(hashlib.sha256(content).digest(), content, tables)


def fitted_network(content, config, compiling):
    """``(network, program)`` of an ONNX file on a configuration, see :func:`fitted`."""
    return fitted(_model(content, config.tables), compiling)


def _model_layers(config, content, timing, table):
    _, program = fitted_network(
        content, config, lambda network: compile_network(network, config, timing=timing))
    if not program.segments:
        raise HwgenError("nothing of the network runs on the accelerator: see 'hwgen map'.")
    return _layers(program, table)


def _layers(program, table, name=None, count=1):
    """Lines of a program's segments."""
    for segment in program.segments:
        estimate, counts = segment.estimate, energy.of_segment(program, segment)
        yield {"layer": name or segment.name, "count": count, "macs": segment.macs,
               "cycles": segment.cycles, "bound": estimate.bound,
               "array_bound": estimate.array_bound, "dram_bytes": estimate.bytes,
               "energy": energy.of_counts(program.config, counts, segment.macs, table).total,
               "mapping": str(segment.mapping)}
