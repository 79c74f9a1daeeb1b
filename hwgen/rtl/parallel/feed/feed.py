"""The feed: runs COMPUTE commands, sending ifmap words from the GLB down the Y-bus."""

import enum

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.command import COMMAND, Take, layout
from ..array.messages import YKind, program_words, ymessage
from ..glb.psum_controller import PASS
from .feed_messages import FeedMessages
from .feed_nest import FeedNest

__all__ = ["Feed"]


class _State(enum.IntEnum):
    WAIT = 0        # for a command and its semaphores
    ANNOUNCE = 1    # the pass to the psum controller
    TAG = 2         # the rows of the pass
    PROGRAM = 3     # what they are to do
    DATA = 4        # the ifmap words
    SIGNAL = 5      # give semaphores
    STRIP = 6       # wait for the semaphores of the next strips


class Feed(Block):
    """Turns each COMPUTE into passes, and each pass into Y-bus messages.

    A pass takes ``rows`` (channel group, filter row) pairs, the last pass of a command what is
    left, on the bottom rows. Its messages are a tag for each row, the row program, and for each
    strip, each round (GLB word of the streams), each ifmap row of the strip, each channel group:
    one GLB word (depthwise: channel groups outside, ifmap rows inside). One message a cycle; the
    array pauses it by ``stop``. A word requested in cycle t is on ``y`` in cycle t + 5.

    Members
    -------
    command : In(COMMAND)
    semaphores : Out(Take)
        Taken before a command is accepted, and in its first pass before every ``feed_step``-th
        strip.
    give : Out(8)
        Given when the last word of a command has been read.
    passes : Out(stream.Signature(PASS))
        To the psum controller.
    read, read_addr, read_ready : Out, Out, In
        Request of the ifmap word at GLB address ``read_addr``.
    read_data : In(bus_bits)
        The word, four cycles after the request.
    y, y_valid : Out
        Y-bus message. Values are widened to ``x - zx``.
    stop : In(1)
    words : Out(1)
        ``y`` is an ifmap word.
    idle : Out(1)
    """

    module_name = "feed"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(COMMAND), "semaphores": Out(Take), "give": Out(8),
            "passes": Out(stream.Signature(PASS)),
            "read": Out(1), "read_addr": Out(24), "read_ready": In(1),
            "read_data": In(config.bus_bits),
            "y": Out(ymessage(config)), "y_valid": Out(1), "stop": In(1),
            "words": Out(1), "idle": Out(1),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        m.submodules.nest = nest = FeedNest(config)
        m.submodules.messages = messages = FeedMessages(config)
        command = Signal(layout("COMPUTE"), reset_less=True)
        incoming = data.View(layout("COMPUTE"), self.command.payload)
        state = Signal(_State)

        # Where the command stands: the next pair, and what is left of them.
        left = Signal(16)                    # pairs from this pass on
        r = Signal(6)                        # filter row of the next pair
        first_pass = Signal()
        last_pass = Signal()
        moving = Signal()                    # past the tags: a bit of the state, so known early
        wait_again = Signal()                # semaphores, behind the strip that ends
        m.d.comb += [
            moving.eq(state >= _State.DATA),
            self.semaphores.payload.eq(Mux(moving, command.feed_wait, incoming.feed_wait)),
            self.semaphores.valid.eq(((state == _State.WAIT) & self.command.valid)
                                     | (state == _State.STRIP)),
            self.command.ready.eq((state == _State.WAIT) & self.semaphores.ready),
            last_pass.eq(left <= config.rows),
            nest.command.eq(command), nest.ifmap.eq(incoming.ifmap), nest.moving.eq(moving),
            nest.begin.eq(state == _State.ANNOUNCE), nest.settle.eq(state == _State.PROGRAM),
            self.read_addr.eq(nest.address),
            messages.command.eq(command), messages.read_data.eq(self.read_data),
            self.y.eq(messages.y), self.y_valid.eq(messages.y_valid),
            self.words.eq(self.y_valid & (self.y.kind == YKind.DATA)),
            self.idle.eq((state == _State.WAIT) & ~self.command.valid & ~messages.under_way),
        ]
        send, end = messages.message.valid, messages.message.end
        with m.Switch(state):
            with m.Case(_State.WAIT):
                with m.If(self.semaphores.valid & self.semaphores.ready):
                    m.d.comb += nest.load.eq(1)
                    m.d.sync += [
                        command.eq(incoming), left.eq(incoming.pairs), r.eq(0),
                        first_pass.eq(1), state.eq(_State.ANNOUNCE),
                    ]
            with m.Case(_State.ANNOUNCE):
                m.d.comb += self.passes.valid.eq(1)
                with m.If(self.passes.ready):
                    m.d.sync += state.eq(_State.TAG)
            with m.Case(_State.TAG):
                m.d.comb += send.eq(~self.stop)
                with m.If(send):
                    m.d.comb += nest.next_group.eq(r == command.r - 1)
                    m.d.sync += [left.eq(left - 1), r.eq(Mux(nest.next_group, 0, r + 1))]
                    with m.If(messages.message.row == config.rows - 1):
                        m.d.sync += state.eq(_State.PROGRAM)
            with m.Case(_State.PROGRAM):
                m.d.comb += send.eq(~self.stop)
                with m.If(send & end):
                    m.d.sync += state.eq(_State.DATA)
            with m.Case(_State.DATA):
                m.d.comb += [
                    self.read.eq(~self.stop),
                    send.eq(self.read & self.read_ready),
                    nest.step.eq(send),
                ]
                with m.If(send & wait_again):
                    m.d.sync += state.eq(_State.STRIP)
                with m.If(send & nest.pass_ends):
                    m.d.sync += [
                        first_pass.eq(0),
                        state.eq(Mux(left == 0, _State.SIGNAL, _State.ANNOUNCE)),
                    ]
            with m.Case(_State.STRIP):
                with m.If(self.semaphores.ready):
                    m.d.sync += state.eq(_State.DATA)
            with m.Case(_State.SIGNAL):
                m.d.comb += self.give.eq(command.feed_signal)
                m.d.sync += state.eq(_State.WAIT)
        self._count_strips(m, command, state, nest, first_pass, wait_again)
        self._fill(m, command, state, nest, messages.message, left, last_pass)
        self._announce(m, command, first_pass, last_pass)
        return m

    @staticmethod
    def _count_strips(m, command, state, nest, first_pass, wait_again):
        """Say in ``wait_again`` behind which strips semaphores are taken."""
        waited = Signal(6)                   # strips since the last wait, with this one
        m.d.comb += wait_again.eq(nest.strip_ends & first_pass & command.feed_step.any()
                                  & (waited == command.feed_step))
        with m.If((state == _State.ANNOUNCE) | (state == _State.STRIP)):
            m.d.sync += waited.eq(1)
        with m.Elif(nest.step & nest.strip_ends):
            m.d.sync += waited.eq(waited + 1)

    def _fill(self, m, command, state, nest, message, left, last_pass):
        """Fill in the message of this cycle: a tag, a part of the row program, or a word."""
        config = self._config
        row = Signal(5)                      # of the next tag
        first_tag = Signal()
        c = Signal(6)                        # channel group within the pass
        h = Signal(10)                       # filter row, in ifmap rows
        word = Signal(range(program_words(config) + 1))
        m.d.comb += [
            message.h.eq(h), message.c.eq(c), message.first.eq(first_tag),
            message.row.eq(row), message.word.eq(word), nest.tag_group.eq(c),
        ]
        with m.Switch(state):
            with m.Case(_State.WAIT):
                m.d.sync += h.eq(0)
            with m.Case(_State.ANNOUNCE):
                m.d.sync += [row.eq(Mux(last_pass, config.rows - left, 0)), first_tag.eq(1),
                             c.eq(0)]
            with m.Case(_State.TAG):
                m.d.comb += message.kind.eq(YKind.TAG)
                with m.If(message.valid):
                    m.d.comb += nest.tag.eq(1)
                    m.d.sync += [row.eq(row + 1), first_tag.eq(0), h.eq(h + command.dil),
                                 word.eq(0)]
                    with m.If(nest.next_group):
                        m.d.sync += [h.eq(0), c.eq(c + 1)]
            with m.Case(_State.PROGRAM):
                m.d.comb += [message.kind.eq(YKind.PROGRAM),
                             message.end.eq(word == program_words(config) - 1)]
                with m.If(message.valid):
                    m.d.sync += word.eq(word + 1)
            with m.Case(_State.DATA):
                m.d.comb += [
                    message.kind.eq(YKind.DATA),
                    message.end.eq(nest.round_ends),
                    message.h.eq(Mux(command.depthwise, nest.inner, nest.outer)),
                    message.c.eq(nest.inner),
                ]

    def _announce(self, m, command, first_pass, last_pass):
        """Tell the psum controller of the pass."""
        m.d.comb += [
            self.passes.p.psum.eq(command.psum),
            self.passes.p.p.eq(command.p - 1),
            self.passes.p.psum_cols.eq(command.psum_cols - 1),
            self.passes.p.strips.eq(command.strips - 1),
            self.passes.p.accumulate.eq(command.accumulate | ~first_pass),
            self.passes.p.first.eq(first_pass),
            self.passes.p.last.eq(last_pass),
            self.passes.p.wait.eq(command.psum_wait),
            self.passes.p.signal.eq(command.psum_signal),
            self.passes.p.wait_step.eq(command.wait_step),
            self.passes.p.signal_step.eq(command.signal_step),
        ]
