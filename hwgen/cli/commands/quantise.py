"""``hwgen quantise``: a float network made one that the accelerator runs."""

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...files import check_target, write_json
from ...host.inputs import Preprocessing
from ...network.quantiser import FORMATS, TYPES
from ...quantisation import quantise
from ..options import json_report, preprocessing, shapes
from ..terminal import consoles

__all__ = ["command"]


@click.command()
@click.argument("model", type=click.Path(), metavar="FLOAT.onnx")
@click.argument("more", nargs=-1, type=click.Path(), metavar="")
@click.option("--calibrate", multiple=True, metavar="DIR|FILE...",
              help="Samples: images, .npy, .npz (inputs by name), or folders of them.")
@click.option("--out", required=True, metavar="Q.onnx", help="Write the quantised network.")
@click.option("--activations", type=click.Choice(list(TYPES)), default="uint8", show_default=True,
              help="Type of the activations; weights are int8.")
@click.option("--per-tensor", is_flag=True,
              help="One weight scale for each layer rather than for each filter.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="qdq",
              show_default=True, help="How the file writes quantised layers.")
@click.option("--samples", type=click.IntRange(1), metavar="N",
              help="Use N of the samples, spread evenly.  [default: all]")
@shapes
@preprocessing
@json_report
def command(model, more, calibrate, out, activations, per_tensor, form, samples, shapes, json_file,
            **images):
    """Quantise the float network FLOAT.onnx to 8 bits, with ONNX Runtime's quantiser.

    Ranges are taken over the samples; then the quantised network runs on them beside the float one,
    and the table tells how near it is, and how much of it the accelerator computes. What becomes of
    images may also stand beside FLOAT.onnx, in FLOAT.preprocessing.toml.
    """
    console, notes = consoles(out, json_file)
    check_target("--out", out)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                  TimeElapsedColumn(), console=notes, transient=True,
                  disable=not notes.is_terminal) as bar:
        task = bar.add_task("reading the model", total=None)

        def progress(what, done, count):
            bar.update(task, description=what, completed=done, total=count)
        result = quantise(
            model, [*calibrate, *more], out, shapes=shapes, samples=samples, form=form,
            activations=activations, per_channel=not per_tensor, progress=progress,
            preprocessing=Preprocessing.beside(model, **images),
            notice=lambda text: notes.print(f"note: {text}", highlight=False))
    if json_file:
        write_json(json_file, {"model": model, "activations": activations, "format": form,
                               "per_channel": not per_tensor, **result.to_dict()})
    console.print(_table(result))
    console.print(f"{result.float_bytes:,} bytes of float, {len(result.model):,} quantised",
                  highlight=False)
    result.placement.print(console)


def _table(result):
    """A row for each output."""
    table = Table(title=f"quantised beside float, {result.samples} samples")
    table.add_column("output")
    for heading in "SQNR dB", "largest difference", "top-1 agreement":
        table.add_column(heading, justify="right")
    for name, output in result.outputs.items():
        table.add_row(
            name, "equal" if output.sqnr_db is None else f"{output.sqnr_db:.1f}",
            f"{output.largest_difference:.4g}",
            "-" if output.agreement is None else f"{100 * output.agreement:.1f} %")
    return table
