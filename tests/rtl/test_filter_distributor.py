"""The filter distributor: random packets over bus widths, rows and columns."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.filter_distributor import FilterDistributor
from sim.runner import SIMULATORS, each_test, run_block

CONFIGS = {
    "bus32": dict(bus_bits=32, lanes=1, rows=5, cols=9, xbus_bytes=1),
    "bus64": dict(bus_bits=64),
    "bus128": dict(bus_bits=128, rows=1, cols=3),
}
CASES = [(simulator, name) for simulator in SIMULATORS for name in ("bus32", "bus64")] + \
        [("icarus", "bus128")]


@pytest.mark.parametrize("simulator, name", CASES)
@each_test("sim.tb_filter_distributor")
def test_weights_reach_their_pes(case, simulator, name):
    run_block(FilterDistributor, case, simulator=simulator, config=Config(**CONFIGS[name]),
              count=12)
