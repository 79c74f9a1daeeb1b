"""Random COMPUTE commands on the compute path, against a convolution written out in NumPy."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hwgen import isa
from sim.settings import CONFIG, SEED, option

COMMANDS = option("commands", 6)


def fields(**values):
    """A struct's value from ``name=(value, bits)``, lowest first."""
    word, lsb = 0, 0
    for value, bits in values.values():
        word |= (int(value) & (1 << bits) - 1) << lsb
        lsb += bits
    return word


class Case:
    """One random block: its command, filter stream, ifmap streams and expected psums."""

    def __init__(self, rng, psum):
        c = CONFIG
        for _ in range(10000):
            self.depthwise = rng.random() < 0.3
            self.r, self.s = rng.randint(1, 7), rng.choice([1, 1, 2, 3, 5, 7])
            self.u, self.v = rng.randint(1, 4), rng.randint(1, 3)
            self.dh, self.dw = rng.choice([1, 1, 2]), rng.choice([1, 1, 2])
            self.q = rng.randint(1, 8)
            self.e = rng.randint(1, c.cols)
            self.t = rng.randint(1, c.cols // self.e)
            self.p = self.q if self.depthwise else rng.randint(1, 20)
            self.cgs = 1 if self.depthwise else rng.randint(1, max(1, 3 * c.rows // self.r))
            self.psum_cols, self.strips = rng.randint(1, 9), rng.randint(1, 3)
            tap_channels = 1 if self.depthwise else self.q
            taps = tap_channels * self.s
            window = ((self.s - 1) * self.dw + 1) * self.q
            col_advance = self.v * self.q
            self.rounds = -(-((self.psum_cols - 1) * col_advance + window) // c.bus_bytes)
            strip_advance = self.rounds * c.bus_bytes - (self.psum_cols - 1) * col_advance
            self.words_per_column = -(-self.p // c.lanes)
            words = self.strips * self.psum_cols * self.words_per_column
            pairs = self.cgs * self.r
            multi = pairs > c.rows
            self.strip_ifmap_rows = (self.e - 1) * self.u + (self.r - 1) * self.dh + 1
            self.h = (self.strips - 1) * self.e * self.u + self.strip_ifmap_rows
            self.groups = self.t if self.depthwise else self.cgs
            size = self.groups * self.h * self.rounds
            if (self.p * taps <= c.filter_spad and window + c.bus_bytes <= c.ifmap_spad
                    and col_advance < 128 and strip_advance < 128 and words <= c.bank_depth // 4
                    and words >= 2 and (words - 1) * c.lanes * taps >= 4
                    and (size + 1) * c.bus_bytes <= c.glb_words * c.bus_bytes // 2
                    and (not multi or pairs)):
                break
        else:
            raise AssertionError("no case found")
        self.pairs, self.tap_channels, self.psum, self.words = pairs, tap_channels, psum, words
        self.signed = rng.random() < 0.5
        self.zx = rng.randint(0, 255)
        nprng = np.random.default_rng(rng.getrandbits(32))
        ws = self.rounds * c.bus_bytes // self.q          # whole columns in a stream
        self.stored = nprng.integers(0, 256, (self.groups, self.h, self.rounds * c.bus_bytes),
                                     dtype=np.uint8)
        x = self.stored[:, :, :ws * self.q].reshape(self.groups, self.h, ws, self.q).astype(int)
        zero = self.zx
        if self.signed:
            x = (x ^ 128) - 128
            zero = (zero ^ 128) - 128
        x -= zero
        m_total = self.t * self.p
        self.base = c.glb_words - size                    # at the end of the GLB
        if self.depthwise:
            self.w = nprng.integers(-128, 128, (self.t, self.p, self.r, self.s))
        else:
            self.w = nprng.integers(-128, 128, (m_total, self.cgs, self.r, self.s, self.q))
        rows = np.arange(self.strips * self.e) * self.u
        cols = np.arange(self.psum_cols) * self.v
        shape = (self.t, self.p, self.strips * self.e, self.psum_cols)
        acc = np.zeros(shape, dtype=np.int64)
        for r in range(self.r):
            for s in range(self.s):
                part = x[:, rows + r * self.dh][:, :, cols + s * self.dw]   # g, rows, cols, q
                if self.depthwise:
                    acc += np.einsum("tyfp,tp->tpyf", part, self.w[:, :, r, s])
                else:
                    acc += np.einsum("gyfq,mgq->myf", part, self.w[:, :, r, s]).reshape(shape)
        self.acc = acc
        self.macs = (pairs * taps * self.p * self.psum_cols * self.strips * self.e * self.t)
        self.command = isa.pack(
            "COMPUTE", feed_wait=1, feed_signal=2, psum_wait=4, psum_signal=8,
            ifmap=isa.glb_address(c, self.base),
            row_stride=isa.glb_address(c, self.rounds),
            cg_stride=isa.glb_address(c, self.rounds * self.h), rounds=self.rounds,
            strip_stride=isa.glb_address(c, self.rounds * self.e * self.u), pairs=pairs, r=self.r,
            strip_ifmap_rows=self.strip_ifmap_rows, e=self.e,
            multicast_mask=1 if self.depthwise else sum(1 << k * self.e for k in range(self.t)),
            u=self.u, dil=self.dh, depthwise=self.depthwise,
            depthwise_groups=self.t if self.depthwise else 1,
            active_cols=self.t * self.e, tap_channels=tap_channels, tap_cols=self.s,
            tap_col_stride=self.dw * self.q,
            filter_reads_own_channel=self.depthwise, window=window, col_advance=col_advance,
            strip_advance=strip_advance, xsigned=self.signed,
            zx=self.zx, p=self.p, psum_cols=self.psum_cols, strips=self.strips, psum=psum)

    def filter_stream(self):
        c = CONFIG
        out = b""
        for k0 in range(0, self.pairs, c.rows):
            count = min(c.rows, self.pairs - k0)
            row0 = c.rows - count
            for tg in range(self.t):
                mask = ((1 << self.e) - 1) << tg * self.e
                size = self.p * self.tap_channels * self.s
                out += isa.filter_header(mask=mask, size=size, row0=row0,
                                         last=tg == self.t - 1).ljust(c.bus_bytes, b"\0")
                rows = []
                for k in range(k0, k0 + count):
                    cg, r = divmod(k, self.r)
                    if self.depthwise:
                        w = self.w[tg, :, r]                              # p, s
                    else:
                        w = self.w[tg * self.p:(tg + 1) * self.p, cg, r]  # p, s, q
                    row = w.astype(np.int8).tobytes()
                    rows.append(row.ljust(-(-len(row) // c.bus_bytes) * c.bus_bytes, b"\0"))
                for i in range(0, len(rows[0]), c.bus_bytes):
                    out += b"".join(row[i:i + c.bus_bytes] for row in rows)
        return out


class Bench:
    def __init__(self, dut, rng, stalls):
        self.dut, self.rng, self.stalls = dut, rng, stalls
        self.psum_given = self.feed_given = 0
        self.counts = dict(macs=0, busy=0)

    async def pause(self):
        while self.rng.random() < self.stalls:
            await RisingEdge(self.dut.clk)

    async def put(self, name, payload, pause=True):
        valid = getattr(self.dut, f"{name}__valid")
        ready = getattr(self.dut, f"{name}__ready")
        if pause:
            await self.pause()
        getattr(self.dut, f"{name}__payload").value = payload
        valid.value = 1
        while True:
            await RisingEdge(self.dut.clk)
            if int(ready.value):
                break
        valid.value = 0

    async def watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            self.psum_given += int(dut.psum_give.value) == 8
            self.feed_given += int(dut.feed_give.value) == 2
            self.counts["macs"] += int(dut.macs.value)
            self.counts["busy"] += int(dut.busy.value)
            assert int(dut.error.value) == 0

    async def grant(self, name):
        ready = getattr(self.dut, f"{name}__ready")
        while True:
            ready.value = int(self.rng.random() >= self.stalls)
            await RisingEdge(self.dut.clk)

    async def filters(self, cases):
        """Commands of the filter queue, and the DMA behind them."""
        words = CONFIG.bus_bytes
        for case in cases:
            stream = case.filter_stream()
            cocotb.start_soon(self.put("filter", int.from_bytes(
                isa.pack("FILTER", addr=64, words=len(stream) // CONFIG.bus_bytes), "little")))
            self.dut.req__ready.value = 1
            while True:
                await RisingEdge(self.dut.clk)
                if int(self.dut.req__valid.value):
                    break
            self.dut.req__ready.value = 0
            assert int(self.dut.req__payload.value) == 64 | len(stream) // words << 32
            for i in range(0, len(stream), words):
                last = i + words == len(stream)
                await self.put("data", int.from_bytes(stream[i:i + words], "little")
                               | int(last) << CONFIG.bus_bits)

    async def load(self, case):
        c = CONFIG
        flat = case.stored.reshape(-1, c.bus_bytes)
        for i, word in enumerate(flat):
            await self.put("load", fields(
                addr=(isa.glb_address(c, case.base + i), 24),
                data=(int.from_bytes(word.tobytes(), "little"), c.bus_bits),
                mask=(-1, c.bus_bytes)))

    async def check(self, case):
        c = CONFIG
        got = np.zeros((case.words, case.t * case.e, c.lanes), dtype=np.int64)
        async def collect():
            for index in np.ndindex(got.shape[:2]):
                while True:
                    await RisingEdge(self.dut.clk)
                    if int(self.dut.drain_valid.value):
                        break
                word = int(self.dut.drain_data.value)
                for lane in range(c.lanes):
                    value = word >> 32 * lane & 0xFFFFFFFF
                    got[index][lane] = (value ^ 1 << 31) - (1 << 31)
        task = cocotb.start_soon(collect())
        for word, column in np.ndindex(got.shape[:2]):
            await self.put("drain", column | case.psum + word << 5)
        await task
        got = got.reshape(case.strips, case.psum_cols, case.words_per_column, case.t, case.e,
                          c.lanes)
        got = got.transpose(3, 2, 5, 0, 4, 1).reshape(case.t, case.words_per_column * c.lanes,
                                                      case.strips * case.e, case.psum_cols)
        np.testing.assert_array_equal(got[:, :case.p], case.acc)


@cocotb.test()
async def random_commands(dut):
    for stalls in (0.0, 0.4):
        rng = random.Random(SEED)
        bench = Bench(dut, rng, stalls)
        for name in ("compute", "filter", "data", "drain", "load"):
            getattr(dut, f"{name}__valid").value = 0
            getattr(dut, f"{name}__payload").value = 0
        for name in ("req", "feed_take", "psum_take"):
            getattr(dut, f"{name}__ready").value = 0
        clock = cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)            # the units' reset ends a cycle later
        tasks = [cocotb.start_soon(t) for t in
                 (bench.watch(), bench.grant("feed_take"), bench.grant("psum_take"))]
        cases = [Case(rng, psum=(i % 2) * (CONFIG.bank_depth // 4)) for i in range(COMMANDS)]
        tasks.append(cocotb.start_soon(bench.filters(cases)))
        for i, case in enumerate(cases):
            await bench.load(case)
            start = bench.counts["busy"]
            await bench.put("compute", int.from_bytes(case.command, "little"))
            cycles = 0
            while bench.psum_given <= i:
                await RisingEdge(dut.clk)
                cycles += 1
                assert cycles < 2_000_000
            dut._log.info(f"case {i}: {vars(case)['pairs']} pairs, depthwise={case.depthwise} "
                          f"p={case.p} q={case.q} s={case.s} {cycles} cycles, "
                          f"busy {bench.counts['busy'] - start}")
            await bench.check(case)
        assert bench.feed_given == len(cases)
        for _ in range(8):
            await RisingEdge(dut.clk)
        assert bench.counts["macs"] == sum(case.macs for case in cases)
        for task in [*tasks, clock]:
            task.cancel()
