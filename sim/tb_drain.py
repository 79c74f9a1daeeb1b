"""Testbench of the drain, against a NumPy model of STORE on random psums and parameters."""

import random
from collections import deque
from itertools import product

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen import isa
from hwgen.isa import store_modes
from sim.settings import CONFIG, SEED, option
from sim.streams import receive, send, start
from sim.tb_requant import VECTOR, reference

LANES, COLS = CONFIG.lanes, CONFIG.cols
DEPTH = CONFIG.bank_depth
WORDS = CONFIG.param_words[0]                  # those of the tables included
CHANNELS = CONFIG.params_depth // LANES
FIRST = 256 if CONFIG.tables and CHANNELS > 256 else 0    # word of channels ...
TABLES = slice(0, 256) if FIRST else slice(CHANNELS, WORDS)    # ... and those of tables alone
MODES = store_modes.MODES
TABLE_MODES = [mode.number for mode in store_modes.available(CONFIG) if mode.needs_tables]


def random_command(rng):
    """Fields of a STORE that the configuration can hold, pooled or not, in any mode."""
    mode = rng.choice(store_modes.available(CONFIG)).number
    e = rng.randint(1, min(6, COLS))
    groups = rng.randint(1, min(3, COLS // e))
    rows, psum_cols = rng.randint(1, 4 * e), rng.randint(1, 9)
    p_compute = rng.randint(1, 3 * LANES + 2)
    p = rng.randint(1, p_compute)
    words_per_column, words = -(-p_compute // LANES), -(-p // LANES)
    window = []
    for size in (rows, psum_cols):
        if not MODES[mode].may_pool or rng.random() < 0.4:
            first = rng.randint(0, size - 1) if rng.random() < 0.3 else 0
            window.append((1, 1, first, rng.randint(1, size - first)))
        else:
            length, stride = rng.randint(1, 5), rng.randint(1, 7)
            first = rng.randint(1 - length, min(size - 1, 9))
            most = (size - 1 - first) // stride + 1
            window.append((length, stride, first, rng.randint(max(1, most - 2), most)))
    (pool_r, pool_u, row0, out_rows), (pool_s, pool_v, col0, out_cols) = window
    params = stride = 0
    if mode not in TABLE_MODES:
        stride = rng.randint(0, (CHANNELS - FIRST) // 4)
        params = rng.randint(FIRST, CHANNELS - words - (groups - 1) * stride)
    signed = rng.randint(0, 1)
    lo, hi = sorted(rng.sample(range(-128, 128) if signed else range(256), 2))
    if rng.random() < 0.7:
        lo, hi = (-128, 127) if signed else (0, 255)
    strips = -(-rows // e)
    return dict(
        wait=rng.getrandbits(8), signal=rng.getrandbits(8),
        signal_written=rng.choice([0, 0, rng.randint(1, 255)]),
        psum=rng.randint(0, DEPTH - strips * psum_cols * words_per_column),
        params=params,
        addr=rng.getrandbits(31), row_stride=rng.getrandbits(20), group_stride=rng.getrandbits(24),
        bank=rng.randint(0, COLS - groups * e), groups=groups, e=e, p=p,
        words_per_column=words_per_column, psum_cols=psum_cols,
        psum_rows=rows, zy=rng.getrandbits(8), ysigned=signed, lo=lo & 255, hi=hi & 255,
        out_rows=out_rows, out_cols=out_cols, row0=row0, col0=col0, pool_r=pool_r, pool_s=pool_s,
        pool_u=pool_u, pool_v=pool_v, strip_words=psum_cols * words_per_column, param_stride=stride,
        function=0 if MODES[mode].raw else rng.randint(0, CONFIG.functions),
        mode=mode, scale=rng.getrandbits(32) if mode not in TABLE_MODES else
        int(np.float32(2.0 ** rng.uniform(-24, 2)).view("u4")))


def combine(c, psums, bias, scale, picked):
    """``acc`` and its scale of psums ``(n, lanes)``, whose parameter words are ``picked``."""
    if c["mode"] not in TABLE_MODES:
        return psums + bias[picked], scale[picked]
    lane = np.arange(LANES) % CONFIG.table_lanes
    a, b = bias[psums & 255, lane], scale.view("i4")[psums >> 8 & 255, lane]
    if c["mode"] == store_modes.PRODUCT.number:
        a, b = ((table + 256 & 511) - 256 for table in (a, b))
        return a * b, np.uint32(c["scale"]).view("f4")
    return a + b, np.uint32(c["scale"]).view("f4")


def model(c, psums, bias, scale, functions):
    """What a command reads, ``[(bank, word)]``, the rows it writes, ``[(addr, bytes)]``, and how
    many psums go into them."""
    reads, starts, picked, parts = [], [], [], []
    words = -(-c["p"] // LANES)
    for group, oy, ox, i in product(range(c["groups"]), range(c["out_rows"]), range(c["out_cols"]),
                                    range(words)):
        starts.append(len(reads))
        top, left = c["row0"] + oy * c["pool_u"], c["col0"] + ox * c["pool_v"]
        for y in range(max(top, 0), min(top + c["pool_r"], c["psum_rows"])):
            for x in range(max(left, 0), min(left + c["pool_s"], c["psum_cols"])):
                bank = c["bank"] + group * c["e"] + y % c["e"]
                reads.append((bank, c["psum"] + y // c["e"] * c["strip_words"] + x
                              * c["words_per_column"] + i))
                picked.append(c["params"] + group * c["param_stride"] + i)
                held = min(LANES, c["p"] - i * LANES)
                parts.append(MODES[c["mode"]].psum_reads(CONFIG, held))
    bank, word = np.array(reads).T
    v = np.zeros((len(reads), LANES), VECTOR)
    v["acc"], v["scale"] = combine(c, psums[bank, word], bias, scale, picked)
    for name in ("zy", "lo", "hi", "ysigned"):
        v[name] = c[name]
    count = len(reads) // words * c["p"]
    reads = [read for read, n in zip(reads, parts, strict=True) for _ in range(n)]
    if MODES[c["mode"]].raw:
        y = v["acc"]
    else:
        y = reference(v)
        if c["function"]:
            y = functions[c["function"] % CONFIG.functions][y]
        y = np.maximum.reduceat(y.view("i1") if c["ysigned"] else y, starts, axis=0).view("u1")
    y = y.reshape(c["groups"], c["out_rows"], c["out_cols"], words * LANES)[..., :c["p"]]
    rows = []
    for group, oy in product(range(c["groups"]), range(c["out_rows"])):
        addr = c["addr"] + group * c["group_stride"] + oy * c["row_stride"]
        rows.append((addr & 0xFFFFFFFF, y[group, oy].tobytes()))
    return reads, rows, count


class Bench:
    """The drain with models of the GLB, the semaphores and the write DMA around it."""

    def __init__(self, dut, stall):
        self.dut, self.stall = dut, stall
        rng = np.random.default_rng(random.getrandbits(32))
        bits = rng.integers(0, 24, (COLS, DEPTH, LANES))
        self.psums = (rng.integers(-2**31, 2**31, bits.shape) >> bits).astype("i4")
        self.bias = rng.integers(-2**16, 2**16, (WORDS, LANES)).astype("i4")
        self.scale = (2.0 ** rng.uniform(-26, 2, (WORDS, LANES))).astype("f4")
        for table in (self.bias[TABLES], self.scale.view("i4")[TABLES]):
            table[:] = rng.integers(-2**31, 2**31, table.shape) >> rng.integers(0, 30, table.shape)
        self.functions = rng.integers(0, 256, (CONFIG.functions, 256), np.uint8)
        self.reads, self.segments, self.waits = [], [], []
        self.written = bytearray()
        self.given, self.given_written = [], []    # (mask, reads, bytes written so far)
        self.arrived = 0
        self.requantised = 0
        self.announced = 0                         # bytes of the segments
        self.cycle = 0
        self.unacknowledged = deque()              # cycles at which writes are acknowledged

    async def start(self):
        dut = self.dut
        for name in ("command__valid", "params__valid", "take__ready", "read__ready", "rvalid",
                     "segment__ready", "data__ready"):
            getattr(dut, name).value = 0
        dut.write_idle.value = 1
        await start(dut)
        cocotb.start_soon(receive(dut, "read", self.read, self.stall))
        cocotb.start_soon(receive(dut, "segment", self.segment, self.stall))
        cocotb.start_soon(receive(dut, "data", self.data, self.stall))
        cocotb.start_soon(receive(dut, "take", self.waits.append, self.stall))
        cocotb.start_soon(self.glb())
        cocotb.start_soon(self.watch())
        await self.load_parameters()

    async def load_parameters(self):
        """Write the whole parameter memory, in a random order."""
        raw = np.stack([self.bias.view("u4"), self.scale.view("u4")], axis=-1)
        chunks = raw.reshape(WORDS, -1).view("u1").reshape(WORDS, -1, CONFIG.bus_bytes)
        chunk_bits = (chunks.shape[1] - 1).bit_length()
        payloads = [word | chunk << 12 | int.from_bytes(chunks[word, chunk].tobytes(), "little")
                    << 12 + chunk_bits for word, chunk in np.ndindex(chunks.shape[:2])]
        for index, entries in enumerate(self.functions.reshape(-1, 4)):
            word, chunk = divmod(index, chunks.shape[1])
            payloads.append(isa.FUNCTION_DST + word | chunk << 12
                            | int.from_bytes(entries.tobytes(), "little") << 12 + chunk_bits)
        random.shuffle(payloads)
        await send(self.dut, "params", payloads, self.stall)
        if CONFIG.tables and random.random() < 0.7:
            await self.load_tables(chunks.shape[1], chunk_bits)

    async def load_tables(self, chunks, chunk_bits):
        """Write the tables of all lanes at once, in a random order."""
        lanes = slice(0, CONFIG.table_lanes)
        a, b = self.bias[:256, 0], self.scale[:256, 0]
        self.bias[:256, lanes], self.scale[:256, lanes] = a[:, None].copy(), b[:, None].copy()
        beats = np.zeros((256, max(CONFIG.bus_bytes, 8)), np.uint8)
        beats[:, :4], beats[:, 4:8] = a[:, None].copy().view("u1"), b[:, None].copy().view("u1")
        payloads = []
        for index, beat in enumerate(beats.reshape(-1, CONFIG.bus_bytes)):
            word, chunk = divmod(index, chunks)
            payloads.append(isa.TABLE_DST + word | chunk << 12
                            | int.from_bytes(beat.tobytes(), "little") << 12 + chunk_bits)
        random.shuffle(payloads)
        await send(self.dut, "params", payloads, self.stall)

    def read(self, payload):
        self.reads.append((payload & 31, payload >> 5))

    def segment(self, payload):
        self.segments.append((payload & 0xFFFFFFFF, payload >> 32))

    def data(self, payload):
        count = payload >> 8 * LANES
        assert 1 <= count <= LANES
        self.written += (payload & (1 << 8 * count) - 1).to_bytes(count, "little")
        self.unacknowledged.append(self.cycle + random.randint(3, 40))

    async def glb(self):
        """Answer reads four cycles after they were accepted, as the GLB does."""
        dut = self.dut
        pipeline = deque([None, None, None])
        while True:
            await RisingEdge(dut.clk)
            self.arrived += int(dut.rvalid.value)
            word = pipeline.popleft()
            dut.rvalid.value = word is not None
            dut.rdata.value = random.getrandbits(32 * LANES) if word is None else \
                int.from_bytes(self.psums[word].tobytes(), "little")
            accepted = int(dut.read__valid.value) and int(dut.read__ready.value)
            pipeline.append((int(dut.read__payload.value) & 31, int(dut.read__payload.value) >> 5)
                            if accepted else None)

    async def watch(self):
        """Note the semaphores given, and be the write DMA's `idle`."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.segment__valid.value) and int(dut.segment__ready.value):
                self.announced += int(dut.segment__payload.value) >> 32
            self.cycle += 1
            while self.unacknowledged and self.unacknowledged[0] <= self.cycle:
                self.unacknowledged.popleft()
            self.requantised += int(dut.outputs.value)
            if int(dut.give.value):
                self.given.append((int(dut.give.value), self.arrived))
            if int(dut.give_written.value):
                assert not self.unacknowledged and self.announced == len(self.written)
                self.given_written.append((int(dut.give_written.value), len(self.reads),
                                           len(self.written)))
            if int(dut.idle.value):
                assert len(self.reads) == self.arrived
            dut.write_idle.value = int(not self.unacknowledged
                                       and self.announced == len(self.written))

    async def run(self, commands):
        """Run commands, compare everything that the drain did, and return the cycles it took."""
        expected = [model(c, self.psums, self.bias, self.scale, self.functions) for c in commands]
        begin = self.cycle
        await send(self.dut, "command", [int.from_bytes(isa.pack("STORE", **c), "little")
                                         for c in commands], self.stall)
        await ClockCycles(self.dut.clk, 2)
        while not int(self.dut.idle.value):
            await RisingEdge(self.dut.clk)
        cycles = self.cycle - begin

        given, given_written, reads, segments, data, channels = [], [], [], [], b"", 0
        for c, (command_reads, rows, count) in zip(commands, expected, strict=True):
            reads += command_reads
            segments += [(addr, len(row)) for addr, row in rows]
            data += b"".join(row for _, row in rows)
            given += [(c["signal"], len(reads))] * (c["signal"] != 0)
            given_written += [(c["signal_written"], len(reads), len(data))] * (
                c["signal_written"] != 0)
            channels += count
        assert self.waits == [c["wait"] for c in commands]
        assert self.reads == reads
        assert self.segments == segments
        assert bytes(self.written) == data
        assert self.given == given
        assert self.given_written == given_written
        assert self.requantised == channels
        return cycles


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def random_commands(dut):
    """Random commands, every stream stalled at random."""
    random.seed(SEED)
    bench = Bench(dut, stall=0.3)
    await bench.start()
    await bench.run([random_command(random) for _ in range(option("commands", 16))])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def throughput(dut):
    """A word a cycle without stalls: the cycles beyond the reads are bounded."""
    random.seed(SEED)
    bench = Bench(dut, stall=0)
    await bench.start()
    common = dict(wait=0, signal_written=0, bank=0, zy=0, ysigned=0, lo=0, hi=255,
                  row0=0, col0=0, signal=1, params=FIRST, param_stride=0, row_stride=64,
                  group_stride=4096, addr=0, psum=0, mode=0, scale=0x38000000, function=0)
    p, e = 2 * LANES, min(3, COLS)
    plain = dict(common, groups=1, e=e, p=p, words_per_column=2, psum_cols=12, strip_words=24,
                 psum_rows=2 * e,
                 out_rows=2 * e, out_cols=12, pool_r=1, pool_s=1, pool_u=1, pool_v=1)
    pooled = dict(plain, out_rows=e, out_cols=6, pool_r=3, pool_s=3, pool_u=2, pool_v=2, row0=-1,
                  col0=-1)
    vector = dict(plain, groups=COLS, e=1, p=4 * LANES, words_per_column=4, psum_cols=1,
                  strip_words=4, psum_rows=1,
                  out_rows=1, out_cols=1)
    raw = dict(plain, mode=store_modes.RAW.number)
    tables = [dict(c, mode=mode, params=0) for c in (plain, pooled, vector) for mode in TABLE_MODES]
    functions = [dict(c, function=CONFIG.functions) for c in (plain, pooled)]
    commands = [plain, pooled, vector, raw, *tables, *functions] * 2
    cycles = await bench.run(commands)
    dut._log.info("%d reads of %d commands in %d cycles", len(bench.reads), len(commands), cycles)
    assert cycles <= len(bench.reads) + (22 + 2 * (CONFIG.functions > 0)) * len(commands) + 20
