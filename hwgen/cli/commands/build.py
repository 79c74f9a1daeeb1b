"""``hwgen build``: an accelerator's Verilog and all that goes with it."""

import json
from pathlib import Path

import click
from rich.console import Console

from ...artifacts import build, summary
from ...config import resolve
from ..options import configuration

__all__ = ["command"]


@click.command()
@configuration
@click.option("--out", metavar="DIR", help="Where to write.  [default: build/<name>]")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON, nothing else.")
def command(pe, preset, path, settings, out, as_json):
    """Generate an accelerator.

    Writes its Verilog, configuration, manifest, register map, command set, FuseSoC core and file
    list into a folder, whole or not at all, and prints a table of what was built.
    """
    config = resolve(preset_name=preset, path=path, pe=pe, settings=settings)
    folder = Path(out or f"build/{config.name}")
    manifest = build.build(config, folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **manifest}, indent=1))
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{config.name}[/]: {config.rows} x {config.cols} PEs, {config.glb_kib} KiB GLB "
        f"({config.cols} banks of {config.bank_depth} words), {config.bus_bits}-bit AXI4")
    console.print(summary.table(config, manifest["figures"]))
    console.print(f"written to {folder} (Verilog: {manifest['verilog']['bytes'] // 1000} KB, "
                  f"{len(manifest['verilog']['modules'])} modules)", soft_wrap=True)
