"""``hwgen compile``: a network's program for an accelerator, as files."""

import click

from ...compiler import save
from ...compiler.map import explain, given_mappings
from ...compiler.map.loop_nest import Nest
from ...files import check_folder, write_json
from ...host.fitting import fitted
from ...report.placement import Placement, nothing
from .. import reading
from ..options import accelerator, fuse, integer, json_report, memory, shapes
from ..progress import compiled
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 130                # of the table; a narrower terminal wraps it


@click.command()
@click.argument("model", type=click.Path())
@accelerator
@click.option("--mapping", "--override", "mappings", metavar="FILE.toml", multiple=True,
              help="Fields of the mappings that are given; may be repeated, the last wins.")
@click.option("--joined/--layerwise", default=True, show_default=True,
              help="One program for all layers between two host parts, or one for each.")
@fuse
@integer
@memory
@shapes
@reading.given
@click.option("--out", required=True, metavar="DIR", help="Where to write.")
@json_report
def command(model, accelerator, mappings, joined, fuse, integer, memory, shapes, texts, out,
            json_file):
    """Compile a quantised ONNX network for an accelerator.

    Writes program.bin (the memory image), manifest.json (placement of tensors and programs),
    program.h (the same for the driver in C), listing.txt (the commands, disassembled), mappings.txt
    (how each layer is mapped, and why) and mapping.toml (the same, for --mapping) into a folder,
    whole or not at all.
    """
    console, notes = consoles(json_file, width=_WIDTH)
    check_folder(out, save.IMAGE)
    config = accelerator.design().config
    with notes.status("reading the model"):
        read = reading.model(model, shapes, config, integer, texts)
    network, program = fitted(read, lambda network: compiled(
        network, config, notes, joined=joined, fuse=fuse, memory=memory,
        mappings=given_mappings.gather(mappings, config, layers=network.layers)))
    placement = Placement.of(network)
    if not program.segments:
        placement.print(console)
        notes.print(nothing(network), highlight=False, soft_wrap=True)
        if json_file:
            write_json(json_file, {"network": network.name, "placement": placement.to_dict()})
        return 1
    with notes.status("writing"):
        manifest = save.save(network, program, out)
    if json_file:
        write_json(json_file, manifest | {"placement": placement.to_dict()})
    console.print(explain.overview(f"{network.name} on {config.name}", [
        Nest.of(program, segment) for segment in program.segments]))
    placement.print(console)
    count = len(program.runs)
    console.print(f"{count} program{'s' if count > 1 else ''}, image {len(program.image):,} bytes, "
                  f"DRAM {program.memory_bytes:,} bytes; written to {out}", highlight=False,
                  soft_wrap=True)
