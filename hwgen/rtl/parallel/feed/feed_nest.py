"""The loop nest of a pass, as the feed walks it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from ..glb import glb_address

__all__ = ["FeedNest"]


class FeedNest(Block):
    """Steps through the ifmap words of a pass: strips, rounds, outer loop, inner loop.

    A *round* is one GLB word of each stream. The inner loop goes over the pass's channel groups and
    the outer one over the strip's ifmap rows; depthwise it is the other way round. One adder makes
    all addresses, one a cycle: each loop keeps the address at which it began. While tags are sent,
    it steps through the channel groups of the pairs.

    Members
    -------
    command : In(512)
        COMPUTE, as long as it runs.
    load, ifmap : In(1), In(24)
        The first pair's channel group stands at GLB address ``ifmap``.
    begin : In(1)
        A pass begins: its words begin at the next pair's channel group.
    next_group : In(1)
        The next pair is of the next channel group.
    tag, tag_group : In(1), In(6)
        A tag is sent, of channel group ``tag_group`` of the pass. The last one gives the number of
        groups.
    settle : In(1)
        All tags were sent, and no word yet.
    moving : In(1)
        Words are sent.
    step : In(1)
        One is: on to the next.
    address : Out(24)
        GLB address of the word.
    inner, outer : Out(10)
        Iteration of either loop.
    round_ends, strip_ends, pass_ends : Out(1)
        The word is the last of its round, strip, pass.
    """

    module_name = "feed_nest"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "load": In(1), "ifmap": In(24), "begin": In(1), "next_group": In(1),
            "tag": In(1), "tag_group": In(6), "settle": In(1), "moving": In(1), "step": In(1),
            "address": Out(24), "inner": Out(10), "outer": Out(10),
            "round_ends": Out(1), "strip_ends": Out(1), "pass_ends": Out(1),
        })

    def body(self, platform):
        m = Module()
        command = data.View(layout("COMPUTE"), self.command)
        # Counts of the loops, less one. They stand when the tags are through.
        inner_count = Signal(10, reset_less=True)
        outer_count = Signal(10, reset_less=True)
        round_count = Signal(12, reset_less=True)
        strip_count = Signal(10, reset_less=True)
        m.d.sync += [round_count.eq(command.rounds - 1), strip_count.eq(command.strips - 1)]
        with m.If(command.depthwise):
            m.d.sync += [inner_count.eq(command.strip_ifmap_rows - 1),
                         outer_count.eq(command.depthwise_groups - 1)]
        with m.Else():
            m.d.sync += outer_count.eq(command.strip_ifmap_rows - 1)
            with m.If(self.tag):
                m.d.sync += inner_count.eq(self.tag_group)

        # What is the last iteration is told a step ahead: the choice of the next address begins
        # with it.
        round_ = Signal(12)
        strip = Signal(10)
        last_inner = Signal()
        last_outer = Signal()
        last_round = Signal()
        last_strip = Signal()
        m.d.comb += [
            self.round_ends.eq(last_inner & last_outer),
            self.strip_ends.eq(self.round_ends & last_round),
            self.pass_ends.eq(self.strip_ends & last_strip),
        ]

        def step(counter, last, count):
            following = Mux(last, 0, counter + 1)[:len(counter)]
            m.d.sync += [counter.eq(following), last.eq(following == count)]
        with m.If(self.begin):
            m.d.sync += [self.inner.eq(0), self.outer.eq(0), round_.eq(0), strip.eq(0)]
        with m.If(self.settle):
            m.d.sync += [
                last_inner.eq(inner_count == 0), last_outer.eq(outer_count == 0),
                last_round.eq(round_count == 0), last_strip.eq(strip_count == 0),
            ]
        with m.If(self.step):
            step(self.inner, last_inner, inner_count)
            with m.If(last_inner):
                step(self.outer, last_outer, outer_count)
            with m.If(self.round_ends):
                step(round_, last_round, round_count)
            with m.If(self.strip_ends):
                step(strip, last_strip, strip_count)
        self._addresses(m, command, last_inner, last_outer, last_round)
        return m

    def _addresses(self, m, command, last_inner, last_outer, last_round):
        """Make the address of the next word, or of the next pair's channel group."""
        group = Signal(24)                   # of the next pair
        outer_base = Signal(24)              # where the loops that run began
        round_base = Signal(24)
        strip_base = Signal(24)
        inner_stride = Signal(24)
        outer_stride = Signal(24)
        m.d.comb += [
            inner_stride.eq(Mux(command.depthwise, command.row_stride, command.cg_stride)),
            outer_stride.eq(Mux(command.depthwise, command.cg_stride, command.row_stride)),
        ]
        augend = Signal(glb_address.GLB_ADDRESS)
        addend = Signal(glb_address.GLB_ADDRESS)
        total = glb_address.add(m, self._config, augend, addend)
        with m.If(~self.moving):
            m.d.comb += [augend.eq(group), addend.eq(command.cg_stride)]
        with m.Elif(~last_inner):
            m.d.comb += [augend.eq(self.address), addend.eq(inner_stride)]
        with m.Elif(~last_outer):
            m.d.comb += [augend.eq(outer_base), addend.eq(outer_stride)]
        with m.Elif(~last_round):
            m.d.comb += [augend.eq(round_base), addend.eq(isa.glb_address(self._config, 1))]
        with m.Else():
            m.d.comb += [augend.eq(strip_base), addend.eq(command.strip_stride)]

        with m.If(self.load):
            m.d.sync += group.eq(self.ifmap)
        with m.If(self.next_group):
            m.d.sync += group.eq(total)
        with m.If(self.begin):
            m.d.sync += [self.address.eq(group), outer_base.eq(group), round_base.eq(group),
                         strip_base.eq(group)]
        with m.If(self.step):
            m.d.sync += self.address.eq(total)
            with m.If(last_inner):
                m.d.sync += outer_base.eq(total)
            with m.If(self.round_ends):
                m.d.sync += round_base.eq(total)
            with m.If(self.strip_ends):
                m.d.sync += strip_base.eq(total)
