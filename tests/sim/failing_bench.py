"""A bench with a test that passes, one that fails, and one that ends the simulator."""

import os

import cocotb

from sim.settings import CONFIG, SEED, option


@cocotb.test()
async def passes(dut):
    assert (CONFIG.rows, SEED, option("words")) == (3, 5, [1, 2])


@cocotb.test()
async def fails(dut):
    assert option("found") == 4, f"psum is {option('found')}, not 4"


@cocotb.test()
async def ends_the_simulator(dut):
    os._exit(3)
