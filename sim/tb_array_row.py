"""Random COMPUTE commands on one array row alone, which is then the whole array.

Each pass holds one pair; the sum of the passes' psums is compared with the convolution.
"""

import random
from collections import deque

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from hwgen import isa
from hwgen.rtl.parallel.array.messages import (
    FilterHead,
    RowProgram,
    Tag,
    YKind,
    fmessage,
    program_words,
    ymessage,
)
from sim.settings import SEED
from sim.tb_datapath import COMMANDS, CONFIG, Case
from sim.tb_feed import reference

#: Cycles until the sender has heard the row's request to stop, on the network of ifmaps and of
#: filters.
ON_THEIR_WAY = {"y": 5, "f": 9}


def packed(layout, **values):
    """A struct's value; members left out are 0."""
    return sum(value << layout[name].offset for name, value in values.items())


def y_messages(case, f):
    """The Y-bus messages of a command."""
    layout, size = ymessage(CONFIG), 9 * CONFIG.bus_bytes
    for kind, content, *rest in reference(case, f)[2]:
        if kind == "tag":
            yield packed(layout, kind=YKind.TAG, h=rest[0], c=rest[1], data=packed(Tag, **content))
        elif kind == "program":
            words, program = program_words(CONFIG), RowProgram(CONFIG)
            word = packed(program, **content) << words * size - program.size
            for i in range(words):
                yield packed(layout, kind=YKind.PROGRAM, end=int(i == words - 1),
                             data=word >> i * size & (1 << size) - 1)
        else:
            h, c, end = rest
            yield packed(layout, kind=YKind.DATA, end=end, h=h, c=c or 0, data=content)


def f_messages(case):
    """The filter network messages of a command: its stream, with the headers turned to heads."""
    layout, head = fmessage(CONFIG), FilterHead(CONFIG)
    stream, word = case.filter_stream(), CONFIG.bus_bytes
    size = case.p * case.tap_channels * case.s
    words = [int.from_bytes(stream[i:i + word], "little") for i in range(0, len(stream), word)]
    for i in range(0, len(words), 1 + -(-size // word)):
        mask = words[i] & (1 << CONFIG.cols) - 1
        yield packed(layout, head=1, data=packed(
            head, size=size, last=words[i] >> 48 & 1, copies=mask.bit_count(), mask=mask))
        for data in words[i + 1:i + 1 + -(-size // word)]:
            yield packed(layout, data=data)


class Bench:
    def __init__(self, dut, rng, stalls):
        self.dut, self.rng, self.stalls = dut, rng, stalls
        self.psums = []
        self.counts = dict(macs=0, ifmap_writes=0, filter_writes=0)

    async def send(self, name, messages):
        """Send a message a cycle, until the row's request to stop has come back."""
        dut = self.dut
        port, valid, stop = (getattr(dut, n) for n in (name, f"{name}_valid", f"{name}_stop"))
        stops = deque([0] * ON_THEIR_WAY[name], maxlen=ON_THEIR_WAY[name])
        messages = iter(messages)
        message = next(messages)
        while message is not None:
            given = not stops[0] and self.rng.random() >= self.stalls
            valid.value = int(given)
            port.value = message if given else self.rng.getrandbits(len(port))
            await RisingEdge(dut.clk)
            stops.append(int(stop.value))
            if given:
                message = next(messages, None)
        valid.value = 0

    async def take(self):
        """Be the row below: a psum taken is read four cycles later."""
        dut = self.dut
        taken = deque([0] * 4)
        while True:
            await FallingEdge(dut.clk)
            taken.append(int(int(dut.full.value) and self.rng.random() >= self.stalls))
            dut.taken.value = taken[-1]
            await RisingEdge(dut.clk)
            if taken.popleft():
                self.psums.append(dut.psum_o.value)

    async def watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            assert not int(dut.take.value)   # there is no row above
            assert bool(int(dut.macs.value)) == bool(int(dut.busy.value))
            for name in self.counts:
                self.counts[name] += int(getattr(dut, name).value)


def check(bench, case, f):
    active = case.t * case.e
    bits = CONFIG.psum_bits
    got = np.array([[word[(i + 1) * bits - 1:i * bits].to_signed() for i in range(active)]
                    for word in bench.psums])
    got = got.reshape(case.pairs, case.strips, case.psum_cols, case.p, case.t, case.e).sum(axis=0)
    expected = case.acc.reshape(case.t, case.p, case.strips, case.e, case.psum_cols)
    np.testing.assert_array_equal(got, expected.transpose(2, 4, 1, 0, 3))
    chunks = CONFIG.bus_bytes // CONFIG.xbus_bytes
    assert bench.counts == dict(
        macs=case.macs,
        ifmap_writes=case.pairs * case.strips * case.rounds * chunks * active,
        filter_writes=case.pairs * case.p * case.tap_channels * case.s * active)


@cocotb.test()
async def random_commands(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for stalls in (0.0, 0.4):
        rng = random.Random(SEED)
        for name in ("row_id", "y", "y_valid", "f", "f_valid", "psum_i", "above_full", "taken",
                     "cause_i"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        for _ in range(6):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        bench = Bench(dut, rng, stalls)
        tasks = [cocotb.start_soon(bench.watch()), cocotb.start_soon(bench.take())]
        for _ in range(COMMANDS):
            case = Case(rng, psum=0)
            f = isa.unpack(case.command)[1]
            bench.psums, bench.counts = [], dict.fromkeys(bench.counts, 0)
            dut.psum_i.value = rng.getrandbits(len(dut.psum_i))
            sent = [cocotb.start_soon(bench.send("y", y_messages(case, f))),
                    cocotb.start_soon(bench.send("f", f_messages(case)))]
            total = case.pairs * case.strips * case.psum_cols * case.p
            for _ in range(200000):
                await RisingEdge(dut.clk)
                if len(bench.psums) == total:
                    break
            for task in sent:
                await task
            for _ in range(20):
                await RisingEdge(dut.clk)
            dut._log.info(f"{case.pairs} pairs, depthwise={case.depthwise}, {total} psums")
            assert len(bench.psums) == total
            check(bench, case, f)
        for task in tasks:
            task.cancel()
