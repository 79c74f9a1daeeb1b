"""Does the RTL keep what the model promises? Points of the front, simulated and synthesised."""

from io import StringIO

import numpy as np
from rich.console import Console

from ..compiler import compile_network
from ..errors import HwgenError
from ..host.driver import Driver, SimulationError
from ..host.layer_bench import bench_layer
from ..host.network_runner import collect, difference, execute
from ..network import golden
from ..simulate.dram import Dram
from ..simulate.simulators import prepare
from ..synth.estimate import estimate
from ..synth.flow import synthesise
from ..verilog.accelerator import generate
from .evaluate import chosen_layers, fitted_network

__all__ = ["measure", "spread", "synthesised"]

_SEED = 1
_ZEROS = 0.4                # share of the inputs of known networks


def spread(front, goals, count):
    """``count`` points of a front that differ most: the best in the first objective, then each that
    is farthest from those taken, with each objective's range counted as 1.

    Parameters
    ----------
    front : list of (Config, dict, str)
    goals : dict of str to bool
    count : int

    Returns
    -------
    list of (Config, dict, str)
    """
    if not front:
        return []
    values = np.array([[metrics[name] for name in goals] for _, metrics, _ in front], float)
    values = (values - values.min(axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-12)
    taken = [0]
    while len(taken) < min(count, len(front)):
        distance = np.min([np.abs(values - values[i]).sum(axis=1) for i in taken], axis=0)
        distance[taken] = -1
        taken.append(int(distance.argmax()))
    return [front[i] for i in taken]


def measure(job, point):
    """Run every layer of every network on the RTL of a point.

    Returns
    -------
    dict
        ``point``; ``layers``, each with ``network``, ``layer``, ``count``, ``predicted``,
        ``cycles`` and ``mismatches`` against the golden model; or ``failed``, a sentence.
    """
    config, layers = job.space.config(point), []
    start = prepare("verilator", generate(config), console=Console(file=StringIO()))
    dram = Dram(read_latency=job.space.timing.latency,
                total_bytes=job.space.timing.bytes_per_cycle)
    try:
        for workload, model in zip(job.space.workloads, job.models, strict=True):
            found = _known(workload, config, start, dram) if model is None else \
                _network(model, config, start, dram, job.space.timing)
            layers += [{"network": workload.network, **layer} for layer in found]
    except (HwgenError, SimulationError) as error:
        return {"point": point, "failed": str(error)}
    return {"point": point, "layers": layers}


def _known(workload, config, start, dram):
    for shape in chosen_layers(workload):
        result = bench_layer(workload.network, shape, config, start, sparsity=_ZEROS, seed=_SEED,
                             dram=dram)
        yield {"layer": shape.name, "count": shape.count, "predicted": result.predicted,
               "cycles": result.cycles, "mismatches": result.mismatches}


def _network(model, config, start, dram, timing):
    network, program = fitted_network(
        model, config, lambda network: compile_network(network, config, timing=timing))
    rng = np.random.default_rng(_SEED)
    inputs = {name: (rng.integers(0, 256, shape).astype(dtype) if dtype.kind in "ui" else
                     rng.standard_normal(shape).astype(dtype))
              for name, (shape, dtype) in network.inputs.items()}
    expected = golden.run(network, inputs)
    with start(program.memory_bytes, dram=dram) as bus:
        results, _ = collect(execute(network, program, Driver(bus, config), inputs))
    for result in results:
        if result.counters:
            wrong = difference(result.value, expected[result.tensor])
            yield {"layer": result.name, "count": 1, "predicted": result.predicted,
                   "cycles": result.cycles, "mismatches": wrong.count if wrong else 0}


def synthesised(config, target, progress):
    """``(estimated, found)`` logic cells of a configuration on a target."""
    found = synthesise(config, generate(config), target, progress=progress)
    return estimate(config, target).total["logic_cells"], found.total["logic_cells"]
