"""The PE: random taps over spad sizes and X-bus widths, with and without zero gating."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.array.pe import PE
from sim.runner import each_test, run_block

CONFIGS = {
    "eyeriss": dict(),
    "small-xbus1": dict(rows=2, cols=3, filter_spad=11, ifmap_spad=16, lanes=1, bus_bits=32,
                        xbus_bytes=1),
}


# Icarus runs all, Verilator the chip's.
RUNS = [("icarus", name, gate) for name in CONFIGS for gate in (False, True)] + \
       [("verilator", "eyeriss", True)]


@pytest.mark.parametrize("simulator, name, zero_gate", RUNS)
@each_test("sim.tb_pe")
def test_psums_of_random_taps(case, simulator, name, zero_gate):
    run_block(PE, case, simulator=simulator, count=1000,
              config=Config(**CONFIGS[name], zero_gate=zero_gate))
