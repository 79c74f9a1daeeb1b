"""Stream FIFOs, deep ones in block RAM and shallow ones in distributed RAM."""

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..block import Block
from .ram import Ram

__all__ = ["LARGE", "Fifo", "ShallowFifo"]

#: Bits of a Fifo that go to block RAM, even if small RAM would hold them.
LARGE = 2048


class Fifo(Block):
    """First in, first out: ``depth`` words in a memory, and two on the way out of it.

    The memory is read synchronously and its output registered, so that no path starts in a block
    RAM (which is why this is not ``amaranth.lib.fifo``); it never reads the word being written.
    A word comes out 3 cycles after it went in; throughput is a word a cycle.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Words of the memory, a power of two.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    module_name = "fifo"

    def __init__(self, shape, depth):
        exact_log2(depth)
        self._shape = shape
        self._depth = depth
        width = Shape.cast(shape).width
        self._style = "block" if depth * width >= LARGE else "auto"
        self.parameters = {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": self._style}
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def pattern(self):
        return Fifo(24, 64)

    def body(self, platform):
        m = Module()
        m.submodules.memory = memory = Ram(self._shape, self._depth, self._style)
        write, read = memory.write, memory.read

        # The memory's state is known at the start of a cycle; ``o.ready`` comes late.
        some = Signal()
        full = Signal()
        next_write = Signal.like(write.addr)
        next_read = Signal.like(read.addr)
        fetched = Signal()
        push = Signal()
        fetch = Signal()
        advance = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            push.eq(self.i.valid & self.i.ready),
            write.data.eq(self.i.payload),
            write.en.eq(push),
            advance.eq(~self.o.valid | self.o.ready),
            fetch.eq(some & (~fetched | advance)),
            read.en.eq(fetch),
            next_write.eq(write.addr + 1),
            next_read.eq(read.addr + 1),
        ]
        m.d.sync += [
            fetched.eq(some | (fetched & ~advance)),
            some.eq(push | (some & ~(fetch & (next_read == write.addr)))),
            full.eq(~fetch & (full | (push & (next_write == read.addr)))),
        ]
        with m.If(push):
            m.d.sync += write.addr.eq(next_write)
        with m.If(fetch):
            m.d.sync += read.addr.eq(next_read)
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(fetched),
                self.o.payload.eq(read.data),
            ]
        return m


class ShallowFifo(Block):
    """First in, first out: ``depth`` words at most, of which one is in the output register.

    For senders that watch ``level``: there is no other word of its being full. A word comes out 2
    cycles after it went in; throughput is a word a cycle.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        A power of two.

    Members
    -------
    i, push : In
        A word goes in.
    o : Out(stream.Signature(shape))
    level : Out(range(depth + 1))
        Words in it.
    """

    module_name = "shallow_fifo"

    def __init__(self, shape, depth):
        exact_log2(depth)
        self._shape = shape
        self._depth = depth
        self.parameters = {"DEPTH": depth, "WIDTH": Shape.cast(shape).width}
        super().__init__({
            "i": In(shape), "push": In(1),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    def pattern(self):
        return ShallowFifo(24, 64)

    def body(self, platform):
        m = Module()
        m.submodules.memory = memory = Ram(self._shape, self._depth)
        write, read = memory.write, memory.read
        fetch = Signal()
        pop = Signal()
        m.d.comb += [
            write.data.eq(self.i), write.en.eq(self.push), self.o.payload.eq(read.data),
            # With the output register full, the memory holds less than ``depth`` words.
            fetch.eq((read.addr != write.addr) & (~self.o.valid | self.o.ready)),
            read.en.eq(fetch),
            pop.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + self.push),
            read.addr.eq(read.addr + fetch),
            self.o.valid.eq(fetch | (self.o.valid & ~self.o.ready)),
        ]
        with m.If(self.push ^ pop):
            m.d.sync += self.level.eq(self.level + Mux(pop, -1, 1))
        return m
