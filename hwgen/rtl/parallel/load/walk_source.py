"""The byte of the source word at which a run begins."""

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.interface import some
from .runs import ColumnState, PlannedRun, RowState

__all__ = ["WalkSource"]


class WalkSource(Block):
    """Tracks the byte within the source word, of the next run and of the next DRAM row.

    Each row begins in a word of its own, at the byte at which it stands in DRAM.

    Members
    -------
    command : In(512)
    active : In(1)
        A LOAD runs. While none does, the first row's byte is taken from the command.
    run : In(some(PlannedRun(config), "valid", "neg_length", "column_ends"))
    row : In(some(RowState, "last_of_part"))
    column : In(some(ColumnState, "padding", "data_ends"))
    byte : Out(word_bits)
        Byte of the source word at which the next run begins.
    """
    module_name = "walk_source"

    def __init__(self, config):
        self._word_bits = exact_log2(config.bus_bytes)
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "active": In(1),
            "run": In(some(PlannedRun(config), "valid", "neg_length", "column_ends")),
            "row": In(some(RowState, "last_of_part")),
            "column": In(some(ColumnState, "padding", "data_ends")),
            "byte": Out(self._word_bits),
        })

    def body(self, platform):
        m = Module()
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        byte = Signal(self._word_bits, reset_less=True)
        row_byte = Signal(self._word_bits, reset_less=True)
        next_row_byte = Signal(self._word_bits)
        m.d.comb += [
            self.byte.eq(byte),
            next_row_byte.eq(
                row_byte + Mux(self.row.last_of_part, load.group_step, load.row_stride)),
        ]
        with m.If(self.run.valid & ~self.column.padding):
            m.d.sync += byte.eq(byte - self.run.neg_length)
            with m.If(self.run.column_ends & self.column.data_ends):
                m.d.sync += [byte.eq(next_row_byte), row_byte.eq(next_row_byte)]
        with m.If(~self.active):
            m.d.sync += [byte.eq(load.addr), row_byte.eq(load.addr)]
        return m
