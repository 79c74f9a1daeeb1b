"""The contract of the controller's semaphores."""

from amaranth import Cat, Mux, Signal

from hwgen.rtl.parallel.controller import GIVERS, TAKERS, Controller

from .axi import AxiSpec

__all__ = ["SemaphoreSpec"]


class SemaphoreSpec(AxiSpec):
    """One semaphore of the :class:`~hwgen.rtl.parallel.controller.Controller`, in the first program
    after a reset, as long as fewer than ``most`` signals wait in it."""
    block = Controller
    most = 6

    def __init__(self, number, block=None):
        super().__init__(block)
        self._number = number

    def describe(self, m):
        dut = self._dut(m)
        started = Signal()
        m.d.sync += started.eq(started | dut.start)
        self.given(~dut.start | ~started)
        takes = [getattr(dut, f"take_{unit}") for unit in TAKERS]
        for unit, take in zip(TAKERS, takes, strict=True):
            self.waits(m, f"take_{unit}", take.valid, take.ready, take.payload, promise=True)
            self.given(~take.valid | started)
        balance = Signal(range(64))
        taken = Cat(take.valid & take.ready & take.payload[self._number] for take in takes).any()
        given = sum(getattr(dut, f"give_{unit}")[self._number] for unit in GIVERS)
        m.d.sync += balance.eq(Mux(dut.start, 0, balance + given - taken))
        self.given(balance < self.most)
        self.must("nothing is granted that was not given", ~taken | (balance != 0))
        self.must("one is granted at a time", sum(take.ready for take in takes) <= 1)
        self.must("who is granted has asked", ~Cat(t.ready & ~t.valid for t in takes).any())
        self.can("a signal is taken", taken)
        self.can("the last one is taken", taken & (balance == 1) & (given == 0))
