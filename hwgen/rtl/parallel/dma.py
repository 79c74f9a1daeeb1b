"""The AXI4 master: a read DMA with three clients and a write DMA with one.

Ref: Arm IHI 0022, AMBA AXI Protocol Specification, A3 (handshake, bursts, 4 KiB rule).
"""

import enum

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ... import isa
from ..block import Block
from ..common.fifo import Fifo

__all__ = ["REQUEST", "SEGMENT", "OUTSTANDING", "words", "transfer", "fetch_beats",
           "address_channel", "constants", "burst_beats", "ReadDma",
           "WriteDma", "read_dma", "write_dma"]

#: A read request: byte offset, a multiple of the bus word, and number of words, 1 or more.
REQUEST = data.StructLayout({"addr": 32, "beats": 24})

#: A contiguous run of bytes to write: byte offset, any, and number of bytes, 1 or more.
SEGMENT = data.StructLayout({"addr": 32, "size": 24})

#: Bursts that each DMA has under way at most.
OUTSTANDING = 8

_PAGE = 4096                 # bytes that no burst may straddle


class _State(enum.IntEnum):
    """The steps to a burst."""
    CHOOSE = 0
    CUT = 1
    ISSUE = 2


def words(config):
    """A word that was read, and whether it is the last one of its request."""
    return data.StructLayout({"data": config.bus_bits, "last": 1})


def transfer(config):
    """The next ``count`` bytes of a segment, 1 to ``lanes``, from the lowest."""
    return data.StructLayout({"bytes": 8 * config.lanes, "count": range(config.lanes + 1)})


def fetch_beats(config):
    """Beats of a request of client 0: a command, or as much of it as a burst may be long."""
    return min(isa.COMMAND_BYTES // config.bus_bytes, config.burst)


def address_channel(config, x):
    """Members of an AXI address channel; ``x`` is "ar" or "aw"."""
    return {f"axi_{x}id": Out(1), f"axi_{x}addr": Out(config.addr_bits), f"axi_{x}len": Out(8),
            f"axi_{x}size": Out(3), f"axi_{x}burst": Out(2), f"axi_{x}cache": Out(4),
            f"axi_{x}prot": Out(3), f"axi_{x}valid": Out(1), f"axi_{x}ready": In(1)}


def constants(m, config, dma, x):
    """Drive what is the same in every burst: INCR, whole words, normal non-cacheable bufferable."""
    m.d.comb += [
        getattr(dma, f"axi_{x}id").eq(0),
        getattr(dma, f"axi_{x}prot").eq(0),
        getattr(dma, f"axi_{x}size").eq(exact_log2(config.bus_bytes)),
        getattr(dma, f"axi_{x}burst").eq(1),
        getattr(dma, f"axi_{x}cache").eq(0b0011),
    ]


def burst_beats(config, position, left):
    """Beats of the next burst, from word ``position`` of a page: the ``left`` words, at most
    ``burst``, to the end of the page."""
    low = exact_log2(config.burst)
    room = Mux(position[low:].all(), config.burst - position[:low], config.burst)
    longest = Mux(left[low:].any(), config.burst, left[:low])
    return Mux(room < longest, room, longest)


def _based(config, base, offset):
    """``base + offset``; the base is a multiple of the page."""
    bits = exact_log2(_PAGE)
    return Cat(offset[:bits], base[bits:] + offset[bits:])[:config.addr_bits]


class ReadDma(Block):
    """Reads runs of words for three clients over AXI4.

    Requests are cut into INCR bursts of at most ``burst`` beats that never cross 4 KiB, one burst
    every 3 cycles at best. A burst is issued when its client's FIFO has room for the longest one,
    so the R channel never blocks; up to ``OUTSTANDING`` are under way. A client's words come in the
    order of its requests, a word a cycle, 3 cycles after their R beat at best; the FIFOs of clients
    1 and 2 keep that rate up over a latency of 90 cycles with bursts of 32.

    Clients, in order of priority: 0 command fetch, 1 filter, 2 loader; 1 and 2 take turns. A
    request of client 0 is one burst: :func:`fetch_beats` words, aligned to as many.

    Members
    -------
    req_0, req_1, req_2 : In(stream.Signature(REQUEST))
        A request of client 0 is taken when its burst is issued, others before.
    data_0, data_1, data_2 : Out(stream.Signature(words(config)))
    base : In(addr_bits)
        Added to the offset of every request; a multiple of 4096.
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
    late_reset = True

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
            **address_channel(config, "ar"),
            "axi_rid": In(1), "axi_rdata": In(config.bus_bits), "axi_rresp": In(2),
            "axi_rlast": In(1), "axi_rvalid": In(1), "axi_rready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        limits = (fetch_beats(config), config.burst, config.burst)
        depths = (2 * limits[0], *2 * (max(128, 2 * config.burst),))
        constants(m, config, self, "ar")

        # What is left of each client's request, and the words that its FIFO has room for. Client
        # 0 keeps its request itself.
        tag = data.StructLayout({"client": range(3), "last": 1,
                                 "address": config.addr_bits - word_bits})
        m.submodules.tags = tags = Fifo(tag, OUTSTANDING)
        left = data.StructLayout({"address": 32 - word_bits, "beats": 24})
        now = Signal(left, reset_less=True)
        after = Signal(left)
        length = Signal(range(config.burst + 1), reset_less=True)
        client = Signal(range(3), reset_less=True)
        issue = Signal()
        last = Signal()
        beat = Signal()
        lefts, wants = [], []
        m.d.comb += [
            after.address.eq(now.address + length),
            after.beats.eq(now.beats - length),
            last.eq(after.beats == 0),
        ]
        for k in range(3):
            req, out = getattr(self, f"req_{k}"), getattr(self, f"data_{k}")
            m.submodules[f"fifo_{k}"] = fifo = Fifo(words(config), depths[k])
            room = Signal(range(depths[k] + 1), init=depths[k], name=f"room_{k}")
            mine = Signal(name=f"issue_{k}")
            taken = Signal(name=f"taken_{k}")        # a word left the FIFO a cycle ago
            m.d.comb += [
                mine.eq(issue & (client == k)),
                fifo.i.valid.eq(beat & (tags.o.payload.client == k) & ~self.halt),
                fifo.i.payload.data.eq(self.axi_rdata),
                fifo.i.payload.last.eq(self.axi_rlast & tags.o.payload.last),
                out.valid.eq(fifo.o.valid),
                out.payload.eq(fifo.o.payload),
                fifo.o.ready.eq(out.ready),
            ]
            m.d.sync += [
                taken.eq(out.valid & out.ready),
                room.eq(room - Mux(mine, length, 0) + taken),
            ]
            asked = Signal(left, name=f"asked_{k}")
            m.d.comb += [
                asked.address.eq(req.payload.addr[word_bits:]),
                asked.beats.eq(req.payload.beats),
            ]
            if k == 0:
                m.d.comb += req.ready.eq(mine)
                lefts.append(asked)
                wants.append(req.valid & (room >= limits[k]))
                continue
            pending = Signal(name=f"pending_{k}")
            held = Signal(left, name=f"left_{k}", reset_less=True)
            m.d.comb += req.ready.eq(~pending)
            with m.If(~pending):
                m.d.sync += [pending.eq(req.valid), held.eq(asked)]
            with m.Elif(mine):
                m.d.sync += [pending.eq(~last), held.eq(after)]
            lefts.append(held)
            wants.append(pending & (room >= limits[k]))

        # Choose a client, cut a burst off its request, issue it.
        address = _based(config, self.base, Cat(Const(0, word_bits), now.address))
        choice = Signal(range(3))
        turn = Signal()
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
            tags.i.payload.last.eq(last),
            tags.i.payload.address.eq(address[word_bits:]),
        ]
        with m.If(self.axi_arready):
            m.d.sync += self.axi_arvalid.eq(0)
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.CHOOSE):
                m.d.sync += [
                    client.eq(choice),
                    now.eq(data.ArrayLayout(left, 3)(Cat(lefts))[choice]),
                ]
                with m.If((wants[0] | wants[1] | wants[2]) & ~self.halt):
                    m.d.sync += turn.eq(choice == 1)
                    m.d.sync += state.eq(_State.CUT)
            with m.Case(_State.CUT):
                position = now.address[:exact_log2(_PAGE) - word_bits]
                m.d.sync += length.eq(burst_beats(config, position, now.beats))
                m.d.sync += state.eq(_State.ISSUE)
            with m.Case(_State.ISSUE):
                with m.If(self.halt):
                    m.d.sync += state.eq(_State.CHOOSE)
                with m.Elif((outstanding != OUTSTANDING) & (~self.axi_arvalid | self.axi_arready)):
                    m.d.comb += issue.eq(1)
                    m.d.sync += [
                        self.axi_arvalid.eq(1),
                        self.axi_araddr.eq(address),
                        self.axi_arlen.eq(length - 1),
                    ]
                    m.d.sync += state.eq(_State.CHOOSE)
        m.d.sync += outstanding.eq(outstanding + issue - ended)
        m.d.comb += self.idle.eq(outstanding == 0)

        # Beats come back in the order of the bursts.
        position = Signal(range(config.burst), reset_less=True)
        m.d.comb += [
            self.axi_rready.eq(tags.o.valid),
            beat.eq(self.axi_rvalid & self.axi_rready),
            ended.eq(beat & self.axi_rlast),
            tags.o.ready.eq(ended),
        ]
        with m.If(beat):
            m.d.sync += position.eq(position + 1)
        with m.If(ended | ~tags.o.valid):
            m.d.sync += position.eq(0)
        page_words = exact_log2(_PAGE) - word_bits
        burst_address = tags.o.payload.address
        m.d.sync += [
            self.error.eq(beat & (self.axi_rresp != 0)),
            self.error_addr.eq(Cat(Const(0, word_bits),
                                   (burst_address[:page_words] + position)[:page_words],
                                   burst_address[page_words:])),
        ]
        return m


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
        word = data.StructLayout({"data": config.bus_bits, "strb": config.bus_bytes})
        m.submodules.buffer = buffer = Fifo(word, 2 * config.burst)

        # Bursts from the word that closes them to their B, in a ring.
        burst = data.StructLayout({"address": config.addr_bits - word_bits,
                                   "last": range(config.burst)})
        m.submodules.ring = ring = Memory(shape=burst, depth=2 * OUTSTANDING, init=[],
                                          attrs={"no_rw_check": 1})
        write, read = ring.write_port(), ring.read_port()
        closed, issued, answered = (Signal(range(4 * OUTSTANDING), name=name)
                                    for name in ("closed", "issued", "answered"))

        # A segment's words, cut into bursts as they enter the FIFO: the word's place in its page,
        # and where the open burst began.
        packing = Signal()
        packed = Signal()
        start = Signal()
        page = Signal(config.addr_bits - exact_log2(_PAGE), reset_less=True)
        position = Signal(exact_log2(_PAGE) - word_bits, reset_less=True)
        first = Signal.like(position)
        next_position = Signal.like(position)
        count = Signal(range(config.burst), reset_less=True)
        close = Signal()
        address = _based(config, self.base, self.segment.payload.addr)
        m.d.comb += [
            self.segment.ready.eq(~packing | packed),
            start.eq(self.segment.valid & self.segment.ready),
        ]
        full = Signal()                              # the ring is
        answer = Signal()
        push = self._pack(m, buffer, packing, packed, start, full)
        m.d.comb += [
            close.eq(push & (packed | position.all() | (count == config.burst - 1))),
            next_position.eq(position + 1),
            write.en.eq(close),
            write.addr.eq(closed),
            write.data.address.eq(Cat(first, page)),
            write.data.last.eq(count),
        ]
        in_ring = Signal.like(closed)
        m.d.comb += in_ring.eq(closed - answered)
        m.d.sync += [
            closed.eq(closed + close),
            full.eq(~answer & (full | (close & (in_ring == 2 * OUTSTANDING - 1)))),
        ]
        with m.If(push):
            m.d.sync += [position.eq(next_position), count.eq(count + 1)]
        with m.If(close):
            m.d.sync += [first.eq(next_position), count.eq(0)]
        with m.If(push & position.all()):
            m.d.sync += page.eq(page + 1)
        with m.If(start):
            m.d.sync += [
                Cat(position, page).eq(address[word_bits:]),
                first.eq(address[word_bits:]),
                count.eq(0),
            ]

        # Issue a burst when the words of the one before have been sent. The ring is read for it,
        # except while an error asks for an address.
        owed = Signal(range(config.burst + 1))
        issue = Signal()
        sent = Signal()
        found = Signal()
        failed = Signal()
        m.d.comb += [
            failed.eq(answer & (self.axi_bresp != 0)),
            read.addr.eq(Mux(failed, answered, issued)),
            issue.eq(found & ~self.halt & ((issued - answered)[:5] != OUTSTANDING)
                     & (~self.axi_awvalid | self.axi_awready)
                     & ((owed == 0) | (sent & (owed == 1)))),
        ]
        m.d.sync += [
            found.eq((issued != closed) & ~failed & ~issue),
            issued.eq(issued + issue),
        ]
        with m.If(self.axi_awready):
            m.d.sync += self.axi_awvalid.eq(0)
        with m.If(issue):
            m.d.sync += [
                self.axi_awvalid.eq(1),
                self.axi_awaddr.eq(Cat(Const(0, word_bits), read.data.address)),
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

        # Responses come in the order of the bursts.
        m.d.comb += [
            self.axi_bready.eq(issued != answered),
            answer.eq(self.axi_bvalid & self.axi_bready),
            self.idle.eq((issued == answered) & (self.halt | (~packing & (closed == issued)))),
            self.error_addr.eq(Cat(Const(0, word_bits), read.data.address)),
        ]
        m.d.sync += [
            answered.eq(answered + answer),
            self.error.eq(failed),
        ]
        return m

    def _pack(self, m, buffer, packing, packed, start, hold):
        """Fill words with bytes; returns the signal that is high when one enters ``buffer``, which
        none does under ``hold``.

        ``store`` collects bytes from its position ``fill`` up; its lowest word leaves when it is
        full, or at the end of the segment.
        """
        config = self._config
        n = config.bus_bytes
        store = Signal(data.ArrayLayout(8, n - 1 + config.lanes), reset_less=True)
        fill = Signal(range(n + config.lanes))
        left = Signal(24)
        ended = Signal()                             # no bytes of the segment are to come
        lead = Signal(range(n))
        full = Signal()
        push = Signal()
        take = Signal()
        position = fill[:exact_log2(n)]
        shifted = store.shape()((self.data.payload.bytes << Cat(Const(0, 3), position))
                                [:store.shape().size])
        m.d.comb += [
            full.eq(fill >= n),
            buffer.i.valid.eq(packing & ~hold & (full | ended)),
            push.eq(buffer.i.valid & buffer.i.ready),
            packed.eq(push & ended & (fill <= n)),
            self.data.ready.eq(packing & ~ended & (~full | (push & (fill < 2 * n)))),
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
        m.d.sync += fill.eq(Mux(push, fill - n, fill) + Mux(take, self.data.payload.count, 0))
        with m.If(take):
            m.d.sync += [
                left.eq(left - self.data.payload.count),
                ended.eq(left == self.data.payload.count),
            ]
        with m.If(start):
            m.d.sync += [
                packing.eq(1),
                fill.eq(self.segment.payload.addr[:exact_log2(n)]),
                lead.eq(self.segment.payload.addr[:exact_log2(n)]),
                left.eq(self.segment.payload.size),
                ended.eq(0),
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
