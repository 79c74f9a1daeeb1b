"""Parameters: a lane's biases and scales, or tables, and what they make of a psum."""

from amaranth import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ....isa import store_modes
from ...block import Block
from ...common import command
from ...common.ram import Ram

__all__ = ["Parameters", "params_write"]


def params_write(config):
    """A write of bus word ``chunk`` of parameter word ``word``."""
    chunks = max(1, 64 * config.lanes // config.bus_bits)
    return data.StructLayout({"word": 12, "chunk": range(chunks), "data": config.bus_bits})


class Parameters(Block):
    """The parameter memory of one lane, and the sum or product that is requantised.

    A parameter word holds a bias and a scale, 32 bits each, in memories of their own. ``acc`` is
    the psum plus its channel's bias. In modes that need tables, of lanes that have them, the 256
    first words are two of them, and ``acc`` is the sum of an entry of each, or the product of their
    lowest 9 bits as signed numbers: the bias of word ``psum[7:0]`` and the scale of word
    ``psum[15:8]``. Sums wrap to 32 bits.

    Latency is :attr:`LATENCY` cycles, throughput one psum a cycle.

    Parameters
    ----------
    words : int
        Parameter words.
    tables : bool
        The lane has the modes that need tables.

    Members
    -------
    write_bias, write_scale : In(1)
        Write the bias, or the scale, of word ``write_word``: ``bias``, ``scale``.
    write_word : In(range(words))
    bias, scale : In(32)
    mode : In(MODE_BITS)
        Number of a :class:`~hwgen.isa.store_modes.StoreMode`, the same from a psum to its scale;
        if there are tables.
    common_scale : In(32)
        Scale in modes that need tables; if there are tables.
    psum, psum_word : In(32), In(range(words))
        A psum and its parameter word.
    acc : Out(signed(32))
        What to requantise, :attr:`LATENCY` cycles later.
    scale_word : In(range(words))
        Parameter word of the scale that is wanted in the next cycle.
    acc_scale : Out(32)
        That scale, or ``common_scale``.
    """

    #: Cycles from ``psum`` to ``acc``.
    LATENCY = 3

    def __init__(self, words, tables):
        self._words, self._tables = words, tables
        self.module_name = "parameters_with_tables" if tables else "parameters"
        word = range(words)
        super().__init__({
            "write_bias": In(1), "write_scale": In(1), "write_word": In(word),
            "bias": In(32), "scale": In(32),
            **({"mode": In(store_modes.MODE_BITS), "common_scale": In(32)} if tables else {}),
            "psum": In(32), "psum_word": In(word), "acc": Out(signed(32)),
            "scale_word": In(word), "acc_scale": Out(32),
        })

    def body(self, platform):
        m = Module()
        def memory(name, write, value):
            m.submodules[name] = memory = Ram(32, self._words)
            port = memory.write
            m.d.comb += [port.addr.eq(self.write_word), port.data.eq(value), port.en.eq(write)]
            return memory.read
        bias = memory("biases", self.write_bias, self.bias)
        scale = memory("scales", self.write_scale, self.scale)

        # 1: the memories. 2: the operands. 3: their sum.
        psum = Signal(32, reset_less=True)
        a = Signal(signed(32), reset_less=True)
        b = Signal(signed(32), reset_less=True)
        m.d.sync += [psum.eq(self.psum), a.eq(bias.data), b.eq(psum), self.acc.eq(a + b)]
        m.d.comb += [bias.addr.eq(self.psum_word), scale.addr.eq(self.scale_word),
                     self.acc_scale.eq(scale.data)]
        if self._tables:
            with m.If(command.is_mode(self.mode, lambda mode: mode.needs_tables)):
                m.d.comb += [bias.addr.eq(self.psum[:8]), scale.addr.eq(self.psum[8:16]),
                             self.acc_scale.eq(self.common_scale)]
                m.d.sync += b.eq(scale.data)
            with m.If(self.mode == store_modes.PRODUCT.number):
                m.d.sync += self.acc.eq(a[:9].as_signed() * b[:9].as_signed())
        return m
