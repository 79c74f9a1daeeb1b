"""``hwgen disassemble``: the commands of a compiled network as text."""

import click

from ...compiler import save
from ...errors import HwgenError
from ...files import is_standard_output, write_json
from ...isa import disassemble as listing
from ..options import json_report

__all__ = ["command"]


@click.command()
@click.argument("program", type=click.Path(), metavar="DIR|IMAGE.bin")
@click.option("--layer", metavar="NAME",
              help="Only the program that this layer is in, of a folder.")
@json_report
def command(program, layer, json_file):
    """Print the commands of a network that 'hwgen compile' wrote into DIR, or of a memory image.

    A line is an address, a command and its fields that are not zero.
    """
    aside = is_standard_output(json_file)
    image, manifest, config = save.load(program)
    if manifest:
        layers: dict[int, list[str]] = {}       # by their program
        for segment in manifest["segments"]:
            layers.setdefault(segment["offset"], []).append(segment["name"])
    else:
        layers = {at: [f"program at 0x{at:08x}"] for at, _ in listing.programs(image)}
    chosen = [(", ".join(names), at) for at, names in layers.items()
              if layer is None or layer in names]
    if layer is not None and not chosen:
        raise HwgenError(f"--layer {layer!r} is not in {program}, which has "
                         f"{', '.join(name for names in layers.values() for name in names)}.")
    if json_file:
        report = [{"name": name, "offset": at,
                   "commands": [{"address": address, "command": command, "fields": fields}
                                for address, command, fields in listing.commands(image, at)]}
                  for name, at in chosen]
        write_json(json_file, report)
    for name, at in chosen:
        click.echo(f"; {name}", err=aside)
        for line in listing.listing(image, at, config):
            click.echo(line, err=aside)
