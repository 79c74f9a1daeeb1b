"""Begins and ends the commands of the drain."""

import enum

from amaranth import Module, Signal
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common import command
from .function_table import FunctionTable
from .parameters import Parameters
from .requant import Requant
from .windows import Settings

__all__ = ["DrainControl"]


class _State(enum.IntEnum):
    """What becomes of a command."""
    IDLE = 0
    START = 1
    READ = 2
    FINISH = 3


class DrainControl(Block):
    """Runs the STORE that waits, and lets it go when it is done.

    A command starts when its semaphores were granted and the last psum of the command before has
    gone through the output stage, which needs the settings for it: 13 cycles, 15 with function
    tables.

    Members
    -------
    command : In(COMMAND)
        STORE commands; ``ready`` when one is done, but for its writes.
    take : Out(Take)
        Semaphores to take before a command starts.
    give : Out(8)
        Semaphores given, for one cycle, when the psums of a command have been read.
    give_written : Out(8)
        Semaphores given when the data of a command has been written. The next command starts after
        that. If it gives none, the command does not wait for its data to be written.
    idle : Out(1)
        No command is held and no output is on its way.
    start : Out(1)
        High for one cycle before a command runs.
    settings : Out(Settings(config))
    all_arrived : In(1)
        Every psum of the command has arrived.
    drained : In(1)
        No output is on its way.
    segments_done : In(1)
        The write DMA has taken every segment.
    write_idle : In(1)
        From the write DMA.
    """

    module_name = "drain_control"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(command.COMMAND),
            "take": Out(command.Take),
            "give": Out(8),
            "give_written": Out(8),
            "idle": Out(1),
            "start": Out(1),
            "settings": Out(Settings(config)),
            "all_arrived": In(1),
            "drained": In(1),
            "segments_done": In(1),
            "write_idle": In(1),
        })

    def body(self, platform):
        m = Module()
        store = Signal(command.layout("STORE"))
        m.d.comb += store.eq(self.command.payload)
        self._settings(m, store)

        # The last psum to arrive goes through the output stage.
        cycles = Parameters.LATENCY + Requant.LATENCY
        if self._config.functions:
            cycles += FunctionTable.LATENCY
        through = Signal(range(cycles + 1))
        with m.If(~self.all_arrived):
            m.d.sync += through.eq(cycles)
        with m.Elif(through.any()):
            m.d.sync += through.eq(through - 1)

        written = self.drained & self.write_idle
        m.d.sync += [self.give.eq(0), self.give_written.eq(0)]
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.comb += [
                    self.take.valid.eq(self.command.valid),
                    self.take.payload.eq(store.wait),
                    self.idle.eq(self.drained),
                ]
                with m.If(self.take.valid & self.take.ready):
                    m.d.sync += state.eq(_State.START)
            with m.Case(_State.START):
                with m.If(through == 0):
                    m.d.comb += self.start.eq(1)
                    m.d.sync += state.eq(_State.READ)
            with m.Case(_State.READ):
                with m.If(self.all_arrived):
                    m.d.sync += self.give.eq(store.signal)
                    m.d.sync += state.eq(_State.FINISH)
            with m.Case(_State.FINISH):
                with m.If(self.segments_done & ((store.signal_written == 0) | written)):
                    m.d.sync += self.give_written.eq(store.signal_written)
                    m.d.comb += self.command.ready.eq(1)
                    m.d.sync += state.eq(_State.IDLE)
        return m

    def _settings(self, m, store):
        """Take the settings over from the command that starts."""
        values = {name: store[name] for name in self.settings.signature.members
                  if name not in ("raw", "looked_up")}
        values["raw"] = command.is_mode(store.mode, lambda mode: mode.raw)
        values["looked_up"] = command.is_mode(store.mode, lambda mode: mode.needs_tables)
        for name, value in values.items():
            setting = getattr(self.settings, name)
            register = Signal(setting.shape(), name=name, reset_less=True)
            m.d.comb += setting.eq(register)
            with m.If(self.start):
                m.d.sync += register.eq(value)
