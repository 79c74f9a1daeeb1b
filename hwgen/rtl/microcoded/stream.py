"""The stream to and from DRAM: the AXI4 master of the microcoded machine.

Ref: Arm IHI 0022, AMBA AXI Protocol Specification, A3 (handshake, bursts, 4 KiB rule).
"""

import enum

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..block import Block
from ..parallel.dma.bursts import PAGE, address_channel, burst_beats, constants, leaves

__all__ = ["Stream"]

_WORD_BITS = 2               # of the address within a bus word


class _State(enum.IntEnum):
    """The steps to a burst."""
    IDLE = 0
    ISSUE = 1
    OPEN = 2


class Stream(Block):
    """Reads or writes a run of words, a burst at a time.

    A run is cut into INCR bursts of at most ``burst`` beats that never cross 4 KiB; the next one is
    issued when the one before has ended, a write when it is acknowledged. Throughput is a word a
    cycle within a burst. Bytes are packed into words to write; strobes leave out those before the
    first and after the last.

    Members
    -------
    value : In(16)
    set_addr_lo, set_addr_hi : In(1)
        Set half of the address.
    read, write : In(1)
        Begin a run of ``value`` words, 1 or more, at the address; when ``idle``.
    idle : Out(1)
        No run is under way: all words are read, or written and acknowledged.
    word, word_valid, word_taken : Out(32), Out(1), In(1)
        What is read.
    set_lane : In(1)
        The next byte goes to byte ``value`` of a word; before a run is written.
    push, ends, byte : In(1), In(1), In(8)
        The next byte to write, when ``push_ready``; or, with ``ends``, no byte: the word ends.
    push_ready : Out(1)
    base : In(32), pages : In(20)
        Bursts beyond so many pages of 4096 bytes from the base are not issued; 0: all are.
    leaves : Out(1)
        Such a burst is wanted, at ``address``. High again and again, until ``halt``.
    halt : In(1)
        No new bursts. In the one under way, words that are read are dropped, and bytes that have
        not been pushed are not written. Ends with a reset.
    quiet : Out(1)
        No transaction is under way.
    address : Out(32)
        Of the next word to read, or of the burst that is written.
    read_error, write_error : Out(1)
        A response is not OKAY; ``address`` is that of the word, or of its burst.
    last_error : Out(1)
        RLAST is high before the last beat that was asked for, or low in it; ``address`` is that of
        the word. The burst ends with as many beats as were asked for.
    beat_in, beat_out : Out(1)
    axi_*
        AXI4 master. One ID, 0.
    """

    module_name = "stream"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "value": In(16), "set_addr_lo": In(1), "set_addr_hi": In(1), "read": In(1),
            "write": In(1), "idle": Out(1),
            "word": Out(32), "word_valid": Out(1), "word_taken": In(1),
            "set_lane": In(1), "push": In(1), "ends": In(1), "byte": In(8), "push_ready": Out(1),
            "base": In(32), "pages": In(20), "leaves": Out(1),
            "halt": In(1), "quiet": Out(1), "address": Out(32),
            "read_error": Out(1), "write_error": Out(1), "last_error": Out(1),
            "beat_in": Out(1), "beat_out": Out(1),
            **address_channel(config, "ar"),
            "axi_rid": In(1), "axi_rdata": In(32), "axi_rresp": In(2),
            "axi_rlast": In(1), "axi_rvalid": In(1), "axi_rready": Out(1),
            **address_channel(config, "aw"),
            "axi_wdata": Out(32), "axi_wstrb": Out(4),
            "axi_wlast": Out(1), "axi_wvalid": Out(1), "axi_wready": In(1),
            "axi_bid": In(1), "axi_bresp": In(2), "axi_bvalid": In(1), "axi_bready": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        for x in ("ar", "aw"):
            constants(m, config, self, x)

        position = Signal(32 - _WORD_BITS, reset_less=True)     # words
        low = Signal(_WORD_BITS, reset_less=True)
        left = Signal(16)                          # words of the run, from the next burst on
        writing = Signal(reset_less=True)
        length = Signal(range(config.burst + 1), reset_less=True)
        beats = Signal(range(config.burst + 1), reset_less=True)   # of the burst that are to come
        final = Signal()                           # the next beat is its last
        answered = Signal()
        beat_in = Signal()
        beat_out = Signal()
        m.d.comb += [self.address.eq(Cat(low, position)), self.beat_in.eq(beat_in),
                     self.beat_out.eq(beat_out)]
        # What is read moves on a word, what is written a burst.
        step = Mux(writing, length, 1)
        with m.If(beat_in | answered):
            m.d.sync += position.eq(position + step)
        with m.If(self.set_addr_lo):
            m.d.sync += [low.eq(self.value[:_WORD_BITS]),
                         position[:16 - _WORD_BITS].eq(self.value[_WORD_BITS:])]
        with m.If(self.set_addr_hi):
            m.d.sync += position[16 - _WORD_BITS:].eq(self.value)

        page = Signal(len(self.pages))             # from the base
        beyond = Signal(reset_less=True)           # the window
        skip = exact_log2(PAGE) - _WORD_BITS
        m.d.comb += page.eq(position[skip:] - self.base[exact_log2(PAGE):])
        open_ = Signal()                           # a burst is under way
        with m.If(self.axi_arready):
            m.d.sync += self.axi_arvalid.eq(0)
        with m.If(self.axi_awready):
            m.d.sync += self.axi_awvalid.eq(0)
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.comb += self.idle.eq(left == 0)
                with m.If((left != 0) & ~self.halt):
                    m.d.sync += length.eq(burst_beats(config, position[:12 - _WORD_BITS], left))
                    m.d.sync += beyond.eq(leaves(self.pages, page))
                    m.d.sync += state.eq(_State.ISSUE)
            with m.Case(_State.ISSUE):
                m.d.comb += self.leaves.eq(beyond)
                m.d.sync += state.eq(_State.IDLE)
                with m.If(~beyond):
                    m.d.sync += [left.eq(left - length), beats.eq(length)]
                    m.d.sync += [self.axi_arvalid.eq(~writing), self.axi_awvalid.eq(writing)]
                    m.d.sync += state.eq(_State.OPEN)
            with m.Case(_State.OPEN):
                with m.If(Mux(writing, answered, beat_in & final)):
                    m.d.sync += state.eq(_State.IDLE)
        with m.If(self.read | self.write):
            m.d.sync += [left.eq(self.value), writing.eq(self.write)]
        address = Cat(Const(0, _WORD_BITS), position)
        m.d.comb += [
            open_.eq(state == _State.OPEN),
            final.eq(beats == 1),
            self.quiet.eq(~open_ & (state != _State.ISSUE)),
            self.axi_araddr.eq(address), self.axi_awaddr.eq(address),
            self.axi_arlen.eq(length - 1), self.axi_awlen.eq(length - 1),
        ]

        # Reading.
        m.d.comb += [
            self.word.eq(self.axi_rdata),
            self.word_valid.eq(self.axi_rvalid & open_ & ~writing & ~self.halt),
            self.axi_rready.eq(open_ & ~writing & (self.word_taken | self.halt)),
            beat_in.eq(self.axi_rvalid & self.axi_rready),
            self.read_error.eq(beat_in & (self.axi_rresp != 0)),
            self.last_error.eq(beat_in & (self.axi_rlast != final)),
        ]
        with m.If(beat_in | beat_out):
            m.d.sync += beats.eq(beats - 1)
        self._write(m, open_ & writing, beats, final, beat_out, answered)
        return m

    def _write(self, m, writing, beats, final, beat_out, answered):
        """Writing: bytes are packed, a full word waits until the bus has taken it."""
        lane = Signal(2, reset_less=True)
        full = Signal()
        m.d.comb += [
            self.push_ready.eq(~full),
            self.axi_wvalid.eq(writing & (beats != 0) & (full | self.halt)),
            self.axi_wlast.eq(final),
            beat_out.eq(self.axi_wvalid & self.axi_wready),
            self.axi_bready.eq(writing & (beats == 0)),
            answered.eq(self.axi_bvalid & self.axi_bready),
            self.write_error.eq(answered & (self.axi_bresp != 0)),
        ]
        with m.If(beat_out):
            m.d.sync += [full.eq(0), self.axi_wstrb.eq(0)]
        with m.If(self.set_lane):
            m.d.sync += lane.eq(self.value)
        with m.If(self.push & self.ends):
            m.d.sync += full.eq(self.axi_wstrb.any())
        with m.Elif(self.push):
            m.d.sync += [lane.eq(lane + 1), full.eq(lane.all())]
            for i in range(4):
                with m.If(lane == i):
                    m.d.sync += [self.axi_wdata[8 * i:][:8].eq(self.byte), self.axi_wstrb[i].eq(1)]
