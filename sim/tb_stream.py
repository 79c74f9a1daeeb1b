"""Testbench of the microcoded machine's stream, against the bus models of cocotbext-axi."""

import random

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiReadBus, AxiWriteBus

from sim.streams import start, watch
from sim.tb_dma import AR, AW, CONFIG, SIZE, Memory, W, WriteMemory, bursts, pauses, until

INPUTS = ["value", "set_addr_lo", "set_addr_hi", "read", "write", "set_lane", "push", "ends",
          "byte", "word_taken", "halt"]
BASE = 0x9A5C_0000           # a multiple of SIZE
LONGEST = 600                # words of a run


class Bench:
    """The stream's surroundings: the memory, who gives it work, and who watches."""

    def __init__(self, dut):
        self.dut = dut
        self.image = bytearray(random.randbytes(SIZE))
        self.got = []                              # words
        self.left = 0                              # words of the run that are not through
        self.reads, self.writes = [], []           # bursts
        self.errors = {"read_error": [], "write_error": [], "last_error": []}
        self.owed = dict.fromkeys("rwb", 0)        # words of the burst under way
        self.cycle = 0

    async def start(self, pause=0.0, stall=0.0, bad=(), flipped=()):
        dut = self.dut
        self.memory = Memory(AxiReadBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=SIZE)
        written = WriteMemory(AxiWriteBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=SIZE,
                              mem=self.memory.mem)
        self.memory.bad = written.bad = frozenset(bad)
        self.memory.flipped = frozenset(flipped)
        self.memory.mem[:] = bytes(self.image)
        if pause:
            for channel in (self.memory.ar_channel, self.memory.r_channel, written.aw_channel,
                            written.w_channel, written.b_channel):
                channel.set_pause_generator(pauses(pause))
        for name in INPUTS:
            getattr(dut, name).value = 0
        dut.base.value = BASE
        dut.pages.value = random.choice((0, SIZE // 4096))     # all of the memory
        await start(dut)
        for x, seen in (("ar", self.reads), ("aw", self.writes)):
            cocotb.start_soon(bursts(dut, x, seen))
        for x, payload in (("ar", AR), ("aw", AW), ("w", W)):
            cocotb.start_soon(watch(dut, f"axi_{x}valid", f"axi_{x}ready", payload))
        cocotb.start_soon(self.watch())
        cocotb.start_soon(self.take(stall))

    async def take(self, stall):
        """Take words at random, none while the stream is halted."""
        dut = self.dut
        while True:
            taken = random.random() >= stall and not int(dut.halt.value)
            dut.word_taken.value = int(taken)
            await RisingEdge(dut.clk)
            if int(dut.word_valid.value) and taken:
                self.got.append(int(dut.word.value))

    async def watch(self):
        """Check in every cycle what is promised of ``idle``, ``quiet``, errors and bursts."""
        dut, owed = self.dut, self.owed
        waited = moved = halted = 0
        while True:
            await RisingEdge(dut.clk)
            self.cycle += 1
            assert self.cycle - moved < 1000, "the stream hangs"
            now = {name: int(getattr(dut, name).value) for name in (
                "idle", "quiet", "halt", "read", "write", "word_valid", "value", "address",
                "read_error", "write_error", "last_error", "beat_in", "beat_out")}
            assert now["quiet"] or not halted, "a burst begins in halt"
            halted = now["halt"] and now["quiet"]
            valid, beat = {}, {}
            for x in ("ar", "aw", "r", "w", "b"):
                valid[x] = int(getattr(dut, f"axi_{x}valid").value)
                beat[x] = valid[x] and int(getattr(dut, f"axi_{x}ready").value)
            assert not ((valid["ar"] or valid["aw"]) and (owed["r"] or owed["b"])), \
                "a burst begins while another one is under way"
            if valid["ar"] or valid["aw"] or any(owed.values()):
                assert not now["quiet"]
            assert not (now["halt"] and now["word_valid"])
            waited = 0 if self.left or now["idle"] or now["halt"] else waited + 1
            assert waited < 4, "no run is under way, but it is not idle"
            assert not (self.left and now["idle"]), f"idle, but {self.left} words are under way"
            if now["read"] or now["write"]:
                self.left = now["value"]
            if beat["ar"]:
                owed["r"] = int(dut.axi_arlen.value) + 1
            if beat["aw"]:
                owed["b"] = int(dut.axi_awlen.value) + 1
                owed["w"] += owed["b"]
            owed["r"] -= beat["r"]
            owed["w"] -= beat["w"]                 # data may come before their address
            self.left -= beat["r"]
            wrong = beat["r"] and int(dut.axi_rlast.value) != (owed["r"] == 0)
            assert now["last_error"] == wrong
            if wrong:
                self.errors["last_error"].append(now["address"])
            assert owed["r"] >= 0
            if beat["b"]:
                assert owed["w"] == 0 and owed["b"] > 0
                self.left -= owed["b"]
                owed["b"] = 0
            assert (now["beat_in"], now["beat_out"]) == (beat["r"], beat["w"])
            if any(beat.values()):
                moved = self.cycle
            for name, x in (("read_error", "r"), ("write_error", "b")):
                wrong = beat[x] and int(getattr(dut, f"axi_{x}resp").value) != 0
                assert now[name] == wrong
                if wrong:
                    self.errors[name].append(now["address"])

    async def give(self, name, value):
        """Strobe an input; the value is random but in that cycle."""
        dut = self.dut
        strobe = getattr(dut, name)
        strobe.value, dut.value.value = 1, value
        await RisingEdge(dut.clk)
        strobe.value, dut.value.value = 0, random.getrandbits(16)
        for _ in range(random.choice((0, 0, 1, 3))):
            await RisingEdge(dut.clk)

    async def begin(self, kind, offset, words):
        """Begin a run."""
        before = [("set_addr_lo", BASE + offset & 0xFFFF), ("set_addr_hi", BASE + offset >> 16)]
        if kind == "write":
            before.append(("set_lane", offset % 4 | random.getrandbits(14) << 2))
        random.shuffle(before)
        for name, value in before:
            await self.give(name, value)
        await FallingEdge(self.dut.clk)
        assert int(self.dut.idle.value) == 1
        assert int(self.dut.address.value) == BASE + offset
        await self.give(kind, words)

    async def push(self, content, stall, ends=False):
        """Push bytes, then the end of the word, when the stream is ready."""
        dut = self.dut
        left = list(content) + [None] * ends
        while left:
            await FallingEdge(dut.clk)
            given = int(dut.push_ready.value) and random.random() >= stall
            byte = left.pop(0) if given else None
            dut.push.value = int(given)
            dut.ends.value = int(byte is None) if given else random.getrandbits(1)
            dut.byte.value = random.getrandbits(8) if byte is None else byte
            await RisingEdge(dut.clk)
        dut.push.value = 0

    async def idle(self):
        await RisingEdge(self.dut.clk)
        await until(self.dut, lambda: int(self.dut.idle.value))

    async def read(self, offset, size):
        """Read the words that some bytes touch, and compare them."""
        first, words = offset // 4, touched(offset, size)
        self.got.clear()
        self.reads.clear()
        await self.begin("read", offset, words)
        await self.idle()
        assert self.got == [int.from_bytes(self.image[i:i + 4], "little")
                            for i in range(4 * first, 4 * (first + words), 4)]
        assert places(self.reads) == list(range(BASE + 4 * first, BASE + 4 * (first + words), 4))
        assert not self.left and not any(self.owed.values())

    async def write(self, offset, size, stall):
        """Write random bytes, in the image as well."""
        first, words = offset // 4, touched(offset, size)
        content = random.randbytes(size)
        self.writes.clear()
        await self.begin("write", offset, words)
        # A word that is full has ended, but may be told so.
        await self.push(content, stall, (offset + size) % 4 != 0 or random.random() < 0.5)
        await self.idle()
        assert places(self.writes) == list(range(BASE + 4 * first, BASE + 4 * (first + words), 4))
        assert not self.left and not any(self.owed.values())
        self.image[offset:offset + size] = content

    def check(self):
        """Compare all of the memory."""
        found = bytes(self.memory.mem[:SIZE])
        wrong = [(i, found[i], self.image[i]) for i in range(SIZE) if found[i] != self.image[i]]
        assert not wrong, f"wrong at (offset, found, expected) {wrong[:8]}"


def touched(offset, size):
    """Number of words that some bytes touch."""
    return (offset % 4 + size + 3) // 4


def places(seen):
    """The address of each word of some bursts."""
    return [address + 4 * i for address, words in seen for i in range(words)]


def random_run(align=1):
    """``(offset, bytes)`` of a run of 1 to LONGEST words, many of them over a page's end."""
    words = random.choice((1, 2, CONFIG.burst + random.randint(0, 1), random.randint(1, LONGEST)))
    word = random.randrange(SIZE // 4 - words)
    if random.random() < 0.5:
        word = random.randrange(1, SIZE // 4096) * 1024 - random.randint(0, words)
        word = min(max(0, word), SIZE // 4 - words)
    first = random.randrange(0, 4, align)
    end = 4 * words - random.randrange(0, 4, align)
    return 4 * word + first, max(1, end - first)


async def random_reads(dut, pause, stall):
    bench = Bench(dut)
    await bench.start(pause, stall)
    for _ in range(10):
        await bench.read(*random_run(random.choice((1, 4))))
    assert not bench.writes and not any(bench.errors.values())


@cocotb.test()
async def reads(dut):
    await random_reads(dut, 0, 0)


@cocotb.test()
async def reads_stalled(dut):
    await random_reads(dut, 0.3, 0.4)


async def random_writes(dut, pause, stall):
    bench = Bench(dut)
    await bench.start(pause)
    for i in range(12):
        small = random.randrange(SIZE - 9), random.randint(1, 9)
        await bench.write(*(random_run() if i % 2 else small), stall)
    bench.check()
    assert not bench.reads and not bench.got and not any(bench.errors.values())


@cocotb.test()
async def writes(dut):
    await random_writes(dut, 0, 0)


@cocotb.test()
async def writes_stalled(dut):
    await random_writes(dut, 0.3, 0.2)


@cocotb.test()
async def reads_after_writes(dut):
    """What has been written can be read at once."""
    bench = Bench(dut)
    await bench.start(0.2, 0.2)
    for _ in range(10):
        offset, size = random.randrange(SIZE - 200), random.randint(1, 200)
        await bench.write(offset, size, 0.1)
        await bench.read(offset, size)
    bench.check()


@cocotb.test()
async def a_word_a_cycle(dut):
    """Within a burst; what is written takes four cycles to push, and one to leave."""
    bench = Bench(dut)
    await bench.start()
    words = 20 * CONFIG.burst
    for name, run, cycles in (("read", bench.read(0, 4 * words), 1),
                              ("write", bench.write(0, 4 * words, 0), 5)):
        begin = bench.cycle
        await run
        taken = bench.cycle - begin
        dut._log.info(f"{name}: {words} words in 20 bursts, {taken} cycles")
        assert taken <= cycles * words + 20 * 12


@cocotb.test()
async def errors(dut):
    """``address`` is that of the word that cannot be read, or the burst that is not written."""
    bench = Bench(dut)
    bad = set(random.sample(range(0, SIZE, 4), SIZE // 256))
    await bench.start(0.2, 0.2, {BASE + offset for offset in bad})
    for _ in range(10):
        offset, size = random_run()
        for found in bench.errors.values():
            found.clear()
        await bench.begin("read", offset, touched(offset, size))
        await bench.idle()
        await bench.write(offset, size, 0)
        # The lowest bits are those that the run began with.
        assert bench.errors["read_error"] == [
            BASE + i + offset % 4 for i in range(offset & ~3, offset + size, 4) if i in bad]
        assert bench.errors["write_error"] == [
            a + offset % 4 for a, n in bench.writes
            if any(i - BASE in bad for i in places([(a, n)]))]


@cocotb.test()
async def last_errors(dut):
    """RLAST where it should not be, or not where it should be: bursts end by counting."""
    bench = Bench(dut)
    flipped = set(random.sample(range(BASE, BASE + SIZE, 4), SIZE // 12))
    await bench.start(0.2, 0.2, flipped=flipped)
    for _ in range(10):
        offset, size = random_run(4)
        bench.errors["last_error"].clear()
        await bench.read(offset, size)
        assert bench.errors["last_error"] == [a for a in places(bench.reads) if a in flipped]


async def halt(bench):
    """Halt; check that the burst under way ends, and nothing else begins."""
    dut = bench.dut
    begun = len(bench.reads) + len(bench.writes)
    dut.halt.value = 1
    await RisingEdge(dut.clk)
    await until(dut, lambda: int(dut.quiet.value))
    assert not any(bench.owed.values()), f"quiet, but {bench.owed}"
    assert len(bench.reads) + len(bench.writes) <= begun + 1
    begun, left = len(bench.reads) + len(bench.writes), bench.left
    for _ in range(50):
        await RisingEdge(dut.clk)
        assert int(dut.quiet.value) and not int(dut.idle.value)
        assert not int(dut.axi_arvalid.value)
        assert not int(dut.axi_awvalid.value) and not int(dut.axi_wvalid.value)
    assert (len(bench.reads) + len(bench.writes), bench.left) == (begun, left)


async def restart(bench):
    """Reset, and work again."""
    dut = bench.dut
    dut.rst.value = 1
    bench.left = 0
    await ClockCycles(dut.clk, 3)
    dut.rst.value = dut.halt.value = 0
    await RisingEdge(dut.clk)
    await bench.write(1000, 200, 0)
    await bench.read(996, 208)
    bench.check()


@cocotb.test()
@cocotb.parametrize(trial=range(8))
async def halted_read(dut, trial):
    bench = Bench(dut)
    await bench.start(0.3, 0.2, flipped=range(BASE, BASE + SIZE, 12))
    await bench.begin("read", 0, LONGEST)
    await ClockCycles(dut.clk, trial if trial < 4 else random.randint(4, 150))
    await halt(bench)
    words = places(bench.reads)
    assert words == list(range(BASE, BASE + 4 * len(words), 4))
    assert bench.got == [int.from_bytes(bench.image[4 * i:4 * i + 4], "little")
                         for i in range(len(bench.got))]
    assert len(bench.got) <= len(words)
    await restart(bench)


@cocotb.test()
@cocotb.parametrize(trial=range(8))
async def halted_write(dut, trial):
    """Bytes that were pushed are written as far as their burst has begun."""
    bench = Bench(dut)
    await bench.start(0.3)
    first = trial % 4
    await bench.begin("write", first, LONGEST)
    content = random.randbytes(random.choice((0, 1, 2, 3, random.randint(4, 400))))
    await bench.push(content, 0.2)
    await ClockCycles(dut.clk, random.choice((1, 2, 3, random.randint(4, 20))))
    await halt(bench)
    end = min(4 * sum(words for _, words in bench.writes), first + len(content))
    bench.image[first:max(first, end)] = content[:max(0, end - first)]
    bench.check()
    await restart(bench)
