"""``hwgen synth``: resources, and place and route, for FPGAs."""

import fnmatch
import json
from pathlib import Path

import click
import numpy as np

from ...compiler import compile_network
from ...errors import HwgenError
from ...files import check_folder, replacing, write_json
from ...host.layer_bench import layer_network
from ...network.shapes import NETWORKS
from ...synth import estimate as model
from ...synth.flow import synthesise
from ...synth.nextpnr import PLACERS
from ...synth.tables import Report
from ...synth.targets import TARGETS, target
from ...tools import find_nextpnr, find_yosys
from ..options import accelerator, json_report
from ..terminal import consoles

__all__ = ["command"]

_REPORT = "synth.json"
_WIDTH = 110                # of the tables; a narrower terminal wraps them


@click.command()
@accelerator
@click.option("--target", "name", metavar="NAME", required=True,
              help=f"One of {', '.join(TARGETS)}.")
@click.option("--pnr", is_flag=True, help="Place and route as well, with nextpnr.")
@click.option("--freq", type=click.FloatRange(1, 1000), metavar="MHZ",
              help="Clock to reach.  [default: the configuration's]")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True,
              help="Of the placement.")
@click.option("--placer", type=click.Choice(PLACERS), default=PLACERS[0], show_default=True,
              help="Of nextpnr; static spreads the logic evenly, for arrays that fill a device.")
@click.option("--estimate", is_flag=True, help="Answer at once, from a fitted model.")
@click.option("--out", metavar="DIR", help="Keep netlist, logs and bitstream in a folder.")
@json_report
def command(accelerator, name, pnr, freq, seed, placer, estimate, out, json_file):
    """Synthesise an accelerator, and place and route it.

    Prints resources by block, what each memory became, the clock and the critical path. Exit code
    0: it fits and reaches the clock; 1: it does not; 2: bad input, a missing tool, or an array
    that cannot fit.
    """
    device = target(name)
    check_folder(out, _REPORT)
    if estimate and (pnr or out):
        raise HwgenError("--estimate runs no tool: leave out --pnr and --out.")
    if pnr and device.family.nextpnr is None:
        raise HwgenError(f"--pnr: there is no place and route for {device.name}; leave it out.")
    design = accelerator.design(device.preset)
    config = design.config
    clock = freq or config.clock_mhz
    console, notes = consoles(json_file, width=_WIDTH)
    if estimate:
        result = model.estimate(config, device)
    else:
        find_yosys()
        if pnr:
            find_nextpnr(device.family.nextpnr)
        model.refuse(config, device)
        with notes.status("generating the Verilog") as status:
            result = synthesise(config, design.verilog, device, place=pnr, clock_mhz=clock,
                                seed=seed, placer=placer, keep=out is not None,
                                progress=status.update)
    report = Report(config, device, result, clock, _utilisation(config, notes))
    if out is not None:
        _keep(Path(out), report)
    if json_file:
        write_json(json_file, report.to_dict())
    for table in report.tables():
        console.print(table)
    for line in report.lines():
        console.print(line, highlight=False, markup=False)
    if report.fits is False:
        return 1
    if not report.clock_reached:
        notes.print(f"error: {result.fmax_mhz:.1f} MHz were reached, {clock:g} MHz asked for: see "
                    f"the critical path, or try other seeds with --seed.", highlight=False)
        return 1


def _keep(folder, report):
    """Write the run's files and the report into ``folder``, whole or not at all."""
    with replacing(folder, _REPORT) as new:
        for name, content in report.result.files.items():
            (new / name).write_bytes(content)
        (new / _REPORT).write_text(json.dumps(report.to_dict(), indent=1) + "\n")


def _utilisation(config, notes):
    """Useful share of the MAC slots over AlexNet's CONV layers, predicted; None if refused."""
    macs = cycles = 0
    with notes.status("compiling AlexNet's CONV layers"):
        for shape in NETWORKS["alexnet"]:
            if fnmatch.fnmatch(shape.name, "CONV*"):
                network, _ = layer_network(shape, 0.0, np.random.default_rng(1))
                try:
                    program = compile_network(network, config)
                except HwgenError:
                    return None
                macs += shape.count * shape.macs
                cycles += shape.count * program.segments[0].cycles
    return macs / (cycles * config.rows * config.cols)
