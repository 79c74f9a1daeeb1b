"""Vectors for the output unit, and its cocotb testbench."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from sim.settings import SEED

from . import tb_requant
from .tb_requant import reference

__all__ = ["vectors", "cycles"]


def _ties(rng):
    """Sums and scales with products of 25 bits, one more than are kept, next to a half."""
    total, scale = [], []
    for odd in range(1, 600, 2):
        shift = 25 - odd.bit_length()
        for product in ((odd << shift) - 1, (odd << shift) + 1):
            factors = np.arange(3, 1 << 13, 2)
            factors = factors[product % factors == 0]
            for factor in np.concatenate([factors, product // factors]).tolist():
                if factor < 1 << 24 and product // factor < 1 << 24:
                    zeros = int(rng.integers(0, 32 - factor.bit_length()))
                    total.append((factor << zeros) * int(rng.choice([1, -1])))
                    scale.append(product // factor / 2.0**(shift + 1 + zeros))
    return np.array(total), np.array(scale, "f4")


def _close(rng, count):
    """Sums of every length with results close to whole numbers and halves."""
    length = rng.integers(1, 32, count)
    total = (1 << length - 1) + rng.integers(0, 1 << 31, count) % (1 << length - 1)
    result = (rng.integers(1, 1024, count) >> rng.integers(0, 10, count)) / 2
    scale = (np.maximum(result, 0.5) / total).astype("f4")
    scale = (scale.view("i4") + rng.integers(-2, 3, count).astype("i4")).view("f4")
    return np.where(rng.random(count) < 0.5, total, -total), scale


def vectors(rng, count):
    """``count`` vectors: half of them those of `requant`, the others with results close to where
    they change, for sums and products of more bits than are kept."""
    v = tb_requant.vectors(rng, 2 * count)[::2]
    ties = [values[:count // 4] for values in _ties(rng)]
    close = _close(rng, count // 2 - len(ties[0]))
    chosen = rng.permutation(count)[:count // 2]
    for name, *values in zip(("acc", "scale"), ties, close, strict=True):
        v[name][chosen] = np.concatenate(values)
    return v


def cycles(scale):
    """Cycles that the unit is busy with a scale of these bits."""
    return max(0, 68 - (scale >> 24)) + 3


class _Driver:
    """Drives the unit for cycles; inputs that it does not read are random."""

    def __init__(self, dut, rng):
        self._dut, self._rng = dut, rng
        self._sum = None

    async def cycle(self, **inputs):
        """A cycle with these inputs and no other strobe: ``busy`` and ``y`` in it."""
        rng = self._rng
        unread = {"word": rng.getrandbits(32), "first": rng.getrandbits(1),
                  "ysigned": rng.getrandbits(1)}
        unread |= {name: rng.getrandbits(8) for name in ("zy", "lo", "hi")}
        unread |= dict.fromkeys(("load", "add", "scale", "raw"), 0)
        for name, value in (unread | inputs).items():
            getattr(self._dut, name).value = value
        await RisingEdge(self._dut.clk)
        return int(self._dut.busy.value), int(self._dut.y.value)

    async def idle(self):
        """Idle for some cycles, or none."""
        while self._rng.random() < 0.3:
            busy, _ = await self.cycle()
            assert not busy, "busy without a strobe"

    async def sum(self, total):
        """Make ``total`` the sum, in one part or more, with or without what it was."""
        rng = self._rng
        parts = [rng.getrandbits(32) for _ in range(rng.randrange(4))]
        strobe, rest = "load", total - sum(parts)
        if self._sum is not None and rng.random() < 0.2:
            strobe, rest = "add", rest - self._sum
        for part in (*parts, rest % 2**32):
            await self.idle()
            await self.cycle(word=part, **{strobe: 1})
            strobe = "add"
        await self.idle()
        self._sum = total

    async def load_bytes(self, total, count):
        """Load ``total`` and check ``count`` of its bytes; before and after them comes a load."""
        self._sum = None
        await self.sum(total)
        self._sum = None
        for byte in total.to_bytes(4, "little")[:count]:
            await self.cycle(raw=1)
            await self.idle()
            _, y = await self.cycle()
            assert y == byte, f"{total:#x} gives {y:#x}, not {byte:#x}"


@cocotb.test()
async def maxima(dut):
    """Maxima of one result and more, and sums as their bytes."""
    rng = random.Random(SEED)
    v = vectors(np.random.default_rng(SEED), 1500)
    driver = _Driver(dut, rng)
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.rst.value = 1
    for _ in range(2):
        await driver.cycle()
    dut.rst.value = 0

    at = 0
    while at < len(v):
        some = v[at:at + rng.choice((1, 1, 2, 4))]
        at += len(some)
        for name in ("lo", "hi", "ysigned"):
            some[name] = some[name][0]
        expected = reference(some)
        expected = np.maximum.accumulate(expected.view("i1" if some["ysigned"][0] else "u1"))
        for number, one in enumerate(some):
            await driver.sum(int(one["acc"]))
            scale = int(one["scale"].view("u4"))
            await driver.cycle(scale=1, word=scale, first=number == 0)
            ranges = {name: int(one[name]) for name in ("zy", "lo", "hi", "ysigned")}
            for _ in range(cycles(scale)):
                busy, _ = await driver.cycle(**ranges)
                assert busy, f"not busy long enough with {one}"
            busy, y = await driver.cycle()
            assert not busy, f"busy too long with {one}"
            assert y == int(expected[number]) % 256, f"{some[:number + 1]} give {y}"

        if rng.random() < 0.1:
            await driver.load_bytes(rng.getrandbits(32), rng.randrange(1, 5))
