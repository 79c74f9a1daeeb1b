"""The Verilog of an accelerator."""

import gc
import textwrap

from .. import __version__
from ..rtl.top import Top
from .emitter import Emitter

__all__ = ["generate"]


def generate(config):
    """The Verilog of the accelerator of ``config``: every module once, leaves first.

    The text depends on the configuration and on the version of hwgen alone: it is the same on
    every run and machine.
    """
    lines = (f"hwgen {__version__}: configuration {config.name}, hash 0x{config.hash:08X}",
             f"{config.rows} x {config.cols} PEs, {config.glb_kib} KiB GLB, "
             f"{config.bus_bits}-bit AXI4",
             "Generated; the parameters are in config.toml.")
    header = textwrap.indent("\n".join(lines), "// ")
    collecting = gc.isenabled()
    gc.disable()        # Amaranth keeps what it allocates; looking through it takes a third longer
    try:
        modules = Emitter().emit(Top(config))
    finally:
        if collecting:
            gc.enable()
    return "\n".join([header + "\n", *modules.values()])
