"""The PE array: rows of PEs chained into columns, and the two input networks."""

from amaranth import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.arithmetic import tree_sum
from .array_row import ArrayRow
from .messages import fmessage, ymessage

__all__ = ["Array"]


class Array(Block):
    """``rows`` x ``cols`` PEs. Messages reach all rows one cycle after they are given.

    Members
    -------
    y, y_valid, y_stop
        Y-bus, see :class:`ArrayRow`; ``y_stop`` is registered.
    f, f_valid, f_stop
        Filter network.
    psum, full, take : Out, Out, In
        Psums of the last row, column 0 lowest; handshake as between rows.
    busy : Out(1)
        The last row, which takes part in every pass, issued a tap.
    cause : Out(2)
        Cause of its last idle cycle.
    macs : Out(range(rows * cols + 1))
        PEs that computed.
    ifmap_writes, filter_writes : Out(range(rows * cols + 1))
        PEs whose ifmap spad (filter spad) was written.
    """

    module_name = "pe_array"

    def __init__(self, config):
        self._config = config
        pes = range(config.rows * config.cols + 1)
        super().__init__({
            "y": In(ymessage(config)), "y_valid": In(1), "y_stop": Out(1),
            "f": In(fmessage(config)), "f_valid": In(1), "f_stop": Out(1),
            "psum": Out(config.cols * config.psum_bits), "full": Out(1), "take": In(1),
            "busy": Out(1), "cause": Out(2), "macs": Out(pes),
            "ifmap_writes": Out(pes), "filter_writes": Out(pes),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        y = Signal(ymessage(config), reset_less=True)
        f = Signal(fmessage(config), reset_less=True)
        y_valid = Signal()
        f_valid = Signal()
        m.d.sync += [
            y.eq(self.y), y_valid.eq(self.y_valid), f.eq(self.f), f_valid.eq(self.f_valid)]

        rows = [ArrayRow(config) for _ in range(config.rows)]
        for i, row in enumerate(rows):
            m.submodules[f"row_{i}"] = row
            m.d.comb += [
                row.row_id.eq(i),
                row.y.eq(y), row.y_valid.eq(y_valid), row.f.eq(f), row.f_valid.eq(f_valid),
            ]
            if i:
                above = rows[i - 1]
                m.d.comb += [
                    row.psum_i.eq(above.psum_o), row.above_full.eq(above.full),
                    above.taken.eq(row.take), row.cause_i.eq(above.cause_o),
                ]
        last = rows[-1]
        m.d.comb += [
            self.psum.eq(last.psum_o), self.full.eq(last.full), last.taken.eq(self.take),
            self.busy.eq(last.busy), self.cause.eq(last.cause_o),
        ]
        m.d.sync += [
            self.y_stop.eq(Cat(row.y_stop for row in rows).any()),
            self.f_stop.eq(Cat(row.f_stop for row in rows).any()),
            self.macs.eq(tree_sum(row.macs for row in rows)),
            self.ifmap_writes.eq(tree_sum(row.ifmap_writes for row in rows)),
            self.filter_writes.eq(tree_sum(row.filter_writes for row in rows)),
        ]
        return m
