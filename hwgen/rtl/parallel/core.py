"""The core: every unit of the accelerator but the CSRs, wired together."""

from amaranth import Module, Signal
from amaranth.lib.wiring import In, Out, connect

from ..block import Block
from ..common.axi import axi_members
from ..csr import EVENTS
from .array.array_row import Cause
from .array.pe_array import Array
from .controller import Controller
from .dma.read_dma import ReadDma
from .dma.write_dma import WriteDma
from .feed.feed import Feed
from .filter_distributor import FilterDistributor
from .glb.global_buffer import GlobalBuffer
from .glb.psum_controller import PsumController
from .load.loader import Loader
from .store.drain import Drain

__all__ = ["Core"]

#: Read DMA clients, as docs/design/architecture.md numbers them.
FETCH, FILTER, LOAD = range(3)


class Core(Block):
    """Controller, DMAs, loader, feed, filter distributor, array, GLB and drain.

    Members
    -------
    start, program, base, pages, watchdog, expired, halt : In
        From the CSR block: see there.
    done, error, error_code, error_info, command_index, dma_idle : Out
        To the CSR block.
    events : Out(EVENTS)
        What the performance counters count.
    axi_ar*, axi_r*, axi_aw*, axi_w*, axi_b*
        AXI4 master.
    """

    module_name = "core"

    def __init__(self, config):
        self._config = config
        self._read_dma = ReadDma(config)
        self._write_dma = WriteDma(config)
        super().__init__({
            "start": In(1), "program": In(32), "base": In(config.addr_bits), "pages": In(20),
            "watchdog": In(32), "expired": In(1), "halt": In(1), "done": Out(1), "error": Out(1),
            "error_code": Out(4), "error_info": Out(config.addr_bits), "command_index": Out(32),
            "dma_idle": Out(1), "events": Out(EVENTS),
            **axi_members(self._read_dma, self._write_dma),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        m.submodules.controller = controller = Controller(config)
        m.submodules.read_dma = read_dma = self._read_dma
        m.submodules.write_dma = write_dma = self._write_dma
        m.submodules.loader = loader = Loader(config)
        m.submodules.feed = feed = Feed(config)
        m.submodules.filters = filters = FilterDistributor(config)
        m.submodules.array = array = Array(config)
        m.submodules.psums = psums = PsumController(config)
        m.submodules.glb = glb = GlobalBuffer(config)
        m.submodules.drain = drain = Drain(config)

        connect(m, controller.load, loader.command)
        connect(m, controller.filter, filters.command)
        connect(m, controller.compute, feed.command)
        connect(m, controller.store, drain.command)
        connect(m, loader.take, controller.take_load)
        connect(m, feed.semaphores, controller.take_feed)
        connect(m, psums.semaphores, controller.take_psum)
        connect(m, drain.take, controller.take_store)
        for client, unit in ((FETCH, controller), (FILTER, filters), (LOAD, loader)):
            connect(m, unit.req, getattr(read_dma, f"req_{client}"))
            connect(m, getattr(read_dma, f"data_{client}"), unit.data)
        connect(m, loader.glb, glb.load)
        connect(m, loader.params, drain.params)
        connect(m, drain.read, glb.drain)
        connect(m, drain.segment, write_dma.segment)
        connect(m, drain.data, write_dma.data)
        connect(m, feed.passes, psums.passes)

        halt = Signal()
        m.d.comb += [
            controller.start.eq(self.start), controller.program.eq(self.program),
            controller.watchdog.eq(self.watchdog), controller.expired.eq(self.expired),
            controller.give_load.eq(loader.give), controller.give_feed.eq(feed.give),
            controller.give_psum.eq(psums.give), controller.give_store.eq(drain.give),
            controller.give_written.eq(drain.give_written),
            controller.units_idle.eq(loader.idle & feed.idle & filters.idle & psums.idle
                                     & drain.idle & write_dma.idle),
            controller.read_error.eq(read_dma.error), controller.last_error.eq(read_dma.last_error),
            controller.read_error_addr.eq(read_dma.error_addr),
            controller.write_error.eq(write_dma.error),
            controller.write_error_addr.eq(write_dma.error_addr),
            controller.read_leaves.eq(read_dma.leaves),
            controller.read_leaves_addr.eq(self.axi_araddr),
            controller.write_leaves.eq(write_dma.leaves),
            controller.write_leaves_addr.eq(self.axi_awaddr),
            controller.filter_error.eq(filters.error),
            self.done.eq(controller.done), self.error.eq(controller.error),
            self.error_code.eq(controller.error_code), self.error_info.eq(controller.error_info),
            self.command_index.eq(controller.command_index),
            self.dma_idle.eq(read_dma.idle & write_dma.idle),
            read_dma.base.eq(self.base), read_dma.halt.eq(halt),
            read_dma.pages.eq(self.pages), write_dma.pages.eq(self.pages),
            write_dma.base.eq(self.base), write_dma.halt.eq(halt),
            drain.write_idle.eq(write_dma.idle),
            drain.rdata.eq(glb.drain_data), drain.rvalid.eq(glb.drain_valid),
            glb.psum.eq(array.psum), glb.control.eq(psums.control),
            glb.feed_read.eq(feed.read), glb.feed_addr.eq(feed.read_addr),
            feed.read_ready.eq(glb.feed_ready), feed.read_data.eq(glb.feed_data),
            array.y.eq(feed.y), array.y_valid.eq(feed.y_valid), feed.stop.eq(array.y_stop),
            array.f.eq(filters.f), array.f_valid.eq(filters.f_valid),
            filters.stop.eq(array.f_stop),
            psums.full.eq(array.full), array.take.eq(psums.take),
        ]

        # The AXI4 master: the channels of the two DMAs.
        for dma in (read_dma, write_dma):
            for name, member in axi_members(dma).items():
                inside, outside = getattr(dma, name), getattr(self, name)
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)

        beats_in = Signal()
        beats_out = Signal()
        m.d.comb += [
            beats_in.eq(self.axi_rvalid & self.axi_rready),
            beats_out.eq(self.axi_wvalid & self.axi_wready),
        ]
        self._array_cycles(m, array, controller, feed, psums, read_dma, beats_in)
        m.d.sync += [
            halt.eq(self.halt | controller.halt),
            self.events.macs.eq(array.macs),
            self.events.dram_read_words.eq(beats_in),
            self.events.dram_write_words.eq(beats_out),
            self.events.glb_reads.eq(glb.reads),
            self.events.glb_writes.eq(glb.writes),
            self.events.ybus_words.eq(feed.words),
            self.events.xbus_writes.eq(array.ifmap_writes),
            self.events.filter_writes.eq(array.filter_writes),
            self.events.outputs.eq(drain.outputs),
            controller.progress.eq(beats_in | beats_out | array.busy),
        ]
        return m

    def _array_cycles(self, m, array, controller, feed, psums, read_dma, beats_in):
        """Book each cycle of a program in exactly one event: what the bottom row did in it. What
        it waits for is late from DRAM while DRAM still gives beats, or has given none of it."""
        events = self.events
        running = Signal()
        started = Signal()
        with m.If(self.start):
            m.d.sync += [running.eq(1), started.eq(0)]
        with m.Elif(self.done | self.error):
            m.d.sync += running.eq(0)
        with m.Elif(array.busy):
            m.d.sync += started.eq(1)

        def late(client):
            return beats_in | ~getattr(read_dma, f"data_{client}").valid
        no_tile = feed.semaphores.valid & ~feed.semaphores.ready
        no_room = psums.semaphores.valid & ~psums.semaphores.ready
        names = ("array_busy", "start", "stall_dram", "stall_ifmap", "stall_filter", "stall_psum",
                 "stall_output", "stall_idle", "finish")
        booked = {name: Signal(name=f"is_{name}") for name in names}
        with m.If(array.busy):
            m.d.comb += booked["array_busy"].eq(1)
        with m.Elif(~started):
            m.d.comb += booked["start"].eq(1)
        with m.Elif(no_room & (array.cause != Cause.FILTER)):
            m.d.comb += booked["stall_output"].eq(1)
        with m.Elif(no_tile & (array.cause != Cause.FILTER)):
            m.d.comb += booked["stall_dram"].eq(late(LOAD))
            m.d.comb += booked["stall_ifmap"].eq(~late(LOAD))
        with m.Elif(array.cause == Cause.IFMAP):
            m.d.comb += booked["stall_ifmap"].eq(1)
        with m.Elif(array.cause == Cause.FILTER):
            m.d.comb += booked["stall_dram"].eq(late(FILTER))
            m.d.comb += booked["stall_filter"].eq(~late(FILTER))
        with m.Elif(array.cause == Cause.PSUM):
            m.d.comb += booked["stall_psum"].eq(1)
        with m.Elif(controller.ending & feed.idle):
            m.d.comb += booked["finish"].eq(1)
        with m.Else():
            m.d.comb += booked["stall_idle"].eq(1)
        for name, signal in booked.items():
            m.d.sync += events[name].eq(signal & (running | self.start))
