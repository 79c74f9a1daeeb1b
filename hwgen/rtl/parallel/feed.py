"""The feed: runs COMPUTE commands, sending ifmap words from the GLB down the Y-bus."""

import enum

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ... import isa
from ..block import Block
from ..common.arithmetic import tree_sum
from ..common.command import COMMAND, Take, layout
from .array.messages import RowProgram, Tag, YKind, program_words, ymessage
from .glb import glb_address
from .glb.psum_controller import PASS

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

    #: Cycles from a read request to its data.
    READ_LATENCY = 4

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

        command = Signal(layout("COMPUTE"), reset_less=True)
        incoming = Signal(layout("COMPUTE"))
        state = Signal(_State)

        # Where the command stands: the next pair, and what is left of them.
        left = Signal(16)                    # pairs from this pass on
        r = Signal(6)                        # filter row of the next pair
        first_pass = Signal()
        group = Signal(24)                   # GLB address of the next pair's channel group

        # The pass.
        last_pass = Signal()
        row = Signal(5)                      # of the next tag
        first_tag = Signal()
        c = Signal(6)                        # channel group within the pass
        h = Signal(10)                       # filter row, in ifmap rows
        word = Signal(range(program_words(config) + 1))

        moving = Signal()                    # past the tags: a bit of the state, so known early
        m.d.comb += [
            moving.eq(state >= _State.DATA),
            incoming.eq(self.command.payload),
            self.semaphores.payload.eq(Mux(moving, command.feed_wait, incoming.feed_wait)),
            self.semaphores.valid.eq(((state == _State.WAIT) & self.command.valid)
                                     | (state == _State.STRIP)),
            self.command.ready.eq((state == _State.WAIT) & self.semaphores.ready),
            last_pass.eq(left <= config.rows),
        ]

        # One adder walks all levels of the loop nest.
        inner = Signal(10)
        outer = Signal(10)
        round_ = Signal(12)
        strip = Signal(10)
        waited = Signal(6)                   # strips since the last wait, with this one
        address = Signal(24)
        outer_base = Signal(24)
        round_base = Signal(24)
        strip_base = Signal(24)
        # Counts, less one. They stand when the tags are through; what is the last one is told a
        # step ahead, since the choice of the next address begins with it.
        inner_count = Signal(10, reset_less=True)
        outer_count = Signal(10, reset_less=True)
        round_count = Signal(12, reset_less=True)
        strip_count = Signal(10, reset_less=True)
        inner_stride = Signal(24)
        outer_stride = Signal(24)
        m.d.sync += [round_count.eq(command.rounds - 1), strip_count.eq(command.strips - 1)]
        with m.If(command.depthwise):
            m.d.sync += [inner_count.eq(command.strip_ifmap_rows - 1),
                         outer_count.eq(command.depthwise_groups - 1)]
            m.d.comb += [
                inner_stride.eq(command.row_stride), outer_stride.eq(command.cg_stride),
            ]
        with m.Else():
            m.d.sync += outer_count.eq(command.strip_ifmap_rows - 1)
            m.d.comb += [
                inner_stride.eq(command.cg_stride), outer_stride.eq(command.row_stride),
            ]
        last_inner = Signal()
        last_outer = Signal()
        last_round = Signal()
        last_strip = Signal()

        def step(counter, last, count):
            following = Mux(last, 0, counter + 1)[:len(counter)]
            m.d.sync += [counter.eq(following), last.eq(following == count)]
        augend = Signal(glb_address.GLB_ADDRESS)
        addend = Signal(glb_address.GLB_ADDRESS)
        total = glb_address.add(m, config, augend, addend)
        one = isa.glb_address(config, 1)
        with m.If(~moving):
            m.d.comb += [augend.eq(group), addend.eq(command.cg_stride)]
        with m.Elif(~last_inner):
            m.d.comb += [augend.eq(address), addend.eq(inner_stride)]
        with m.Elif(~last_outer):
            m.d.comb += [augend.eq(outer_base), addend.eq(outer_stride)]
        with m.Elif(~last_round):
            m.d.comb += [augend.eq(round_base), addend.eq(one)]
        with m.Else():
            m.d.comb += [augend.eq(strip_base), addend.eq(command.strip_stride)]

        # The message of this cycle, less its data, which come later.
        send = Signal()
        message = Signal(data.StructLayout({
            "valid": 1, "kind": 2, "end": 1, "h": 10, "c": 6, "first": 1, "row": 5, "word": 4}))
        m.d.comb += [
            message.valid.eq(send), message.h.eq(h), message.c.eq(c), message.first.eq(first_tag),
            message.row.eq(row), message.word.eq(word),
        ]

        with m.Switch(state):
            with m.Case(_State.WAIT):
                with m.If(self.semaphores.valid & self.semaphores.ready):
                    m.d.sync += [
                        command.eq(incoming), left.eq(incoming.pairs), r.eq(0),
                        group.eq(incoming.ifmap), first_pass.eq(1), state.eq(_State.ANNOUNCE),
                    ]
            with m.Case(_State.ANNOUNCE):
                m.d.comb += self.passes.valid.eq(1)
                m.d.sync += [
                    row.eq(Mux(last_pass, config.rows - left, 0)), first_tag.eq(1), c.eq(0),
                    strip_base.eq(group), round_base.eq(group), outer_base.eq(group),
                    address.eq(group), inner.eq(0), outer.eq(0), round_.eq(0), strip.eq(0),
                    waited.eq(1),
                ]
                with m.If(self.passes.ready):
                    m.d.sync += state.eq(_State.TAG)
            with m.Case(_State.TAG):
                m.d.comb += [send.eq(~self.stop), message.kind.eq(YKind.TAG)]
                with m.If(send):
                    m.d.sync += [
                        row.eq(row + 1), first_tag.eq(0), left.eq(left - 1), r.eq(r + 1),
                        h.eq(h + command.dil), word.eq(0),
                    ]
                    with m.If(~command.depthwise):
                        m.d.sync += inner_count.eq(c)
                    with m.If(r == command.r - 1):
                        m.d.sync += [r.eq(0), h.eq(0), c.eq(c + 1), group.eq(total)]
                    with m.If(row == config.rows - 1):
                        m.d.sync += state.eq(_State.PROGRAM)
            with m.Case(_State.PROGRAM):
                m.d.comb += [
                    send.eq(~self.stop), message.kind.eq(YKind.PROGRAM),
                    message.end.eq(word == program_words(config) - 1),
                ]
                m.d.sync += [
                    last_inner.eq(inner_count == 0), last_outer.eq(outer_count == 0),
                    last_round.eq(round_count == 0), last_strip.eq(strip_count == 0),
                ]
                with m.If(send):
                    m.d.sync += word.eq(word + 1)
                    with m.If(message.end):
                        m.d.sync += state.eq(_State.DATA)
            with m.Case(_State.DATA):
                m.d.comb += [
                    self.read.eq(~self.stop),
                    send.eq(self.read & self.read_ready),
                    message.kind.eq(YKind.DATA),
                    message.end.eq(last_inner & last_outer),
                    message.h.eq(Mux(command.depthwise, inner, outer)),
                    message.c.eq(inner),
                ]
                with m.If(send):
                    m.d.sync += address.eq(total)
                    step(inner, last_inner, inner_count)
                    with m.If(last_inner):
                        m.d.sync += outer_base.eq(total)
                        step(outer, last_outer, outer_count)
                        with m.If(last_outer):
                            m.d.sync += round_base.eq(total)
                            step(round_, last_round, round_count)
                            with m.If(last_round):
                                m.d.sync += [strip_base.eq(total), waited.eq(waited + 1)]
                                step(strip, last_strip, strip_count)
                                with m.If(first_pass & command.feed_step.any()
                                          & (waited == command.feed_step)):
                                    m.d.sync += state.eq(_State.STRIP)
                                with m.If(last_strip):
                                    m.d.sync += [
                                        first_pass.eq(0),
                                        state.eq(Mux(left == 0, _State.SIGNAL, _State.ANNOUNCE)),
                                    ]
            with m.Case(_State.STRIP):
                m.d.sync += waited.eq(1)
                with m.If(self.semaphores.ready):
                    m.d.sync += state.eq(_State.DATA)
            with m.Case(_State.SIGNAL):
                m.d.comb += self.give.eq(command.feed_signal)
                m.d.sync += state.eq(_State.WAIT)
        with m.If(state == _State.WAIT):
            m.d.sync += h.eq(0)

        m.d.comb += [
            self.read_addr.eq(address),
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
        flight = self._send(m, command, message)
        m.d.comb += self.words.eq(self.y_valid & (self.y.kind == YKind.DATA))
        m.d.comb += self.idle.eq((state == _State.WAIT) & ~self.command.valid & ~flight)
        return m

    def _send(self, m, command, message):
        """Carry the message along with its read, and put the data in."""
        config = self._config
        stages = [message] + [Signal.like(message, name=f"message_{i}")
                              for i in range(self.READ_LATENCY)]
        for before, after in zip(stages, stages[1:], strict=False):
            m.d.sync += after.eq(before)
        late = stages[-1]

        # The row program, cut into messages; the first bits are unused.
        layout = RowProgram(config)
        copies = Signal(layout["copies"].shape, reset_less=True)
        m.d.sync += copies.eq(tree_sum(command.multicast_mask[i] for i in range(config.cols)))
        row_program = Signal(layout)
        m.d.comb += [
            row_program.tap_channels.eq(command.tap_channels - 1),
            row_program.tap_cols.eq(command.tap_cols - 1),
            row_program.tap_col_stride.eq(command.tap_col_stride),
            row_program.filter_reads_own_channel.eq(command.filter_reads_own_channel),
            row_program.window.eq(command.window), row_program.col_advance.eq(command.col_advance),
            row_program.strip_advance.eq(command.strip_advance), row_program.p.eq(command.p - 1),
            row_program.psum_cols.eq(command.psum_cols - 1),
            row_program.strips.eq(command.strips - 1),
            row_program.active_cols.eq(command.active_cols),
            row_program.multicast_mask.eq(command.multicast_mask),
            row_program.copies.eq(copies),
        ]
        size = 9 * config.bus_bytes
        words = program_words(config)
        aligned = Signal(words * size)
        m.d.comb += aligned.eq(row_program.as_value() << (words * size - layout.size))

        tag = Signal(Tag)
        m.d.comb += [
            tag.row.eq(late.row), tag.first.eq(late.first), tag.u.eq(command.u),
            tag.e.eq(command.e - 1), tag.depthwise.eq(command.depthwise),
        ]

        values = []
        for i in range(config.bus_bytes):
            stored = self.read_data.word_select(i, 8)
            wide = Cat(stored, stored[7] & command.xsigned).as_signed()
            zero = Cat(command.zx, command.zx[7] & command.xsigned).as_signed()
            values.append((wide - zero)[:9])

        m.d.sync += [
            self.y_valid.eq(late.valid),
            self.y.kind.eq(late.kind),
            self.y.end.eq(late.end),
            self.y.h.eq(late.h),
            self.y.c.eq(late.c),
        ]
        with m.Switch(late.kind):
            with m.Case(YKind.DATA):
                m.d.sync += self.y.data.eq(Cat(values))
            with m.Case(YKind.TAG):
                m.d.sync += self.y.data.eq(tag)
            with m.Default():
                m.d.sync += self.y.data.eq(aligned.word_select(late.word, size))

        flight = Signal()
        m.d.comb += flight.eq(self.y_valid | Cat(stage.valid for stage in stages[1:]).any())
        return flight
