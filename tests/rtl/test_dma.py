"""The DMAs: bursts, alignments, latency, errors, halt, at every bus width."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.dma.read_dma import ReadDma
from hwgen.rtl.parallel.dma.write_dma import WriteDma
from sim.runner import each_test, run_block

CONFIGS = {
    32: dict(bus_bits=32, lanes=1, xbus_bytes=1, burst=16),
    64: dict(bus_bits=64, lanes=4, burst=32, addr_bits=40),
    128: dict(bus_bits=128, lanes=4, burst=64),
    256: dict(bus_bits=256, lanes=8, params_depth=2048, burst=8),
}


CASES = [("icarus", bits) for bits in CONFIGS] + [("verilator", 64)]


@pytest.mark.parametrize("simulator, bus_bits", CASES)
@each_test("sim.tb_dma", "read_")
def test_reads(case, simulator, bus_bits):
    run_block(ReadDma, case, simulator=simulator, config=Config(**CONFIGS[bus_bits]))


@pytest.mark.parametrize("simulator, bus_bits", CASES)
@each_test("sim.tb_dma", "write_")
def test_writes(case, simulator, bus_bits):
    run_block(WriteDma, case, simulator=simulator, config=Config(**CONFIGS[bus_bits]))


@pytest.mark.parametrize("lanes", (2, 8))
@each_test("sim.tb_dma", "write_")
def test_writes_of_fewer_and_more_bytes_than_a_bus_word(case, lanes):
    run_block(WriteDma, case, simulator="icarus",
              config=Config(bus_bits=32, lanes=lanes, params_depth=2048, burst=16))
