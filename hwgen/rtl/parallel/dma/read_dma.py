"""The read DMA."""

import enum

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ...block import Block
from ...common.fifo import Fifo
from .bursts import (
    OUTSTANDING,
    PAGE,
    REQUEST,
    address_channel,
    based,
    burst_beats,
    constants,
    fetch_beats,
    leaves,
    words,
)

__all__ = ["ReadDma"]


class _State(enum.IntEnum):
    """The steps to a burst."""
    CHOOSE = 0
    CUT = 1
    ISSUE = 2


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
    pages : In(20)
        Bursts beyond so many pages of 4096 bytes from the base are not issued; 0: all are.
    leaves : Out(1)
        Such a burst was wanted; its address is ``axi_araddr``. High again and again, until
        ``halt``.
    halt : In(1)
        No new bursts; beats that still arrive are accepted and dropped. Ends with a reset.
    idle : Out(1)
        No burst is under way.
    error, last_error : Out(1)
        High for one cycle for each beat whose RRESP is not OKAY; for each whose RLAST is high
        before the last beat that was asked for, or low in it.
    error_addr : Out(addr_bits)
        Address of that beat, valid with them.
    axi_ar*, axi_r*
        AXI4 read channels. One ID, 0. A burst ends with as many beats as were asked for, whatever
        RLAST says.
    """
    module_name = "read_dma"
    late_reset = True

    def __init__(self, config):
        self._config = config
        self._limits = (fetch_beats(config), config.burst, config.burst)   # of a client's bursts
        self._left = data.StructLayout({"address": 32 - exact_log2(config.bus_bytes), "beats": 24})
        super().__init__({
            **{f"req_{k}": In(stream.Signature(REQUEST)) for k in range(3)},
            **{f"data_{k}": Out(stream.Signature(words(config))) for k in range(3)},
            "base": In(config.addr_bits),
            "pages": In(20),
            "leaves": Out(1),
            "halt": In(1),
            "idle": Out(1),
            "error": Out(1), "last_error": Out(1),
            "error_addr": Out(config.addr_bits),
            **address_channel(config, "ar"),
            "axi_rid": In(1), "axi_rdata": In(config.bus_bits), "axi_rresp": In(2),
            "axi_rlast": In(1), "axi_rvalid": In(1), "axi_rready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        constants(m, config, self, "ar")
        # Bursts that are under way, in order.
        tag = data.StructLayout({"client": range(3), "last": 1, "final": range(config.burst),
                                 "address": config.addr_bits - word_bits})
        m.submodules.tags = tags = Fifo(tag, OUTSTANDING)
        issue = Signal()                             # the burst in ``tags.i``
        length = Signal(range(config.burst + 1), reset_less=True)
        beat = Signal()
        final = Signal()                             # the beat is its burst's last
        after = Signal(self._left)                   # what is left of the request behind it
        last = Signal()                              # nothing
        m.d.comb += last.eq(after.beats == 0)

        lefts, wants = [], []
        for k in range(3):
            mine = Signal(name=f"issue_{k}")
            m.d.comb += mine.eq(issue & (tags.i.payload.client == k))
            room = self._answer(m, k, tags, beat, final, mine, length)
            left, pending = self._request(m, k, mine, after, last)
            lefts.append(left)
            wants.append(pending & (room >= self._limits[k]))
        self._issue(m, tags, lefts, wants, issue, length, after, last)
        self._receive(m, tags, beat, final)
        return m

    def _answer(self, m, k, tags, beat, final, issue, length):
        """The FIFO of client ``k``. Returns the words it has room for, with those under way."""
        out = getattr(self, f"data_{k}")
        depth = 2 * self._limits[0] if k == 0 else max(128, 2 * self._config.burst)
        m.submodules[f"fifo_{k}"] = fifo = Fifo(words(self._config), depth)
        room = Signal(range(depth + 1), init=depth, name=f"room_{k}")
        taken = Signal(name=f"taken_{k}")            # a word left the FIFO a cycle ago
        m.d.comb += [
            fifo.i.valid.eq(beat & (tags.o.payload.client == k) & ~self.halt),
            fifo.i.payload.data.eq(self.axi_rdata),
            fifo.i.payload.last.eq(final & tags.o.payload.last),
            out.valid.eq(fifo.o.valid),
            out.payload.eq(fifo.o.payload),
            fifo.o.ready.eq(out.ready),
        ]
        m.d.sync += [
            taken.eq(out.valid & out.ready),
            room.eq(room - Mux(issue, length, 0) + taken),
        ]
        return room

    def _request(self, m, k, issue, after, last):
        """What is left of client ``k``'s request, and whether there is one.

        Client 0 keeps its request itself: it is one burst.
        """
        req = getattr(self, f"req_{k}")
        asked = Signal(self._left, name=f"asked_{k}")
        m.d.comb += [
            asked.address.eq(req.payload.addr[exact_log2(self._config.bus_bytes):]),
            asked.beats.eq(req.payload.beats),
        ]
        if k == 0:
            m.d.comb += req.ready.eq(issue)
            return asked, req.valid
        pending = Signal(name=f"pending_{k}")
        held = Signal(self._left, name=f"left_{k}", reset_less=True)
        m.d.comb += req.ready.eq(~pending)
        with m.If(~pending):
            m.d.sync += [pending.eq(req.valid), held.eq(asked)]
        with m.Elif(issue):
            m.d.sync += [pending.eq(~last), held.eq(after)]
        return held, pending

    def _issue(self, m, tags, lefts, wants, issue, length, after, last):
        """Choose a client, cut a burst off its request, issue it: a cycle each."""
        config = self._config
        word_bits = exact_log2(config.bus_bytes)
        now = Signal(self._left, reset_less=True)
        client = Signal(range(3), reset_less=True)
        address = based(config, self.base, Cat(Const(0, word_bits), now.address))
        choice = Signal(range(3))
        turn = Signal()                              # of client 2
        outstanding = Signal(range(OUTSTANDING + 1))
        with m.If(wants[0]):
            m.d.comb += choice.eq(0)
        with m.Elif(wants[1] & ~(wants[2] & turn)):
            m.d.comb += choice.eq(1)
        with m.Else():
            m.d.comb += choice.eq(2)
        m.d.comb += [
            after.address.eq(now.address + length),
            after.beats.eq(now.beats - length),
            tags.i.valid.eq(issue),
            tags.i.payload.client.eq(client),
            tags.i.payload.last.eq(last),
            tags.i.payload.final.eq(length - 1),
            tags.i.payload.address.eq(address[word_bits:]),
            self.idle.eq(outstanding == 0),
        ]
        with m.If(self.axi_arready):
            m.d.sync += self.axi_arvalid.eq(0)
        beyond = Signal(reset_less=True)             # the window
        m.d.sync += self.leaves.eq(0)
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.CHOOSE):
                m.d.sync += [
                    client.eq(choice),
                    now.eq(data.ArrayLayout(self._left, 3)(Cat(lefts))[choice]),
                ]
                with m.If((wants[0] | wants[1] | wants[2]) & ~self.halt):
                    m.d.sync += turn.eq(choice == 1)
                    m.d.sync += state.eq(_State.CUT)
            with m.Case(_State.CUT):
                position = now.address[:exact_log2(PAGE) - word_bits]
                m.d.sync += length.eq(burst_beats(config, position, now.beats))
                m.d.sync += beyond.eq(leaves(self.pages, now.address[len(position):]))
                m.d.sync += state.eq(_State.ISSUE)
            with m.Case(_State.ISSUE):
                with m.If(self.halt):
                    m.d.sync += state.eq(_State.CHOOSE)
                with m.Elif((outstanding != OUTSTANDING) & (~self.axi_arvalid | self.axi_arready)):
                    m.d.comb += issue.eq(~beyond)
                    m.d.sync += [
                        self.leaves.eq(beyond),
                        self.axi_arvalid.eq(~beyond),
                        self.axi_araddr.eq(address),
                        self.axi_arlen.eq(length - 1),
                    ]
                    m.d.sync += state.eq(_State.CHOOSE)
        m.d.sync += outstanding.eq(outstanding + issue - tags.o.ready)

    def _receive(self, m, tags, beat, final):
        """Take the beats, which come back in the order of the bursts, count them, and tell of
        errors."""
        word_bits = exact_log2(self._config.bus_bytes)
        page_words = exact_log2(PAGE) - word_bits
        burst_address = tags.o.payload.address
        position = Signal(range(self._config.burst), reset_less=True)    # in the burst
        m.d.comb += [
            self.axi_rready.eq(tags.o.valid),
            beat.eq(self.axi_rvalid & self.axi_rready),
            final.eq(position == tags.o.payload.final),
            tags.o.ready.eq(beat & final),
        ]
        with m.If(beat):
            m.d.sync += position.eq(position + 1)
        with m.If(tags.o.ready | ~tags.o.valid):
            m.d.sync += position.eq(0)
        m.d.sync += [
            self.error.eq(beat & (self.axi_rresp != 0)),
            self.last_error.eq(beat & (self.axi_rlast != final)),
            self.error_addr.eq(Cat(Const(0, word_bits),
                                   (burst_address[:page_words] + position)[:page_words],
                                   burst_address[page_words:])),
        ]
