"""Where in DRAM the outputs go."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from ..dma.bursts import SEGMENT

__all__ = ["DrainSegments"]


class DrainSegments(Block):
    """Announces every output row to the write DMA, one a cycle.

    Members
    -------
    command : In(512)
        STORE, as long as it runs.
    start : In(1)
        It runs from the next cycle on.
    segment : Out(stream.Signature(SEGMENT))
    done : Out(1)
        All of them were taken.
    """

    module_name = "drain_segments"

    def __init__(self):
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES), "start": In(1),
            "segment": Out(stream.Signature(SEGMENT)), "done": Out(1),
        })

    def body(self, platform):
        m = Module()
        store = Signal(layout("STORE"))
        m.d.comb += store.eq(self.command)
        rows = Signal(14, reset_less=True)         # output rows to announce, of the group
        groups = Signal(6, reset_less=True)        # filter groups, with this one
        addr = self.segment.p.addr
        m.d.comb += [
            self.segment.p.size.eq(store.row_bytes),
            self.done.eq(~self.segment.valid),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.segment.valid.eq(1), addr.eq(store.addr),
                rows.eq(store.out_rows), groups.eq(store.groups),
            ]
        with m.Elif(self.segment.valid & self.segment.ready):
            m.d.sync += [
                addr.eq(addr + Mux(rows == 1, store.group_step, store.row_stride)),
                rows.eq(rows - 1),
            ]
            with m.If(rows == 1):
                m.d.sync += [rows.eq(store.out_rows), groups.eq(groups - 1)]
                with m.If(groups == 1):
                    m.d.sync += self.segment.valid.eq(0)
        return m
