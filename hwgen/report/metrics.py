"""The survey's table of metrics for what was run: each figure, and how it was obtained.

Ref: V. Sze, Y.-H. Chen, T.-J. Yang, J. Emer, "Efficient Processing of Deep Neural Networks: A
Tutorial and Survey", Proc. IEEE 105(12), 2017, section VIII, table V.
"""

from collections.abc import Iterator
from typing import Any

from ..config import Config
from ..machines import machine_of
from ..synth.estimate import estimate
from ..synth.targets import TARGETS, Target
from .runs import Run

__all__ = ["METRICS_TARGET", "metrics"]

#: Where the area is of, if no target is named.
METRICS_TARGET = "ecp5-85f"


def metrics(run: Run, target: Target | None = None) -> list[dict[str, Any]]:
    """The rows of the table.

    Returns
    -------
    list of dict
        ``metric``, ``value`` (a number, text or None), ``unit`` and ``how`` it was obtained.

    Raises
    ------
    HwgenError
        There is no model of the accelerator on the target.
    """
    return [{"metric": metric, "value": value, "unit": unit, "how": how}
            for metric, value, unit, how in (
                *_accelerator(run, target or TARGETS[METRICS_TARGET]), *_network(run))]


def _accelerator(run, target) -> Iterator[tuple]:
    config = Config(**run.parameters)
    total = estimate(config, target).total
    multipliers = config.rows * config.cols
    memory = sum(count * words * width / 8 for entries in
                 machine_of(config).synthesis.memories(config).values()
                 for count, words, width in entries) / 1024
    modelled = f"model of synthesised designs, {target.title}"
    yield "accelerator", run.accelerator, "", "the result"
    yield "multipliers", multipliers, "", "configuration"
    yield "logic", total["logic_cells"], target.family.units["logic_cells"], modelled
    yield "logic a multiplier", round(total["logic_cells"] / multipliers, 1), \
        target.family.units["logic_cells"], modelled
    yield "on-chip memory", round(memory, 1), "KiB", "memories of the RTL, FIFOs included"
    yield "on-chip memory a multiplier", round(memory / multipliers, 3), "KiB", "the same"
    yield "clock", config.clock_mhz, "MHz", "configuration"


def _network(run) -> Iterator[tuple]:
    macs, cycles = run.total(lambda layer: layer.macs), run.total(lambda layer: layer.cycles)
    moved = run.total(lambda layer: layer.bytes)
    wrong = run.total(lambda layer: layer.mismatches)
    spent = run.layers[0].energy
    energy = run.total(lambda layer: layer.energy["total"])
    counted = "counters of the RTL, simulated" if run.measured else "cost model"
    moves = "counters of the RTL, simulated" if run.measured else "commands"
    mhz = run.parameters["clock_mhz"]
    yield "network", run.network, "", "the result"
    yield "layers", sum(layer.count for layer in run.layers), "", "those on the accelerator"
    yield "MACs an image", macs, "", "the network's shapes"
    yield "bits of weight, activation, psum", "8, 8, 32", "", "the accelerator"
    yield "batch", 1, "image", "the result"
    yield "cycles", cycles, "", counted
    if cycles:
        yield "time", round(cycles / mhz / 1e3, 4), "ms", f"{counted}, at the clock"
        yield "throughput", round(mhz * 1e6 / cycles, 2), "images/s", "1 / time"
        yield "MACs a cycle", round(macs / cycles, 2), "", "MACs / cycles"
        yield "utilisation of the multipliers", round(100 * macs / cycles / run.pes, 2), "%", \
            "MACs a cycle / multipliers"
    yield "DRAM traffic an image", round(moved / 1e6, 4), "MB", moves
    yield "DRAM bytes a MAC", round(moved / macs, 5) if macs else None, "", "traffic / MACs"
    yield "energy", energy, spent["unit"], f"{moves}, priced by {spent['table']}"
    yield "energy a MAC", round(energy / macs, 3) if macs else None, spent["unit"], \
        "energy / MACs"
    yield "outputs that differ", wrong, "", \
        "compared with the references, bit by bit" if run.measured else "not run"
    yield "accuracy", None, "", "that of ONNX Runtime, if no output differs"
