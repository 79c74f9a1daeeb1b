"""A lane's function tables: what becomes of each output code."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.ram import Ram

__all__ = ["FunctionTable"]


class FunctionTable(Block):
    """``value = table[code]``, or the code itself where no function is wanted.

    The tables of a lane stand in one memory of 32-bit words, four entries each, so that a bus word
    of any width is written at once.

    Latency is :attr:`LATENCY` cycles, throughput one code a cycle.

    Parameters
    ----------
    tables : int
        Tables of 256 entries: 1, 2, 4 or 8.

    Members
    -------
    write : In(1)
        Write entries ``4 * write_word`` to ``4 * write_word + 3`` of all tables, counted through:
        ``entries``, the lowest byte first.
    write_word : In(range(64 * tables))
    entries : In(32)
    function : In(FUNCTION_BITS)
        The table, its number modulo ``tables``; 0: none. The same from a code to its value.
    code : In(8)
    value : Out(8)
        :attr:`LATENCY` cycles later.
    """

    module_name = "function_table"

    #: Cycles from ``code`` to ``value``.
    LATENCY = 2

    def __init__(self, tables):
        self._tables = tables
        super().__init__({
            "write": In(1), "write_word": In(range(isa.FUNCTION_WRITES * tables)),
            "entries": In(32),
            "function": In(isa.FUNCTION_BITS), "code": In(8), "value": Out(8),
        })

    def body(self, platform):
        m = Module()
        m.submodules.memory = memory = Ram(32, isa.FUNCTION_WRITES * self._tables)
        write, read = memory.write, memory.read
        code = Signal(8, reset_less=True)
        table = self.function[:exact_log2(self._tables)]
        m.d.comb += [
            write.addr.eq(self.write_word), write.data.eq(self.entries), write.en.eq(self.write),
            read.addr.eq(Cat(self.code[2:], table)),
        ]
        m.d.sync += [
            code.eq(self.code),
            self.value.eq(Mux(self.function.any(), read.data.word_select(code[:2], 8), code)),
        ]
        return m
