"""Makes the messages of the Y-bus."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.arithmetic import tree_sum
from ...common.command import layout
from ..array.messages import RowProgram, Tag, YKind, program_words, ymessage

__all__ = ["FeedMessages", "MESSAGE"]

#: A Y-bus message without its data: ``h``, ``c`` and ``end`` as there; ``row`` and ``first`` of a
#: tag, ``word`` of the row program.
MESSAGE = data.StructLayout({"valid": 1, "kind": 2, "end": 1, "h": 10, "c": 6, "first": 1, "row": 5,
                             "word": 4})


class FeedMessages(Block):
    """Carries each message along with its read from the GLB, and puts the data in.

    A message of cycle t is on the Y-bus in cycle t + 5. Ifmap values are widened to ``x - zx``, so
    that padding is a true zero.

    Members
    -------
    command : In(512)
        COMPUTE, as long as it or its messages run.
    message : In(MESSAGE)
        Of kind DATA: together with the request of its word.
    read_data : In(bus_bits)
        The word, :attr:`READ_LATENCY` cycles later.
    y, y_valid : Out(ymessage(config)), Out(1)
    under_way : Out(1)
        There is a message on its way.
    """

    module_name = "feed_messages"

    #: Cycles from a read request to its data.
    READ_LATENCY = 4

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES), "message": In(MESSAGE),
            "read_data": In(config.bus_bits), "y": Out(ymessage(config)), "y_valid": Out(1),
            "under_way": Out(1),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        command = data.View(layout("COMPUTE"), self.command)
        stages = [self.message] + [Signal(MESSAGE, name=f"message_{i}")
                                   for i in range(self.READ_LATENCY)]
        for before, after in zip(stages, stages[1:], strict=False):
            m.d.sync += after.eq(before)
        late = stages[-1]
        m.d.comb += self.under_way.eq(self.y_valid
                                      | Cat(stage.valid for stage in stages[1:]).any())

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
        program = self._program(m, command)
        with m.Switch(late.kind):
            with m.Case(YKind.DATA):
                m.d.sync += self.y.data.eq(Cat(values))
            with m.Case(YKind.TAG):
                m.d.sync += self.y.data.eq(tag)
            with m.Default():
                m.d.sync += self.y.data.eq(program.word_select(late.word, 9 * config.bus_bytes))
        return m

    def _program(self, m, command):
        """The row program, as long as its messages are together; the first bits are unused."""
        config = self._config
        shape = RowProgram(config)
        copies = Signal(shape["copies"].shape, reset_less=True)
        m.d.sync += copies.eq(tree_sum(command.multicast_mask[i] for i in range(config.cols)))
        program = Signal(shape)
        less_one = ("tap_channels", "tap_cols", "p", "psum_cols", "strips")
        for name in shape.members:
            value = copies if name == "copies" else command[name]
            m.d.comb += program[name].eq(value - 1 if name in less_one else value)
        size = program_words(config) * 9 * config.bus_bytes
        aligned = Signal(size)
        m.d.comb += aligned.eq(program.as_value() << (size - shape.size))
        return aligned
