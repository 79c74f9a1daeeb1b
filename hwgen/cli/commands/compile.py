"""``hwgen compile``: a network's program for an accelerator, as files."""

import click

from ...compiler import save
from ...compiler.map import explain
from ...compiler.map import given_mappings as override
from ...compiler.map.loop_nest import Nest
from ...config import resolve
from ...errors import HwgenError
from ...files import check_folder, check_target, write_json
from ...host.fitting import fitted
from ...importer import onnx_import
from ...report.placement import Placement, nothing
from ...simulate.hardware import built
from ..options import integer, memory, shapes
from ..progress import compiled
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 130                # of the table; a narrower terminal wraps it


@click.command()
@click.argument("model", type=click.Path())
@click.option("--pe", metavar="RxC", help="Shape of the PE array.  [default: 12x14]")
@click.option("--build", "build_folder", metavar="DIR",
              help="For the accelerator that 'hwgen build' wrote there.")
@click.option("--mapping", "--override", "mappings", metavar="FILE.toml", multiple=True,
              help="Fields of the mappings that are given; may be repeated, the last wins.")
@click.option("--joined", is_flag=True,
              help="One program for all layers between two host parts: faster, counted together.")
@integer
@memory
@shapes
@click.option("--out", required=True, metavar="DIR", help="Where to write.")
@click.option("--json", "json_file", metavar="FILE", help="Write the manifest there, too.")
def command(model, pe, build_folder, mappings, joined, integer, memory, shapes, out,
            json_file):
    """Compile a quantised ONNX network for an accelerator.

    Writes program.bin (the memory image), manifest.json (placement of tensors and programs),
    program.h (the same for the driver in C), listing.txt (the commands, disassembled), mappings.txt
    (how each layer is mapped, and why) and mapping.toml (the same, for --mapping) into a folder,
    whole or not at all.
    """
    console, notes = consoles(json_file, width=_WIDTH)
    if pe and build_folder:
        raise HwgenError("--pe and --build exclude each other: a built accelerator has its shape.")
    check_target("--json", json_file)
    check_folder(out, save.IMAGE)
    config = built(build_folder).config if build_folder else resolve(pe=pe)
    with notes.status("reading the model"):
        read = onnx_import.Model(model, shapes, config.tables, integer=integer)
    network, program = fitted(read, lambda network: compiled(
        network, config, notes, mappings=override.gather(mappings, config, layers=network.layers),
        joined=joined, memory=memory))
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
        Nest.of(segment, config) for segment in program.segments]))
    placement.print(console)
    console.print(f"{len(program.runs)} programs, image {len(program.image):,} bytes, DRAM "
                  f"{program.memory_bytes:,} bytes; written to {out}", highlight=False,
                  soft_wrap=True)
