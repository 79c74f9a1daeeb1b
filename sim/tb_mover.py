"""Testbench of the microcoded machine's mover, against bytes in a list."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from hwgen.rtl.microcoded.microcode import Move
from sim.settings import SEED

MOVES = 150
_BYTES = 1 << 16
_SETS = ("set_dst", "set_src", "set_pad", "set_mode", "move")


class Bench:
    """The mover's surroundings: a stream of random bytes, and the buffer."""

    def __init__(self, dut):
        self.dut = dut
        self.words = [random.getrandbits(32) for _ in range(8000)]
        self.taken = 0
        self.buffer = bytearray(random.randbytes(_BYTES))
        self.expected = bytearray(self.buffer)

    async def run(self):
        """Stall the stream and the buffer at random, for ever; write what is granted."""
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            valid, grant = random.random() < 0.7, random.random() < 0.7
            dut.word_valid.value = valid
            dut.word.value = self.words[self.taken] if valid else random.getrandbits(32)
            dut.grant.value = grant
            await RisingEdge(dut.clk)
            if int(dut.write.value) and grant:
                data, mask = int(dut.data.value), int(dut.mask.value)
                assert mask
                for i in range(4):
                    if mask >> i & 1:
                        self.buffer[4 * int(dut.address.value) + i] = data >> 8 * i & 255
            if int(dut.word_taken.value):
                assert valid
                self.taken += 1

    async def give(self, name, value):
        """Give a value as soon as the mover is idle."""
        dut = self.dut
        await FallingEdge(dut.clk)
        while not int(dut.idle.value):
            await FallingEdge(dut.clk)
        dut.value.value = value
        getattr(dut, name).value = 1
        await FallingEdge(dut.clk)
        getattr(dut, name).value = 0
        dut.value.value = random.getrandbits(16)


@cocotb.test()
async def moves(dut):
    """Copies, fills and drops one after the other; some go on where the one before ended."""
    random.seed(SEED)
    bench = Bench(dut)
    stream = b"".join(word.to_bytes(4, "little") for word in bench.words)
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for name in (*_SETS, "value", "word", "word_valid", "grant"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    cocotb.start_soon(bench.run())
    at = dst = pad = 0
    for number in range(MOVES):
        if number == 0 or random.random() < 0.6:
            dst = random.randrange(_BYTES - 1000)
            await bench.give("set_dst", dst)
        if at % 4 == 0 and random.random() < 0.5:      # within the word that is next
            at += random.randrange(4)
            await bench.give("set_src", at)
        if number == 0 or random.random() < 0.3:
            pad = random.getrandbits(8)
            await bench.give("set_pad", pad)
        mode = random.choice(list(Move))
        await bench.give("set_mode", mode)
        size = random.choice((0, 1, 2, 3, 4, 5, random.randrange(200)))
        await bench.give("move", size)
        if mode != Move.DROP:
            bench.expected[dst:dst + size] = stream[at:at + size] if mode == Move.COPY \
                else bytes([pad]) * size
            dst += size
        if mode != Move.FILL:
            at += size
        if random.random() < 0.3:
            await bench.give("set_mode", mode)         # which waits for the end
            assert bench.taken == at // 4, f"{bench.taken} words taken for {at} bytes"
    await bench.give("set_mode", Move.COPY)
    assert bench.taken == at // 4
    assert bench.buffer == bench.expected
    assert at > 1000
