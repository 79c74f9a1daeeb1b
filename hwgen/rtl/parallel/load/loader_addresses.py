"""The GLB addresses of runs."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from ..glb.glb_address import GLB_ADDRESS, add, glb_write
from .runs import Level, run

__all__ = ["LoaderAddresses"]


class LoaderAddresses(Block):
    """Writes the runs, and steps the GLB address from one to the next; one write a cycle.

    Keeps the words of *start* and *base* (see ``runs``), each at four levels: as they were where
    the group, the row, the column and the run began. A run that ends a column makes the next
    column's words from this column's, and so on.

    Members
    -------
    command : In(512)
    prepare : In(1)
        The first run comes in the next cycle at the earliest.
    run : In(stream.Signature(run(config)))
    glb : Out(stream.Signature(glb_write(config)))
    """
    module_name = "loader_addresses"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "prepare": In(1),
            "run": In(stream.Signature(run(config))),
            "glb": Out(stream.Signature(glb_write(config))),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        start = [Signal(GLB_ADDRESS, name=f"start_{level.name.lower()}", reset_less=True)
                 for level in Level]
        base = [Signal(GLB_ADDRESS, name=f"base_{level.name.lower()}", reset_less=True)
                for level in Level]
        step = self.run.payload.step

        # The step: both positions go on from their address at the run's level.
        from_start = Signal(GLB_ADDRESS)
        from_base = Signal(GLB_ADDRESS)
        with m.Switch(step.level):
            for level in Level:
                with m.Case(level):
                    m.d.comb += [
                        from_start.eq(start[level.value]),
                        from_base.eq(base[level.value]),
                    ]
        stride = self.run.payload.stride
        next_start = add(m, config, from_start, stride, step.carry_start)
        next_base = add(m, config, from_base, stride, step.carry_base)
        m.d.comb += [
            self.glb.valid.eq(self.run.valid & step.write),
            self.glb.payload.addr.eq(start[Level.RUN.value]),
            self.glb.payload.data.eq(self.run.payload.data),
            self.glb.payload.mask.eq(self.run.payload.mask),
            self.run.ready.eq(self.glb.ready | ~step.write),
        ]

        with m.If(self.run.valid & self.run.ready):
            for level in Level:
                found = step.first_column & (step.level == Level.RUN) if level == Level.GROUP else 0
                with m.If((step.level.as_value() <= level.value) | found):
                    m.d.sync += [
                        start[level.value].eq(Mux(step.next_channel_group, next_base, next_start)),
                        base[level.value].eq(next_base),
                    ]
        # The step into the first group goes nowhere, and so sets the other levels.
        with m.If(self.prepare):
            m.d.sync += [
                start[Level.GROUP.value].eq(load.start),
                base[Level.GROUP.value].eq(load.dst),
            ]
        return m
