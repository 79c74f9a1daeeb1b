"""``hwgen verify``: random layers on the RTL, the golden model and ONNX Runtime."""

import json

import click
from rich.console import Console

from ..compiler import compile_network
from ..config import resolve
from ..errors import HwgenError
from ..model import golden, onnx_import
from ..model.reference import Reference
from ..runtime.driver import Driver, SimulationError
from ..runtime.fuzz import random_case
from ..runtime.fuzz_graphs import random_graph
from ..runtime.hardware import generated
from ..runtime.session import difference, execute
from ..runtime.simulators import SIMULATORS, prepare

__all__ = ["command"]

# Multiply-accumulates of a layer: a bound for each PE, and one for all.
_BOUNDS = {"verilator": (20_000, 2_000_000), "icarus": (300, 20_000), "golden": (20_000, 2_000_000)}


@click.command()
@click.option("--count", type=click.IntRange(1), default=20, show_default=True,
              help="Random layers.")
@click.option("--graphs", is_flag=True, help="Random graphs of layers of all kinds instead.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Seed of the first layer; each next one has the next seed.")
@click.option("--pe", metavar="RxC", default="12x14", show_default=True,
              help="Shape of the PE array.")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True,
              help="What computes beside ONNX Runtime: the RTL, or the golden model alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(count, graphs, seed, pe, sim, as_json):
    """Compare random layers on the RTL with the golden model, and that with ONNX Runtime.

    The memory behind the RTL has random latency and stalls. Exit code 0: all equal; 1: something
    differs, and the command that repeats just that is printed; 2: bad input.
    """
    console, notes = Console(quiet=as_json), Console(stderr=True)
    config = resolve(pe=pe)
    each, most = _BOUNDS[sim]
    bound = min(each * config.rows * config.cols, most)
    start = None
    if sim != "golden":
        start = prepare(sim, generated(config).verilog, console=notes)
    what, make = ("graphs", random_graph) if graphs else ("layers", random_case)
    console.print(f"verify: {count} {what}, seeds {seed} to {seed + count - 1}, "
                  f"{config.name}, {sim}", highlight=False)
    results = []
    for index in range(seed, seed + count):
        case = make(index, bound)
        repeat = f"python -m hwgen verify --count 1 --seed {index} --pe {pe} --sim {sim}" \
            + (" --graphs" if graphs else "")
        failures, refused, cycles = [], None, None
        with notes.status(f"{index - seed + 1}/{count}: {case.text}"):
            try:
                failures, cycles = _check(case, config, start)
            except HwgenError as error:
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
        elif refused:
            console.print(f"seed {index}: {case.text}\n  refused: {refused}", highlight=False,
                          markup=False)
    failed = sum(bool(result["failures"]) for result in results)
    refused = sum(bool(result["refused"]) for result in results)
    if as_json:
        click.echo(json.dumps({"pe": pe, "sim": sim, "count": count, "seed": seed,
                               "failed": failed, "refused": refused, "layers": results}, indent=1))
    console.print(f"{count - failed - refused} equal, {failed} different, {refused} refused",
                  highlight=False)
    return 1 if failed else 0


def _check(case, config, start):
    """``(failures, cycles)`` of a case; ``start`` starts a simulation, None is the golden model."""
    network = onnx_import.load(case.model, elementwise=config.elementwise)
    expected = golden.run(network, case.inputs)
    reference = Reference(case.model, network).run(case.inputs)
    failures = []
    for name, value in reference.items():
        found = difference(expected[name], value)
        if found:
            failures.append(f"{name}, golden model against ONNX Runtime: {found}")
    if start is None:
        return failures, None
    program = compile_network(network, config)
    cycles = 0
    with start(program.memory_bytes, dram=case.dram) as bus:
        for layer in execute(network, program, Driver(bus, config), case.inputs):
            cycles += layer.cycles
            found = difference(layer.value, expected[layer.tensor])
            if found:
                failures.append(f"{layer.tensor}, RTL against golden model: {found}")
    return failures, cycles
