"""Testbench of the microcoded machine's engine: what it gives to its ports, with stalls.

Option ``expected`` is a list of (port, value), ``words`` the words of the stream, of which
``taken`` are taken.
"""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from sim.settings import SEED, option

PROGRAM, BASE = 0x1234_5680, 0x9ABC_D000     # the engine's other inputs


@cocotb.test()
async def gives(dut):
    random.seed(SEED)
    expected = [tuple(each) for each in option("expected")]
    words = option("words")
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for name, value in (("hold", 1), ("ready", 0), ("word_valid", 0), ("word", 0),
                        ("program", PROGRAM), ("base", BASE), ("rst", 1)):
        getattr(dut, name).value = value
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    given, taken = [], 0
    for _ in range(400 * (len(expected) + len(words) + 10)):
        await FallingEdge(dut.clk)
        dut.hold.value = random.random() < 0.2
        dut.ready.value = random.random() < 0.6
        valid = random.random() < 0.6
        dut.word_valid.value = valid
        dut.word.value = words[taken] if valid else random.getrandbits(32)
        await RisingEdge(dut.clk)
        assert dut.give.value.is_resolvable and dut.word_taken.value.is_resolvable
        if int(dut.give.value) and int(dut.ready.value):
            assert not int(dut.hold.value)
            given.append((int(dut.port.value), int(dut.value.value)))
            assert given[-1] == expected[len(given) - 1], f"gift {len(given) - 1}: {given[-1]}, " \
                f"not {expected[len(given) - 1]}"
            if len(given) == len(expected):
                break
        if int(dut.word_taken.value):
            assert valid
            taken += 1
    assert len(given) == len(expected), f"{len(given)} of {len(expected)} gifts"
    assert taken == option("taken")
