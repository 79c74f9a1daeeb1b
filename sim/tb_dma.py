"""Testbench of the read and the write DMA, against the bus models of cocotbext-axi."""

import itertools
import random
from collections import deque

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiReadBus, AxiWriteBus
from cocotbext.axi.axi_ram import AxiRamRead, AxiRamWrite

from hwgen.rtl.parallel.dma.bursts import fetch_beats
from sim.settings import CONFIG
from sim.streams import receive, send, start, watch

BUS = CONFIG.bus_bytes
SIZE = 1 << 16
BASE = 0x4_0000_0000 if CONFIG.addr_bits > 34 else 0x8000_1000
AR = ["axi_araddr", "axi_arlen"]
AW = ["axi_awaddr", "axi_awlen"]
W = ["axi_wdata", "axi_wstrb", "axi_wlast"]


def pauses(chance):
    rng = random.Random(random.random())
    return (rng.random() < chance for _ in itertools.count())


async def begin_with(dut, inputs):
    for name in inputs:
        getattr(dut, name).value = 0
    dut.base.value = BASE
    dut.halt.value = 0
    dut.pages.value = random.choice((0, SIZE // 4096))         # all of the memory
    await start(dut)


async def bursts(dut, x, seen):
    """Append ``(address, beats)`` of every burst to ``seen``, and check the rules of AXI."""
    port = {name: getattr(dut, f"axi_{x}{name}") for name in
            ("valid", "ready", "addr", "len", "size", "burst", "id", "cache", "prot")}
    while True:
        await RisingEdge(dut.clk)
        if int(port["valid"].value) and int(port["ready"].value):
            address, beats = int(port["addr"].value), int(port["len"].value) + 1
            assert address % BUS == 0
            assert beats <= CONFIG.burst
            assert address // 4096 == (address + beats * BUS - 1) // 4096
            assert 1 << int(port["size"].value) == BUS
            assert [int(port[k].value) for k in ("burst", "id", "cache", "prot")] == [1, 0, 3, 0]
            seen.append((address, beats))


async def collect(dut, signal, value, seen):
    """Append ``value`` to ``seen`` in every cycle in which ``signal`` is high."""
    while True:
        await RisingEdge(dut.clk)
        if int(getattr(dut, signal).value):
            seen.append(int(getattr(dut, value).value))


async def no_burst_in_halt(dut, x):
    """Check for ever that VALID of a channel does not rise from the cycle after ``halt`` on."""
    valid, ready = (getattr(dut, f"axi_{x}{name}") for name in ("valid", "ready"))
    halted = waiting = False
    while True:
        await RisingEdge(dut.clk)
        assert not (halted and int(valid.value) and not waiting), f"{x}: a burst begins in halt"
        halted = bool(int(dut.halt.value))
        waiting = int(valid.value) and not int(ready.value)


async def until(dut, condition, limit=200_000):
    for _ in range(limit):
        if condition():
            return
        await RisingEdge(dut.clk)
    raise AssertionError(f"nothing after {limit} cycles")


# Read DMA

READ_INPUTS = [f"{name}_{k}__{wire}" for k in range(3)
               for name, wire in (("req", "valid"), ("req", "payload"), ("data", "ready"))]


class Memory(AxiRamRead):
    """A memory whose beats at some addresses are answered with SLVERR, or have the wrong RLAST."""
    bad = flipped = frozenset()

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._send, self.r_channel.send = self.r_channel.send, self._send_beat
        self._places = deque()

    async def _send_beat(self, beat):
        beat.rlast ^= self._places.popleft() in self.flipped
        await self._send(beat)

    async def _read(self, address, length):
        self._places.append(address)
        if address in self.bad:
            raise ValueError("bad address")
        return self.read(address % self.size, length)


def random_requests(count, longest):
    for _ in range(count):
        beats = random.choice((1, 2, 14, random.randint(1, longest)))
        near_page = random.random() < 0.3
        word = random.randrange(SIZE // BUS - beats + 1)
        if near_page:
            word = max(0, min(SIZE // BUS - beats,
                              random.randrange(1, 16) * 4096 // BUS - random.randint(0, beats)))
        yield word * BUS, beats


def random_fetches(count):
    beats = fetch_beats(CONFIG)
    for _ in range(count):
        yield random.randrange(SIZE // BUS // beats) * beats * BUS, beats


def reference_words(image, requests):
    return [int.from_bytes(image[a + i * BUS:a + (i + 1) * BUS], "little")
            | (i == n - 1) << CONFIG.bus_bits for a, n in requests for i in range(n)]


async def start_read(dut, pause):
    image = random.randbytes(SIZE)
    memory = Memory(AxiReadBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=SIZE)
    for offset in range(0, SIZE, 4096):
        memory.write((BASE + offset) % SIZE, image[offset:offset + 4096])
    if pause:
        memory.ar_channel.set_pause_generator(pauses(pause))
        memory.r_channel.set_pause_generator(pauses(pause))
    await begin_with(dut, READ_INPUTS)
    seen = []
    cocotb.start_soon(bursts(dut, "ar", seen))
    cocotb.start_soon(watch(dut, "axi_arvalid", "axi_arready", AR))
    return memory, image, seen


async def read_random(dut, pause, stall):
    _, image, _ = await start_read(dut, pause)
    got, want = [[], [], []], []
    for k in range(3):
        requests = list(random_requests(10, 3 * CONFIG.burst) if k else random_fetches(10))
        want.append(reference_words(image, requests))
        cocotb.start_soon(send(dut, f"req_{k}", [a | n << 32 for a, n in requests], stall))
        cocotb.start_soon(receive(dut, f"data_{k}", got[k].append, stall))
    await until(dut, lambda: all(len(g) >= len(w) for g, w in zip(got, want, strict=True)))
    await ClockCycles(dut.clk, 20)
    assert got == want
    assert int(dut.idle.value) == 1


@cocotb.test()
async def read_at_full_speed(dut):
    await read_random(dut, 0, 0)


@cocotb.test()
async def read_stalled(dut):
    await read_random(dut, 0.3, 0.4)


@cocotb.test()
async def read_blocked_client(dut):
    """A client that takes nothing does not hold up the others."""
    _, image, _ = await start_read(dut, 0)
    got, requests = [], list(random_requests(12, 2 * CONFIG.burst))
    cocotb.start_soon(send(dut, "req_1", [1000 << 32, 1000 << 32]))
    cocotb.start_soon(send(dut, "req_2", [a | n << 32 for a, n in requests]))
    cocotb.start_soon(receive(dut, "data_2", got.append))
    want = reference_words(image, requests)
    await until(dut, lambda: len(got) >= len(want))
    assert got == want


@cocotb.test()
async def read_sustains_a_beat_a_cycle(dut):
    """40 cycles of latency, a beat a cycle from the memory, requests of 14 and of 700 beats."""
    latency = 40
    await begin_with(dut, READ_INPUTS + ["axi_rvalid", "axi_rresp", "axi_rid"])
    dut.axi_arready.value = 1
    queue, cycle = deque(), 0

    async def memory():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            if int(dut.axi_arvalid.value):
                beats = int(dut.axi_arlen.value) + 1
                queue.extend((cycle + latency, i == beats - 1) for i in range(beats))
            if not int(dut.axi_rvalid.value) or int(dut.axi_rready.value):
                here = bool(queue) and queue[0][0] <= cycle
                dut.axi_rvalid.value = int(here)
                if here:
                    dut.axi_rdata.value = random.getrandbits(CONFIG.bus_bits)
                    dut.axi_rlast.value = int(queue.popleft()[1])

    cocotb.start_soon(memory())
    for beats, count, k in ((14, 50, 2), (700, 1, 1)):
        got = []
        sender = cocotb.start_soon(
            send(dut, f"req_{k}", [(256 * BUS * i) | beats << 32 for i in range(count)]))
        taker = cocotb.start_soon(receive(dut, f"data_{k}", got.append))
        begin = cycle
        await until(dut, lambda got=got, all=beats * count: len(got) == all)
        taken = cycle - begin
        dut._log.info(f"{count} requests of {beats} beats: {taken} cycles")
        if CONFIG.burst >= 14:
            assert taken <= beats * count + latency + 16
        taker.cancel()
        await sender


@cocotb.test()
async def read_errors(dut):
    memory, image, _ = await start_read(dut, 0.2)
    requests = list(random_requests(10, 2 * CONFIG.burst))
    beats = [BASE + a + i * BUS for a, n in requests for i in range(n)]
    memory.bad = frozenset(random.sample(beats, 5))
    got, errors = [], []
    cocotb.start_soon(collect(dut, "error", "error_addr", errors))
    cocotb.start_soon(send(dut, "req_2", [a | n << 32 for a, n in requests]))
    cocotb.start_soon(receive(dut, "data_2", got.append))
    await until(dut, lambda: len(got) == len(beats))
    await ClockCycles(dut.clk, 5)
    assert errors == [a for a in beats if a in memory.bad]


@cocotb.test()
async def read_last_errors(dut):
    """RLAST where it should not be, or not where it should be: bursts end by counting."""
    memory, image, _ = await start_read(dut, 0.2)
    requests = list(random_requests(20, 2 * CONFIG.burst))
    beats = [BASE + a + i * BUS for a, n in requests for i in range(n)]
    memory.flipped = frozenset(random.sample(beats, len(beats) // 3))
    got, errors, others = [], [], []
    cocotb.start_soon(collect(dut, "last_error", "error_addr", errors))
    cocotb.start_soon(collect(dut, "error", "error_addr", others))
    cocotb.start_soon(send(dut, "req_2", [a | n << 32 for a, n in requests]))
    cocotb.start_soon(receive(dut, "data_2", got.append))
    await until(dut, lambda: len(got) == len(beats))
    await ClockCycles(dut.clk, 5)
    assert errors == [a for a in beats if a in memory.flipped] and not others
    assert got == reference_words(image, requests)
    assert int(dut.idle.value) == 1


@cocotb.test()
@cocotb.parametrize(words=(0, 1, 20, 60, 200))
async def read_halt(dut, words):
    """After halt no burst starts, those under way end, whatever RLAST is, nothing reaches a client,
    then idle."""
    memory, _, seen = await start_read(dut, 0.2)
    memory.flipped = frozenset(range(BASE, BASE + SIZE, 3 * BUS))
    cocotb.start_soon(no_burst_in_halt(dut, "ar"))
    got = [[], [], []]
    for k in range(3):
        beats = 500 if k else fetch_beats(CONFIG)
        cocotb.start_soon(send(dut, f"req_{k}", [beats << 32] * (3 if k else 200)))
        cocotb.start_soon(receive(dut, f"data_{k}", got[k].append))
    await until(dut, lambda: len(got[1]) >= words)
    await ClockCycles(dut.clk, random.randint(0, 6))
    dut.halt.value = 1
    await ClockCycles(dut.clk, 10)
    started = list(seen)
    dut._log.info(f"{int(dut.idle.value)=} {len(seen)=}")
    await until(dut, lambda: int(dut.idle.value))
    assert int(dut.axi_arvalid.value) == 0
    taken = [list(g) for g in got]
    await ClockCycles(dut.clk, 100)
    assert int(dut.idle.value) == 1
    assert memory.r_channel.idle()
    assert len(seen) <= len(started) + 1
    assert sum(map(len, got)) <= sum(map(len, taken)) + 9


# Write DMA

WRITE_INPUTS = ["segment__valid", "segment__payload", "data__valid", "data__payload"]


class WriteMemory(AxiRamWrite):
    """A memory whose bursts that touch some addresses are answered with SLVERR."""
    bad = frozenset()

    async def _write(self, address, data):
        if any(address + i in self.bad for i in range(len(data))):
            raise ValueError("bad address")
        self.write(address % self.size, data)


async def start_write(dut, pause):
    memory = WriteMemory(AxiWriteBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=SIZE)
    if pause:
        for channel in (memory.aw_channel, memory.w_channel, memory.b_channel):
            channel.set_pause_generator(pauses(pause))
    await begin_with(dut, WRITE_INPUTS)
    seen = []
    cocotb.start_soon(bursts(dut, "aw", seen))
    cocotb.start_soon(watch(dut, "axi_awvalid", "axi_awready", AW))
    cocotb.start_soon(watch(dut, "axi_wvalid", "axi_wready", W))
    return memory, seen


def random_segments(count, longest):
    """Disjoint segments; every alignment, some of them over 4 KiB boundaries."""
    address = 0
    for _ in range(count):
        size = random.choice((1, 2, 7, 14, 28, random.randint(1, longest)))
        if random.random() < 0.2:
            address = (address + 4095) // 4096 * 4096 - random.randint(0, min(size, 64))
        address = max(address, 0) + random.randint(0, 2 * BUS)
        if address + size > SIZE:
            return
        yield address, random.randbytes(size)
        address += size + 64


def transfers(segments):
    """Split the segments' bytes into transfers of 1 to ``lanes`` bytes."""
    for _, content in segments:
        full = random.random() < 0.5
        while content:
            count = min(len(content), CONFIG.lanes if full else random.randint(1, CONFIG.lanes))
            junk = random.randbytes(CONFIG.lanes - count)
            yield int.from_bytes(content[:count] + junk, "little") | count << 8 * CONFIG.lanes
            content = content[count:]


def send_segments(dut, segments, stall):
    cocotb.start_soon(send(dut, "segment", [a | len(c) << 32 for a, c in segments], stall))
    return cocotb.start_soon(send(dut, "data", list(transfers(segments)), stall))


async def write_random(dut, pause, stall):
    memory, _ = await start_write(dut, pause)
    image = bytearray(random.randbytes(SIZE))
    for offset in range(0, SIZE, 4096):
        memory.write((BASE + offset) % SIZE, image[offset:offset + 4096])
    segments = list(random_segments(40, 3 * CONFIG.burst * BUS))
    await send_segments(dut, segments, stall)
    await RisingEdge(dut.clk)
    await until(dut, lambda: int(dut.idle.value))
    for address, content in segments:
        image[address:address + len(content)] = content
    for offset in range(0, SIZE, 4096):
        assert memory.read((BASE + offset) % SIZE, 4096) == image[offset:offset + 4096]


@cocotb.test()
async def write_at_full_speed(dut):
    await write_random(dut, 0, 0)


@cocotb.test()
async def write_stalled(dut):
    await write_random(dut, 0.3, 0.2)


@cocotb.test()
async def write_throughput(dut):
    """Long segments go at the rate of the bus or the lanes, whichever is lower."""
    _, seen = await start_write(dut, 0)
    size = 8000
    segments = [(3, random.randbytes(size))]
    cycles = 0

    async def count():
        nonlocal cycles
        while True:
            await RisingEdge(dut.clk)
            cycles += 1

    cocotb.start_soon(count())
    dut.segment__valid.value = 1
    dut.segment__payload.value = 3 | size << 32
    content = segments[0][1]
    step = CONFIG.lanes
    data = [int.from_bytes(content[i:i + step], "little") |
            len(content[i:i + step]) << 8 * step for i in range(0, size, step)]
    await send(dut, "data", data)
    dut.segment__valid.value = 0
    bound = size / min(step, BUS)
    dut._log.info(f"{size} bytes in {cycles} cycles, bound {bound:.0f}")
    assert cycles <= bound * 1.02 + 20


@cocotb.test()
async def write_errors(dut):
    memory, seen = await start_write(dut, 0.2)
    segments = list(random_segments(20, 2 * CONFIG.burst * BUS))
    memory.bad = frozenset(BASE + a for a, _ in random.sample(segments, 4))
    errors = []
    cocotb.start_soon(collect(dut, "error", "error_addr", errors))
    await send_segments(dut, segments, 0)
    await RisingEdge(dut.clk)
    await until(dut, lambda: int(dut.idle.value))
    await ClockCycles(dut.clk, 5)
    assert errors == [a for a, n in seen if any(a <= bad < a + n * BUS for bad in memory.bad)]


@cocotb.test()
@cocotb.parametrize(bursts=(0, 1, 2, 3, 4, 5, 6, 30), short=(False, True))
async def write_halt(dut, bursts, short):
    """After halt no burst starts, those under way end, then idle though words are buffered. Short
    bursts, of a word, can be issued in every other cycle."""
    memory, seen = await start_write(dut, 0.3)
    cocotb.start_soon(no_burst_in_halt(dut, "aw"))
    beats = []
    cocotb.start_soon(receive_beats(dut, beats))
    content = random.randbytes(32 * CONFIG.burst * BUS)
    size = BUS if short else len(content)
    sender = send_segments(dut, [(i, content[i:i + size]) for i in range(0, len(content), size)], 0)
    await until(dut, lambda: len(seen) >= bursts)
    await ClockCycles(dut.clk, random.randint(0, 2 if short else CONFIG.burst))
    dut.halt.value = 1
    await RisingEdge(dut.clk)
    await until(dut, lambda: int(dut.idle.value))
    assert len(beats) == sum(n for _, n in seen)
    started = len(seen)
    await ClockCycles(dut.clk, 200)
    assert len(seen) == started and int(dut.idle.value) == 1
    sender.cancel()
    address = sum(n for _, n in seen) * BUS
    assert memory.read(BASE % SIZE, address) == content[:address]


async def receive_beats(dut, beats):
    while True:
        await RisingEdge(dut.clk)
        if int(dut.axi_wvalid.value) and int(dut.axi_wready.value):
            beats.append(int(dut.axi_wdata.value))
