"""The walk: from the bytes of DRAM rows to runs, each in place in its GLB word."""

from amaranth import Module
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped

from .... import isa
from ...block import Block
from ...common.interface import drive
from .loader_mover import LoaderMover
from .runs import run
from .walk_columns import WalkColumns
from .walk_lanes import WalkLanes
from .walk_plan import WalkPlan
from .walk_rows import WalkRows
from .walk_source import WalkSource

__all__ = ["LoaderWalk"]


class LoaderWalk(Block):
    """Walks the bytes of a LOAD: groups, rows, columns, and a run of bytes a cycle.

    The *plan* finds how long the next run is, one run ahead of the *mover*, which shifts its bytes
    into place. What stands where is counted by *rows*, *columns*, *source* and *lanes*; each moves
    on with the run that is planned::

        command -> rows -> columns -> source, lanes -> plan -> mover -> run
                     ^        ^             ^            |       ^
                     +--------+-------------+------------+       words

    One cycle is lost between two groups.

    Members
    -------
    command, start : In(512), In(1)
        LOAD, as long as it runs; ``start`` begins it.
    busy : Out(1)
        There are runs to come. The first is planned 1 cycle after ``start``.
    word, word_valid, word_ready : In(bus_bits), In(1), Out(1)
        The words of the rows; a word is let go when its last byte has been moved or the row ends.
    run : Out(stream.Signature(run(config)))
        One cycle after the word.
    """
    module_name = "loader_walk"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "start": In(1),
            "busy": Out(1),
            "word": In(config.bus_bits),
            "word_valid": In(1),
            "word_ready": Out(1),
            "run": Out(stream.Signature(run(config))),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        m.submodules.rows = rows = WalkRows(config)
        m.submodules.columns = columns = WalkColumns(config)
        m.submodules.source = source = WalkSource(config)
        m.submodules.lanes = lanes = WalkLanes(config)
        m.submodules.plan = plan = WalkPlan(config)
        m.submodules.mover = mover = LoaderMover(config)

        drive(m, plan.run, rows.run, columns.run, source.run, lanes.run)
        drive(m, rows.row, columns.row, source.row, lanes.row, plan.row)
        drive(m, columns.column, source.column, lanes.column, plan.column)
        drive(m, lanes.lane, plan.lane)
        connect(m, plan.plan, mover.plan)
        connect(m, mover.run, flipped(self.run))
        m.d.comb += [block.command.eq(self.command)
                     for block in (rows, columns, source, lanes, mover)]
        m.d.comb += [block.active.eq(rows.active) for block in (source, lanes, plan)]
        m.d.comb += [
            rows.start.eq(self.start),
            rows.row_ends.eq(columns.column.row_ends),
            plan.source.eq(source.byte),
            plan.column_left.eq(columns.left),
            plan.column_fits_word.eq(columns.fits_word),
            mover.word.eq(self.word),
            mover.word_valid.eq(self.word_valid),
            self.word_ready.eq(mover.word_ready),
            self.busy.eq(rows.active | plan.plan.valid),
        ]
        return m
