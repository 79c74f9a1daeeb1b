"""The AXI4 master: a read DMA with three clients and a write DMA with one.

Ref: Arm IHI 0022, AMBA AXI Protocol Specification, A3 (handshake, bursts, 4 KiB rule).
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .block import Block
from .fifo import Fifo

__all__ = ["REQUEST", "SEGMENT", "OUTSTANDING", "words", "transfer", "ReadDma", "WriteDma",
           "read_dma", "write_dma"]

#: A read request: byte offset, a multiple of the bus word, and number of words, 1 or more.
REQUEST = data.StructLayout({"addr": 32, "beats": 24})

#: A contiguous run of bytes to write: byte offset, any, and number of bytes, 1 or more.
SEGMENT = data.StructLayout({"addr": 32, "size": 24})

#: Bursts that each DMA has under way at most.
OUTSTANDING = 8

_PAGE = 4096                 # bytes that no burst may straddle
_FETCH_BURST = 8             # beats of the longest burst of the command fetch


def words(config):
    """A word that was read, and whether it is the last one of its request."""
    return data.StructLayout({"data": config.bus_bits, "last": 1})


def transfer(config):
    """The next ``count`` bytes of a segment, 1 to ``lanes``, from the lowest."""
    return data.StructLayout({"bytes": 8 * config.lanes, "count": range(config.lanes + 1)})


def _address_channel(config, x):
    """Members of an AXI address channel; ``x`` is "ar" or "aw"."""
    return {f"axi_{x}id": Out(1), f"axi_{x}addr": Out(config.addr_bits), f"axi_{x}len": Out(8),
            f"axi_{x}size": Out(3), f"axi_{x}burst": Out(2), f"axi_{x}cache": Out(4),
            f"axi_{x}prot": Out(3), f"axi_{x}valid": Out(1), f"axi_{x}ready": In(1)}


def _constants(m, config, dma, x):
    """Drive what is the same in every burst: INCR, whole words, normal non-cacheable bufferable."""
    m.d.comb += [
        getattr(dma, f"axi_{x}id").eq(0),
        getattr(dma, f"axi_{x}prot").eq(0),
        getattr(dma, f"axi_{x}size").eq(exact_log2(config.bus_bytes)),
        getattr(dma, f"axi_{x}burst").eq(1),
        getattr(dma, f"axi_{x}cache").eq(0b0011),
    ]


def _burst(config, address, left, limit):
    """Beats of the next burst: the ``left`` words, at most ``limit``, up to the 4 KiB boundary."""
    room = _PAGE // config.bus_bytes - address[exact_log2(config.bus_bytes):exact_log2(_PAGE)]
    longest = Mux(left < limit, left, limit)
    return Mux(room < longest, room, longest)


class ReadDma(Block):
    """Reads runs of words for three clients over AXI4.

    Requests are cut into INCR bursts of at most ``burst`` beats (8 for client 0) that never cross
    4 KiB, one burst every 3 cycles at best. A burst is issued when its client's FIFO has room for
    the longest one, so the R channel never blocks; up to ``OUTSTANDING`` are under way. A client's
    words come in the order of its requests, a word a cycle, 3 cycles after their R beat at best;
    the FIFOs of clients 1 and 2 keep that rate up over a latency of 90 cycles with bursts of 32.

    Clients, in order of priority: 0 command fetch, 1 filter, 2 loader; 1 and 2 take turns.

    Members
    -------
    req_0, req_1, req_2 : In(stream.Signature(REQUEST))
    data_0, data_1, data_2 : Out(stream.Signature(words(config)))
    base : In(addr_bits)
        Added to the offset of every request; a multiple of the bus word.
    halt : In(1)
        No new bursts; beats that still arrive are accepted and dropped. Ends with a reset.
    idle : Out(1)
        No burst is under way.
    error : Out(1)
        High for one cycle for each beat whose RRESP is not OKAY.
    error_addr : Out(addr_bits)
        Address of that beat, valid with ``error``.
    axi_ar*, axi_r*
        AXI4 read channels. One ID, 0.
    """
    module_name = "read_dma"

    def __init__(self, config):
        self._config = config
        super().__init__({
            **{f"req_{k}": In(stream.Signature(REQUEST)) for k in range(3)},
            **{f"data_{k}": Out(stream.Signature(words(config))) for k in range(3)},
            "base": In(config.addr_bits),
            "halt": In(1),
            "idle": Out(1),
            "error": Out(1),
            "error_addr": Out(config.addr_bits),
            **_address_channel(config, "ar"),
            "axi_rid": In(1), "axi_rdata": In(config.bus_bits), "axi_rresp": In(2),
            "axi_rlast": In(1), "axi_rvalid": In(1), "axi_rready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        limits = (_FETCH_BURST, config.burst, config.burst)
        depths = (2 * _FETCH_BURST, *2 * (max(128, 2 * config.burst),))
        _constants(m, config, self, "ar")

        # What is left of each client's request, and the words that its FIFO has room for.
        tag = data.StructLayout({"client": range(3), "last": 1,
                                 "address": config.addr_bits - word_bits})
        m.submodules.tags = tags = Fifo(tag, OUTSTANDING)
        length = Signal(range(config.burst + 1))
        client = Signal(range(3))
        issue = Signal()
        left = Signal(24)
        after = Signal(24)
        beat = Signal()
        pending, offset, beats, wants = [], [], [], []
        m.d.comb += after.eq(left - length)
        for k in range(3):
            req, out = getattr(self, f"req_{k}"), getattr(self, f"data_{k}")
            m.submodules[f"fifo_{k}"] = fifo = Fifo(words(config), depths[k])
            pending.append(Signal(name=f"pending_{k}"))
            offset.append(Signal(32, name=f"offset_{k}", reset_less=True))
            beats.append(Signal(24, name=f"beats_{k}", reset_less=True))
            room = Signal(range(depths[k] + 1), init=depths[k], name=f"room_{k}")
            mine = Signal(name=f"issue_{k}")
            wants.append(pending[k] & (room >= limits[k]))
            m.d.comb += [
                mine.eq(issue & (client == k)),
                req.ready.eq(~pending[k]),
                fifo.i.valid.eq(beat & (tags.o.payload.client == k) & ~self.halt),
                fifo.i.payload.data.eq(self.axi_rdata),
                fifo.i.payload.last.eq(self.axi_rlast & tags.o.payload.last),
                out.valid.eq(fifo.o.valid),
                out.payload.eq(fifo.o.payload),
                fifo.o.ready.eq(out.ready),
            ]
            m.d.sync += room.eq(room - Mux(mine, length, 0) + (out.valid & out.ready))
            with m.If(req.valid & req.ready):
                m.d.sync += [
                    pending[k].eq(1),
                    offset[k].eq(req.payload.addr),
                    beats[k].eq(req.payload.beats),
                ]
            with m.If(mine):
                m.d.sync += [
                    pending[k].eq(after != 0),
                    offset[k].eq(offset[k] + (length << word_bits)),
                    beats[k].eq(after),
                ]

        # Choose a client, cut a burst off its request, issue it.
        choice = Signal(range(3))
        turn = Signal()
        address = Signal(config.addr_bits, reset_less=True)
        outstanding = Signal(range(OUTSTANDING + 1))
        ended = Signal()
        with m.If(wants[0]):
            m.d.comb += choice.eq(0)
        with m.Elif(wants[1] & ~(wants[2] & turn)):
            m.d.comb += choice.eq(1)
        with m.Else():
            m.d.comb += choice.eq(2)
        m.d.comb += [
            tags.i.valid.eq(issue),
            tags.i.payload.client.eq(client),
            tags.i.payload.last.eq(after == 0),
            tags.i.payload.address.eq(address[word_bits:]),
        ]
        with m.If(self.axi_arready):
            m.d.sync += self.axi_arvalid.eq(0)
        with m.FSM():
            with m.State("Choose"):
                m.d.sync += [
                    client.eq(choice),
                    address.eq(self.base + data.ArrayLayout(32, 3)(Cat(offset))[choice]),
                    left.eq(data.ArrayLayout(24, 3)(Cat(beats))[choice]),
                ]
                with m.If((wants[0] | wants[1] | wants[2]) & ~self.halt):
                    m.d.sync += turn.eq(choice == 1)
                    m.next = "Cut"
            with m.State("Cut"):
                limit = Mux(client == 0, Const(limits[0]), Const(limits[1]))
                m.d.sync += length.eq(_burst(config, address, left, limit))
                m.next = "Issue"
            with m.State("Issue"):
                with m.If(self.halt):
                    m.next = "Choose"
                with m.Elif((outstanding != OUTSTANDING) & (~self.axi_arvalid | self.axi_arready)):
                    m.d.comb += issue.eq(1)
                    m.d.sync += [
                        self.axi_arvalid.eq(1),
                        self.axi_araddr.eq(address),
                        self.axi_arlen.eq(length - 1),
                    ]
                    m.next = "Choose"
        m.d.sync += outstanding.eq(outstanding + issue - ended)
        m.d.comb += self.idle.eq(outstanding == 0)

        # Beats come back in the order of the bursts.
        position = Signal(exact_log2(_PAGE) - word_bits)
        burst = tags.o.payload
        m.d.comb += [
            self.axi_rready.eq(tags.o.valid),
            beat.eq(self.axi_rvalid & self.axi_rready),
            ended.eq(beat & self.axi_rlast),
            tags.o.ready.eq(ended),
        ]
        with m.If(beat):
            m.d.sync += position.eq(Mux(self.axi_rlast, 0, position + 1))
        in_page = (burst.address + position)[:len(position)]
        m.d.sync += [
            self.error.eq(beat & (self.axi_rresp != 0)),
            self.error_addr.eq(Cat(Const(0, word_bits), in_page, burst.address[len(position):])),
        ]
        return m


class WriteDma(Block):
    """Packs bytes into words and writes them over AXI4.

    Segments are cut into INCR bursts of at most ``burst`` beats that never cross 4 KiB. AW is
    issued when all the burst's words are in the FIFO (of two bursts), so a burst that has begun
    ends without a pause of the master; strobes mask the bytes outside the segment. Up to
    ``OUTSTANDING`` bursts are under way. Up to ``min(lanes, bus_bytes)`` bytes are taken a cycle,
    with 1 cycle lost a segment; beats follow each other without a gap while the data suffice,
    bursts of fewer than 3 beats at one burst every 3 cycles.

    Members
    -------
    segment : In(stream.Signature(SEGMENT))
    data : In(stream.Signature(transfer(config)))
        Bytes of the segments in order; a transfer never crosses the end of its segment.
    base : In(addr_bits)
        Added to the offset of every segment; a multiple of the bus word.
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

    def __init__(self, config):
        self._config = config
        super().__init__({
            "segment": In(stream.Signature(SEGMENT)),
            "data": In(stream.Signature(transfer(config))),
            "base": In(config.addr_bits),
            "halt": In(1),
            "idle": Out(1),
            "error": Out(1),
            "error_addr": Out(config.addr_bits),
            **_address_channel(config, "aw"),
            "axi_wdata": Out(config.bus_bits), "axi_wstrb": Out(config.bus_bytes),
            "axi_wlast": Out(1), "axi_wvalid": Out(1), "axi_wready": In(1),
            "axi_bid": In(1), "axi_bresp": In(2), "axi_bvalid": In(1), "axi_bready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        _constants(m, config, self, "aw")
        word = data.StructLayout({"data": config.bus_bits, "strb": config.bus_bytes})
        m.submodules.buffer = buffer = Fifo(word, 2 * config.burst)
        m.submodules.tags = tags = Fifo(config.addr_bits - word_bits, OUTSTANDING)

        # A segment goes to the packer, and waits here for the bursts.
        pending = Signal()
        offset = Signal(32, reset_less=True)
        beats = Signal(24, reset_less=True)
        packing = Signal()
        packed = Signal()
        start = Signal()
        lead = self.segment.payload.addr[:word_bits]
        m.d.comb += [
            self.segment.ready.eq(~pending & (~packing | packed)),
            start.eq(self.segment.valid & self.segment.ready),
        ]
        with m.If(start):
            m.d.sync += [
                pending.eq(1),
                offset.eq(Cat(Const(0, word_bits), self.segment.payload.addr[word_bits:])),
                beats.eq((self.segment.payload.size + lead + config.bus_bytes - 1) >> word_bits),
            ]
        push = self._pack(m, buffer, packing, packed, start)

        # Cut a burst off the segment, issue it once the FIFO has its words.
        address = Signal(config.addr_bits, reset_less=True)
        left = Signal(24)
        after = Signal(24)
        length = Signal(range(config.burst + 1))
        held = Signal(range(2 * config.burst + 3))
        owed = Signal(range(config.burst + 1))
        outstanding = Signal(range(OUTSTANDING + 1))
        issue = Signal()
        sent = Signal()
        m.d.comb += after.eq(left - length)
        with m.If(self.axi_awready):
            m.d.sync += self.axi_awvalid.eq(0)
        with m.FSM() as fsm:
            with m.State("Load"):
                m.d.sync += [
                    address.eq(self.base + offset),
                    left.eq(beats),
                ]
                with m.If(pending):
                    m.d.sync += pending.eq(0)
                    m.next = "Cut"
            with m.State("Cut"):
                m.d.sync += length.eq(_burst(config, address, left, config.burst))
                m.next = "Issue"
            with m.State("Issue"):
                with m.If(~self.halt & (held >= length) & (outstanding != OUTSTANDING)
                          & (~self.axi_awvalid | self.axi_awready)
                          & ((owed == 0) | (sent & (owed == 1)))):
                    m.d.comb += issue.eq(1)
                    m.d.sync += [
                        self.axi_awvalid.eq(1),
                        self.axi_awaddr.eq(address),
                        self.axi_awlen.eq(length - 1),
                        address.eq(address + (length << word_bits)),
                        left.eq(after),
                    ]
                    with m.If(after == 0):
                        m.next = "Load"
                    with m.Else():
                        m.next = "Cut"
        m.d.sync += held.eq(held + push - Mux(issue, length, 0))

        # Send the words of the burst that was issued last.
        with m.If(issue):
            m.d.sync += owed.eq(length)
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

        # Responses come in the order of the bursts.
        answered = Signal()
        m.d.comb += [
            tags.i.valid.eq(issue),
            tags.i.payload.eq(address[word_bits:]),
            self.axi_bready.eq(tags.o.valid),
            answered.eq(self.axi_bvalid & self.axi_bready),
            tags.o.ready.eq(answered),
            self.idle.eq((outstanding == 0) &
                         (self.halt | (~pending & ~packing & fsm.ongoing("Load")))),
        ]
        m.d.sync += [
            outstanding.eq(outstanding + issue - answered),
            self.error.eq(answered & (self.axi_bresp != 0)),
            self.error_addr.eq(Cat(Const(0, word_bits), tags.o.payload)),
        ]
        return m

    def _pack(self, m, buffer, packing, packed, start):
        """Fill words with bytes; returns the signal that is high when one enters ``buffer``.

        ``store`` collects bytes from its position ``fill`` up; its lowest word leaves when it is
        full, or at the end of the segment.
        """
        config = self._config
        n = config.bus_bytes
        store = Signal(data.ArrayLayout(8, n - 1 + config.lanes), reset_less=True)
        fill = Signal(range(n + config.lanes))
        left = Signal(24)
        lead = Signal(range(n))
        full = Signal()
        push = Signal()
        take = Signal()
        position = fill[:exact_log2(n)]
        shifted = store.shape()((self.data.payload.bytes << Cat(Const(0, 3), position))
                                [:store.shape().size])
        m.d.comb += [
            full.eq(fill >= n),
            buffer.i.valid.eq(packing & (full | (left == 0))),
            push.eq(buffer.i.valid & buffer.i.ready),
            packed.eq(push & (left == 0) & (fill <= n)),
            self.data.ready.eq(packing & (left != 0) & (~full | (push & (fill < 2 * n)))),
            take.eq(self.data.valid & self.data.ready),
            buffer.i.payload.data.eq(store.as_value()[:8 * n]),
            buffer.i.payload.strb.eq(Cat((i >= lead) & (i < fill) for i in range(n))),
        ]
        for i in range(n - 1 + config.lanes):
            if i < config.lanes - 1:
                with m.If(push):
                    m.d.sync += store[i].eq(store[i + n])
            with m.If(take & (i >= position)):
                m.d.sync += store[i].eq(shifted[i])
        with m.If(push):
            m.d.sync += lead.eq(0)
        m.d.sync += [
            fill.eq(Mux(push, fill - n, fill) + Mux(take, self.data.payload.count, 0)),
            left.eq(left - Mux(take, self.data.payload.count, 0)),
        ]
        with m.If(start):
            m.d.sync += [
                packing.eq(1),
                fill.eq(self.segment.payload.addr[:exact_log2(n)]),
                lead.eq(self.segment.payload.addr[:exact_log2(n)]),
                left.eq(self.segment.payload.size),
            ]
        with m.Elif(packed):
            m.d.sync += packing.eq(0)
        return push


def read_dma(config):
    """The read DMA of an accelerator."""
    return ReadDma(config)


def write_dma(config):
    """The write DMA of an accelerator."""
    return WriteDma(config)
