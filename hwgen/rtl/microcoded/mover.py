"""The mover: bytes from the stream, or padding, to any byte of the global buffer."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..block import Block
from .microcode import Move

__all__ = ["Mover"]


class Mover(Block):
    """Moves a number of bytes to consecutive bytes of the global buffer.

    A cycle moves the longest run within a word of the stream and one of the buffer. The next byte
    of the stream and the next place in the buffer stay from one number of bytes to the next.

    Members
    -------
    value : In(16)
    set_dst, set_src, set_pad, set_mode : In(1)
        Set the byte address in the buffer, the byte within the stream's word, the value of
        padding, and the :class:`Move`; when ``idle``.
    move : In(1)
        Move ``value`` bytes; when ``idle``.
    idle : Out(1)
    word, word_valid, word_taken : In(32), In(1), Out(1)
        The stream.
    write, grant : Out(1), In(1)
        A write of the buffer, and that it is done.
    address, data, mask : Out(14), Out(32), Out(4)
    """

    module_name = "mover"

    def __init__(self):
        super().__init__({
            "value": In(16), "set_dst": In(1), "set_src": In(1), "set_pad": In(1),
            "set_mode": In(1), "move": In(1), "idle": Out(1),
            "word": In(32), "word_valid": In(1), "word_taken": Out(1),
            "write": Out(1), "grant": In(1),
            "address": Out(14), "data": Out(32), "mask": Out(4),
        })

    def body(self, platform):
        m = Module()
        left = Signal(16)
        dst = Signal(16, reset_less=True)
        src = Signal(2)
        pad = Signal(8, reset_less=True)
        mode = Signal(Move, reset_less=True)
        reads, writes = mode != Move.FILL, mode != Move.DROP

        # The run: to the end of the word on either side, or of what is to be moved.
        ends = Signal(2)                           # its last byte's distance from the first
        after = (Mux(writes, ~dst[:2], 3), Mux(reads, ~src, 3),
                 Mux(left[2:].any(), 3, left[:2] - 1)[:2])
        nearer = Signal(2)
        m.d.comb += [
            nearer.eq(Mux(after[0] < after[1], after[0], after[1])),
            ends.eq(Mux(nearer < after[2], nearer, after[2])),
        ]
        run = Signal(3)
        go = Signal()
        step = Signal()
        m.d.comb += [
            self.idle.eq(left == 0),
            run.eq(ends + 1),
            go.eq(~self.idle & (~reads | self.word_valid)),
            self.write.eq(go & writes),
            step.eq(go & (~writes | self.grant)),
            self.word_taken.eq(step & reads & ((src + run)[2])),
        ]
        with m.If(step):
            m.d.sync += left.eq(left - run)
            with m.If(reads):
                m.d.sync += src.eq(src + run)
            with m.If(writes):
                m.d.sync += dst.eq(dst + run)
        with m.If(self.move):
            m.d.sync += left.eq(self.value)
        with m.If(self.set_dst):
            m.d.sync += dst.eq(self.value)
        with m.If(self.set_src):
            m.d.sync += src.eq(self.value)
        with m.If(self.set_pad):
            m.d.sync += pad.eq(self.value)
        with m.If(self.set_mode):
            m.d.sync += mode.eq(self.value)

        rotation = Signal(2)
        word = self.word
        m.d.comb += rotation.eq(dst[:2] - src)
        for bit in range(2):
            word = Mux(rotation[bit], word.rotate_left(8 << bit), word)
        m.d.comb += [
            self.address.eq(dst[2:]),
            self.data.eq(Mux(mode == Move.FILL, pad.replicate(4), word)),
            self.mask.eq(Cat((i >= dst[:2]) & (i <= dst[:2] + ends) for i in range(4))),
        ]
        return m
