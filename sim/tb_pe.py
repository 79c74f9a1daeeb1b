"""Testbench of a PE: random taps and spad writes, against a model of its contract."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen.rtl.parallel.array.pe import PE
from sim.settings import CONFIG, SEED, option

COUNT = option("count", 2000)
WEIGHTS = 2 * CONFIG.filter_spad
CHUNKS = CONFIG.ifmap_spad // CONFIG.xbus_bytes
INPUTS = ["filter_we", "filter_waddr", "filter_wdata", "ifmap_we", "ifmap_waddr", "ifmap_wdata",
          "filter_addr", "ifmap_addr", "valid", "chained", "last", "psum_i"]


def signed(value, bits):
    """The low ``bits`` of ``value`` as a two's complement number."""
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


class Model:
    """What ``psum_o`` shows, a cycle at a time; None before it is known."""

    def __init__(self):
        self.weights = [None] * WEIGHTS
        self.values = [None] * CONFIG.ifmap_spad
        self.products = deque([None] * PE.LATENCY)
        self.running = 0
        self.psum = None

    def step(self, f):
        """One cycle with the inputs ``f``; reads see the writes of earlier cycles."""
        weight, value = self.weights[f["filter_addr"]], self.values[f["ifmap_addr"]]
        self.products.append(None if None in (weight, value) else weight * value)
        product = self.products.popleft()
        if f["valid"]:
            start = signed(f["psum_i"], CONFIG.psum_bits) if f["chained"] else self.running
            self.running = None if None in (start, product) else \
                signed(start + product, CONFIG.psum_bits)
        if f["last"]:
            self.psum, self.running = self.running, 0
        if f["filter_we"]:
            self.weights[f["filter_waddr"]] = signed(f["filter_wdata"], 8)
        if f["ifmap_we"]:
            first = f["ifmap_waddr"] * CONFIG.xbus_bytes
            for i in range(CONFIG.xbus_bytes):
                self.values[first + i] = signed(f["ifmap_wdata"] >> 9 * i, 9)


def random_values(rng):
    """An ifmap write: many zeros, and the extremes of ``x - zx``."""
    return sum((rng.choice((0, 0, 255, -255, *(rng.randint(-255, 255) for _ in range(4)))) & 0x1FF)
               << 9 * i for i in range(CONFIG.xbus_bytes))


def random_inputs(rng, idle):
    valid = rng.random() >= idle
    return {
        "filter_we": rng.random() < 0.3, "filter_waddr": rng.randrange(WEIGHTS),
        "filter_wdata": rng.choice((0x80, 0x7F, *(rng.randrange(256) for _ in range(6)))),
        "ifmap_we": rng.random() < 0.3, "ifmap_waddr": rng.randrange(CHUNKS),
        "ifmap_wdata": random_values(rng),
        "filter_addr": rng.randrange(WEIGHTS), "ifmap_addr": rng.randrange(CONFIG.ifmap_spad),
        "valid": valid, "chained": rng.random() < 0.2, "last": valid and rng.random() < 0.2,
        "psum_i": rng.getrandbits(CONFIG.psum_bits),
    }


async def random_taps(dut, idle):
    """``idle`` is the chance of a cycle in which nothing is added."""
    rng = random.Random(SEED)
    for name in INPUTS:
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.rst.value = 1
    dut.last.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0

    model = Model()
    compared = 0
    for cycle in range(WEIGHTS + COUNT):
        f = random_inputs(rng, idle)
        if cycle < WEIGHTS:
            f |= {"filter_we": 1, "filter_waddr": cycle,
                  "ifmap_we": 1, "ifmap_waddr": cycle % CHUNKS}
        for name, value in f.items():
            getattr(dut, name).value = int(value)
        await RisingEdge(dut.clk)
        if model.psum is not None:
            found = signed(int(dut.psum_o.value), CONFIG.psum_bits)
            assert found == model.psum, f"cycle {cycle}: psum_o is {found}, not {model.psum}"
            compared += 1
        model.step(f)
    assert compared >= COUNT // 2


@cocotb.test()
async def taps(dut):
    await random_taps(dut, 0)


@cocotb.test()
async def taps_with_idle_cycles(dut):
    await random_taps(dut, 0.4)
