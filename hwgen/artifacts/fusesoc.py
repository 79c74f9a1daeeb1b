"""The files that take the Verilog into other people's flows: a FuseSoC core and a file list."""

from pathlib import Path

from .. import __version__

__all__ = ["core", "file_list", "smoke_test"]


def core(config, top="hwgen"):
    """The CAPI2 core file: ``hwgen:accelerators:NAME``, for FuseSoC 2.2 and newer.

    NAME is that of the configuration or, if its modules have a prefix, that of the ``top``.

    Its targets use Edalize's flows: ``lint`` (Verilator), ``sim`` (Icarus Verilog runs the smoke
    test) and ``synth`` (Yosys, for cells of the 7 series).
    """
    name = config.name if top == "hwgen" else top
    return f"""CAPI=2:

name: hwgen:accelerators:{name}:{__version__}
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
  smoke:
    files: [smoke.v]
    file_type: verilogSource

targets:
  default:
    filesets: [rtl]
    toplevel: {top}
  lint:
    filesets: [rtl, waivers]
    toplevel: {top}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
  sim:
    filesets: [rtl, smoke]
    toplevel: smoke
    flow: sim
    flow_options:
      tool: icarus
      vvp_options: [-N]
  synth:
    filesets: [rtl]
    toplevel: {top}
    flow: generic
    flow_options:
      tool: yosys
      arch: xilinx
      output_format: json
"""


def smoke_test(config, top="hwgen"):
    """The testbench of the target ``sim``: an error that the accelerator must report."""
    text = (Path(__file__).parent / "smoke.v").read_text()
    text = text.replace("BUS_BITS = 64", f"BUS_BITS = {config.bus_bits}")
    return text.replace("  hwgen dut (", f"  {top} dut (")


def file_list():
    """The file list for ``-F``: sources, relative to the list."""
    return "hwgen.v\n"
