"""Requests of psum words from the GLB."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.delay import delay
from .windows import READ, TAG

__all__ = ["DrainRequests"]


class DrainRequests(Block):
    """Asks for psum words, from a register and a spare one behind it, and keeps their tags.

    So the reader does not hang on the GLB's answer: ``full`` is a register.

    Members
    -------
    push, word, tag : In(1), In(READ), In(TAG)
        A word is wanted. Not while ``full``.
    full : Out(1)
        The spare register is full.
    read : Out(stream.Signature(READ))
        Psum words wanted of the GLB.
    arriving_tag : Out(TAG)
        Tag of the word whose data arrives, :attr:`READ_LATENCY` cycles after it was accepted.
    under_way : Out(1)
        There are words whose data has not arrived.
    """

    module_name = "drain_requests"

    #: Cycles from a read to its data.
    READ_LATENCY = 4

    def __init__(self):
        super().__init__({
            "push": In(1), "word": In(READ), "tag": In(TAG), "full": Out(1),
            "read": Out(stream.Signature(READ)), "arriving_tag": Out(TAG), "under_way": Out(1),
        })

    def body(self, platform):
        m = Module()
        request = data.StructLayout({"read": READ, "tag": TAG})
        wanted = Signal(request)
        spare = Signal(request, reset_less=True)
        asked = Signal(request, reset_less=True)
        arriving = Signal(self.READ_LATENCY)       # the latest reads, whose data are to come
        m.d.comb += [
            wanted.read.eq(self.word), wanted.tag.eq(self.tag),
            self.read.payload.eq(asked.read),
            self.arriving_tag.eq(delay(m, asked.tag, self.READ_LATENCY, "tag")),
            self.under_way.eq(self.read.valid | self.full | arriving.any()),
        ]
        m.d.sync += arriving.eq(Cat(self.read.valid & self.read.ready, arriving))
        with m.If(~self.full):
            m.d.sync += spare.eq(wanted)
        with m.If(~self.read.valid | self.read.ready):
            m.d.sync += [self.read.valid.eq(self.full | self.push), self.full.eq(0),
                         asked.eq(Mux(self.full, spare, wanted))]
        with m.Elif(self.push):
            m.d.sync += self.full.eq(1)
        return m
