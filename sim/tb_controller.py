"""cocotb testbench of `controller` (tests/rtl/test_controller.py)."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen import isa
from hwgen.isa.registers import ErrorCode
from hwgen.rtl.parallel.controller import DEPTH, GIVERS, QUEUES, TAKERS
from hwgen.rtl.parallel.dma.bursts import fetch_beats
from sim.commands import allowed
from sim.settings import CONFIG, SEED

PROGRAMS = 6
BEATS = fetch_beats(CONFIG)
SIZE = BEATS * CONFIG.bus_bytes    # bytes of a request
MODES = isa.store_modes.available(CONFIG)
BEGIN = isa.pack("BEGIN", magic=isa.MAGIC, hash=CONFIG.hash)


class Bench:
    """The block between a memory, which answers late, and four units, which stall at random."""

    def __init__(self, dut):
        self.dut = dut
        self.rng = random.Random(SEED)
        self.memory = {}                 # commands by byte offset
        self.requests = []               # offsets requested
        self.received = {queue: [] for queue in QUEUES}
        self.counts = [0] * isa.SEMAPHORES
        self.stall = 0.3
        self.answering = True
        self.errors = []
        self.done = 0

    async def begin(self):
        dut = self.dut
        for name in ("start", "program", "req__ready", "data__valid", "data__payload",
                     "units_idle", "read_error", "last_error", "read_error_addr", "write_error",
                     "write_error_addr", "read_leaves", "read_leaves_addr", "write_leaves",
                     "write_leaves_addr", "filter_error", "watchdog", "progress", "expired",
                     *(f"{queue}__ready" for queue in QUEUES),
                     *(f"take_{unit}__{port}" for unit in TAKERS for port in ("valid", "payload")),
                     *(f"give_{unit}" for unit in GIVERS)):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
        for bench in (self._memory(), self._watch(), *map(self._unit, QUEUES)):
            cocotb.start_soon(bench)

    async def reset(self):
        """What a soft reset does: the memory is idle, then the block is reset."""
        self.answering = False
        await ClockCycles(self.dut.clk, 3)
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 3)
        self.dut.rst.value = 0
        self.answering = True
        self.requests.clear()
        self.counts = [0] * isa.SEMAPHORES
        for received in self.received.values():
            received.clear()
        await RisingEdge(self.dut.clk)

    def go(self, density=None):
        return self.rng.random() >= (self.stall if density is None else density)

    async def _memory(self):
        """Client 0 of the read DMA: requests answered in order, some cycles later."""
        dut = self.dut
        beats = deque()
        now = 0
        while True:
            await RisingEdge(dut.clk)
            now += 1
            if dut.rst.value or not self.answering:
                beats.clear()
                dut.data__valid.value = 0
                dut.req__ready.value = 0
                continue
            if dut.req__valid.value and dut.req__ready.value:
                request = int(dut.req__payload.value)
                address = request & 0xFFFFFFFF
                assert request >> 32 == BEATS
                assert (address - int(dut.program.value)) % SIZE == 0
                self.requests.append(address)
                part = address % isa.COMMAND_BYTES
                command = (self.memory.get(address - part) or self.rng.randbytes(isa.COMMAND_BYTES))
                words = int.from_bytes(command[part:part + SIZE], "little")
                due = now + self.rng.randrange(60)
                for beat in range(BEATS):
                    word = words >> CONFIG.bus_bits * beat & (1 << CONFIG.bus_bits) - 1
                    beats.append((due, word | (beat == BEATS - 1) << CONFIG.bus_bits))
            offered = bool(dut.data__valid.value)
            if offered and dut.data__ready.value:
                beats.popleft()
                offered = False
            if not offered:
                offered = bool(beats) and beats[0][0] <= now and self.go()
            dut.data__valid.value = int(offered)
            dut.data__payload.value = (beats[0][1] if offered
                                       else self.rng.getrandbits(CONFIG.bus_bits))
            dut.req__ready.value = int(self.go())

    async def _unit(self, queue):
        """Accept commands at random; they must stand still until then."""
        valid, payload, ready = (getattr(self.dut, f"{queue}__{port}")
                                 for port in ("valid", "payload", "ready"))
        waiting = None
        while True:
            await RisingEdge(self.dut.clk)
            if self.dut.rst.value:
                waiting = None
                continue
            if valid.value:
                command = int(payload.value)
                assert waiting in (None, command), queue
                waiting = command
                if ready.value:
                    self.received[queue].append(command)
                    waiting = None
            else:
                assert waiting is None, queue
            ready.value = int(self.go(self.stall if self.stall == 1 else self.rng.random() ** 0.3))

    async def _watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if dut.rst.value:
                continue
            self.done += int(dut.done.value)
            if dut.error.value:
                assert not dut.done.value
                self.errors.append(tuple(int(getattr(dut, name).value) for name in
                                         ("error_code", "error_info", "command_index")))

    async def start(self, commands, *, end=True):
        """Put a program anywhere in memory and start it; returns its offset."""
        offset = self.rng.randrange(1 << 26) * isa.COMMAND_BYTES
        self.memory = {offset + isa.COMMAND_BYTES * i: command
                       for i, command in enumerate(commands)}
        self.requests.clear()
        for received in self.received.values():
            received.clear()
        self.dut.program.value = offset
        self.dut.start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0
        await RisingEdge(self.dut.clk)
        return offset

    async def until(self, condition, cycles=20_000):
        for _ in range(cycles):
            if condition():
                return
            await RisingEdge(self.dut.clk)
        raise AssertionError("nothing happened")

    def check_received(self, commands):
        for queue in QUEUES:
            assert self.received[queue] == [
                int.from_bytes(c, "little") for c in commands
                if (name := isa.unpack(c)[0]) in isa.COMMANDS and isa.COMMANDS[name].queue == queue
            ], queue


def random_command(rng, name=None, **given):
    """A command for a queue, with random fields that are allowed, but for those given."""
    name = name or rng.choice([c.name for c in isa.COMMANDS.values() if c.queue in QUEUES])
    values = {}
    for field, _ in isa.COMMANDS[name].fields():
        low = -(1 << field.bits - 1) if field.signed else 0
        values[field.name] = max(low + rng.getrandbits(field.bits), low + field.least)
    if name == "STORE":
        values["mode"] = rng.choice(MODES).number
    return isa.pack(name, **{**values, **given})


def random_program(rng, size):
    return [BEGIN, *(random_command(rng) for _ in range(size)), isa.pack("END")]


@cocotb.test()
async def programs(dut):
    """Several programs in a row: each queue gets its commands in order, then done."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    for number in range(PROGRAMS):
        bench.stall = rng.choice((0, 0.3, 0.7))
        dut.units_idle.value = 0
        commands = random_program(rng, rng.choice((0, 1, 5, 40)))
        offset = await bench.start(commands)
        count = len(commands) - 2
        await bench.until(lambda count=count: sum(map(len, bench.received.values())) == count)
        await ClockCycles(dut.clk, rng.randrange(400))
        for _ in range(rng.randrange(3)):                # idle for too short a time
            dut.units_idle.value = 1
            await ClockCycles(dut.clk, 7)
            dut.units_idle.value = 0
            await ClockCycles(dut.clk, rng.randint(1, 20))
        assert bench.done == number
        dut.units_idle.value = 1
        await bench.until(lambda number=number: bench.done > number)
        bench.check_received(commands)
        # In order, each once, and no more than READ_AHEAD beyond the end.
        assert bench.requests == [offset + SIZE * i for i in range(len(bench.requests))]
        fetched = len(bench.requests) * SIZE / isa.COMMAND_BYTES
        assert len(commands) <= fetched <= len(commands) + isa.READ_AHEAD
        await ClockCycles(dut.clk, rng.randrange(20))
    assert bench.done == PROGRAMS and not bench.errors and not dut.halt.value


@cocotb.test()
async def queue_depth(dut):
    """A unit that takes nothing holds up DEPTH commands and the one offered, not the rest."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    bench.stall = 1
    loads = [allowed("LOAD", addr=rng.getrandbits(32)) for _ in range(DEPTH + 2)]
    stores = [allowed("STORE", addr=rng.getrandbits(32)) for _ in range(2)]
    await bench.start([BEGIN, *loads[:-1], *stores, loads[-1], isa.pack("END")])
    dut.units_idle.value = 1
    dut.data__valid.value = 0
    bench.stall = 0
    bench.go = lambda density=None: density is None      # memory runs, units do not
    await ClockCycles(dut.clk, 2000)
    assert dut.load__valid.value and dut.store__valid.value and not dut.compute__valid.value
    assert not bench.done and int(dut.command_index.value) == len(loads) + len(stores)
    del bench.go
    await bench.until(lambda: bench.done)
    bench.check_received([*loads, *stores])


@cocotb.test()
async def semaphores(dut):
    """Units that take and give at random, against a model; no signal is taken twice."""
    bench = Bench(dut)
    await bench.begin()
    for number in range(3):
        dut.units_idle.value = 0
        await bench.start([BEGIN, isa.pack("END")])      # clears the semaphores
        assert await _random_semaphores(bench, 800) > 100
        for unit in TAKERS:
            getattr(dut, f"take_{unit}__valid").value = 0
        for unit in GIVERS:
            getattr(dut, f"give_{unit}").value = 0
        dut.units_idle.value = 1
        await bench.until(lambda number=number: bench.done > number)
    assert not bench.errors


async def _random_semaphores(bench, cycles):
    """Take and give for some cycles, from all semaphores at 0; returns the number of grants."""
    dut, rng = bench.dut, bench.rng
    waits = dict.fromkeys(TAKERS)        # masks that stand
    counts = [0] * isa.SEMAPHORES
    stood = 0                            # cycles for which one could have been granted
    grants = 0
    for _ in range(cycles):
        given = [0] * isa.SEMAPHORES
        for unit in GIVERS:
            mask = rng.getrandbits(8) & rng.getrandbits(8) & rng.getrandbits(8)
            mask &= sum(1 << i for i, count in enumerate(counts) if count < 50)
            if rng.random() < 0.6:
                mask = 0
            getattr(dut, f"give_{unit}").value = mask
            for i in range(isa.SEMAPHORES):
                given[i] += mask >> i & 1
        for unit in TAKERS:
            if waits[unit] is None and rng.random() < 0.5:
                waits[unit] = rng.getrandbits(8) & rng.getrandbits(8)
            getattr(dut, f"take_{unit}__valid").value = int(waits[unit] is not None)
            getattr(dut, f"take_{unit}__payload").value = waits[unit] or 0
        await RisingEdge(dut.clk)
        granted = [unit for unit in TAKERS if getattr(dut, f"take_{unit}__ready").value]
        for unit in granted:
            for i in range(isa.SEMAPHORES):
                counts[i] -= waits[unit] >> i & 1
                assert counts[i] >= 0, f"semaphore {i} oversubscribed"
            waits[unit] = None
        grants += len(granted)
        grantable = any(mask is not None and all(counts[i] or not mask >> i & 1 for i in range(8))
                        for mask in waits.values())
        stood = stood + 1 if grantable and not granted else 0
        assert stood < 4, "nobody is granted"
        # What is given in a cycle cannot be taken in it.
        counts = [count + more for count, more in zip(counts, given, strict=True)]
    return grants


async def _expect(bench, code, info, index=None):
    """The error must come, once, and ``halt`` with it; then reset."""
    dut = bench.dut
    await bench.until(lambda: bench.errors)
    assert dut.halt.value
    await ClockCycles(dut.clk, 300)
    assert len(bench.errors) == 1 and dut.halt.value and not bench.done
    found_code, found_info, found_index = bench.errors.pop()
    assert (found_code, found_info) == (code, info)
    if index is not None:
        assert found_index == index
    await bench.reset()
    assert not dut.halt.value


async def _recover(bench):
    """A good program after the reset."""
    commands = random_program(bench.rng, 5)
    bench.dut.units_idle.value = 1
    await bench.start(commands)
    await bench.until(lambda: bench.done)
    bench.check_received(commands)
    assert bench.done == 1 and not bench.errors
    bench.done = 0


@cocotb.test()
async def bad_programs(dut):
    """Errors 3 to 5 and 9: opcode, magic, hash, mode; none of the commands after is handed on."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    dut.units_idle.value = 1
    good = [random_command(rng) for _ in range(6)]
    for opcode in (0, 1, 8, rng.randint(9, 255)):
        bad = opcode.to_bytes(1, "little") + rng.randbytes(63)
        at = rng.randint(1, 6)
        await bench.start([BEGIN, *good[:at - 1], bad, *good[at:], isa.pack("END")])
        await _expect(bench, ErrorCode.OPCODE, opcode, at)
        await _recover(bench)

    for mode in set(range(1 << isa.store_modes.MODE_BITS)) - {mode.number for mode in MODES}:
        bad = allowed("STORE", mode=mode, scale=rng.getrandbits(32), addr=rng.getrandbits(32))
        await bench.start([BEGIN, *good[:3], bad, *good[3:], isa.pack("END")])
        await _expect(bench, ErrorCode.MODE, mode, 4)
        await _recover(bench)

    magic = rng.getrandbits(32)
    await bench.start([isa.pack("BEGIN", magic=magic, hash=CONFIG.hash), *good])
    await _expect(bench, ErrorCode.MAGIC, magic, 0)
    await _recover(bench)
    await bench.start([good[0], *good])
    await _expect(bench, ErrorCode.MAGIC, int.from_bytes(good[0][1:5], "little"), 0)
    await _recover(bench)
    await bench.start([isa.pack("BEGIN", magic=isa.MAGIC, hash=CONFIG.hash ^ 1 << 31), *good])
    await bench.until(lambda: bench.errors)
    await ClockCycles(dut.clk, 300)
    assert not any(bench.received.values())
    await _expect(bench, ErrorCode.HASH, CONFIG.hash ^ 1 << 31, 0)
    await _recover(bench)


@cocotb.test()
async def forbidden_fields(dut):
    """Error 12: each field that must not be 0, the other bits of the command at random; no unit
    sees the command or one after it."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    dut.units_idle.value = 1
    good = [random_command(rng) for _ in range(4)]
    count = 0
    for name, command in isa.COMMANDS.items():
        for field in (field for field, _ in command.fields() if field.least):
            bad = random_command(rng, name, **{field.name: 0})
            at = rng.randint(1, 4)
            await bench.start([BEGIN, *good[:at - 1], bad, *good[at:], isa.pack("END")])
            await bench.until(lambda: bench.errors)
            await ClockCycles(dut.clk, 100)
            assert sum(map(len, bench.received.values())) <= at - 1, f"{name}.{field.name}"
            await _expect(bench, ErrorCode.FIELD, 0, at)
            count += 1
    assert count == sum(field.least for command in isa.COMMANDS.values()
                        for field, _ in command.fields()) > 0
    await _recover(bench)


@cocotb.test()
async def outside_errors(dut):
    """Errors 1, 2, 7, 8, 10, 11 and 13; the first wins, and those of one cycle in a fixed order."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    inputs = {"read_error": ErrorCode.AXI_READ, "last_error": ErrorCode.RLAST,
              "write_error": ErrorCode.AXI_WRITE, "read_leaves": ErrorCode.WINDOW,
              "write_leaves": ErrorCode.WINDOW, "filter_error": ErrorCode.FILTER,
              "expired": ErrorCode.LIMIT}

    async def pulse(names):
        of = {name: rng.getrandbits(CONFIG.addr_bits)
              for name in ("read_error", "write_error", "read_leaves", "write_leaves")}
        for name, address in of.items():
            getattr(dut, f"{name}_addr").value = address
        for name in names:
            getattr(dut, name).value = 1
        await RisingEdge(dut.clk)
        for name in names:
            getattr(dut, name).value = 0
        return {**of, "last_error": of["read_error"], "filter_error": 0, "expired": 0}

    await pulse(list(inputs))            # nothing runs: nothing happens
    await ClockCycles(dut.clk, 5)
    assert not bench.errors and not dut.halt.value

    for names in (*([name] for name in inputs), ["expired", "write_leaves", "read_leaves"],
                  ["last_error", "write_error"], ["last_error", "read_error"],
                  ["filter_error", "write_error"], ["filter_error", "write_error", "read_error"]):
        dut.units_idle.value = 0
        await bench.start(random_program(rng, 30))
        await ClockCycles(dut.clk, rng.randrange(500))
        addresses = await pulse(names)
        first = min(names, key=list(inputs).index)
        await RisingEdge(dut.clk)
        await pulse(list(inputs))        # too late
        await _expect(bench, inputs[first], addresses[first])
        await _recover(bench)

    for semaphore in range(isa.SEMAPHORES):
        dut.units_idle.value = 0
        await bench.start(random_program(rng, 3))
        unit, another = rng.choice(GIVERS), rng.choice(GIVERS)
        getattr(dut, f"give_{unit}").value = 1 << semaphore
        await ClockCycles(dut.clk, 63)
        getattr(dut, f"give_{unit}").value = 0
        await ClockCycles(dut.clk, 5)
        assert not bench.errors
        getattr(dut, f"give_{another}").value = 1 << semaphore
        await RisingEdge(dut.clk)
        getattr(dut, f"give_{another}").value = 0
        await _expect(bench, ErrorCode.SEMAPHORE, 1 << semaphore)
        await _recover(bench)


@cocotb.test()
async def watchdog(dut):
    """Error 6 after the stated number of cycles without progress, and never if that is 0."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    for limit in (400, 100):
        dut.watchdog.value = limit
        dut.units_idle.value = 0
        await bench.start([BEGIN, isa.pack("END")])
        for _ in range(4):
            await ClockCycles(dut.clk, limit - rng.randint(1, 50))
            dut.progress.value = 1
            await RisingEdge(dut.clk)
            dut.progress.value = 0
        assert not bench.errors
        waited = 0
        while not bench.errors:
            await RisingEdge(dut.clk)
            waited += 1
        assert limit <= waited <= limit + 6
        await _expect(bench, ErrorCode.WATCHDOG, 0, 1)
    dut.watchdog.value = 0
    await bench.start([BEGIN, isa.pack("END")])
    await ClockCycles(dut.clk, 1000)
    assert not bench.errors
    dut.units_idle.value = 1
    await bench.until(lambda: bench.done)
