"""Testbench of the loader, against the sentences that define LOAD and PARAMS."""

import random
from collections import deque

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hwgen import isa
from sim.settings import CONFIG, option
from sim.streams import receive, send, start

COUNT = option("count", 40)
BUS = CONFIG.bus_bytes
SIZE = 1 << 18
INPUTS = ["command__valid", "command__payload", "take__ready", "req__ready", "data__valid",
          "data__payload", "glb__ready", "params__ready"]


def glb_word(address):
    """The number of the ifmap word at a GLB address."""
    off, bank, sub = address >> 8, address >> 3 & 31, address & 7
    assert sub < CONFIG.subwords and bank < CONFIG.cols
    return (off * CONFIG.cols + bank) * CONFIG.subwords + sub


def reference(image, f):
    """The bytes that a LOAD writes, ``{GLB byte: value}``, a byte at a time."""
    glb = {}
    kept = range(0, f["cols"], f["keep_every_col"])
    for k in range(f["groups"]):
        for b in range(f["dram_channels"]):
            group, channel = divmod(f["first_channel_offset"] + k * f["dram_channels"] + b, f["q"])
            for h in range(-f["tpad"], f["rows"] + f["bpad"]):
                row = np.full(f["lpad"] + len(kept) + f["rpad"], f["pad"])
                if 0 <= h < f["rows"]:
                    first = f["addr"] + k * f["group_stride"] + h * f["row_stride"] + b
                    row[f["lpad"]:f["lpad"] + len(kept)] = \
                        [image[first + w * f["dram_channels"]] for w in kept]
                stream = (f["dst"] + group * f["glb_cg_stride"]
                          + (h + f["tpad"]) * f["glb_row_stride"]) * BUS
                glb.update((stream + x * f["q"] + channel, int(v)) for x, v in enumerate(row))
    return glb


def random_load(rng, largest=800):
    """Fields of a LOAD, GLB addresses counted in words; no two bytes go to the same place."""
    while True:
        g, q = rng.choice(((1, 1), (4, 4), (8, 8), (3, 3), (4, 8), (8, 4), (12, 8), (10, 8),
                           (6, 16), (rng.randint(1, 30), rng.randint(1, 30)),
                           (rng.randint(1, 300), 16),
                           (rng.randint(1, 64), rng.randint(1, 255))))
        f = {"dram_channels": g, "q": q, "groups": rng.randint(1, 3),
             "rows": rng.choice((0, 1, 2, 3, 5)),
             "cols": rng.choice((1, 1, 2, 5, rng.randint(1, 30))),
             "keep_every_col": rng.choice((1, 1, 2, 3, 4)),
             "first_channel_offset": rng.choice((0, rng.randrange(q))), "pad": rng.randrange(256),
             **{pad: rng.choice((0, 0, 1, rng.randint(0, 4)))
                for pad in ("tpad", "bpad", "lpad", "rpad")}}
        height = f["tpad"] + f["rows"] + f["bpad"]
        width = f["lpad"] - (-f["cols"] // f["keep_every_col"]) + f["rpad"]
        if height and g * f["groups"] * height * width <= largest:
            break
    words = -(-width * q // BUS) + rng.randint(0, 2)
    f["glb_row_stride"] = words
    f["glb_cg_stride"] = words * height + rng.randint(0, 40)
    span = f["glb_cg_stride"] * (1 + (f["first_channel_offset"] + g * f["groups"]) // q)
    assert span < CONFIG.glb_words
    f["dst"] = rng.randrange(CONFIG.glb_words - span)
    f["row_stride"] = f["cols"] * g + rng.randint(0, 20)
    f["group_stride"] = f["row_stride"] * max(1, f["rows"]) + rng.randint(0, 20)
    f["addr"] = rng.randrange(SIZE - f["groups"] * f["group_stride"])
    return f


def pack(f, **semaphores):
    glb = {name: isa.glb_address(CONFIG, word) for name, word in (
        *((name, f[name]) for name in ("dst", "glb_row_stride", "glb_cg_stride")),
        ("start", f["dst"] + f["first_channel_offset"] // BUS), ("glb_col_stride", f["q"] // BUS))}
    return int.from_bytes(isa.pack("LOAD", **{**f, **glb, **semaphores}), "little")


class Bench:
    """The loader's surroundings: a memory, the GLB, the parameter memory, the semaphores."""

    def __init__(self, dut, seed):
        self.dut = dut
        self.image = random.Random(seed).randbytes(SIZE)
        self.requests = deque()
        self.words = []
        self.glb = {}
        self.params = {}
        self.taken = []
        self.given = []
        self.writes = 0
        self.cycle = 0

    async def start(self, stall):
        dut = self.dut
        for name in INPUTS:
            getattr(dut, name).value = 0
        await start(dut)
        cocotb.start_soon(receive(dut, "req", self.requests.append, stall))
        cocotb.start_soon(receive(dut, "take", self.taken.append, stall))
        cocotb.start_soon(receive(dut, "glb", self.write, stall))
        cocotb.start_soon(receive(dut, "params", self.write_params, stall))
        cocotb.start_soon(self.memory(stall))
        cocotb.start_soon(self.watch())

    def write(self, value):
        mask = value >> 24 + CONFIG.bus_bits
        word = (value >> 24).to_bytes(2 * BUS, "little")
        place = glb_word(value & 0xFFFFFF) * BUS
        assert mask
        self.writes += 1
        for i in range(BUS):
            if mask >> i & 1:
                assert place + i not in self.glb, f"GLB byte {place + i} is written twice"
                self.glb[place + i] = word[i]

    def write_params(self, value):
        bits = (max(1, 64 * CONFIG.lanes // CONFIG.bus_bits) - 1).bit_length()
        place = (value & 0xFFF) << bits | value >> 12 & (1 << bits) - 1
        assert place not in self.params
        self.params[place] = value >> 12 + bits

    async def memory(self, stall):
        while True:
            while not self.requests:
                await RisingEdge(self.dut.clk)
            request = self.requests.popleft()
            address, beats = request & 0xFFFFFFFF, request >> 32
            assert address % BUS == 0 and beats > 0
            self.words.append(beats)
            await send(self.dut, "data",
                       [int.from_bytes(self.image[a:a + BUS].ljust(BUS, b"\0"), "little")
                        | (a == address + (beats - 1) * BUS) << CONFIG.bus_bits
                        for a in range(address, address + beats * BUS, BUS)], stall)

    async def watch(self):
        while True:
            await RisingEdge(self.dut.clk)
            self.cycle += 1
            if int(self.dut.give.value):
                self.given.append((int(self.dut.give.value), len(self.glb), len(self.params)))

    async def run(self, *commands, stall=0):
        """Run the commands; returns the cycles."""
        begin, done = self.cycle, len(self.given) + len(commands)
        cocotb.start_soon(send(self.dut, "command", commands, stall))
        for _ in range(100_000):
            await RisingEdge(self.dut.clk)
            if len(self.given) == done:
                break
        else:
            raise AssertionError("the loader hangs")
        return self.cycle - begin

    def check(self, want):
        assert self.glb.keys() == want.keys(), \
            f"missing {sorted(want.keys() - self.glb.keys())[:8]}, " \
            f"extra {sorted(self.glb.keys() - want.keys())[:8]}"
        wrong = [(place, self.glb[place], value) for place, value in want.items()
                 if self.glb[place] != value]
        assert not wrong, f"wrong at (byte, found, expected) {wrong[:8]}"


async def random_loads(dut, stall):
    rng = random.Random(random.random())
    bench = Bench(dut, rng.random())
    await bench.start(stall)
    for _ in range(COUNT):
        f = random_load(rng)
        dut._log.info(f"LOAD {f}")
        bench.glb.clear()
        bench.given.clear()
        bench.taken.clear()
        bench.words.clear()
        wait, signal = rng.randrange(256), rng.randrange(1, 256)
        await bench.run(pack(f, wait=wait, signal=signal), stall=stall)
        want = reference(bench.image, f)
        bench.check(want)
        assert bench.taken == [wait]
        assert bench.given == [(signal, len(want), len(bench.params))]
        assert len(bench.words) == f["rows"] * f["groups"]
        await RisingEdge(dut.clk)
        assert int(dut.idle.value) == 1


@cocotb.test()
async def loads(dut):
    await random_loads(dut, 0)


@cocotb.test()
async def loads_stalled(dut):
    await random_loads(dut, 0.3)


@cocotb.test()
async def params(dut):
    """PARAMS, and a LOAD right behind it."""
    rng = random.Random(random.random())
    bench = Bench(dut, rng.random())
    await bench.start(0.2)
    chunks = max(1, 64 * CONFIG.lanes // CONFIG.bus_bits)
    for _ in range(5):
        count = rng.randint(1, 20)
        dst, address = rng.randrange(4096 - count), rng.randrange(SIZE // 2 // BUS) * BUS
        f = random_load(rng)
        bench.params.clear()
        bench.glb.clear()
        await bench.run(int.from_bytes(isa.pack("PARAMS", dst=dst, count=count, addr=address,
                                                signal=1), "little"), pack(f, signal=2))
        content = np.frombuffer(bench.image[address:address + count * chunks * BUS], np.uint8)
        assert bench.params == {
            dst * chunks + i: int.from_bytes(content[i * BUS:(i + 1) * BUS].tobytes(), "little")
            for i in range(count * chunks)}
        assert [g[0] for g in bench.given[-2:]] == [1, 2]
        assert bench.given[-2][2] == count * chunks
        bench.check(reference(bench.image, f))


def layer(g, q, groups, rows, cols, pad=0, keep_every_col=1):
    """An aligned LOAD of a whole ifmap."""
    words = -(-(2 * pad - (-cols // keep_every_col)) * q // BUS)
    return {"dram_channels": g, "q": q, "groups": groups, "rows": rows, "cols": cols,
            "keep_every_col": keep_every_col,
            "first_channel_offset": 0, "pad": 7, "tpad": pad, "bpad": pad, "lpad": pad, "rpad": pad,
            "glb_row_stride": words, "glb_cg_stride": words * (rows + 2 * pad), "dst": 0,
            "row_stride": g * cols, "group_stride": g * cols * rows, "addr": 0}


@cocotb.test()
async def throughput(dut):
    """Cycles of whole ifmaps stay near a word a cycle, or as many bytes as the groups allow."""
    bench = Bench(dut, 0)
    await bench.start(0)
    for name, f, rate in (
            ("g = q, aligned", layer(4, 4, 4, 8, 32), BUS),
            ("g = q = 1", layer(1, 1, 2, 8, 64), BUS),
            ("flattened", layer(1024, 16, 1, 1, 1), 16),
            ("g < q", layer(4, 8, 4, 8, 16), 4),
            ("g > q", layer(32, 4, 1, 8, 16), 4),
            ("g = q, padded", layer(BUS, BUS, 2, 8, 32, pad=1), BUS),
            ("keep_every_col", layer(BUS, BUS, 2, 8, 32, keep_every_col=2), BUS / 2)):
        bench.glb.clear()
        cycles = await bench.run(pack(f, signal=1))
        want = reference(bench.image, f)
        bench.check(want)
        bound = len(want) / min(rate, BUS)
        dut._log.info(f"{name}: {len(want)} bytes in {cycles} cycles, bound {bound:.0f}")
        assert cycles <= 1.05 * bound + f["rows"] * f["groups"] + 40
