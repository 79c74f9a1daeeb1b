"""Testbench of the microcoded machine's array: psums of random passes, against NumPy.

Option ``count`` is the number of blocks of psums.
"""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from hwgen.rtl.microcoded.microcode import Setting
from sim.settings import CONFIG, SEED, option

ROWS, COLS, RING = CONFIG.rows, CONFIG.cols, CONFIG.ifmap_spad
HALF = 4 * -(-CONFIG.filter_spad // 4)
_STROBES = ("set", "go", "round", "filled", "filter_we", "ifmap_we")


class Bench:
    """The array's surroundings: the buffer, and who gives it weights, values and strips."""

    def __init__(self, dut, rng):
        self.dut, self.rng = dut, rng
        self.buffer = {}
        self.macs = 0
        self.half = self.place = 0

    async def watch(self):
        """The buffer: reads are answered a cycle later."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            self.macs += int(dut.macs.value)
            read, write = int(dut.read.value), int(dut.write.value)
            assert not (read and write)
            address, data = (int(dut.address.value), int(dut.wdata.value)) if read or write \
                else (0, 0)
            if write:
                self.buffer[address] = data
            answer = self.buffer[address] if read else random.getrandbits(32)
            await FallingEdge(dut.clk)
            dut.rdata.value = answer

    async def strobe(self, name, level=1, **inputs):
        """A strobe in the next cycle, its other inputs with it."""
        dut = self.dut
        await FallingEdge(dut.clk)
        for other, given in inputs.items():
            getattr(dut, other).value = given
        getattr(dut, name).value = level
        await FallingEdge(dut.clk)
        getattr(dut, name).value = 0
        dut.value.value = random.getrandbits(16)

    async def until(self, name):
        await FallingEdge(self.dut.clk)
        while not int(getattr(self.dut, name).value):
            await FallingEdge(self.dut.clk)

    async def weights(self, weights):
        """``(rows, cols, n)`` into the half that is free."""
        await self.until("filter_free")
        for index in range(weights.shape[2]):
            for pe, weight in enumerate(weights[:, :, index].flat):
                await self.strobe("filter_we", 1 << pe, filter_waddr=HALF * self.half + index,
                                  filter_wdata=int(weight) & 0xFF)

    async def feed(self, values):
        """``(rows, cols, 4)`` to the next place of the rings."""
        await self.until("space")
        while random.random() < self.stall:
            await FallingEdge(self.dut.clk)
        for i in range(4):
            for pe, value in enumerate(values[:, :, i].flat):
                await self.strobe("ifmap_we", 1 << pe, ifmap_waddr=(4 * self.place + i) % RING,
                                  ifmap_wdata=int(value) & 0x1FF)
        await self.strobe("round")
        self.place += 1

    async def block(self):
        """A block of psums, in one to three passes; asserts what is in the buffer."""
        rng = self.rng
        def some(most):
            return int(rng.integers(1, most + 1))
        while True:
            q, ns, d, u, p = some(6), some(4), some(2), some(3), some(6)
            depthwise = bool(rng.integers(3) == 0)
            if depthwise:
                p = q
            window, adv = ((ns - 1) * d + 1) * q, u * q
            taps = ns if depthwise else ns * q
            if p * taps <= CONFIG.filter_spad and max(window, adv) + 4 <= RING:
                break
        steps, strips, passes = some(5), some(3), some(3)
        rounds = -(-((steps - 1) * adv + window) // 4)
        base, active = int(rng.integers(1000)), some(COLS)
        self.stall = float(rng.choice((0, 0.5)))
        for setting, value in {
                Setting.TAP_CHANNELS: (1 if depthwise else q) - 1, Setting.TAP_COLS: ns - 1,
                Setting.TAP_COL_STRIDE: d * q,
                Setting.FILTER_READS_OWN_CHANNEL: int(depthwise), Setting.WINDOW: window,
                Setting.COL_ADVANCE: adv,
                Setting.STRIP_ADVANCE: 4 * rounds - (steps - 1) * adv, Setting.P: p - 1,
                Setting.PSUM_COLS: steps - 1, Setting.PSUM: base,
                Setting.ACTIVE_COLS: active}.items():
            await self.strobe("set", 1 << setting, value=value)
        psums = np.zeros((strips, steps, p, COLS), np.int64)
        accumulate = bool(rng.integers(2))
        if accumulate:
            psums += rng.integers(-2 ** 30, 2 ** 30, psums.shape)
            self.buffer |= {base + i: int(v) & 0xFFFFFFFF for i, v in enumerate(psums.flat)}
        self.macs, macs = 0, 0
        for number in range(passes):
            row0 = int(rng.integers(ROWS)) if number == passes - 1 else 0
            w = rng.integers(-128, 128, (ROWS, COLS, p * taps))
            await self.weights(w)
            w = w.reshape(ROWS, COLS, p, ns, -1)
            for strip in range(strips):
                await self.until("go_ready")
                first = strip == 0
                await self.strobe("go", value=row0 | first << 5 | (strip == strips - 1) << 6
                                  | (accumulate or number > 0) << 7, filled=int(first))
                self.dut.filled.value = 0
                x = rng.integers(-255, 256, (ROWS, COLS, 4 * rounds))
                x[:row0] = 0
                for step, f, s in np.ndindex(steps, p, ns):
                    at = step * adv + s * d * q + (f if depthwise else 0)
                    psums[strip, step, f] += (w[:, :, f, s] * x[:, :, at:at + w.shape[4]]).sum(
                        axis=(0, 2))
                for i in range(rounds):
                    await self.feed(x[:, :, 4 * i:][:, :, :4])
            macs += strips * steps * p * taps * active * (ROWS - row0)
            self.half ^= 1
        await self.until("idle")
        await ClockCycles(self.dut.clk, 2)
        found = [self.buffer[base + i] for i in range(psums.size)]
        assert found == [int(v) & 0xFFFFFFFF for v in psums.flat]
        assert self.macs == macs


@cocotb.test()
async def blocks(dut):
    random.seed(SEED)
    bench = Bench(dut, np.random.default_rng(SEED))
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for name in (*_STROBES, "value", "rdata", "filter_waddr", "filter_wdata", "ifmap_waddr",
                 "ifmap_wdata"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    cocotb.start_soon(bench.watch())
    for _ in range(option("count", 6)):
        await bench.block()
