"""Contracts of the FIFOs and of blocks with streams."""

from amaranth import Mux, Signal

from hwgen.rtl.common.fifo import Fifo, ShallowFifo

from .engine import Spec

__all__ = ["FifoSpec", "ShallowFifoSpec"]


def _tracked(spec, m, dut_i, push, dut_o, pop, most):
    """What goes in comes out: one word, any, is followed.

    ``ahead`` words are before it; when they have left it must be the next, unchanged. As it may be
    any, none is lost, doubled or reordered.
    """
    chosen = spec.free(name="chosen")
    inside = Signal(range(most + 2))
    ahead = Signal(range(most + 2))
    followed, came = Signal(), Signal()
    value = Signal(len(dut_i), reset_less=True)
    begins = push & chosen & ~followed
    m.d.sync += inside.eq(inside + push - pop)
    with m.If(begins):
        m.d.sync += [followed.eq(1), value.eq(dut_i), ahead.eq(inside - pop)]
    with m.Elif(followed & pop):
        m.d.sync += [ahead.eq(ahead - 1), came.eq(came | (ahead == 0))]
    turn = followed & ~came & (ahead == 0)
    spec.must("nothing lost, doubled or reordered", ~(turn & pop) | (dut_o == value))
    spec.must("nothing comes out of an empty one", ~pop | (inside != 0))
    spec.must("no more than it can hold", inside <= most)
    spec.can("the word that is followed comes out", came)
    spec.can("it is full", inside == most)
    return inside, turn


class FifoSpec(Spec):
    """:class:`~hwgen.rtl.common.fifo.Fifo`."""

    def __init__(self, depth, bits=1, block=Fifo):
        super().__init__()
        self._make = lambda: block(bits, depth)
        self._depth = depth

    def describe(self, m):
        m.submodules.dut = dut = self._make()
        m.d.comb += [dut.i.valid.eq(self.free()), dut.o.ready.eq(self.free()),
                     dut.i.payload.eq(self.free(len(dut.i.payload)))]
        self.waits(m, "output", dut.o.valid, dut.o.ready, dut.o.payload)
        inside, turn = _tracked(self, m, dut.i.payload, dut.i.valid & dut.i.ready, dut.o.payload,
                                dut.o.valid & dut.o.ready, self._depth + 2)
        # What is inside is offered in time: it neither sticks nor gets lost.
        age = Signal(range(5))
        m.d.sync += age.eq(Mux((inside != 0) & ~dut.o.valid, Mux(age == 4, 4, age + 1), 0))
        self.must("a word is offered within 3 cycles", age < 3)
        self.must("room for depth words", dut.i.ready | (inside >= self._depth))


class ShallowFifoSpec(Spec):
    """:class:`~hwgen.rtl.common.fifo.ShallowFifo`; whoever pushes watches ``level``."""

    def __init__(self, depth, bits=1, block=ShallowFifo):
        super().__init__()
        self._make = lambda: block(bits, depth)
        self._depth = depth

    def describe(self, m):
        m.submodules.dut = dut = self._make()
        push = self.free()
        m.d.comb += [dut.push.eq(push), dut.o.ready.eq(self.free()),
                     dut.i.eq(self.free(len(dut.i)))]
        pop = dut.o.valid & dut.o.ready
        self.given(~push | (dut.level != self._depth))
        self.waits(m, "output", dut.o.valid, dut.o.ready, dut.o.payload)
        inside, _ = _tracked(self, m, dut.i, push, dut.o.payload, pop, self._depth)
        age = Signal(range(4))
        m.d.sync += age.eq(Mux((inside != 0) & ~dut.o.valid, Mux(age == 3, 3, age + 1), 0))
        self.must("a word is offered within 2 cycles", age < 2)
        self.must("level counts the words", dut.level == inside)
