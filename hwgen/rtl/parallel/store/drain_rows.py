"""Output rows of a STORE, and the psum rows of their windows."""

import enum

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from .windows import WINDOW_ROWS

__all__ = ["DrainRows", "smaller"]


class _State(enum.IntEnum):
    """Where the walk of the windows is."""
    IDLE = 0
    GROUP = 1
    ROW = 2


def smaller(window, block):
    """The smaller of two lengths, the first of which has 5 bits."""
    return Mux(~block[5:].any() & (block[:5] < window), block[:5], window)


class DrainRows(Block):
    """Walks over filter groups and output rows, a psum row a cycle, ahead of the reader.

    Members
    -------
    command : In(512)
        STORE, as long as it runs.
    start : In(1)
        It runs from the next cycle on.
    row : Out(stream.Signature(WINDOW_ROWS))
        The next output row. After one that was taken it costs ``pool_u + 1`` cycles, at a group's
        begin ``row0 + 2``.
    done : Out(1)
        All rows were taken.
    """

    module_name = "drain_rows"

    def __init__(self, config):
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES), "start": In(1),
            "row": Out(stream.Signature(WINDOW_ROWS)), "done": Out(1),
        })

    def body(self, platform):
        m = Module()
        store = Signal(layout("STORE"))
        m.d.comb += store.eq(self.command)
        strip = Signal(16, reset_less=True)
        bank = Signal(5, reset_less=True)
        first_bank = Signal(5, reset_less=True)
        last_bank = Signal(5, reset_less=True)
        above = Signal(8, reset_less=True)         # window rows above the block
        # Rows from the first one in the block on, less one: of the window, and of the block.
        reach = Signal(5, reset_less=True)
        left = Signal(14, reset_less=True)
        ahead = Signal(7, reset_less=True)         # psum rows still to walk
        rows_left = Signal(14, reset_less=True)    # output rows of this group
        groups = Signal(6, reset_less=True)        # filter groups to come
        row = self.row.payload
        m.d.comb += [
            row.strip.eq(strip), row.bank.eq(bank), row.first_bank.eq(first_bank),
            row.last_bank.eq(last_bank), row.count.eq(smaller(reach, left)),
            row.last_of_group.eq(rows_left == 1),
        ]
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.comb += self.done.eq(1)
                m.d.sync += [
                    groups.eq(store.groups),
                    first_bank.eq(store.bank),
                    last_bank.eq(store.bank + store.e - 1),
                ]
                with m.If(self.start):
                    m.d.sync += state.eq(_State.GROUP)
            with m.Case(_State.GROUP):
                m.d.sync += [
                    strip.eq(store.psum),
                    bank.eq(first_bank),
                    above.eq(Mux(store.row0 < 0, -store.row0, 0)),
                    ahead.eq(Mux(store.row0 < 0, 0, store.row0)),
                    reach.eq(store.pool_r + Mux(store.row0 < 0, store.row0, 0) - 1),
                    left.eq(store.psum_rows - 1),
                    rows_left.eq(store.out_rows),
                ]
                m.d.sync += state.eq(_State.ROW)
            with m.Case(_State.ROW):
                with m.If(ahead != 0):
                    m.d.sync += ahead.eq(ahead - 1)
                    with m.If(above != 0):
                        m.d.sync += [above.eq(above - 1), reach.eq(reach + 1)]
                    with m.Else():
                        m.d.sync += [left.eq(left - 1), bank.eq(bank + 1)]
                        with m.If(bank == last_bank):
                            m.d.sync += [bank.eq(first_bank), strip.eq(strip + store.strip_words)]
                with m.Else():
                    m.d.comb += self.row.valid.eq(1)
                    with m.If(self.row.ready):
                        m.d.sync += [rows_left.eq(rows_left - 1), ahead.eq(store.pool_u)]
                        with m.If(row.last_of_group):
                            m.d.sync += [
                                groups.eq(groups - 1),
                                first_bank.eq(first_bank + store.e),
                                last_bank.eq(last_bank + store.e),
                            ]
                            m.d.sync += state.eq(_State.GROUP)
                            with m.If(groups == 1):
                                m.d.sync += state.eq(_State.IDLE)
        return m
