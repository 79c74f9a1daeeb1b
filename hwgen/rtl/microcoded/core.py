"""The core of the microcoded machine: the engine, and the units that it gives work to."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ...isa.registers import ErrorCode
from ..block import Block
from ..common.axi import axi_members
from ..csr import EVENTS
from .array import GO, LockstepArray, Writer
from .buffer import Buffer
from .engine import Engine
from .microcode import Phase, Port, Setting
from .mover import Mover
from .output import OutputUnit
from .stream import Stream

__all__ = ["MicrocodedCore"]


class MicrocodedCore(Block):
    """Engine, stream, mover, writer, array, output unit and global buffer.

    It runs the commands of a program one after the other, each to its end. Its errors are those of
    the :class:`~hwgen.rtl.parallel.core.Core`.

    Members
    -------
    As the :class:`~hwgen.rtl.parallel.core.Core`.
    """

    module_name = "core"

    def __init__(self, config):
        self._config = config
        self._stream = Stream(config)
        super().__init__({
            "start": In(1), "program": In(32), "base": In(32), "pages": In(20),
            "watchdog": In(32), "expired": In(1), "halt": In(1), "done": Out(1), "error": Out(1),
            "error_code": Out(4), "error_info": Out(32), "command_index": Out(32),
            "dma_idle": Out(1), "events": Out(EVENTS), **axi_members(self._stream),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        m.submodules.engine = engine = Engine(config)
        m.submodules.stream = stream = self._stream
        m.submodules.mover = mover = Mover()
        m.submodules.writer = writer = Writer(config)
        m.submodules.array = array = LockstepArray(config)
        m.submodules.output = output = OutputUnit()
        m.submodules.glb = glb = Buffer(config)
        for name, member in axi_members(stream).items():
            inside, outside = getattr(stream, name), getattr(self, name)
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)

        # Who reads what the stream reads: the mover while it moves, else the engine or the writer.
        value = engine.value
        m.d.comb += [
            engine.program.eq(self.program), engine.base.eq(self.base),
            stream.base.eq(self.base), stream.pages.eq(self.pages),
            engine.word.eq(stream.word), engine.word_valid.eq(stream.word_valid),
            mover.word.eq(stream.word), mover.word_valid.eq(stream.word_valid),
            mover.value.eq(value), writer.value.eq(value), stream.value.eq(value),
            array.value.eq(value),
            array.filter_we.eq(writer.filter_we), array.filter_waddr.eq(writer.filter_addr),
            array.filter_wdata.eq(writer.filter_data), array.ifmap_we.eq(writer.ifmap_we),
            array.ifmap_waddr.eq(writer.ifmap_addr), array.ifmap_wdata.eq(writer.ifmap_data),
            glb.psum_read.eq(array.read), glb.psum_write.eq(array.write),
            glb.psum_address.eq(array.address), glb.psum_data.eq(array.wdata),
            array.rdata.eq(glb.data),
            glb.move.eq(mover.write), mover.grant.eq(glb.move_grant),
            glb.move_address.eq(mover.address), glb.move_data.eq(mover.data),
            glb.move_mask.eq(mover.mask),
            glb.read_address.eq(value), output.word.eq(glb.data),
            stream.byte.eq(output.y), stream.ends.eq(value[0]),
        ]
        self._ports(m, engine, stream, mover, writer, array, output, glb)
        self._settings(m, engine, writer, array, output, stream)
        self._ends(m, engine, stream, array)
        self._events(m, engine, stream, writer, array, glb)
        return m

    def _ports(self, m, engine, stream, mover, writer, array, output, glb):
        """When each port takes what it is given, and what it does with it."""
        started = Signal()                         # and not taken up yet
        fresh = Signal(init=1)                     # nothing is kept since the last PUSH
        busy = output.busy | self._delayed(m)
        read_output = glb.read_grant & ~busy
        reads = (Port.IFMAP, Port.LOAD, Port.ADD, Port.SCALE)
        ready = {
            Port.START: started, Port.DONE: stream.idle, Port.READ: stream.idle,
            Port.ADDR_LO: stream.idle, Port.ADDR_HI: stream.idle,
            Port.WRITE: stream.idle, Port.MOVE: mover.idle, Port.DST: mover.idle,
            Port.SRC: mover.idle, Port.PAD: mover.idle, Port.MODE: mover.idle,
            Port.ROW: writer.ready, Port.MASK: writer.ready, Port.MASK_HI: writer.ready,
            Port.PLACE: writer.ready, Port.FILTER: writer.ready & stream.word_valid,
            Port.IFMAP: writer.ready & glb.read_grant, Port.SPACE: array.space,
            Port.ROUND: writer.ready, Port.HALF: array.filter_free & writer.ready,
            Port.GO: array.go_ready & writer.ready, Port.IDLE: array.idle,
            Port.LOAD: read_output, Port.ADD: read_output, Port.SCALE: read_output,
            Port.RAW: ~busy & ~Cat(self._late.values()).any(), Port.PUSH: ~busy & stream.push_ready,
        }
        m.d.comb += engine.ready.eq(1)
        with m.Switch(engine.port):
            for port, when in ready.items():
                with m.Case(port):
                    m.d.comb += engine.ready.eq(when)
        # Those that do more than wait take what they are given.
        optional = {Port.ROW: self._config.rows > 1, Port.MASK_HI: self._config.cols > 16}
        self._given = given = {port: Signal(name=f"give_{port.name.lower()}") for port in Port
                               if port not in (Port.HALF, Port.SPACE, Port.IDLE)
                               and optional.get(port, True)}
        for port, signal in given.items():
            m.d.comb += signal.eq(engine.give & engine.ready & (engine.port == port))
        # A pass's first strip says that its weights are in the spads.
        filled = given[Port.GO] & GO(engine.value[:GO.size]).first
        m.d.comb += [
            stream.set_addr_lo.eq(given[Port.ADDR_LO]), stream.set_addr_hi.eq(given[Port.ADDR_HI]),
            stream.read.eq(given[Port.READ]), stream.write.eq(given[Port.WRITE]),
            mover.set_dst.eq(given[Port.DST]), mover.set_src.eq(given[Port.SRC]),
            mover.set_pad.eq(given[Port.PAD]), mover.set_mode.eq(given[Port.MODE]),
            mover.move.eq(given[Port.MOVE]),
            writer.set_mask.eq(given[Port.MASK]), writer.set_place.eq(given[Port.PLACE]),
            writer.filter.eq(given[Port.FILTER]), writer.ifmap.eq(given[Port.IFMAP]),
            writer.word.eq(Mux(given[Port.FILTER], stream.word, glb.data)),
            writer.round.eq(given[Port.ROUND]), array.round.eq(given[Port.ROUND]),
            array.go.eq(given[Port.GO]),
            writer.filled.eq(filled), array.filled.eq(filled),
            stream.word_taken.eq(mover.word_taken | engine.word_taken | given[Port.FILTER]),
            glb.read.eq(engine.give & Cat(engine.port == port for port in reads).any()
                        & (Mux(engine.port == Port.IFMAP, writer.ready, ~busy))),
            output.raw.eq(given[Port.RAW]), stream.push.eq(given[Port.PUSH]),
            output.first.eq(fresh),
        ]
        for port, exists in optional.items():
            if exists:
                m.d.comb += getattr(writer, f"set_{port.name.lower()}").eq(given[port])
        # The word that is read for the output unit is there a cycle later.
        m.d.sync += [output_strobe.eq(given[port]) for port, output_strobe in self._late.items()]
        m.d.comb += [
            output.load.eq(self._late[Port.LOAD]), output.add.eq(self._late[Port.ADD]),
            output.scale.eq(self._late[Port.SCALE]),
        ]
        with m.If(given[Port.PUSH]):
            m.d.sync += fresh.eq(1)
        with m.Elif(output.scale):
            m.d.sync += fresh.eq(0)
        with m.If(self.start):
            m.d.sync += started.eq(1)
        with m.Elif(given[Port.START]):
            m.d.sync += started.eq(0)

    def _delayed(self, m):
        """The strobes of the output unit that come with the word that was read; high when the
        requantisation is about to begin."""
        self._late = {port: Signal(name=f"late_{port.name.lower()}")
                      for port in (Port.LOAD, Port.ADD, Port.SCALE)}
        return self._late[Port.SCALE]

    def _settings(self, m, engine, writer, array, output, stream):
        """What the units know, in registers of their own or here."""
        which = Signal(4, reset_less=True)
        with m.If(self._given[Port.SETTING]):
            m.d.sync += which.eq(engine.value)
        value = Signal(len(Setting))
        with m.If(self._given[Port.VALUE]):
            m.d.comb += value.eq(1 << which)
            m.d.sync += which.eq(which + 1)
        m.d.comb += [array.set.eq(value), stream.set_lane.eq(value[Setting.LANE])]
        layouts = {
            Setting.ZX: data.StructLayout({"signed": 1, "zx": 8}),
            Setting.OUT: data.StructLayout({"zy": 8, "signed": 1}),
            Setting.BOUNDS: data.StructLayout({"lo": 8, "hi": 8}),
        }
        held = {}
        for setting, layout in layouts.items():
            held[setting] = Signal(layout, name=setting.name.lower(), reset_less=True)
            with m.If(value[setting]):
                m.d.sync += held[setting].eq(engine.value)
        m.d.comb += [
            writer.zx.eq(held[Setting.ZX].zx), writer.xsigned.eq(held[Setting.ZX].signed),
            output.zy.eq(held[Setting.OUT].zy), output.ysigned.eq(held[Setting.OUT].signed),
            output.lo.eq(held[Setting.BOUNDS].lo), output.hi.eq(held[Setting.BOUNDS].hi),
        ]

    def _ends(self, m, engine, stream, array):
        """Start, end, errors, and the watchdog."""
        given = self._given
        running = Signal()
        stopped = Signal()      # by an error; until reset
        halt = Signal()
        index = Signal(26, reset_less=True)
        with m.If(self.start):
            m.d.sync += [running.eq(1), index.eq(0)]
        with m.Elif(self.done | self.error):
            m.d.sync += running.eq(0)
        with m.If(given[Port.NEXT]):
            m.d.sync += index.eq(index + 1)
        with m.If(self.error):
            m.d.sync += stopped.eq(1)
        m.d.comb += [
            halt.eq(self.halt | stopped), engine.hold.eq(halt), stream.halt.eq(halt),
            self.dma_idle.eq(stream.quiet), self.command_index.eq(index),
            self.done.eq(given[Port.DONE]),
        ]

        # Cycles in which the program does not get on. (What moves in the GLB does not count: a
        # command that makes no sense can keep that busy for ever.)
        waited = Signal(32, reset_less=True)
        expired = Signal()
        moves = stream.beat_in | stream.beat_out | array.issue
        m.d.sync += expired.eq(running & (waited == self.watchdog) & self.watchdog.any())
        with m.If(moves | ~running):
            m.d.sync += waited.eq(0)
        with m.Else():
            m.d.sync += waited.eq(waited + 1)

        m.d.comb += self.error_info.eq(stream.address)
        m.d.comb += self.error.eq(running & ~stopped)
        with m.If(stream.read_error):
            m.d.comb += self.error_code.eq(ErrorCode.AXI_READ)
        with m.Elif(stream.last_error):
            m.d.comb += self.error_code.eq(ErrorCode.RLAST)
        with m.Elif(stream.write_error):
            m.d.comb += self.error_code.eq(ErrorCode.AXI_WRITE)
        with m.Elif(stream.leaves):
            m.d.comb += self.error_code.eq(ErrorCode.WINDOW)
        with m.Elif(engine.forbidden):
            m.d.comb += [self.error_code.eq(ErrorCode.FIELD), self.error_info.eq(0)]
        with m.Elif(given[Port.ERROR]):
            m.d.comb += self.error_code.eq(engine.value)
            with m.If(engine.value == ErrorCode.FILTER):
                m.d.comb += self.error_info.eq(0)
        with m.Elif(expired):
            m.d.comb += [self.error_code.eq(ErrorCode.WATCHDOG), self.error_info.eq(0)]
        with m.Elif(self.expired):
            m.d.comb += [self.error_code.eq(ErrorCode.LIMIT), self.error_info.eq(0)]
        with m.Else():
            m.d.comb += self.error.eq(0)
        self._running = running

    def _events(self, m, engine, stream, writer, array, glb):
        """What the performance counters count. Each cycle of a program is booked in exactly one
        event: the array computed, or what held it up, which for the most part is what the engine is
        at."""
        given, events = self._given, self.events
        phase = Signal(Phase)
        started = Signal()
        with m.If(given[Port.PHASE]):
            m.d.sync += phase.eq(engine.value)
        with m.If(self.start):
            m.d.sync += started.eq(0)
        with m.Elif(array.issue):
            m.d.sync += started.eq(1)
        late = ~stream.idle & ~stream.word_valid
        names = ("array_busy", "start", "stall_dram", "stall_ifmap", "stall_filter", "stall_psum",
                 "stall_output", "stall_idle", "finish")
        booked = {name: Signal(name=f"is_{name}") for name in names}
        with m.If(array.issue):
            m.d.comb += booked["array_busy"].eq(1)
        with m.Elif(~started):
            m.d.comb += booked["start"].eq(1)
        with m.Elif(array.waits_psum):
            m.d.comb += booked["stall_psum"].eq(1)
        with m.Else():
            with m.Switch(phase):
                with m.Case(Phase.LOAD):
                    m.d.comb += [booked["stall_dram"].eq(late), booked["stall_ifmap"].eq(~late)]
                with m.Case(Phase.FILTER):
                    m.d.comb += [booked["stall_dram"].eq(late), booked["stall_filter"].eq(~late)]
                with m.Case(Phase.FEED):
                    m.d.comb += booked["stall_ifmap"].eq(1)
                with m.Case(Phase.STORE):
                    m.d.comb += booked["stall_output"].eq(1)
                with m.Case(Phase.FINISH):
                    m.d.comb += booked["finish"].eq(1)
                with m.Default():
                    m.d.comb += booked["stall_idle"].eq(1)
        for name, signal in booked.items():
            m.d.comb += events[name].eq(signal & (self._running | self.start))
        m.d.comb += [
            events.macs.eq(array.macs),
            events.dram_read_words.eq(stream.beat_in), events.dram_write_words.eq(stream.beat_out),
            events.glb_reads.eq(glb.reads), events.glb_writes.eq(glb.writes),
            events.ybus_words.eq(given[Port.IFMAP]), events.xbus_writes.eq(writer.ifmap_writes),
            events.filter_writes.eq(writer.filter_writes), events.outputs.eq(given[Port.ADD]),
        ]
