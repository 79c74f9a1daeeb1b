"""Groups and rows of a LOAD."""

from amaranth import Module, Signal
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.interface import some
from .runs import Part, PlannedRun, RowState

__all__ = ["WalkRows"]


class WalkRows(Block):
    """Counts the DRAM groups of a LOAD, and the rows of each: padding, data, padding.

    Between two groups, and before the first, stands one cycle in which no row runs.

    Members
    -------
    command : In(512)
        LOAD, as long as it runs.
    start : In(1)
        Begins a LOAD, from the next cycle on.
    run : In(some(PlannedRun(config), "begins_column"))
    row_ends : In(1)
        The running column is its row's last.
    active : Out(1)
        There are runs to plan.
    row : Out(RowState)
    """
    module_name = "walk_rows"

    def __init__(self, config):
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "start": In(1),
            "run": In(some(PlannedRun(config), "begins_column")),
            "row_ends": In(1),
            "active": Out(1),
            "row": Out(RowState),
        })

    def body(self, platform):
        m = Module()
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        row = self.row
        groups = Signal(16, reset_less=True)         # to come after this one
        part = Signal(Part, reset_less=True)
        rows_left = Signal(12, reset_less=True)      # of the part, with this one
        next_part = Signal.like(part)
        next_rows = Signal.like(rows_left)

        m.d.comb += [
            row.last_of_part.eq(rows_left == 1),
            row.next_is_padding.eq(next_part != Part.DATA),
            next_part.eq(part),
            next_rows.eq(rows_left),
        ]
        with m.If(row.between_groups):
            with m.If(load.tpad != 0):
                m.d.comb += [next_part.eq(Part.BEFORE), next_rows.eq(load.tpad)]
            with m.Elif(load.rows != 0):
                m.d.comb += [next_part.eq(Part.DATA), next_rows.eq(load.rows)]
            with m.Else():
                m.d.comb += [next_part.eq(Part.AFTER), next_rows.eq(load.bpad)]
            m.d.comb += row.group_ends.eq(groups == 0)
        with m.Elif(self.row_ends):
            m.d.comb += next_rows.eq(rows_left - 1)
            with m.If(row.last_of_part):
                with m.If((part == Part.BEFORE) & (load.rows != 0)):
                    m.d.comb += [next_part.eq(Part.DATA), next_rows.eq(load.rows)]
                with m.Elif((part != Part.AFTER) & (load.bpad != 0)):
                    m.d.comb += [next_part.eq(Part.AFTER), next_rows.eq(load.bpad)]
                with m.Else():
                    m.d.comb += row.group_ends.eq(1)

        with m.If(self.run.begins_column):
            m.d.sync += [
                part.eq(next_part),
                rows_left.eq(next_rows),
                row.between_groups.eq(row.group_ends),
            ]
            with m.If(row.between_groups):
                m.d.sync += [groups.eq(groups - 1), self.active.eq(~row.group_ends)]
        with m.If(~self.active):
            m.d.sync += [groups.eq(load.groups), self.active.eq(self.start)]
        return m
