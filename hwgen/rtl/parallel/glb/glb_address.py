"""Arithmetic on GLB addresses, which are mixed-radix numbers (see ``hwgen.isa``)."""

from amaranth import Cat, Const, Mux, Signal
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
    a, b : view of GLB_ADDRESS
    carry : value
        One more ifmap word, 0 or 1.
    """
    total = Signal(GLB_ADDRESS)
    for i in range(exact_log2(config.subwords)):
        x, y = a.sub[i], b.sub[i]
        m.d.comb += total.sub[i].eq(x ^ y ^ carry)
        carry = (x & y) | (x & carry) | (y & carry)

    # The bank less ``cols`` is summed beside the bank, in carry-save form, not after it.
    bank = Signal(6)
    wrapped = Signal(7)
    cols = Const(-config.cols, 7)
    partial = a.bank ^ b.bank ^ cols
    carries = (a.bank & b.bank) | (cols & (a.bank | b.bank))
    wrap = ~wrapped[-1]
    # So are both sums of the offsets, without and with the carry that the bank gives.
    bits = ceil_log2(config.bank_depth)
    one = Const(1, 1)
    off = Signal(bits)
    next_off = Signal(bits)
    m.d.comb += [
        bank.eq(a.bank + b.bank + carry),
        wrapped.eq(partial + (carries << 1) + carry),
        total.bank.eq(Mux(wrap, wrapped, bank)),
        off.eq(a.off + b.off),
        next_off.eq((Cat(one, a.off) + Cat(one, b.off))[1:]),
        total.off.eq(Mux(wrap, next_off, off)),
    ]
    return total
