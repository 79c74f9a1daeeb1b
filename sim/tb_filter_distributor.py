"""Testbench of the filter distributor: random packets, cut into commands at any word."""

import random
from collections import deque

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen import isa
from hwgen.rtl.parallel.array.messages import FilterHead, fmessage
from sim.settings import CONFIG, option
from sim.streams import receive, send, start

COUNT = option("count", 25)
BUS = CONFIG.bus_bytes
INPUTS = ["command__valid", "command__payload", "req__ready", "data__valid", "data__payload",
          "stop"]
OUTSTANDING = 15        # requests that may be under way


def pack(layout, **values):
    return sum(values[name] << field.offset for name, field in layout)


def words_of(content):
    return [int.from_bytes(content[i:i + BUS], "little") for i in range(0, len(content), BUS)]


def header(rng, *, size, row0):
    """The bus words of a packet's header, and the messages: one for each word, None or packed."""
    mask = rng.choice((1 << rng.randrange(CONFIG.cols), (1 << CONFIG.cols) - 1,
                       rng.randrange(1, 1 << CONFIG.cols)))
    last = rng.randrange(2)
    words = words_of(isa.filter_header(mask=mask, size=size, row0=row0, last=last)
                     .ljust(BUS, b"\0"))
    head = pack(FilterHead(CONFIG), size=size, last=last, copies=mask.bit_count(), mask=mask)
    message = pack(fmessage(CONFIG), head=1, row=row0, data=head)
    return words, [None] * (len(words) - 1) + [message]


def packet(rng):
    """A random packet: its bus words and the messages."""
    size, row0 = rng.choice(((rng.randint(1, 2047), CONFIG.rows - 1),
                             (rng.randint(1, 5 * BUS), rng.randrange(CONFIG.rows)),
                             (rng.randint(1, 5) * BUS, rng.randrange(CONFIG.rows))))
    words, messages = header(rng, size=size, row0=row0)
    for _ in range(-(-size // BUS)):
        for row in range(row0, CONFIG.rows):
            words.append(rng.getrandbits(CONFIG.bus_bits))
            messages.append(pack(fmessage(CONFIG), head=0, row=row, data=words[-1]))
    return words, messages


def packets(rng, count):
    words, messages = [], []
    for _ in range(count):
        more = packet(rng)
        words += more[0]
        messages += more[1]
    return words, messages


def cut(rng, words, parts):
    """The words of each of ``parts`` commands; the ends of packets do not matter."""
    ends = sorted(rng.sample(range(1, len(words)), parts - 1))
    return [words[a:b] for a, b in zip([0, *ends], [*ends, len(words)], strict=True)]


class Bench:
    """The distributor's surroundings: the read DMA with its memory, and the array's ``stop``.

    ``messages`` holds what each word of the stream must send; ``bad`` is the number of the word
    that raises ``error``.
    """

    def __init__(self, dut, messages, bad=None):
        self.dut = dut
        self.messages = messages
        self.bad = bad
        self.memory = {}
        self.requests = []
        self.waiting = deque()
        self.words = 0
        self.errors = 0
        self.cycle = 0
        self.paused = False

    async def start(self, stall):
        dut = self.dut
        for name in INPUTS:
            getattr(dut, name).value = 0
        await start(dut)
        cocotb.start_soon(self.watch())
        cocotb.start_soon(receive(dut, "req", self.request, stall))
        cocotb.start_soon(self.serve(stall))
        if stall:
            cocotb.start_soon(self.stop(stall))

    def commands(self, rng, parts):
        """FILTER commands of random addresses, one for each of the parts."""
        values = []
        for i, part in enumerate(parts):
            address = (i << 24) + rng.randrange(1 << 20) * BUS
            self.memory[address] = part
            values.append(int.from_bytes(
                isa.pack("FILTER", addr=address, words=len(part)), "little"))
        return values

    def request(self, value):
        self.requests.append((value & 0xFFFFFFFF, value >> 32))
        self.waiting.append(self.requests[-1])

    async def serve(self, stall):
        while True:
            while self.paused or not self.waiting:
                await RisingEdge(self.dut.clk)
            address, beats = self.waiting.popleft()
            part = self.memory[address]
            assert beats == len(part)
            await send(self.dut, "data", [word | (i == beats - 1) << CONFIG.bus_bits
                                          for i, word in enumerate(part)], stall)

    async def stop(self, stall):
        while True:
            chance = random.choice((0, stall, 1))
            for _ in range(random.randint(1, 10)):
                self.dut.stop.value = int(random.random() < chance)
                await RisingEdge(self.dut.clk)

    async def watch(self):
        """Every cycle: a word's message, or its error, comes one cycle after it; ``stop``,
        ``idle``."""
        dut, message, outstanding, error = self.dut, None, 0, False
        while True:
            await RisingEdge(dut.clk)
            self.cycle += 1
            assert int(dut.f_valid.value) == (message is not None)
            if message is not None:
                assert int(dut.f.value) == message, f"message of word {self.words - 1} is wrong"
            command = int(dut.command__valid.value)
            assert int(dut.idle.value) == (not command and not outstanding and message is None)
            ready = int(dut.data__ready.value)
            assert ready == (not int(dut.stop.value) and not self.errors)
            taken = int(dut.data__valid.value) and ready
            assert int(dut.error.value) == error
            error = bool(taken and self.words == self.bad)
            message = None
            if taken:
                self.errors += error
                message = self.messages[self.words]
                self.words += 1
                outstanding -= int(dut.data__payload.value) >> CONFIG.bus_bits
            outstanding += int(dut.req__valid.value) & int(dut.req__ready.value)
            assert 0 <= outstanding <= OUTSTANDING

    async def finish(self):
        for _ in range(100_000):
            await RisingEdge(self.dut.clk)
            if self.words == len(self.messages):
                break
        else:
            raise AssertionError("the filter distributor hangs")
        await ClockCycles(self.dut.clk, 5)
        assert int(self.dut.idle.value) == 1
        assert self.requests == [(address, len(part)) for address, part in self.memory.items()]


async def random_packets(dut, stall):
    rng = random.Random(random.random())
    words, messages = packets(rng, COUNT)
    bench = Bench(dut, messages)
    await bench.start(stall)
    await send(dut, "command", bench.commands(rng, cut(rng, words, 20)), stall)
    await bench.finish()
    return bench


@cocotb.test()
async def packets_stalled(dut):
    await random_packets(dut, 0.4)


@cocotb.test()
async def throughput(dut):
    """A word a cycle; the memory model loses a few cycles between requests."""
    bench = await random_packets(dut, 0)
    assert bench.cycle <= bench.words + 4 * len(bench.requests) + 20


@cocotb.test()
async def outstanding(dut):
    """While no data comes, 15 requests are made and no more."""
    rng = random.Random(random.random())
    words, messages = packets(rng, 10)
    bench = Bench(dut, messages)
    bench.paused = True
    await bench.start(0)
    commands = cocotb.start_soon(send(dut, "command", bench.commands(rng, cut(rng, words, 18))))
    await ClockCycles(dut.clk, 60)
    assert len(bench.requests) == OUTSTANDING
    bench.paused = False
    await commands
    await bench.finish()


@cocotb.test()
async def head_without_mark(dut):
    """A bad head raises error once; good packets before it arrive, nothing is read after it."""
    rng = random.Random(random.random())
    words, messages = packets(rng, 4)
    head, _ = header(rng, size=1, row0=0)
    good = int.from_bytes(b"".join(w.to_bytes(BUS, "little") for w in head), "little")
    bad = (good ^ 1 << rng.randrange(56, 64)).to_bytes(len(head) * BUS, "little")
    words += words_of(bad)
    messages += [None] * len(head)
    bench = Bench(dut, messages, bad=len(words) - 1)
    more, _ = packets(rng, 2)
    await bench.start(0.3)
    await send(dut, "command", bench.commands(rng, [words + more]), 0)
    for _ in range(100_000):
        await RisingEdge(dut.clk)
        if bench.errors:
            break
    await ClockCycles(dut.clk, 50)
    assert bench.errors == 1 and bench.words == len(messages)
    assert int(dut.idle.value) == 0
