"""The psum controller: takes psums from the array's last row into the GLB banks."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.command import Take
from ...common.fifo import ShallowFifo
from ..array.pe import PE
from .glb_bank import psum_control

__all__ = ["PsumController", "PASS"]

#: Passes that wait in the controller's queue, at most.
DEPTH = 8

#: One pass, as the feed announces it; counts are one less than the number.
PASS = data.StructLayout({
    "psum": 16, "p": 10, "psum_cols": 12, "strips": 10, "accumulate": 1, "first": 1, "last": 1,
    "wait": 8, "signal": 8, "wait_step": 6, "signal_step": 6})


class PsumController(Block):
    """Walks the psum words of each pass in the order in which the array makes its psums.

    The columns run in lock step, so one controller serves every bank. A psum taken from the last
    row in cycle t is added in cycle t + 5; a word is written in the cycle after its last psum was
    added, and the next word read in the cycle before. A psum can be taken in every cycle, but for
    one cycle at the start of each pass, and one where a strip waits for semaphores.

    Members
    -------
    passes : In(stream.Signature(PASS))
        The passes to come, in order.
    full, take : In, Out
        Handshake with the array's last row, see :class:`ArrayRow`.
    control : Out(psum_control(config))
        To every bank.
    semaphores : Out(Take)
        Takes the semaphores that the first write of a block waits for, and in the first pass that
        of every ``wait_step``-th strip.
    give : Out(8)
        Semaphores given when the last psum of a block has been written, and in the last pass that
        of every ``signal_step``-th strip.
    idle : Out(1)
    """

    module_name = "psum_controller"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "passes": In(stream.Signature(PASS)),
            "full": In(1), "take": Out(1),
            "control": Out(psum_control(config)),
            "semaphores": Out(Take), "give": Out(8), "idle": Out(1),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        m.submodules.fifo = fifo = ShallowFifo(PASS, DEPTH)
        m.d.comb += [
            fifo.i.eq(self.passes.payload),
            fifo.push.eq(self.passes.valid & self.passes.ready),
            self.passes.ready.eq(fifo.level != DEPTH),
        ]
        event = Signal(data.StructLayout({
            "read": 1, "read_addr": range(config.bank_depth), "clear": 1, "add": 1,
            "lane": range(config.lanes), "write": 1, "write_addr": range(config.bank_depth),
            "signal": 8}))
        running = Signal()
        self._walk(m, fifo.o, running, event)
        under_way = self._pipeline(m, event)
        m.d.comb += self.idle.eq(~running & (fifo.level == 0) & ~under_way)
        return m

    def _walk(self, m, passes, running, event):
        """Walk over a pass's psums; an ``event`` is what happens in a cycle: the next word is read
        or begins as 0, a psum is taken, or both."""
        config = self._config
        head = passes.payload
        now = Signal(PASS, reset_less=True)
        address = Signal(range(config.bank_depth))
        lane = Signal(range(config.lanes))
        p = _CountDown("p", 10)
        step = _CountDown("step", 12)
        strip = _CountDown("strip", 10)
        waited = Signal(6)      # strips since then, with this one, as signalled
        signalled = Signal(6)
        hold = Signal()         # the next strip waits
        permitted = self._permission(m, passes, running, now, hold)

        with m.If(~running):
            with m.If(passes.valid & (~head.first | permitted)):
                m.d.comb += [
                    passes.ready.eq(1),
                    event.read.eq(head.accumulate),
                    event.read_addr.eq(head.psum),
                    event.clear.eq(~head.accumulate),
                ]
                m.d.sync += [
                    running.eq(1), permitted.eq(0), now.eq(head), address.eq(head.psum),
                    lane.eq(0), waited.eq(1), signalled.eq(1),
                ]
                p.begin(m, head.p)
                step.begin(m, head.psum_cols)
                strip.begin(m, head.strips)
        with m.Elif(~hold):
            word_end = Signal()
            m.d.comb += [
                word_end.eq(p.last | (lane == config.lanes - 1)),
                self.take.eq(self.full),
            ]
            with m.If(self.full):
                m.d.comb += [
                    event.add.eq(1), event.lane.eq(lane),
                    event.write.eq(word_end), event.write_addr.eq(address),
                ]
                m.d.sync += lane.eq(lane + 1)
                p.advance(m, now.p)
                with m.If(word_end):
                    m.d.sync += [lane.eq(0), address.eq(address + 1)]
                    m.d.comb += [
                        event.read.eq(now.accumulate),
                        event.read_addr.eq(address + 1),
                    ]
                with m.If(p.last):
                    step.advance(m, now.psum_cols)
                    with m.If(step.last):
                        strip.advance(m, now.strips)
                        m.d.sync += [waited.eq(waited + 1), signalled.eq(signalled + 1)]
                        with m.If(now.last & (strip.last | (now.signal_step.any()
                                                   & (signalled == now.signal_step)))):
                            m.d.comb += event.signal.eq(now.signal)
                            m.d.sync += signalled.eq(1)
                        with m.If(strip.last):
                            m.d.comb += event.read.eq(0)
                            m.d.sync += running.eq(0)
                        with m.Elif(now.first & now.wait_step.any() & (waited == now.wait_step)):
                            m.d.sync += [hold.eq(1), waited.eq(1)]

    def _permission(self, m, passes, running, now, hold):
        """Take the semaphores that a block's first pass waits for, or its next strips; returns
        whether the pass that comes may begin."""
        head = passes.payload
        permitted = Signal()
        m.d.comb += [
            self.semaphores.payload.eq(Mux(hold, now.wait, head.wait)),
            self.semaphores.valid.eq(hold | (passes.valid & head.first & ~permitted & ~running)),
        ]
        with m.If(self.semaphores.valid & self.semaphores.ready):
            m.d.sync += [permitted.eq(~hold), hold.eq(0)]
        return permitted

    def _pipeline(self, m, event):
        """Take events to the banks as their psums come; returns whether any is under way.

        A psum is on its way for ``PE.LATENCY + 1`` cycles. Stage i holds the event i + 1 cycles
        after it happened; the banks have it a cycle later.
        """
        stages = [Signal(event.shape(), name=f"stage_{i}") for i in range(PE.LATENCY + 3)]
        m.d.sync += [stages[0].eq(event)]
        m.d.sync += [after.eq(before) for before, after in pairwise(stages)]
        add = stages[PE.LATENCY]             # event + 4
        write = stages[PE.LATENCY + 1]       # event + 5
        m.d.comb += [
            self.control.read.eq(stages[1].read),               # event + 2, port used at + 4
            self.control.read_addr.eq(stages[1].read_addr),
            self.control.load.eq(stages[3].read),               # data at + 5
            self.control.clear.eq(stages[3].clear),
            self.control.add.eq(add.add),
            self.control.lane.eq(add.lane),
            self.control.write.eq(write.write),
            self.control.write_addr.eq(write.write_addr),
            self.give.eq(stages[PE.LATENCY + 2].signal),        # the banks write at + 6
        ]
        busy = Signal()
        m.d.comb += busy.eq(Cat((stage.add, stage.read) for stage in stages).any())
        return busy


class _CountDown:
    """Counts down from a number less one, so often; that it is the ``last`` one is told a step
    ahead, since much begins with it."""

    def __init__(self, name, bits):
        self.left = Signal(bits, name=name)          # to come after this one
        self.last = Signal(name=f"last_{name}", reset_less=True)

    def begin(self, m, count):
        m.d.sync += [self.left.eq(count), self.last.eq(count == 0)]

    def advance(self, m, count):
        m.d.sync += [self.left.eq(self.left - 1), self.last.eq(self.left == 1)]
        with m.If(self.last):
            self.begin(m, count)
