"""The compute path on its own: feed, filter distributor, array, psum controller, GLB."""

from amaranth import Module
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from hwgen.rtl.block import Block
from hwgen.rtl.common.command import COMMAND, Take
from hwgen.rtl.parallel.array.pe_array import Array
from hwgen.rtl.parallel.feed.feed import Feed
from hwgen.rtl.parallel.filter_distributor import FilterDistributor
from hwgen.rtl.parallel.glb.global_buffer import GlobalBuffer
from hwgen.rtl.parallel.glb.psum_controller import PsumController

__all__ = ["Datapath"]


class Datapath(Block):
    """All blocks between the loader, the filter stream and the drain, for the testbench."""

    module_name = "datapath"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "compute": In(COMMAND), "filter": In(COMMAND),
            "req": Out(stream.Signature(data.StructLayout({"addr": 32, "beats": 24}))),
            "data": In(stream.Signature(data.StructLayout({"data": config.bus_bits, "last": 1}))),
            "feed_take": Out(Take), "psum_take": Out(Take),
            "feed_give": Out(8), "psum_give": Out(8), "error": Out(1), "idle": Out(1),
            "drain": In(stream.Signature(data.StructLayout({"bank": 5, "off": 16}))),
            "drain_data": Out(config.bank_bits), "drain_valid": Out(1),
            "load": In(stream.Signature(data.StructLayout({
                "addr": 24, "data": config.bus_bits, "mask": config.bus_bytes}))),
            "busy": Out(1), "cause": Out(2), "macs": Out(11),
            "ifmap_writes": Out(11), "filter_writes": Out(11), "reads": Out(6), "writes": Out(6),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        m.submodules.feed = feed = Feed(config)
        m.submodules.filters = filters = FilterDistributor(config)
        m.submodules.array = array = Array(config)
        m.submodules.psums = psums = PsumController(config)
        m.submodules.glb = glb = GlobalBuffer(config)
        connect(m, flipped(self.compute), feed.command)
        connect(m, flipped(self.filter), filters.command)
        connect(m, filters.req, flipped(self.req))
        connect(m, flipped(self.data), filters.data)
        connect(m, feed.semaphores, flipped(self.feed_take))
        connect(m, psums.semaphores, flipped(self.psum_take))
        connect(m, flipped(self.drain), glb.drain)
        connect(m, flipped(self.load), glb.load)
        connect(m, feed.passes, psums.passes)
        m.d.comb += [
            self.feed_give.eq(feed.give), self.psum_give.eq(psums.give),
            self.error.eq(filters.error), self.idle.eq(feed.idle & filters.idle & psums.idle),
            self.drain_data.eq(glb.drain_data), self.drain_valid.eq(glb.drain_valid),
            glb.psum.eq(array.psum), glb.control.eq(psums.control),
            glb.feed_read.eq(feed.read), glb.feed_addr.eq(feed.read_addr),
            feed.read_ready.eq(glb.feed_ready), feed.read_data.eq(glb.feed_data),
            array.y.eq(feed.y), array.y_valid.eq(feed.y_valid), feed.stop.eq(array.y_stop),
            array.f.eq(filters.f), array.f_valid.eq(filters.f_valid),
            filters.stop.eq(array.f_stop),
            psums.full.eq(array.full), array.take.eq(psums.take),
            self.busy.eq(array.busy), self.cause.eq(array.cause), self.macs.eq(array.macs),
            self.ifmap_writes.eq(array.ifmap_writes), self.filter_writes.eq(array.filter_writes),
            self.reads.eq(glb.reads), self.writes.eq(glb.writes),
        ]
        return m
