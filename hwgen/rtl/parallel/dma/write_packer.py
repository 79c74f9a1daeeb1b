"""Packs bytes into bus words."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ...block import Block
from .bursts import SEGMENT, transfer

__all__ = ["WritePacker", "packed_word"]


def packed_word(config):
    """A word to write, and which of its bytes."""
    return data.StructLayout({"data": config.bus_bits, "strb": config.bus_bytes})


class WritePacker(Block):
    """Fills bus words with the bytes of segments; a transfer a cycle, one cycle lost a segment.

    A store collects bytes from position ``fill`` up; its lowest word leaves when it is full, or at
    the end of the segment.

    Members
    -------
    segment : In(stream.Signature(SEGMENT))
    data : In(stream.Signature(transfer(config)))
    word : Out(stream.Signature(packed_word(config)))
        Its payload may change before it is taken.
    hold : In(1)
        No word is offered.
    busy : Out(1)
        A segment is being packed.
    ends : Out(1)
        The word that is taken is its segment's last.
    """

    module_name = "write_packer"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "segment": In(stream.Signature(SEGMENT)),
            "data": In(stream.Signature(transfer(config))),
            "word": Out(stream.Signature(packed_word(config))),
            "hold": In(1), "busy": Out(1), "ends": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        n = config.bus_bytes
        store = Signal(data.ArrayLayout(8, n - 1 + config.lanes), reset_less=True)
        fill = Signal(range(n + config.lanes))
        left = Signal(24)
        ended = Signal()                             # no bytes of the segment are to come
        lead = Signal(range(n))
        full = Signal()
        push = Signal()
        start = self.segment.valid & self.segment.ready
        take = Signal()
        position = fill[:exact_log2(n)]
        shifted = store.shape()((self.data.payload.bytes << Cat(Const(0, 3), position))
                                [:store.shape().size])
        m.d.comb += [
            self.segment.ready.eq(~self.busy | self.ends),
            full.eq(fill >= n),
            self.word.valid.eq(self.busy & ~self.hold & (full | ended)),
            push.eq(self.word.valid & self.word.ready),
            self.ends.eq(push & ended & (fill <= n)),
            self.data.ready.eq(self.busy & ~ended & (~full | (push & (fill < 2 * n)))),
            take.eq(self.data.valid & self.data.ready),
            self.word.payload.data.eq(store.as_value()[:8 * n]),
            self.word.payload.strb.eq(Cat((i >= lead) & (i < fill) for i in range(n))),
        ]
        for i in range(n - 1 + config.lanes):
            if i < config.lanes - 1:
                with m.If(push):
                    m.d.sync += store[i].eq(store[i + n])
            with m.If(take & (i >= position)):
                m.d.sync += store[i].eq(shifted[i])
        with m.If(push):
            m.d.sync += lead.eq(0)
        m.d.sync += fill.eq(Mux(push, fill - n, fill) + Mux(take, self.data.payload.count, 0))
        with m.If(take):
            m.d.sync += [
                left.eq(left - self.data.payload.count),
                ended.eq(left == self.data.payload.count),
            ]
        with m.If(start):
            m.d.sync += [
                self.busy.eq(1),
                fill.eq(self.segment.payload.addr[:exact_log2(n)]),
                lead.eq(self.segment.payload.addr[:exact_log2(n)]),
                left.eq(self.segment.payload.size),
                ended.eq(0),
            ]
        with m.Elif(self.ends):
            m.d.sync += self.busy.eq(0)
        return m
