"""The DMAs: bursts, alignments, latency, errors, halt, at every bus width."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.dma import read_dma, write_dma
from sim.runner import run_block

CONFIGS = {
    32: dict(bus_bits=32, lanes=1, xbus_bytes=1, burst=16),
    64: dict(bus_bits=64, lanes=4, burst=32, addr_bits=40),
    128: dict(bus_bits=128, lanes=4, burst=64),
    256: dict(bus_bits=256, lanes=8, params_depth=2048, burst=8),
}


def run(block, config, simulator, prefix):
    run_block(block(Config(**config)), "sim.tb_dma", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), "COCOTB_TEST_FILTER": prefix})


CASES = [("icarus", bits) for bits in CONFIGS] + [("verilator", 64)]


@pytest.mark.parametrize("simulator, bus_bits", CASES)
def test_read_dma(simulator, bus_bits):
    run(read_dma, CONFIGS[bus_bits], simulator, "read_")


@pytest.mark.parametrize("simulator, bus_bits", CASES)
def test_write_dma(simulator, bus_bits):
    run(write_dma, CONFIGS[bus_bits], simulator, "write_")


@pytest.mark.parametrize("lanes", (2, 8))
def test_write_dma_lanes(lanes):
    """Fewer and more bytes in a transfer than in a bus word."""
    run(write_dma, dict(bus_bits=32, lanes=lanes, params_depth=2048, burst=16), "icarus", "write_")
