"""``hwgen build``: an accelerator's Verilog and all that goes with it."""

from pathlib import Path

import click

from ...artifacts import build, summary
from ...files import write_json
from ...verilog import prefix as prefixes
from ..options import accelerator, json_report
from ..terminal import consoles

__all__ = ["command"]


@click.command()
@accelerator
@click.option("--out", metavar="DIR", help="Where to write.  [default: build/<name>]")
@click.option("--prefix", metavar="[NAME]", is_flag=False, flag_value="",
              help="Begin the names of all modules with NAME_, so that several accelerators can "
                   "stand in one design; without NAME, with the configuration's name and hash.")
@json_report
def command(accelerator, out, prefix, json_file):
    """Generate an accelerator.

    Writes its Verilog, configuration, manifest, register map, command set, FuseSoC core and file
    list into a folder, whole or not at all, and prints a table of what was built.
    """
    console, _ = consoles(json_file)
    config = accelerator.design().config
    folder = Path(out or f"build/{config.name}")
    manifest = build.build(config, folder, prefixes.of(config) if prefix == "" else prefix)
    if json_file:
        write_json(json_file, {"folder": str(folder), **manifest})
    console.print(
        f"[bold]{config.name}[/]: {config.rows} x {config.cols} PEs, {config.glb_kib} KiB GLB "
        f"({config.cols} banks of {config.bank_depth} words), {config.bus_bits}-bit AXI4",
        highlight=False)
    console.print(summary.table(config, manifest["figures"]), highlight=False)
    console.print(f"written to {folder} (Verilog: {manifest['verilog']['bytes'] // 1000} KB, "
                  f"{len(manifest['verilog']['modules'])} modules)", soft_wrap=True,
                  highlight=False)
