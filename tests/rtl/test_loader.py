"""The loader: random LOAD and PARAMS commands over bus widths, banks and subwords."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.load.loader import Loader
from sim.runner import SIMULATORS, each_test, run_block

CONFIGS = {
    "bus32-lanes1-cols3": dict(bus_bits=32, lanes=1, cols=3, xbus_bytes=1),
    "bus64-lanes2-cols1": dict(bus_bits=64, lanes=2, cols=1, glb_kib=32),
    "bus32-lanes4-cols8": dict(bus_bits=32, lanes=4, cols=8, xbus_bytes=2),
    "bus128-lanes4-cols12": dict(bus_bits=128, lanes=4, cols=12),
    "bus256-lanes8-cols5": dict(bus_bits=256, lanes=8, params_depth=2048, cols=5),
}


@pytest.mark.parametrize("name", CONFIGS)
@each_test("sim.tb_loader")
def test_bytes_in_the_glb(case, name):
    run_block(Loader, case, simulator="icarus", config=Config(**CONFIGS[name]), count=15)


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_loader")
def test_bytes_in_the_glb_of_the_chip(case, simulator):
    run_block(Loader, case, simulator=simulator, config=Config(), count=40)
