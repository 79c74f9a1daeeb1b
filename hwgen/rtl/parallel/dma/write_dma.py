"""The write DMA."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ...block import Block
from ...common.fifo import Fifo
from ...common.ram import Ram
from .bursts import (
    OUTSTANDING,
    PAGE,
    SEGMENT,
    address_channel,
    based,
    constants,
    leaves,
    transfer,
)
from .write_packer import WritePacker, packed_word

__all__ = ["WriteDma"]


class WriteDma(Block):
    """Packs bytes into words and writes them over AXI4.

    Segments are cut into INCR bursts of at most ``burst`` beats that never cross 4 KiB. A burst is
    closed when its last word enters the FIFO (of two bursts), and AW is issued 2 cycles later at
    best, so a burst that has begun ends without a pause of the master; strobes mask the bytes
    outside the segment. Up to ``OUTSTANDING`` bursts are under way, and as many closed. Up to
    ``min(lanes, bus_bytes)`` bytes are taken a cycle, with 1 cycle lost a segment; beats follow
    each other without a gap while the data suffice, bursts of one beat every other cycle.

    Members
    -------
    segment : In(stream.Signature(SEGMENT))
    data : In(stream.Signature(transfer(config)))
        Bytes of the segments in order; a transfer never crosses the end of its segment.
    base : In(addr_bits)
        Added to the offset of every segment; a multiple of 4096.
    pages : In(20)
        Bursts beyond so many pages of 4096 bytes from the base are not issued; 0: all are.
    leaves : Out(1)
        Such a burst was wanted; its address is ``axi_awaddr``. High again and again, until
        ``halt``.
    halt : In(1)
        No new bursts; those under way end. Ends with a reset.
    idle : Out(1)
        Every B received and nothing buffered; under ``halt``: every B received.
    error : Out(1)
        High for one cycle for each burst whose BRESP is not OKAY.
    error_addr : Out(addr_bits)
        Address of that burst's first beat, valid with ``error``.
    axi_aw*, axi_w*, axi_b*
        AXI4 write channels. One ID, 0.
    """
    module_name = "write_dma"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "segment": In(stream.Signature(SEGMENT)),
            "data": In(stream.Signature(transfer(config))),
            "base": In(config.addr_bits),
            "pages": In(20),
            "leaves": Out(1),
            "halt": In(1),
            "idle": Out(1),
            "error": Out(1),
            "error_addr": Out(config.addr_bits),
            **address_channel(config, "aw"),
            "axi_wdata": Out(config.bus_bits), "axi_wstrb": Out(config.bus_bytes),
            "axi_wlast": Out(1), "axi_wvalid": Out(1), "axi_wready": In(1),
            "axi_bid": In(1), "axi_bresp": In(2), "axi_bvalid": In(1), "axi_bready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        constants(m, config, self, "aw")
        m.submodules.buffer = buffer = Fifo(packed_word(config), 2 * config.burst)

        m.submodules.packer = packer = WritePacker(config)
        # Bursts from the word that closes them to their B, in a ring.
        burst = data.StructLayout({"offset": 32 - word_bits, "beyond": 1,
                                   "last": range(config.burst)})
        m.submodules.ring = ring = Ram(burst, 2 * OUTSTANDING)
        write, read = ring.write, ring.read
        closed, issued, answered = (Signal(range(4 * OUTSTANDING), name=name)
                                    for name in ("closed", "issued", "answered"))

        answer = Signal()
        issue = Signal()
        failed = Signal()
        closes = self._cut(m, packer, buffer, write, closed, answered, answer)
        address = based(config, self.base, Cat(Const(0, word_bits), read.data.offset))
        self._issue(m, buffer, read, address, closed, issued, answered, failed, issue)
        m.d.comb += [
            failed.eq(answer & (self.axi_bresp != 0)),
            # The ring is read for the next burst, except while an error asks for an address.
            read.addr.eq(Mux(failed, answered, issued)),
            # Responses come in the order of the bursts.
            self.axi_bready.eq(issued != answered),
            answer.eq(self.axi_bvalid & self.axi_bready),
            self.idle.eq((issued == answered) & (self.halt | (~packer.busy & (closed == issued)))),
            self.error_addr.eq(address),
        ]
        m.d.sync += [
            closed.eq(closed + closes),
            issued.eq(issued + issue),
            answered.eq(answered + answer),
            self.error.eq(failed),
        ]
        return m

    def _cut(self, m, packer, buffer, write, closed, answered, answer):
        """Cut a segment's words into bursts as they enter the FIFO, and write these to the ring.

        Returns whether a burst is closed.
        """
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        # The word's place in its page, and where the open burst began.
        page = Signal(32 - exact_log2(PAGE), reset_less=True)
        position = Signal(exact_log2(PAGE) - word_bits, reset_less=True)
        first = Signal.like(position)
        next_position = Signal.like(position)
        count = Signal(range(config.burst), reset_less=True)
        close = Signal()
        offset = self.segment.payload.addr
        full = Signal()                              # the ring is
        start = self.segment.valid & self.segment.ready
        push = buffer.i.valid & buffer.i.ready
        connect(m, flipped(self.segment), packer.segment)
        connect(m, flipped(self.data), packer.data)
        connect(m, packer.word, buffer.i)
        m.d.comb += [
            packer.hold.eq(full),
            close.eq(push & (packer.ends | position.all() | (count == config.burst - 1))),
            next_position.eq(position + 1),
            write.en.eq(close),
            write.addr.eq(closed),
            write.data.offset.eq(Cat(first, page)),
            write.data.beyond.eq(leaves(self.pages, page)),
            write.data.last.eq(count),
        ]
        in_ring = Signal.like(closed)
        m.d.comb += in_ring.eq(closed - answered)
        m.d.sync += full.eq(~answer & (full | (close & (in_ring == 2 * OUTSTANDING - 1))))
        with m.If(push):
            m.d.sync += [position.eq(next_position), count.eq(count + 1)]
        with m.If(close):
            m.d.sync += [first.eq(next_position), count.eq(0)]
        with m.If(push & position.all()):
            m.d.sync += page.eq(page + 1)
        with m.If(start):
            m.d.sync += [
                Cat(position, page).eq(offset[word_bits:]),
                first.eq(offset[word_bits:]),
                count.eq(0),
            ]
        return close

    def _issue(self, m, buffer, read, address, closed, issued, answered, failed, issue):
        """Issue a burst when the words of the one before have been sent, and send its own."""
        owed = Signal(range(self._config.burst + 1))        # words of the burst to send
        sent = Signal()
        found = Signal()
        free = Signal()
        m.d.comb += [
            free.eq(found & ~self.halt & ((issued - answered)[:5] != OUTSTANDING)
                    & (~self.axi_awvalid | self.axi_awready)
                    & ((owed == 0) | (sent & (owed == 1)))),
            issue.eq(free & ~read.data.beyond),
        ]
        m.d.sync += self.leaves.eq(free & read.data.beyond)
        m.d.sync += found.eq((issued != closed) & ~failed & ~issue)
        with m.If(self.axi_awready):
            m.d.sync += self.axi_awvalid.eq(0)
        with m.If(free):
            m.d.sync += [
                self.axi_awvalid.eq(issue),
                self.axi_awaddr.eq(address),
                self.axi_awlen.eq(read.data.last),
            ]

        # Send the words of the burst that was issued last.
        with m.If(issue):
            m.d.sync += owed.eq(read.data.last + 1)
        with m.Elif(sent):
            m.d.sync += owed.eq(owed - 1)
        m.d.comb += [
            self.axi_wvalid.eq(buffer.o.valid & (owed != 0)),
            self.axi_wdata.eq(buffer.o.payload.data),
            self.axi_wstrb.eq(buffer.o.payload.strb),
            self.axi_wlast.eq(owed == 1),
            sent.eq(self.axi_wvalid & self.axi_wready),
            buffer.o.ready.eq(sent),
        ]
