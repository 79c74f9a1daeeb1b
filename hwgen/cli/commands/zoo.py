"""``hwgen zoo``: known networks with synthetic weights, quantised."""

import shutil
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import onnx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...errors import HwgenError
from ...files import check_target, write_json, write_whole
from ...network.quantiser import FORMATS, TYPES, quantise
from ...network.zoo import NETWORKS, architecture, photographs, synthesise
from ...network.zoo.layers import INPUT
from ..options import json_report
from ..terminal import consoles

__all__ = ["command"]

_QUANTISED = ("Add", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool",
              "Relu")


@click.command()
@click.argument("name", required=False)
@click.option("--out", metavar="MODEL.onnx", help="Write the quantised network.")
@click.option("--sample", metavar="FILE.npy", help="Write a photograph as the network's input.")
@click.option("--list", "listing", is_flag=True, help="Only list the networks.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Of weights and crops.")
@click.option("--sparsity", type=click.FloatRange(0, 1, max_open=True), default=0.0,
              show_default=True, help="Share of weights that are zero in each layer.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="qdq",
              show_default=True, help="How the file writes quantised layers.")
@click.option("--activations", type=click.Choice(list(TYPES)), default="uint8", show_default=True,
              help="Type of the activations; weights are int8.")
@click.option("--per-channel/--per-tensor", default=True, show_default=True,
              help="Weight scales for each filter or for each layer.")
@click.option("--lrn", is_flag=True,
              help="Keep the response normalisation of AlexNet and GoogLeNet.")
@click.option("--calibrate", "images", type=click.IntRange(1, 1000), default=4, show_default=True,
              help="Photographs over which the quantiser takes ranges.")
@json_report
def command(name, out, sample, listing, seed, sparsity, form, activations, per_channel, lrn, images,
            json_file):
    """Write the network NAME of the literature: true shapes, synthetic weights, quantised.

    ONNX Runtime's quantiser quantises it, calibrated on real photographs. The same options and
    packages give the same file.
    """
    console, notes = consoles(out, sample, json_file)
    if listing:
        if name or out or sample:
            raise HwgenError("--list stands alone: leave NAME, --out and --sample out.")
        _report([architecture(each).to_dict() for each in NETWORKS], console, json_file)
        return
    if not name:
        raise HwgenError(f"no network is named: choose among {', '.join(NETWORKS)}.")
    net = architecture(name, lrn=lrn)
    if not (out or sample):
        raise HwgenError("nothing is to be written: give --out MODEL.onnx, --sample FILE.npy or "
                         "both.")
    if lrn and not net.of("LRN"):
        raise HwgenError(f"--lrn is for alexnet and googlenet: {name} has no response "
                         f"normalisation.")
    for option, path in ("--out", out), ("--sample", sample):
        check_target(option, path)
    began = time.perf_counter()
    row = {**net.to_dict(), "seed": seed, "sparsity": sparsity, "format": form,
           "activations": activations, "per_channel": per_channel, "lrn": lrn, "images": images}
    if out:
        pictures = [_input(net, pixels)
                    for pixels in photographs.crops(images, net.picture, seed)]
        try:
            with _progress(notes) as progress, \
                    tempfile.TemporaryDirectory(prefix="hwgen-zoo-") as folder:
                drawing = progress.add_task("weights", total=len(net.layers))

                def begun(layer):
                    progress.update(drawing, advance=1, description=f"weights of {layer}")

                source, target = Path(folder, "float.onnx"), Path(folder, "quantised.onnx")
                onnx.save(synthesise(net, pictures, seed=seed, sparsity=sparsity, progress=begun),
                          source)
                progress.update(drawing, description="weights")
                quantising = progress.add_task("quantising", total=None)
                quantise(source, target, ({INPUT: picture} for picture in pictures), _QUANTISED,
                         form=form, activations=activations, per_channel=per_channel)
                with open(target, "rb") as file:
                    write_whole(out, lambda whole: shutil.copyfileobj(file, whole))
                progress.update(quantising, total=1, completed=1)
                row["bytes"] = target.stat().st_size
        except OSError as error:
            raise HwgenError(f"{name} cannot be made in the temporary folder "
                             f"{tempfile.gettempdir()}: {error.strerror}; set TMPDIR to another "
                             f"one.") from None
    if sample:
        picture = _input(net, photographs.centre(0, net.picture))
        write_whole(sample, lambda file: np.save(file, picture))
    row["seconds"] = time.perf_counter() - began
    _report([row], console, json_file)


def _input(net, pixels):
    """A photograph as a network's input."""
    return photographs.normalise(pixels).reshape(1, *net.input.shape)


def _progress(console):
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeElapsedColumn(), console=console)


def _report(rows, console, json_file):
    """The table on stdout, and as JSON."""
    table = Table(title="networks of the zoo" if len(rows) > 1 else None)
    for heading in ("network", "input", "CONV", "weights", "MACs", "FC", "weights"):
        table.add_column(heading, justify="left" if heading in ("network", "input") else "right")
    for row in rows:
        table.add_row(row["network"], "x".join(map(str, row["input"][1:])),
                      str(row["conv_layers"]), _short(row["conv_weights"]),
                      _short(row["conv_macs"]), str(row["fc_layers"]), _short(row["fc_weights"]))
    console.print(table)
    if "bytes" in rows[0]:
        console.print(f"{rows[0]['bytes']:,} bytes in {rows[0]['seconds']:.1f} s", highlight=False)
    if json_file:
        write_json(json_file, {"networks": rows})


def _short(number):
    """Four digits, with k, M or G."""
    for unit, name in (1e9, " G"), (1e6, " M"), (1e3, " k"):
        if number >= unit:
            return f"{number / unit:.4g}{name}"
    return str(number)
