"""The psum controller: random blocks over lanes, stalls of the array and the semaphores."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.glb.psum_controller import PsumController
from sim.runner import SIMULATORS, each_test, run_block

CONFIGS = {
    "lanes4": dict(),
    "lanes1": dict(bus_bits=32, lanes=1, cols=3, xbus_bytes=1),
    "lanes8": dict(bus_bits=256, lanes=8, params_depth=2048, cols=5),
}
CASES = [(simulator, "lanes4") for simulator in SIMULATORS] + \
        [("icarus", name) for name in list(CONFIGS)[1:]]


@pytest.mark.parametrize("simulator, name", CASES)
@each_test("sim.tb_psum_controller")
def test_order_and_timing_of_passes(case, simulator, name):
    run_block(PsumController, case, simulator=simulator, config=Config(**CONFIGS[name]), count=30)
