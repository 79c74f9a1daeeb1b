"""Arithmetic on GLB addresses, which are mixed-radix numbers (see ``hwgen.isa``)."""

from amaranth import Mux, Signal
from amaranth.lib import data
from amaranth.utils import ceil_log2, exact_log2

__all__ = ["GLB_ADDRESS", "glb_write", "add"]

#: A GLB address: ifmap word in a bank word, bank, bank word.
GLB_ADDRESS = data.StructLayout({"sub": 3, "bank": 5, "off": 16})


def glb_write(config):
    """A masked write of one ifmap word: GLB address, the word, a bit for each byte."""
    return data.StructLayout({"addr": GLB_ADDRESS.size, "data": config.bus_bits,
                              "mask": config.bus_bytes})


def add(m, config, a, b, carry=0):
    """The sum of two GLB addresses (or of an address and a stride) and a carry, as a signal.

    Combinational. ``sub`` counts to ``config.subwords`` and ``bank`` to ``config.cols``; ``off`` is
    kept to the bits that address a bank, so a sum beyond the GLB wraps.

    Parameters
    ----------
    m : amaranth.Module
        Where the adder goes.
    a, b : GLB_ADDRESS
    carry : value
        One more ifmap word, 0 or 1: ``add(m, config, a, 0, 1)`` is an increment.
    """
    a = data.View(GLB_ADDRESS, a) if not isinstance(a, data.View) else a
    b = data.View(GLB_ADDRESS, b) if not isinstance(b, data.View) else b
    total = Signal(GLB_ADDRESS)
    sub_bits = exact_log2(config.subwords)
    off_bits = ceil_log2(config.bank_depth)

    sub = Signal(sub_bits + 1)
    bank = Signal(6)
    wrap = Signal()
    m.d.comb += [
        sub.eq(a.sub[:sub_bits] + b.sub[:sub_bits] + carry),
        bank.eq(a.bank + b.bank + sub[-1]),
        wrap.eq(bank >= config.cols),
        total.sub.eq(sub[:-1]),
        total.bank.eq(Mux(wrap, bank - config.cols, bank)),
        total.off.eq((a.off + b.off + wrap)[:off_bits]),
    ]
    return total
