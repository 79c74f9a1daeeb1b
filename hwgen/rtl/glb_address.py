"""GLB addresses as mixed-radix numbers: the adder that never divides.

See hwgen/isa.py: ``sub`` counts to ``subwords`` (a power of two), ``bank`` to ``cols``, ``off`` on.
"""

from amaranth import Mux, Signal
from amaranth.lib import data

from .. import isa

__all__ = ["LAYOUT", "ONE", "add"]

#: The 24 bits of a GLB address, as the commands hold them.
LAYOUT = data.StructLayout({"sub": 3, "bank": 5, "off": 16})


def ONE(config):
    """The address of ifmap word 1, for counting up."""
    return isa.glb_address(config, 1)


def add(m, config, a, b):
    """The sum of two GLB addresses, combinational, as a 24-bit signal."""
    left, right = Signal(LAYOUT), Signal(LAYOUT)
    total = Signal(LAYOUT)
    sub, bank = Signal(4), Signal(6)
    wrapped, carry = Signal(7), Signal()
    m.d.comb += [
        left.eq(a), right.eq(b),
        sub.eq(left.sub + right.sub),
        total.sub.eq(sub & (config.subwords - 1)),
        bank.eq(left.bank + right.bank + (sub >= config.subwords)),
        wrapped.eq(bank - config.cols),
        carry.eq(~wrapped[-1]),
        total.bank.eq(Mux(carry, wrapped, bank)),
        total.off.eq(left.off + right.off + carry),
    ]
    return total.as_value()
