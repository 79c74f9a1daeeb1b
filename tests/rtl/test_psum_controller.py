"""The psum controller: random blocks over lanes, stalls of the array and the semaphores."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.glb.psum_controller import PsumController
from sim.runner import SIMULATORS, run_block

CONFIGS = {
    "lanes4": dict(),
    "lanes1": dict(bus_bits=32, lanes=1, cols=3, xbus_bytes=1),
    "lanes8": dict(bus_bits=256, lanes=8, params_depth=2048, cols=5),
}
CASES = [(simulator, "lanes4") for simulator in SIMULATORS] + \
        [("icarus", name) for name in list(CONFIGS)[1:]]


@pytest.mark.parametrize("simulator, name", CASES)
def test_psum_controller(simulator, name):
    config = CONFIGS[name]
    run_block(PsumController(Config(**config)), "sim.tb_psum_controller", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), "TB_COUNT": "30"})
