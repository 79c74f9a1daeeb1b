"""``hwgen run``: a network on a simulated accelerator, every tensor compared."""

import json
import time

import click
import numpy as np
from rich.console import Console

from ..compiler import compile_network
from ..config import resolve
from ..errors import HwgenError
from ..files import check_target, write_whole
from ..model import golden, onnx_import
from ..model.reference import Reference
from ..runtime import inputs as input_files
from ..runtime.driver import SimulationError
from ..runtime.hardware import built, generated
from ..runtime.report import Report
from ..runtime.session import golden_layers
from ..runtime.simulators import SIMULATORS, prepare, simulate

__all__ = ["command"]


def _numbers(context, parameter, text):
    """``--mean`` and ``--std``: numbers separated by commas."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise HwgenError(f"{parameter.opts[0]} {text!r} is not a list of numbers: write one, or "
                         f"one a channel, separated by commas.") from None


@click.command()
@click.argument("model", type=click.Path())
@click.option("--input", "input_file", required=True, metavar="FILE",
              help="Input: .npy, .npz or an image.")
@click.option("--pe", metavar="RxC", help="Shape of the PE array.  [default: 12x14]")
@click.option("--build", "build_folder", metavar="DIR",
              help="Run on the accelerator that 'hwgen build' wrote there.")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True,
              help="What computes: the RTL in a simulator, or the golden model alone.")
@click.option("--output", "output_file", metavar="OUT.npz",
              help="Write every layer's output and the network's outputs.")
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON.")
@click.option("--mean", callback=_numbers, default="", metavar="M[,M,M]",
              help="For images: subtracted from pixel / 255.")
@click.option("--std", callback=_numbers, default="", metavar="S[,S,S]",
              help="For images: divides what is left.")
def command(model, input_file, pe, build_folder, sim, output_file, json_file, mean, std):
    """Run a quantised ONNX network, layer by layer, on a simulated accelerator.

    The whole output tensor of every layer is compared with the golden model and with ONNX Runtime.
    Exit code 0: all equal; 1: a difference, or the accelerator stopped; 2: bad input.
    """
    console, notes = Console(), Console(stderr=True)
    if pe and build_folder:
        raise HwgenError("--pe and --build exclude each other: a built accelerator has its shape.")
    check_target("--output", output_file)
    check_target("--json", json_file)
    design = built(build_folder) if build_folder and sim != "golden" else None
    config = design.config if design else resolve(pe=pe)
    network = onnx_import.load(model, input_files.shapes(input_file),
                               elementwise=config.elementwise)
    inputs = input_files.load(input_file, network, mean=mean, std=std,
                              notice=lambda text: notes.print(f"note: {text}", highlight=False))
    expected = golden.run(network, inputs)
    if design is None and sim != "golden":
        design = generated(config)
    for array in inputs.values():
        shown = input_files.picture(array)
        if shown:
            console.print(shown, highlight=False, markup=False)
    with notes.status("ONNX Runtime"):
        reference_values = Reference(model, network).run(inputs)
    if design is None:
        began = time.perf_counter()
        layers, values = list(golden_layers(network, expected)), expected
        seconds = time.perf_counter() - began
    else:
        with notes.status("compiling the network"):
            program = compile_network(network, design.config)
        start = prepare(sim, design.verilog, console=notes)
        try:
            with start(program.memory_bytes) as bus:
                layers, values, seconds = simulate(network, program, inputs, bus, console=notes)
        except SimulationError as error:
            where = f" in layer {error.layer!r}" if error.layer else ""
            notes.print(f"[bold red]stopped[/]{where}: {error}", highlight=False)
            return 1
    report = Report(network, design and design.config, sim, layers, values, expected,
                    reference_values, seconds)
    console.print(report.table())
    if design is not None:
        console.print(f"{sum(layer.cycles for layer in layers):,} cycles in {seconds:.1f} s of "
                      f"simulation", highlight=False)
    for line in report.outputs():
        console.print(line, highlight=False, markup=False)
    if output_file:
        tensors = {layer.tensor: layer.value for layer in layers}
        tensors.update({name: values[name] for name in network.outputs})
        write_whole(output_file, lambda file: np.savez_compressed(file, **tensors))
    if json_file:
        write_whole(json_file, lambda file: file.write(
            json.dumps(report.to_dict(), indent=1).encode() + b"\n"))
    found = report.differences()
    for line in found:
        console.print(f"[bold red]different[/]: {line}", highlight=False)
    return 1 if found else 0
