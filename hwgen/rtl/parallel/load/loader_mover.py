"""Moves the bytes of a run into place."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ..glb.glb_address import GLB_ADDRESS
from .runs import Level, plan, run

__all__ = ["LoaderMover"]


class LoaderMover(Block):
    """Rotates the source word so that a run's bytes stand where they go, or puts padding there.

    One run a cycle, out one cycle after its plan and its word were both there. Padding waits for no
    word.

    Members
    -------
    command : In(512)
    plan : In(stream.Signature(plan(config)))
    word, word_valid, word_ready : In(bus_bits), In(1), Out(1)
        The words of the rows; a word is let go when its last byte has been moved or the row ends.
    run : Out(stream.Signature(run(config)))
    """
    module_name = "loader_mover"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES), "plan": In(stream.Signature(plan(config))),
            "word": In(config.bus_bits), "word_valid": In(1), "word_ready": Out(1),
            "run": Out(stream.Signature(run(config))),
        })

    def body(self, platform):
        m = Module()
        n = self._config.bus_bytes
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        now, out = self.plan.payload, self.run.payload
        free = Signal()                              # the output register is
        move = Signal()
        m.d.comb += [
            free.eq(~self.run.valid | self.run.ready),
            move.eq(self.plan.valid & free & (now.padding | self.word_valid)),
            self.plan.ready.eq(move),
            self.word_ready.eq(move & now.pops_source),
        ]
        rotated = self.word
        for bit in range(exact_log2(n)):
            rotated = Mux(now.rotation[bit], rotated.rotate_left(8 << bit), rotated)
        stride = Signal(GLB_ADDRESS)
        with m.If(now.step.next_channel_group):
            m.d.comb += stride.eq(load.glb_cg_stride)
        with m.Elif(now.step.level == Level.COLUMN):
            m.d.comb += stride.eq(load.glb_col_stride)
        with m.Elif(now.step.level == Level.ROW):
            m.d.comb += stride.eq(load.glb_row_stride)
        with m.If(free):
            m.d.sync += [
                self.run.valid.eq(move),
                out.data.eq(Mux(now.padding, load.pad.replicate(n), rotated)),
                out.mask.eq(Cat((i >= now.lane) & (i <= now.lane + now.last) for i in range(n))),
                out.step.eq(now.step),
                out.stride.eq(stride),
            ]
        return m
