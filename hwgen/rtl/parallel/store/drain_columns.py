"""Output columns of a STORE, and the psum columns of their windows."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from .drain_rows import smaller
from .windows import WINDOW_COLUMNS

__all__ = ["DrainColumns"]


class DrainColumns(Block):
    """Walks over the output columns of a row, and again for the next row; a window a cycle.

    Members
    -------
    command : In(512)
        STORE, as long as it runs.
    start : In(1)
        It runs from the next cycle on. The first window is there two cycles later.
    column : Out(stream.Signature(WINDOW_COLUMNS))
    """

    module_name = "drain_columns"

    def __init__(self, config):
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES), "start": In(1),
            "column": Out(stream.Signature(WINDOW_COLUMNS)),
        })

    def body(self, platform):
        m = Module()
        store = Signal(layout("STORE"))
        m.d.comb += store.eq(self.command)
        now = Signal(WINDOW_COLUMNS, reset_less=True)
        # Of the window after that: its first column while that is before the block, then 0 or more;
        # the block's columns from there on; its address within a strip.
        x = Signal(signed(8), reset_less=True)
        block = Signal(13, reset_less=True)
        address = Signal(16, reset_less=True)
        left = Signal(12, reset_less=True)         # windows of the row, with that one
        prime = Signal()                           # make the first window of a command
        advance = Signal()
        outside = x[-1]
        m.d.comb += [
            self.column.payload.eq(now),
            advance.eq(prime | (self.column.valid & self.column.ready)),
        ]
        with m.If(advance):
            m.d.sync += [
                self.column.valid.eq(1),
                now.address.eq(Mux(outside, 0, address)),
                now.count.eq(smaller((store.pool_s + Mux(outside, x, 0))[:5],
                                     Mux(outside, store.psum_cols, block)) - 1),
                now.last.eq(left == 1),
                block.eq(block - store.pool_v), address.eq(address + store.col_step),
                left.eq(left - 1),
            ]
            with m.If(outside):
                m.d.sync += x.eq(x + store.pool_v)
        with m.If(self.start | (advance & (left == 1))):
            m.d.sync += [x.eq(store.col0), block.eq(store.col_left), address.eq(store.col_first),
                         left.eq(store.out_cols)]
        m.d.sync += prime.eq(self.start)
        with m.If(self.start):
            m.d.sync += self.column.valid.eq(0)
        return m
