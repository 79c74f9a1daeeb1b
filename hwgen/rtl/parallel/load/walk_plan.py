"""The plan of a run: how long it is, what ends with it, and how its bytes are turned."""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ...block import Block
from ...common.interface import some
from .runs import ColumnState, LaneState, PlannedRun, RowState, plan

__all__ = ["WalkPlan"]


def _nearest(m, bits, ends):
    """The smallest of some distances, and which of them are that small.

    Parameters
    ----------
    bits : int
        Width of the distances.
    ends : dict of str to (enable, distance)
        A distance that is not enabled counts as the largest, and is never reached.

    Returns
    -------
    distance : Signal(bits)
    reached : list of Signal(1)
        For each of ``ends``.
    """
    enables, distances = zip(*ends.values(), strict=True)
    reached = [Signal(name=f"{name}_ends") for name in ends]
    for i, reach in enumerate(reached):
        m.d.comb += reach.eq(enables[i] & Cat(
            ~enables[j] | (distances[i] <= distances[j]) for j in range(len(ends)) if j != i).all())
    # In unary first: bit k says that no end is nearer than k. Each bit of the distance is then the
    # parity of those at the multiples of its weight.
    unary = Signal(1 << bits)
    distance = Signal(bits)
    m.d.comb += [
        unary.eq(Cat(Cat(~enable | (end >= k) for enable, end in ends.values()).all()
                     for k in range(1 << bits))),
        distance.eq(Cat(unary[1 << i::1 << i].xor() for i in range(bits))),
    ]
    return distance, reached


class WalkPlan(Block):
    """Plans a run: as long as it can be, to the nearest of four ends.

    These are the ends of the GLB word, of the source word, of what the channel group takes of the
    column, and of the column. A plan is held for the mover; it can be taken one cycle after it was
    made at the earliest, and the next one is made in the cycle in which it is taken. So whether a
    run lets its source word go is a register, and does not wait for the run's length.

    Members
    -------
    active : In(1)
        There are runs to plan.
    row : In(some(RowState, "between_groups"))
    column : In(some(ColumnState, "written", "padding", "data_ends"))
    column_left, column_fits_word : In(word_bits), In(1)
        Bytes of the column that are to come, less one, and whether they are no more than a word.
    lane : In(LaneState(config))
    source : In(word_bits)
        Byte of the source word at which the run begins.
    run : Out(PlannedRun(config))
        Combinational, by ``plan.ready`` as well.
    plan : Out(stream.Signature(plan(config)))
    """
    module_name = "walk_plan"

    def __init__(self, config):
        self._word_bits = bits = exact_log2(config.bus_bytes)
        super().__init__({
            "active": In(1),
            "row": In(some(RowState, "between_groups")),
            "column": In(some(ColumnState, "written", "padding", "data_ends")),
            "column_left": In(bits),
            "column_fits_word": In(1),
            "lane": In(LaneState(config)),
            "source": In(bits),
            "run": Out(PlannedRun(config)),
            "plan": Out(stream.Signature(plan(config))),
        })

    def body(self, platform):
        m = Module()
        run, column, lane = self.run, self.column, self.lane
        last, (word_ends, source_ends, channel_group_ends, column_ends) = _nearest(
            m, self._word_bits, {
                "word": (column.written, ~lane.lane),
                "source": (~column.padding, ~self.source),
                "channel_group": (column.written & lane.fits_word, lane.left),
                "column": (self.column_fits_word, self.column_left),
            })
        m.d.comb += [
            run.valid.eq(self.active & (~self.plan.valid | self.plan.ready)),
            run.begins_column.eq(run.valid & (self.row.between_groups | column_ends)),
            run.neg_length.eq(Cat(~last, 1)),
            run.word_ends.eq(word_ends),
            run.channel_group_ends.eq(channel_group_ends),
            run.column_ends.eq(column_ends),
        ]
        m.d.sync += self.plan.valid.eq(run.valid | (self.plan.valid & ~self.plan.ready))
        now = Signal(self.plan.payload.shape(), reset_less=True)
        m.d.comb += self.plan.payload.eq(now)
        with m.If(run.valid):
            m.d.sync += [
                now.padding.eq(column.padding),
                now.pops_source.eq(~column.padding
                                   & (source_ends | (column_ends & column.data_ends))),
                now.rotation.eq(lane.lane - self.source),
                now.lane.eq(lane.lane),
                now.last.eq(last),
                now.step.eq(lane.step),
            ]
        return m
