"""``hwgen verify``: random layers and graphs on the RTL, the golden model and ONNX Runtime."""

import itertools
import time
from contextlib import nullcontext
from pathlib import Path

import click
import numpy as np

from ...compiler import compile_network
from ...errors import HwgenError
from ...files import replacing, write_json
from ...host.driver import Driver, SimulationError
from ...host.fitting import fitted
from ...host.network_runner import collect, difference, execute
from ...importer import onnx_import
from ...importer.reference import Reference
from ...network import golden
from ...simulate.simulators import SIMULATORS, prepare
from ...verify.random_graphs import random_graph
from ...verify.random_layers import random_case
from ..options import accelerator, json_report, waves
from ..terminal import consoles

__all__ = ["command"]

# Multiply-accumulates of a case: a bound for each PE, and one for all.
_BOUNDS = {"verilator": (20_000, 2_000_000), "icarus": (300, 20_000), "golden": (20_000, 2_000_000)}
_GRAPH = 20                 # times fewer for graphs, so that there are many


@click.command()
@click.option("--count", type=click.IntRange(1), help="Random layers or graphs.  [default: 20]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="M",
              help="Go on for so long, in place of --count.")
@click.option("--graphs", is_flag=True, help="Random graphs of layers of all kinds instead.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Seed of the first layer; each next one has the next seed.")
@accelerator
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True,
              help="What computes beside ONNX Runtime: the RTL, or the golden model alone.")
@click.option("--save", metavar="DIR", default="failures", show_default=True,
              help="Where each failing case gets a folder: model, inputs, and what happened.")
@waves
@json_report
def command(count, minutes, graphs, seed, accelerator, sim, save, waves, json_file):
    """Compare random layers on the RTL with the golden model, and that with ONNX Runtime.

    The memory behind the RTL has random latency and stalls. Exit code 0: all equal; 1: something
    differs, and the command that repeats just that is printed; 2: bad input.
    """
    console, notes = consoles(json_file)
    if count and minutes:
        raise HwgenError("--count and --minutes exclude each other: give one of them.")
    if waves and sim == "golden":
        raise HwgenError("--waves is for simulations of the RTL: choose another --sim.")
    if waves and count != 1:
        raise HwgenError("--waves records one simulation: give --count 1 and its --seed.")
    design = accelerator.design()
    config = design.config
    each, most = _BOUNDS[sim]
    bound = min(each * config.rows * config.cols, most) // (_GRAPH if graphs else 1)
    start = None
    if sim != "golden":
        start = prepare(sim, design.verilog, console=notes, waves=waves)
    what, make = ("graphs", random_graph) if graphs else ("layers", random_case)
    seeds = itertools.count(seed) if minutes else range(seed, seed + (count or 20))
    span = f"from {seed} on, for {minutes:g} minutes" if minutes else f"{seed} to {seeds[-1]}"
    console.print(f"verify: {'' if minutes else f'{len(seeds)} '}{what}, seeds {span}, "
                  f"{config.name}, {sim}", highlight=False)
    end, results = time.monotonic() + 60 * (minutes or 0), []
    for index in seeds:
        if minutes and time.monotonic() >= end:
            break
        case = make(index, bound)
        machine = f"{accelerator.arguments} --sim {sim}".strip()
        repeat = f"python -m hwgen verify --count 1 --seed {index} {machine}" \
            + " --graphs" * graphs
        failures, refused, cycles = [], None, None
        with notes.status(f"{index - seed + 1}{'' if minutes else f'/{len(seeds)}'}: {case.text}"):
            try:
                failures, cycles = _check(case, config, start, waves)
            except HwgenError as error:
                if waves:
                    raise
                refused = str(error)
            except SimulationError as error:
                failures = [str(error)]
        results.append({"seed": index, "layer": case.text, "cycles": cycles, "refused": refused,
                        "failures": failures, "repeat": repeat})
        if failures:
            console.print(f"[bold red]seed {index}[/]: {case.text}", highlight=False)
            for failure in failures:
                console.print(f"  {failure}", highlight=False, markup=False)
            console.print(f"  repeat: {repeat}", highlight=False, markup=False, soft_wrap=True)
            folder = _save(Path(save) / f"{'graph' if graphs else 'layer'}-{index}", case,
                           [f"seed {index}: {case.text}", *failures, f"repeat: {repeat}"])
            console.print(f"  run: python -m hwgen run {folder}/model.onnx --input "
                          f"{folder}/inputs.npz {machine}", highlight=False, markup=False,
                          soft_wrap=True)
        elif refused:
            console.print(f"seed {index}: {case.text}\n  refused: {refused}", highlight=False,
                          markup=False)
    failed = sum(bool(result["failures"]) for result in results)
    refused = sum(bool(result["refused"]) for result in results)
    if json_file:
        write_json(json_file, {
            "config": config.name, "pe": f"{config.rows}x{config.cols}", "sim": sim,
            "count": len(results), "seed": seed, "failed": failed, "refused": refused,
            "layers": results})
    console.print(f"{len(results) - failed - refused} equal, {failed} different, {refused} refused",
                  highlight=False)
    return 1 if failed else 0


def _save(folder, case, lines):
    """Keep a failing case in a folder: ``model.onnx``, ``inputs.npz``, ``failure.txt``."""
    with replacing(folder, "failure.txt", "--save") as new:
        (new / "model.onnx").write_bytes(case.model)
        np.savez_compressed(new / "inputs.npz", **case.inputs)
        (new / "failure.txt").write_text("\n".join(lines) + "\n")
    return folder


def _check(case, config, start, waves=None):
    """``(failures, cycles)`` of a case; ``start`` starts a simulation, None is the golden model."""
    model, program = onnx_import.Model(case.model, tables=config.tables), None
    if start is None:
        network = model.network()
    else:
        network, program = fitted(model, lambda network: compile_network(network, config))
    expected = golden.run(network, case.inputs)
    reference = Reference(model, network).run(case.inputs)
    failures = []

    def compare(name, what, got, wanted):
        found = difference(got, wanted)
        if found:
            failures.append(f"{name}, {what}: {found}")
    for name, value in reference.items():
        compare(name, "golden model against ONNX Runtime", expected[name], value)
    if start is None:
        return failures, None
    if waves:
        waves.check(program)
    with waves or nullcontext(), start(program.memory_bytes, dram=case.dram) as bus:
        layers, values = collect(execute(
            network, program, Driver(bus, config), case.inputs,
            starting=waves and (lambda run: bus.record(waves.wanted(run)))))
    for layer in layers:
        compare(layer.tensor, "RTL against golden model", layer.value, layer.expected(expected))
    for name in network.outputs:
        compare(name, "RTL against ONNX Runtime", values[name], reference[name])
    return failures, sum(layer.cycles for layer in layers)
