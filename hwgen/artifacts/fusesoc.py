"""The files that take the Verilog into other people's flows: a FuseSoC core and a file list."""

from .. import __version__

__all__ = ["core", "file_list"]


def core(config):
    """The CAPI2 core file: ``hwgen:accelerators:NAME``, with targets ``default`` and ``lint``."""
    return f"""CAPI=2:

name: hwgen:accelerators:{config.name}:{__version__}
description: >-
  Row-stationary CNN inference accelerator, {config.rows} x {config.cols} PEs,
  {config.glb_kib} KiB GLB, {config.bus_bits}-bit AXI4

filesets:
  rtl:
    files: [hwgen.v]
    file_type: verilogSource
  waivers:
    files: [hwgen.vlt]
    file_type: vlt

targets:
  default:
    filesets: [rtl]
    toplevel: hwgen
  lint:
    default_tool: verilator
    filesets: [rtl, waivers]
    toplevel: hwgen
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""


def file_list():
    """The file list for ``-F``: sources, relative to the list."""
    return "hwgen.v\n"
