"""Lanes: where in its GLB word a run goes."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.interface import some
from .runs import ColumnState, LaneState, Level, PlannedRun, RowState

__all__ = ["WalkLanes"]


class WalkLanes(Block):
    """Tracks the byte within the GLB word: of the next run, of its column's start and base.

    Also counts the bytes that the channel group still takes of the column. (See ``runs`` for the
    two positions.) Where a DRAM group starts within its column is found at the end of the first
    column of the group before: its channels go on from there.

    Members
    -------
    command : In(512)
    active : In(1)
        A LOAD runs. While none does, the place of its first group is taken from the command.
    run : In(PlannedRun(config))
    row : In(some(RowState, "between_groups"))
    column : In(some(ColumnState, "written", "first", "row_ends"))
    lane : Out(LaneState(config))
    """
    module_name = "walk_lanes"

    def __init__(self, config):
        self._word_bits = exact_log2(config.bus_bytes)
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "active": In(1),
            "run": In(PlannedRun(config)),
            "row": In(some(RowState, "between_groups")),
            "column": In(some(ColumnState, "written", "first", "row_ends")),
            "lane": Out(LaneState(config)),
        })

    def body(self, platform):
        m = Module()
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        bits = self._word_bits
        # Of a group's start: bytes that its channel group takes of it, less one, and lane; and how
        # one comes there from the start of the group before.
        place = data.StructLayout({"left": 8, "lane": bits, "next_channel_group": 1, "carry": 1})
        this_group = Signal(place, reset_less=True)
        next_group = Signal(place, reset_less=True)
        next_left, next_lane = self._next_run(m, load, this_group, next_group)

        run, row, column = self.run, self.row, self.column
        whole = load.row_is_contiguous
        with m.If(row.between_groups):
            m.d.sync += this_group.eq(next_group)
        crosses = run.channel_group_ends
        with m.If(run.valid & column.first & run.column_ends):
            m.d.sync += [
                next_group.left.eq(Mux(crosses, load.q - 1, next_left)),
                next_group.lane.eq(Mux(crosses | whole, 0, next_lane)),
                next_group.next_channel_group.eq(crosses | whole),
                next_group.carry.eq(run.word_ends & ~crosses & ~whole),
            ]
        with m.If(~self.active):
            m.d.sync += [
                next_group.left.eq(load.q - load.first_channel_offset - 1),
                next_group.lane.eq(load.first_channel_offset),
                next_group.next_channel_group.eq(0),
                next_group.carry.eq(0),
            ]
        return m

    def _next_run(self, m, load, this_group, next_group):
        """Lane and bytes left of the run after the one that is planned, and the step to it.

        Returns ``(next_left, next_lane)``, of a next run in the same channel group.
        """
        run, row, column, bits = self.run, self.row, self.column, self._word_bits
        whole = load.row_is_contiguous               # channel groups do not matter in its rows
        lane = Signal(bits, reset_less=True)
        start = Signal(bits, reset_less=True)        # lanes of the column's start and base
        base = Signal(bits, reset_less=True)
        left = Signal(8, reset_less=True)            # less one
        fits_word = Signal(reset_less=True)          # never if ``whole``
        fewer = Signal(signed(bits + 1))             # the lowest bits of ``left``, after the run
        next_lane = Signal(bits)
        next_left = Signal(8)
        begin_start = Signal(bits)      # of the column that begins, as begin_base and begin_left
        begin_base = Signal(bits)
        begin_left = Signal(8)
        column_bytes = Mux(column.written, load.q, 0)
        m.d.comb += [
            self.lane.lane.eq(lane),
            self.lane.left.eq(left),
            self.lane.fits_word.eq(fits_word),
            fewer.eq(left[:bits] + run.neg_length),
            next_lane.eq(lane - run.neg_length),
            next_left.eq(Cat(fewer[:bits], Mux(fewer < 0, left[bits:] - 1, left[bits:]))),
            begin_left.eq(Mux(row.between_groups, next_group.left, this_group.left)),
        ]
        with m.If(row.between_groups):
            m.d.comb += begin_start.eq(next_group.lane)
        with m.Elif(column.row_ends):
            m.d.comb += begin_start.eq(this_group.lane)
        with m.Else():
            m.d.comb += [begin_start.eq(start + column_bytes), begin_base.eq(base + column_bytes)]

        with m.If(run.valid):
            m.d.sync += lane.eq(Mux(run.channel_group_ends, base, next_lane))
        with m.If(run.begins_column & (row.between_groups | column.row_ends | ~whole)):
            m.d.sync += [lane.eq(begin_start), start.eq(begin_start), base.eq(begin_base)]
        with m.If(run.valid & (row.between_groups | column.written)):
            with m.If(row.between_groups | (run.column_ends & ~whole)):
                m.d.sync += [
                    left.eq(begin_left),
                    fits_word.eq(~whole & ~begin_left[bits:].any()),
                ]
            with m.Elif(run.channel_group_ends):
                m.d.sync += [
                    left.eq(load.q - 1),
                    fits_word.eq(~(load.q - 1)[bits:8].any()),
                ]
            with m.Else():
                m.d.sync += left.eq(next_left)
                with m.If(fewer < 0):
                    m.d.sync += fits_word.eq(~whole & (left[bits:] == 1))
        self._step(m, load, start, base, next_group)
        return next_left, next_lane

    def _step(self, m, load, start, base, next_group):
        """Say how the words of the two positions move from this run to the next."""
        run, row, column, step = self.run, self.row, self.column, self.lane.step
        whole = load.row_is_contiguous
        q = load.q[:self._word_bits]
        m.d.comb += [
            step.write.eq(column.written),
            step.first_column.eq(column.first),
            step.next_channel_group.eq(run.channel_group_ends),
            step.carry_start.eq(run.word_ends),
            step.level.eq(Level.RUN),
        ]
        with m.If(run.column_ends & column.written & ~whole):
            m.d.comb += [
                step.next_channel_group.eq(0),
                step.carry_start.eq((start + q)[-1]),
                step.carry_base.eq((base + q)[-1]),
                step.level.eq(Level.COLUMN),
            ]
        with m.If(run.column_ends & column.row_ends):
            m.d.comb += [
                step.next_channel_group.eq(0),
                step.carry_start.eq(0),
                step.carry_base.eq(0),
                step.level.eq(Level.ROW),
            ]
        with m.If(row.between_groups):
            m.d.comb += [
                step.next_channel_group.eq(next_group.next_channel_group),
                step.carry_start.eq(next_group.carry),
                step.carry_base.eq(0),
                step.level.eq(Level.GROUP),
            ]
