"""Vectors for the `requant` block, their NumPy reference, and its cocotb testbench."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen.rtl.parallel.store.requant import Requant
from sim.settings import SEED

__all__ = ["VECTOR", "vectors", "reference", "compare"]

VECTOR = np.dtype([("acc", "<i4"), ("scale", "<f4"), ("zy", "u1"), ("lo", "u1"),
                   ("hi", "u1"), ("ysigned", "u1")])


def reference(v):
    """The outputs of a VECTOR array, as stored: NumPy's own float32 arithmetic."""
    with np.errstate(over="ignore", under="ignore"):
        real = np.rint(np.float32(v["acc"]) * v["scale"])

    def value(stored):
        return np.where(v["ysigned"] == 1, stored.view("i1"), stored.astype("i2"))
    zy, lo, hi = (value(np.ascontiguousarray(v[name])) for name in ("zy", "lo", "hi"))
    return np.clip(real.astype("f8") + zy, lo, hi).astype("i2").astype("u1")


def _vectors(rng, total, scale):
    """VECTOR array of sums and scales, each with a random zero point and bounds."""
    v = np.zeros(len(total), VECTOR)
    v["acc"] = total
    v["scale"] = scale
    v["ysigned"] = rng.integers(0, 2, len(v))
    v["zy"] = rng.integers(0, 256, len(v))
    low = np.where(v["ysigned"] == 1, -128, 0)
    bounds = np.sort(rng.integers(0, 256, (2, len(v))), axis=0)
    bounds[:, rng.random(len(v)) < 0.7] = [[0], [255]]
    v["lo"], v["hi"] = bounds + low
    return v


def _directed(rng):
    """Sums and scales at which a rounding ties, an exponent is extreme or a result saturates."""
    small = np.arange(-600, 601)
    halves = np.float32([1, 0.5, 0.25, 0.125, 1.5, 0.75, 2.0**-7, 1.5 * 2.0**-9])
    cases = [np.meshgrid(small, halves)]

    # Sums around every power of two, among them the ties of sums beyond 2**24.
    powers = np.concatenate([2**k + np.arange(-9, 10) for k in range(1, 32)])
    powers = np.concatenate([powers, 3 * 2**29 + 64 * np.arange(-9, 10),
                             2**25 + 2 * np.arange(9), 2**31 - 128 + np.arange(128)])
    powers = np.unique(np.concatenate([powers, -powers]))
    powers = powers[(powers >= -2**31) & (powers < 2**31)]
    bits = [0, 1, 0x7FFFFF, 0x800000, 0x800001, 0x7F7FFFFF, 0x7F000000, 0x3F800000, 0x3F7FFFFF,
            *range(0x2C000000, 0x48000000, 0x00800000 // 4)]
    cases.append(np.meshgrid(powers, np.uint32(bits).view("f4")))

    # Products next to a half: the scale is (n + 0.5) / sum, and its neighbours.
    n, total = np.arange(0, 300) + 0.5, rng.integers(1, 2**31, 24) >> rng.integers(0, 30, 24)
    total = np.maximum(total, 1)
    scale = (n[:, None] / total).astype("f4")
    for step in (-2, -1, 0, 1, 2):
        near = (scale.view("i4") + step).view("f4")
        cases += [(np.broadcast_to(sign * total, near.shape), near) for sign in (1, -1)]
    total, scale = (np.concatenate([np.ravel(case[k]) for case in cases]) for k in (0, 1))

    # Every zero point of both types, at ties and beyond the bounds.
    v = _vectors(rng, total, scale)
    sums = np.array([0, 1, -1, 3, -3, 5, 255, -255, 257, 509, 511, -509, -511, 1021, -1021,
                     1 << 20])
    every = _vectors(rng, np.tile(sums, 512), np.float32(0.5))
    every["zy"] = np.repeat(np.arange(512) % 256, len(sums))
    every["ysigned"] = np.repeat(np.arange(512) // 256, len(sums))
    every["lo"], every["hi"] = np.where(every["ysigned"] == 1, [[128], [127]], [[0], [255]])
    return np.concatenate([v, every])


def _uniform(rng, count):
    """Sums of every magnitude, with scales that bring most results between -600 and 600."""
    total = rng.integers(-2**31, 2**31, count) >> rng.integers(0, 32, count)
    target = 600 * 2.0**rng.uniform(-11, 1, count)
    scale = (target / np.maximum(np.abs(total), 1)).astype("f4")
    wild = rng.random(count) < 0.05
    scale[wild] = rng.integers(0, 0x7F800000, wild.sum(), "u4").view("f4")
    # A few significant bits only, so that products are short and tie.
    short = rng.random(count) < 0.3
    masked = scale.view("u4") & ~((1 << rng.integers(12, 24, count)) - 1).astype("u4")
    scale[short] = masked.view("f4")[short]
    return _vectors(rng, total, scale)


def vectors(rng, count):
    """``count`` vectors: all the directed ones and as many uniform ones, or some of the directed
    ones only if ``count`` is too few."""
    special = _directed(rng)
    if count < len(special):
        return rng.permutation(special)[:count]
    return np.concatenate([special, _uniform(rng, count - len(special))])


def compare(v, y):
    """Raise :exc:`AssertionError` unless ``y`` are the output bytes of ``v``."""
    y, expected = np.frombuffer(y, "u1"), reference(v)
    assert len(y) == len(v), f"{len(y)} outputs of {len(v)} vectors"
    wrong = np.flatnonzero(y != expected)
    assert not len(wrong), f"{len(wrong)} of {len(v)} differ, first: {v[wrong[0]]} gives " \
        f"{y[wrong[0]]}, not {expected[wrong[0]]}"


@cocotb.test()
async def stalled(dut):
    """The directed vectors, with ``en`` low at random."""
    stall = random.Random(SEED)
    v = vectors(np.random.default_rng(SEED), 4000)
    fields = {name: v[name].view("u4" if v[name].itemsize == 4 else "u1").tolist()
              for name in v.dtype.names}
    delays = dict(acc=0, scale=Requant.SCALE_DELAY, zy=Requant.RANGE_DELAY,
                  lo=Requant.RANGE_DELAY, hi=Requant.RANGE_DELAY, ysigned=Requant.RANGE_DELAY)

    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.en.value = 0
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    y = bytearray()
    cycle = 0
    while len(y) < len(v):
        enable = stall.random() < 0.8
        dut.en.value = enable
        for name, delay in delays.items():
            valid = enable and 0 <= cycle - delay < len(v)
            getattr(dut, name).value = fields[name][cycle - delay] if valid else \
                stall.getrandbits(1)
        await RisingEdge(dut.clk)
        if enable:
            if cycle >= Requant.LATENCY:
                y.append(int(dut.y.value))
            cycle += 1
    compare(v, y)
