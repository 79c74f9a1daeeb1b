"""The global buffer: all banks, and who may use their ports."""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.delay import delay
from . import glb_address
from .glb_bank import GLBBank, psum_control

__all__ = ["GlobalBuffer"]


class GlobalBuffer(Block):
    """All banks, and who may use their ports.

    The psum accumulator uses all banks at once and never waits. The feed comes next, then the
    drain, which waits only if it wants the feed's bank. The loader shares the write ports with the
    accumulator alone.

    Members
    -------
    psum : In(cols * psum_bits)
        Psums of the last row of the array, column 0 lowest.
    control : In(psum_control(config))
        From the psum controller.
    feed_read, feed_addr, feed_ready, feed_data
        Ifmap word read: GLB address, granted in the same cycle, data four cycles later.
    drain : In(stream.Signature(StructLayout({"bank": 5, "off": 16})))
        Psum word read.
    drain_data, drain_valid : Out
        The psum word, four cycles later.
    load : In(stream.Signature(StructLayout({"addr": 24, "data": bus_bits, "mask": bus_bytes})))
        Masked write of an ifmap word.
    reads, writes : Out(6)
        Bank words read and written in a cycle.
    """

    module_name = "global_buffer"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "psum": In(config.cols * config.psum_bits), "control": In(psum_control(config)),
            "feed_read": In(1), "feed_addr": In(24), "feed_ready": Out(1),
            "feed_data": Out(config.bus_bits),
            "drain": In(stream.Signature(data.StructLayout({"bank": 5, "off": 16}))),
            "drain_data": Out(config.bank_bits), "drain_valid": Out(1),
            "load": In(stream.Signature(data.StructLayout({
                "addr": 24, "data": config.bus_bits, "mask": config.bus_bytes}))),
            "reads": Out(6), "writes": Out(6),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        feed = Signal(glb_address.GLB_ADDRESS)
        load = Signal(glb_address.GLB_ADDRESS)
        feed_go = Signal()
        drain_go = Signal()
        load_go = Signal()
        # The banks have the psum controller's words a cycle later, and write those of the loader
        # in the cycle after they were accepted.
        reading = Signal()
        writing = Signal()
        m.d.sync += [reading.eq(self.control.read), writing.eq(self.control.write)]
        m.d.comb += [
            feed.eq(self.feed_addr),
            load.eq(self.load.p.addr),
            self.feed_ready.eq(~reading),
            feed_go.eq(self.feed_read & self.feed_ready),
            self.drain.ready.eq(~reading
                                & ~(self.feed_read & (feed.bank == self.drain.p.bank))),
            drain_go.eq(self.drain.valid & self.drain.ready),
            self.load.ready.eq(~self.control.write),
            load_go.eq(self.load.valid & self.load.ready),
        ]

        banks = [GLBBank(config) for _ in range(config.cols)]
        for i, bank in enumerate(banks):
            m.submodules[f"bank_{i}"] = bank
            wanted = Signal(name=f"wanted_{i}")      # by the feed
            m.d.comb += [
                wanted.eq(self.feed_read & (feed.bank == i)),
                bank.psum.eq(self.psum.word_select(i, config.psum_bits)),
                bank.control.eq(self.control),
                bank.read_addr.eq(Mux(wanted, feed.off, self.drain.p.off)),
                bank.feed_read.eq(wanted & ~reading), bank.feed_sub.eq(feed.sub),
                bank.drain_read.eq(drain_go & (self.drain.p.bank == i)),
                bank.write.eq(load_go & (load.bank == i)),
                bank.write_addr.eq(load.off),
                bank.write_sub.eq(load.sub),
                bank.write_data.eq(self.load.p.data),
                bank.write_mask.eq(self.load.p.mask),
            ]

        loaded = Signal()                    # written one cycle after it was accepted
        m.d.sync += [
            loaded.eq(load_go),
            self.feed_data.eq(reduce(or_, (bank.feed_data for bank in banks))),
            self.drain_data.eq(reduce(or_, (bank.drain_data for bank in banks))),
            self.drain_valid.eq(delay(m, drain_go, 3, "drained", reset_less=True)),
            self.reads.eq(Mux(reading, config.cols, feed_go + drain_go)),
            self.writes.eq(Mux(writing, config.cols, loaded)),
        ]
        return m
