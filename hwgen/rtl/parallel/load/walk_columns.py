"""Columns of a row."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.interface import some
from .runs import ColumnState, Part, PlannedRun, RowState

__all__ = ["WalkColumns"]


class WalkColumns(Block):
    """Counts the columns of a row, padding, data, padding, and the bytes of each.

    Of the data columns every ``keep_every_col``-th is written. If a row's columns are contiguous
    on both sides (``row_is_contiguous``), its data columns count as one column of ``cols *
    dram_channels`` bytes.

    Members
    -------
    command : In(512)
    run : In(some(PlannedRun(config), "valid", "begins_column", "neg_length"))
    row : In(some(RowState, "between_groups", "group_ends", "next_is_padding"))
    column : Out(ColumnState)
    left : Out(word_bits)
        Bytes of the column that are to come, less one, of which the lowest bits.
    fits_word : Out(1)
        They are no more than a word.
    """
    module_name = "walk_columns"

    def __init__(self, config):
        self._word_bits = exact_log2(config.bus_bytes)
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "run": In(some(PlannedRun(config), "valid", "begins_column", "neg_length")),
            "row": In(some(RowState, "between_groups", "group_ends", "next_is_padding")),
            "column": Out(ColumnState),
            "left": Out(self._word_bits),
            "fits_word": Out(1),
        })

    def body(self, platform):
        m = Module()
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        run, row, column = self.run, self.row, self.column
        part = Signal(Part, reset_less=True)
        whole = load.row_is_contiguous
        columns_left = Signal(16, reset_less=True)   # of the part, with this one
        skipped = Signal(3, reset_less=True)         # columns until the next one that is written
        last_of_part = Signal()
        next_part = Signal(Part)
        part_begins = Signal()                       # the next column is of another part
        to_next_written = Signal(3)                  # columns, counted from this one
        first = Signal(reset_less=True)

        m.d.comb += [
            column.first.eq(first),
            last_of_part.eq(columns_left == 1),
            part_begins.eq(row.between_groups | last_of_part),
            column.data_ends.eq(last_of_part & (part == Part.DATA)),
            column.row_ends.eq(last_of_part & ((part == Part.AFTER) |
                                               (part == Part.DATA) & (load.rpad == 0))),
            to_next_written.eq(Mux(column.written, load.keep_every_col, skipped)),
        ]
        with m.If(column.row_ends | row.between_groups):
            m.d.comb += next_part.eq(Mux(load.lpad != 0, Part.BEFORE, Part.DATA))
        with m.Elif(part == Part.DATA):
            m.d.comb += next_part.eq(Part.AFTER)
        with m.Else():
            m.d.comb += next_part.eq(Part.DATA)

        with m.If(run.begins_column):
            m.d.sync += [
                first.eq(row.between_groups),
                columns_left.eq(columns_left - 1),
                skipped.eq(to_next_written - 1),
                column.written.eq((part != Part.DATA) | (to_next_written == 1)),
            ]
            with m.If(part_begins):
                m.d.sync += [
                    part.eq(next_part),
                    column.written.eq(~row.group_ends),
                    skipped.eq(0),
                    column.padding.eq(row.group_ends | row.next_is_padding
                                      | (next_part != Part.DATA)),
                ]
                with m.Switch(next_part):
                    with m.Case(Part.BEFORE):
                        m.d.sync += columns_left.eq(load.lpad)
                    with m.Case(Part.DATA):
                        m.d.sync += columns_left.eq(Mux(whole, 1, load.cols))
                    with m.Default():
                        m.d.sync += columns_left.eq(load.rpad)
        self._count_bytes(m, load, part_begins & whole & (next_part == Part.DATA))
        return m

    def _count_bytes(self, m, load, next_is_row):
        """Count down the bytes of the column; ``next_is_row``: the next one stands for a row's."""
        run, bits = self.run, self._word_bits
        left = Signal(24, reset_less=True)
        fits_word = Signal(reset_less=True)
        after = Signal(signed(bits + 1))             # the lowest bits, after the run
        m.d.comb += [
            self.left.eq(left),
            self.fits_word.eq(fits_word),
            after.eq(left[:bits] + run.neg_length),
        ]
        with m.If(run.begins_column):
            m.d.sync += [
                left.eq(Mux(next_is_row, load.row_last, load.dram_channels_last)),
                fits_word.eq(~Mux(next_is_row, load.row_last[bits:].any(),
                                  load.dram_channels_last[bits:].any())),
            ]
        with m.Elif(run.valid):
            m.d.sync += left[:bits].eq(after)
            with m.If(after < 0):
                m.d.sync += [left[bits:].eq(left[bits:] - 1), fits_word.eq(left[bits:] == 1)]
