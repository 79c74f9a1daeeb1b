"""The controller: fetches a program, queues its commands, keeps the semaphores, ends or stops."""

import enum

from amaranth import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ... import isa
from ...isa import store_modes
from ...isa.registers import ErrorCode
from ..block import Block
from ..common.command import COMMAND, Take, is_mode
from ..common.ram import Ram
from .dma.bursts import fetch_beats

__all__ = ["Controller", "QUEUES", "TAKERS", "GIVERS", "DEPTH"]

#: Command queues, by the port that each leaves at.
QUEUES = ("load", "filter", "compute", "store")

#: Units that take semaphores, first served first, and those that give them.
TAKERS = ("load", "feed", "psum", "store")
GIVERS = (*TAKERS, "written")

#: Commands that a queue holds.
DEPTH = 4

_WORDS = isa.COMMAND_BYTES // 8
_SEMAPHORE_BITS = 6
_QUIET = 8                   # cycles for which all must be idle before END ends


class _State(enum.IntEnum):
    """What the walk through the program does."""
    READY = 0
    DECODE = 1
    BEGIN = 2
    ROOM = 3
    COPY = 4
    DROP = 5
    DRAIN = 6


def _used_bits(queue):
    """Mask of the command bits that the fields of a queue's commands and the opcode occupy."""
    mask = 0xFF
    for command in isa.COMMANDS.values():
        if command.queue == queue:
            for field, lsb in command.fields():
                mask |= (1 << field.bits) - 1 << lsb
    return mask


class Controller(Block):
    """Runs programs of :mod:`hwgen.isa` commands.

    From ``start`` on, commands are fetched in order, up to :data:`~hwgen.isa.READ_AHEAD` of them
    ahead, so up to ``64 * READ_AHEAD`` bytes after END are read and dropped. A command is checked
    and written to its queue in 10 cycles, waiting while the queue holds :data:`DEPTH`; it leaves a
    queue 11 cycles after its turn has come. What is checked are the fields that must not be 0, and
    the mode of STORE; no unit sees a command that does not pass. END ends the program when the
    queues are empty and ``units_idle`` has been high for 8 cycles. The next ``start`` may come in
    the cycle after ``done``.

    The first error of a program ends it: ``error`` is high for a cycle, ``halt`` from the next
    cycle until reset, and nothing more is fetched.

    The four queues share one memory of 128 words of 64 bits; a command is offered to its unit from
    a register that holds just the bits that its queue's fields occupy. The other bits are 0.

    Parameters
    ----------
    config : Config

    Members
    -------
    start : In(1)
        Starts the program at ``program``, clears the semaphores; ignored unless ready.
    program : In(32)
        Byte offset of BEGIN, a multiple of 64; read with ``start``.
    req, data
        To and from client 0 of the read DMA; each request is one command, or a burst of it.
    load, filter, compute, store : Out(COMMAND)
        Commands to the units.
    take_load, take_feed, take_psum, take_store : In(Take)
        Wait masks. One of those that can be granted is granted each second cycle, the first in
        this order; it takes a cycle at least.
    give_load, give_feed, give_psum, give_store, give_written : In(8)
        Each bit high for a cycle adds one to that semaphore, all at once if need be; it can be
        granted 3 cycles later. Beyond 63: error.
    units_idle : In(1)
        No unit holds a command or has anything in flight.
    read_error, last_error, write_error : In(1); read_error_addr, write_error_addr : In(addr_bits)
        From the DMAs, one cycle; no later than the failing beat's data.
    read_leaves, write_leaves : In(1); read_leaves_addr, write_leaves_addr : In(addr_bits)
        The DMAs did not issue a burst that would leave the window.
    filter_error : In(1)
        A filter packet has no mark.
    watchdog : In(32)
        Cycles without progress that are an error; 0: never.
    progress : In(1)
        The program got on: a beat on the bus, a multiplication. (Not what moves in the GLB: a
        command that makes no sense can keep that busy for ever.) The controller adds what it does
        itself.
    expired : In(1)
        The program has had all the cycles that it may take.
    ending : Out(1)
        END has been fetched: no command follows.
    done : Out(1)
        The program has ended; one cycle.
    error : Out(1)
        The program was stopped; one cycle, in which the next two members are valid.
    error_code : Out(ErrorCode), error_info : Out(addr_bits)
        As ERROR_CODE and ERROR_INFO of :mod:`hwgen.isa.registers`.
    command_index : Out(32)
        As ERROR_COMMAND; stands still from an error to the next ``start``.
    halt : Out(1)
        Stopped by an error; until reset.
    """

    module_name = "controller"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "start": In(1),
            "program": In(32),
            "req": Out(stream.Signature(data.StructLayout({"addr": 32, "beats": 24}))),
            "data": In(stream.Signature(data.StructLayout({"data": config.bus_bits, "last": 1}))),
            **{queue: Out(COMMAND) for queue in QUEUES},
            **{f"take_{unit}": In(Take) for unit in TAKERS},
            **{f"give_{unit}": In(isa.SEMAPHORES) for unit in GIVERS},
            "units_idle": In(1),
            "read_error": In(1),
            "last_error": In(1),
            "read_error_addr": In(config.addr_bits),
            "write_error": In(1),
            "write_error_addr": In(config.addr_bits),
            "read_leaves": In(1),
            "read_leaves_addr": In(config.addr_bits),
            "write_leaves": In(1),
            "write_leaves_addr": In(config.addr_bits),
            "filter_error": In(1),
            "watchdog": In(32),
            "progress": In(1),
            "expired": In(1),
            "ending": Out(1),
            "done": Out(1),
            "error": Out(1),
            "error_code": Out(4),
            "error_info": Out(config.addr_bits),
            "command_index": Out(32),
            "halt": Out(1),
        })

    def body(self, platform):
        m = Module()
        starting = Signal()
        word, word_valid, word_taken, fetching, fetch_idle = self._fetch(m, starting)
        queue = Signal(range(len(QUEUES)), reset_less=True)
        position = Signal(range(_WORDS))
        copying = Signal()
        room, queues_empty = self._queues(m, queue, position, word, copying)
        granted, overflow, overflows = self._semaphores(m, starting)

        first = Signal()
        last_word = position == _WORDS - 1
        quiet = Signal(range(_QUIET))
        # What was found in the program itself in the cycle before.
        fault = Signal(ErrorCode)
        fault_info = Signal(32, reset_less=True)
        m.d.sync += fault.eq(ErrorCode.NONE)
        opcode, magic, found_hash = word[:8], word[8:40], word[:32]
        kind = Signal(range(max(isa.OPCODES) + 1), reset_less=True)     # opcode of what is copied
        forbidden = self._forbidden(m, kind, position, word)
        mode, wrong_mode = self._mode(queue, position, word)

        # Offsets of commands have 32 bits, so their indices have 6 less.
        index = Signal(32 - exact_log2(isa.COMMAND_BYTES), reset_less=True)
        m.d.comb += self.command_index.eq(index)
        idle = Signal()
        m.d.sync += idle.eq(queues_empty & self.units_idle)
        with m.If(word_taken):
            m.d.sync += position.eq(position + 1)
            with m.If(last_word & fetching & ~self.error):
                m.d.sync += index.eq(index + 1)
        with m.If(starting):
            m.d.sync += [index.eq(0), position.eq(0)]

        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.READY):
                m.d.comb += starting.eq(self.start)
                with m.If(self.start):
                    m.d.sync += [first.eq(1), fetching.eq(1)]
                    m.d.sync += state.eq(_State.DECODE)
            with m.Case(_State.DECODE):
                with m.If(word_valid & first):
                    with m.If((opcode == isa.COMMANDS["BEGIN"].opcode) & (magic == isa.MAGIC)):
                        m.d.sync += first.eq(0)
                        m.d.sync += state.eq(_State.BEGIN)
                    with m.Else():
                        m.d.sync += [fault.eq(ErrorCode.MAGIC), fault_info.eq(magic)]
                with m.Elif(word_valid):
                    m.d.sync += kind.eq(opcode)
                    self._dispatch(m, opcode, queue, fetching, state, fault, fault_info)
            with m.Case(_State.BEGIN):
                m.d.comb += word_taken.eq(word_valid)
                with m.If(word_valid & (position == 1) & (found_hash != self._config.hash)):
                    m.d.sync += [fault.eq(ErrorCode.HASH), fault_info.eq(found_hash)]
                with m.If(word_valid & last_word):
                    m.d.sync += state.eq(_State.DECODE)
            with m.Case(_State.ROOM):        # the queue takes all of a command, or none of it
                with m.If(room):
                    m.d.sync += state.eq(_State.COPY)
            with m.Case(_State.COPY):
                with m.If(word_valid & wrong_mode):
                    m.d.sync += [fault.eq(ErrorCode.MODE), fault_info.eq(mode)]
                with m.If(word_valid & forbidden):
                    m.d.sync += [fault.eq(ErrorCode.FIELD), fault_info.eq(0)]
                m.d.comb += copying.eq(word_valid & ~self.halt & (fault == ErrorCode.NONE))
                m.d.comb += word_taken.eq(copying)
                with m.If(copying & last_word):
                    m.d.sync += state.eq(_State.DECODE)
            with m.Case(_State.DROP):        # the rest of END, and what was fetched after it
                m.d.comb += word_taken.eq(word_valid)
                with m.If(fetch_idle & ~word_valid):
                    m.d.sync += quiet.eq(0)
                    m.d.sync += state.eq(_State.DRAIN)
            with m.Case(_State.DRAIN):
                m.d.sync += quiet.eq(Mux(idle, quiet + 1, 0))
                with m.If(idle & (quiet == _QUIET - 1) & ~self.halt & ~self.error):
                    m.d.comb += self.done.eq(1)
                    m.d.sync += state.eq(_State.READY)

        m.d.comb += self.ending.eq((state == _State.DROP) | (state == _State.DRAIN))
        running = (state != _State.READY) & ~self.halt
        expired = self._watchdog(m, running, self.progress | word_taken | granted)
        self._report(m, running, (
            (self.read_error, ErrorCode.AXI_READ, self.read_error_addr),
            (self.last_error, ErrorCode.RLAST, self.read_error_addr),
            (self.write_error, ErrorCode.AXI_WRITE, self.write_error_addr),
            (self.read_leaves, ErrorCode.WINDOW, self.read_leaves_addr),
            (self.write_leaves, ErrorCode.WINDOW, self.write_leaves_addr),
            (self.filter_error, ErrorCode.FILTER, 0),
            (overflows, ErrorCode.SEMAPHORE, overflow),
            (fault != ErrorCode.NONE, fault, fault_info),
            (expired, ErrorCode.WATCHDOG, 0),
            (self.expired, ErrorCode.LIMIT, 0)))
        with m.If(self.error):
            m.d.sync += [self.halt.eq(1), fetching.eq(0)]
        return m

    def _mode(self, queue, position, word):
        """``(mode, wrong)``: a STORE's mode, if ``word`` has it; and that it does, and the machine
        has no such mode."""
        lsb = next(lsb for field, lsb in isa.COMMANDS["STORE"].fields() if field.name == "mode")
        mode = word[lsb % 64:][:store_modes.MODE_BITS]
        modes = store_modes.available(self._config)
        return mode, (queue == QUEUES.index("store")) & (position == lsb // 64) & \
            ~is_mode(mode, lambda mode: mode in modes)

    @staticmethod
    def _dispatch(m, opcode, queue, fetching, state, fault, fault_info):
        """Choose the queue of a command, or end."""
        with m.Switch(opcode):
            for command in isa.COMMANDS.values():
                if command.queue in QUEUES:
                    with m.Case(command.opcode):
                        m.d.sync += queue.eq(QUEUES.index(command.queue))
                        m.d.sync += state.eq(_State.ROOM)
            with m.Case(isa.COMMANDS["END"].opcode):
                m.d.sync += fetching.eq(0)
                m.d.sync += state.eq(_State.DROP)
            with m.Default():
                m.d.sync += [fault.eq(ErrorCode.OPCODE), fault_info.eq(opcode)]

    @staticmethod
    def _forbidden(m, kind, position, word):
        """High if ``word``, number ``position`` of a command with opcode ``kind``, holds a field
        that must not be 0 and is. None is in the last word: that would be seen too late."""
        found = Signal(name="forbidden")
        with m.Switch(Cat(position, kind)):
            for command in isa.COMMANDS.values():
                for number in range(len(command.words) if command.queue in QUEUES else 0):
                    wrong = [~word[lsb % 64:][:field.bits].any() for field, lsb in command.fields()
                             if lsb // 64 == number and field.least]
                    if wrong:
                        assert number < _WORDS - 1
                        with m.Case(command.opcode * _WORDS + number):
                            m.d.comb += found.eq(Cat(wrong).any())
        return found

    def _report(self, m, running, causes):
        """Of what stops a program that runs, report the first of ``causes`` that holds."""
        for holds, code, info in reversed(causes):
            with m.If(running & holds):
                m.d.comb += [self.error.eq(1), self.error_code.eq(code), self.error_info.eq(info)]

    def _fetch(self, m, starting):
        """Request commands while ``fetching``, and turn bus words into 64-bit words.

        Returns ``(word, word_valid, word_taken, fetching, idle)``; ``idle`` when nothing that was
        requested is still to come.
        """
        fetching = Signal()
        beats = fetch_beats(self._config)
        size = beats * self._config.bus_bytes
        address = Signal(32 - exact_log2(size), reset_less=True)
        ahead = isa.READ_AHEAD * isa.COMMAND_BYTES // size
        pending = Signal(range(ahead + 1))
        request_done = self.req.valid & self.req.ready
        answer_done = self.data.valid & self.data.ready & self.data.payload.last
        m.d.comb += [
            self.req.payload.addr.eq(address << exact_log2(size)),
            self.req.payload.beats.eq(beats),
        ]
        # A request counts as pending from the cycle in which it is first offered.
        begin = fetching & (pending != ahead) & (~self.req.valid | self.req.ready)
        with m.If(begin):
            m.d.sync += self.req.valid.eq(1)
        with m.Elif(self.req.ready):
            m.d.sync += self.req.valid.eq(0)
        m.d.sync += pending.eq(pending + begin - answer_done)
        with m.If(starting):
            m.d.sync += address.eq(self.program[exact_log2(size):])
        with m.Elif(request_done):
            m.d.sync += address.eq(address + 1)

        word = Signal(64, reset_less=True)
        word_valid = Signal()
        word_taken = Signal()
        free = ~word_valid | word_taken
        beat = self.data.payload.data
        if len(beat) < 64:
            upper = Signal()
            m.d.comb += self.data.ready.eq(free)
            with m.If(free):
                m.d.sync += word_valid.eq(self.data.valid & upper)
                with m.If(self.data.valid):
                    m.d.sync += [word.eq(Cat(word[32:], beat)), upper.eq(~upper)]
        else:
            parts = len(beat) // 64
            part = Signal(range(parts))
            m.d.comb += self.data.ready.eq(free & (part == parts - 1))
            with m.If(free):
                m.d.sync += word_valid.eq(self.data.valid)
                with m.If(self.data.valid):
                    m.d.sync += [word.eq(beat.word_select(part, 64)), part.eq(part + 1)]
        return word, word_valid, word_taken, fetching, (pending == 0)

    def _queues(self, m, queue, position, word, copying):
        """The four queues: write ``word`` while ``copying``, offer commands to the units.

        Returns ``(room, empty)``: whether ``queue`` takes a command, and whether all are empty.
        """
        count = len(QUEUES)
        slots = range(2 * DEPTH)         # pointers have a lap bit
        m.submodules.queue = memory = Ram(64, count * DEPTH * _WORDS)
        write_port, read_port = memory.write, memory.read
        filled = Array(Signal(slots, name=f"{name}_filled") for name in QUEUES)
        emptied = Array(Signal(slots, name=f"{name}_emptied") for name in QUEUES)

        # A cycle late, which does no harm: after a command has been copied the next is decoded.
        full = Array(Signal(name=f"{name}_full") for name in QUEUES)
        for flag, head, tail in zip(full, filled, emptied, strict=True):
            m.d.sync += flag.eq((head ^ tail) == DEPTH)
        room = ~full[queue]
        m.d.comb += [
            write_port.addr.eq(Cat(position, filled[queue][:-1], queue)),
            write_port.data.eq(word),
            write_port.en.eq(copying),
        ]
        with m.If(copying & (position == _WORDS - 1)):
            m.d.sync += filled[queue].eq(filled[queue] + 1)

        # Only whole commands are read, so a word is never read in the cycle it is written.
        reading = Signal()
        source = Signal(range(count), reset_less=True)
        index = Signal(range(_WORDS))
        m.d.comb += read_port.addr.eq(Cat(index, emptied[source][:-1], source))
        # The word is registered between the memory and the units, which may be far away.
        arriving = Signal()
        arrived = Signal()
        arriving_index, arrived_index = (Signal(range(_WORDS), name=name, reset_less=True)
                                         for name in ("arriving_index", "arrived_index"))
        arrived_word = Signal(64, reset_less=True)
        m.d.sync += [
            arriving.eq(reading), arriving_index.eq(index),
            arrived.eq(arriving), arrived_index.eq(arriving_index),
            arrived_word.eq(read_port.data),
        ]
        with m.If(reading):
            m.d.sync += index.eq(index + 1)
            with m.If(index == _WORDS - 1):
                m.d.sync += [reading.eq(0), emptied[source].eq(emptied[source] + 1)]
        with m.Elif(~arriving & ~arrived):
            for number, name in reversed(list(enumerate(QUEUES))):
                with m.If((filled[number] != emptied[number]) & ~getattr(self, name).valid):
                    m.d.sync += [reading.eq(1), source.eq(number)]

        for number, name in enumerate(QUEUES):
            unit = getattr(self, name)
            used = _used_bits(name)
            here = arrived & (source == number)
            for i in range(_WORDS):
                mask = C(used >> 64 * i & (1 << 64) - 1, 64)
                head = Signal(64, name=f"{name}_{i}", reset_less=True)
                with m.If(here & (arrived_index == i)):
                    m.d.sync += head.eq(arrived_word & mask)
                m.d.comb += unit.payload[64 * i:64 * (i + 1)].eq(head)
            with m.If(here & (arrived_index == _WORDS - 1)):
                m.d.sync += unit.valid.eq(1)
            with m.Elif(unit.ready):
                m.d.sync += unit.valid.eq(0)

        empty = ~reading & ~arriving & ~arrived & Cat(
            (filled[i] == emptied[i]) & ~getattr(self, name).valid
            for i, name in enumerate(QUEUES)).all()
        return room, empty

    def _semaphores(self, m, starting):
        """The semaphores; returns ``(granted, overflow, overflows)``: a taker is granted; the mask
        of semaphores that overflow; whether there are any.

        One taker is granted at a time, and none is chosen while one is, so that no two can take
        the same signal.
        """
        counts = [Signal(_SEMAPHORE_BITS, name=f"count_{i}") for i in range(isa.SEMAPHORES)]
        overflow = Signal(isa.SEMAPHORES)
        overflows = Signal()
        takes = [getattr(self, f"take_{unit}") for unit in TAKERS]
        gives = [getattr(self, f"give_{unit}") for unit in GIVERS]

        available = Signal(isa.SEMAPHORES)         # those whose count is not 0
        granted = Cat(take.ready for take in takes).any()
        taken = Signal(isa.SEMAPHORES)             # by the one that is granted
        with m.If(granted):
            m.d.sync += [Cat(take.ready for take in takes).eq(0), taken.eq(0)]
        for take in takes:
            with m.Elif(take.valid & ~(take.payload & ~available).any()):
                m.d.sync += [take.ready.eq(1), taken.eq(take.payload)]

        totals = [Signal(_SEMAPHORE_BITS + 1, name=f"total_{i}") for i in range(isa.SEMAPHORES)]
        m.d.sync += overflows.eq(Cat(total[-1] for total in totals).any())
        for i, (count, total) in enumerate(zip(counts, totals, strict=True)):
            given = Signal(range(len(GIVERS) + 1), name=f"given_{i}")
            change = Signal(signed(len(given) + 1), name=f"change_{i}")
            m.d.sync += given.eq(sum(give[i] for give in gives))
            m.d.comb += [change.eq(given - taken[i]), total.eq(count + change)]
            m.d.sync += [count.eq(total), available[i].eq(total.any()), overflow[i].eq(total[-1])]
            with m.If(starting):
                m.d.sync += [count.eq(0), available[i].eq(0), given.eq(0), overflow[i].eq(0)]
                m.d.sync += overflows.eq(0)
        return granted, overflow, overflows

    def _watchdog(self, m, running, progress):
        """High when ``watchdog`` cycles have gone by without progress."""
        left = Signal(32, reset_less=True)
        moved = Signal()
        expired = Signal()
        m.d.sync += moved.eq(progress | ~running)
        with m.If(moved):
            m.d.sync += left.eq(self.watchdog)
        with m.Elif(left.any()):
            m.d.sync += left.eq(left - 1)
        m.d.sync += expired.eq(~moved & (left == 1))
        return expired
