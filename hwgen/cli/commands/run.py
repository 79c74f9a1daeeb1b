"""``hwgen run``: a network on a simulated accelerator, every tensor compared."""

import time
from contextlib import nullcontext

import click
import numpy as np

from ...compiler.map import given_mappings
from ...errors import HwgenError
from ...files import check_target, write_json, write_whole
from ...host import inputs as input_files
from ...host.checkpoint import Checkpoint
from ...host.driver import SimulationError
from ...host.fitting import fitted
from ...host.network_runner import golden_layers
from ...host.trace import Trace
from ...importer import onnx_import
from ...importer.float_models import refuse_float
from ...importer.reference import Reference, deviations, in_float
from ...network import golden
from ...report.console import Report
from ...report.placement import Placement
from ...report.saved import hint
from ...simulate.simulators import SIMULATORS, prepare, simulate
from ..options import (
    accelerator,
    energy_table,
    fuse,
    integer,
    json_report,
    memory,
    preprocessing,
    tracing,
    waves,
)
from ..progress import compiled
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 100                # of the tables; a narrower terminal wraps them


@click.command()
@click.argument("model", type=click.Path())
@click.option("--input", "texts", required=True, multiple=True, metavar="[NAME=]FILE",
              help="Input: .npy, .npz or an image; several by name.")
@accelerator
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True,
              help="What computes: the RTL in a simulator, or the golden model alone.")
@click.option("--check", type=click.Choice(["layers", "outputs", "none"]), default="layers",
              show_default=True, help="What is compared: every layer with the golden model and "
              "ONNX Runtime, or the network's outputs with ONNX Runtime.")
@click.option("--resume", metavar="DIR",
              help="Keep finished layers there; go on behind those of an earlier run.")
@click.option("--joined/--layerwise", default=None,
              help="One program for all layers between two host parts; or one for each, which is "
              "slower, but all is counted for each.  [default: joined; with --resume or --layer, "
              "layerwise]")
@click.option("--mapping", "mappings", metavar="FILE.toml", multiple=True,
              help="Fields of the mappings that are given, see 'hwgen map'; may be repeated, the "
                   "last wins.")
@fuse
@integer
@memory
@click.option("--output", "output_file", metavar="OUT.npz",
              help="Write the network's outputs and every layer's, under their names in the model.")
@energy_table
@tracing
@waves
@json_report
@preprocessing
def command(model, texts, accelerator, sim, check, resume, joined, mappings, fuse, integer,
            memory, output_file, energies, trace_file, waves, json_file, **images):
    """Run a quantised ONNX network on a simulated accelerator, and compare every layer.

    What becomes of images may also stand beside MODEL.onnx, in MODEL.preprocessing.toml. Exit code
    0: all that is compared is equal; 1: a difference, or the accelerator stopped; 2: bad input.
    """
    console, notes = consoles(output_file, json_file, width=_WIDTH)
    for option, given in ("resume", resume), ("joined", joined), ("mapping", mappings), \
            ("waves", waves), ("trace", trace_file):
        if given and sim == "golden":
            raise HwgenError(f"--{option} is for simulations of the RTL: choose another --sim.")
    if resume and joined:
        raise HwgenError("--resume and --joined exclude each other: layers that are joined end "
                         "together.")
    if joined is None:
        joined = not resume and not (waves and waves.layer)
    check_target("--output", output_file)
    design = accelerator.design()
    config = design.config
    how = input_files.Preprocessing.beside(model, **images)
    files = input_files.named(texts)
    given = [f"--{key}" for key in ("layout", "resize") if images[key] is not None]
    if given and all(path.suffix in (".npy", ".npz") for _, path in files):
        raise HwgenError(f"{given[0]} is for images, and no --input is one: arrays are taken as "
                         f"they are.")
    shapes = input_files.shapes(files, model, how)
    read = onnx_import.Model(model, shapes, config.tables, integer=integer)
    refuse_float(read, model)
    inputs = golden.checked(read.graph, input_files.load(
        files, read.graph, how, notice=lambda text: notes.print(f"note: {text}", highlight=False)))
    if read.depends:
        read = onnx_import.Model(model, shapes, config.tables, integer=integer, sample=inputs)
    network = read.network()
    if sim == "golden":
        design = None
    else:
        network, program = fitted(read, lambda network: compiled(
            network, config, notes, joined=joined, fuse=fuse, memory=memory,
            mappings=given_mappings.gather(mappings, config, layers=network.layers)))
    for array in inputs.values():
        shown = input_files.picture(array)
        if shown and not console.options.ascii_only:
            console.print(shown, highlight=False, markup=False)
    references, apart, trace = {}, None, None
    if check == "layers" or sim == "golden":
        with notes.status("golden model"):
            began = time.perf_counter()
            expected = golden.run(network, inputs)
            seconds = time.perf_counter() - began
        if check == "layers":
            references["golden"] = expected
    if check != "none":
        with notes.status("ONNX Runtime"):
            reference = Reference(read, network, layers=check == "layers")
            references["onnxruntime"] = reference.run(inputs)
    if design is None:
        layers, values = list(golden_layers(network, expected)), expected
    else:
        trace = Trace() if trace_file else None
        kept = resume and Checkpoint(resume, network, program, inputs, sim)
        if kept and kept.layers:
            notes.print(f"note: {len(kept.layers)} layers are taken from {resume}.",
                        highlight=False)
        if waves:
            waves.check(program)
        start = prepare(sim, design.verilog, console=notes, waves=waves)
        try:
            with waves or nullcontext(), start(program.memory_bytes) as bus:
                layers, values, seconds = simulate(network, program, inputs, bus, console=notes,
                                                   checkpoint=kept, waves=waves, trace=trace)
        except SimulationError as error:
            where = f" in layer {error.layer!r}" if error.layer else ""
            notes.print(f"[bold red]stopped[/]{where}: {error}", highlight=False)
            return 1
    if check != "none":
        with notes.status("ONNX Runtime without options"):
            apart = _apart(read, network, inputs, values)
    report = Report(network, design and design.config, sim, layers, values, references, seconds,
                    apart, energies, design and program, trace and trace.samples)
    if trace_file:
        trace.write(trace_file, f"{network.name} on {design.config.name}")
    if output_file:
        tensors = {layer.tensor: layer.value for layer in layers if layer.table is None}
        tensors.update({name: values[name] for name in network.outputs})
        write_whole(output_file, lambda file: np.savez_compressed(file, **tensors))
    if json_file:
        write_json(json_file, report.to_dict())
    _show(console, report, network, json_file)
    found = report.differences()
    for line in found:
        console.print(f"[bold red]different[/]: {line}", highlight=False)
    return 1 if found else 0


def _show(console, report, network, json_file):
    """Print what was found."""
    console.print(report.table())
    if report.config:
        split = report.energy_split()
        if split:
            console.print(split)
        console.print(f"{sum(layer.cycles or 0 for layer in report.layers):,} cycles in "
                      f"{report.seconds:.1f} s of simulation", highlight=False)
        for line in report.notes():
            console.print(line, highlight=False, soft_wrap=True)
    Placement.of(network).print(console)
    for line in report.deviation():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in report.output_lines():
        console.print(line, highlight=False, markup=False)
    if report.config:
        console.print(hint(json_file), highlight=False, markup=False, soft_wrap=True)


def _apart(model, network, inputs, values):
    """How far the outputs are from those of a session without options; None if ONNX Runtime does
    not run the model without them."""
    try:
        return (*deviations(model, network, inputs, values), in_float(model))
    except HwgenError:
        return None
