"""Controller: fetch, queues, semaphores, errors."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.controller import Controller
from sim.runner import SIMULATORS, run_block


def run(simulator, bus_bits, elementwise, **env):
    config = dict(bus_bits=bus_bits, lanes=8, params_depth=2048, elementwise=elementwise,
                  ifmap_spad=64, burst=16, addr_bits=40)
    run_block(Controller(Config(**config)), "sim.tb_controller", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), **env})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_controller(simulator):
    run(simulator, 64, elementwise=False)


@pytest.mark.parametrize("bus_bits", [32, 128, 256])
def test_bus_widths(bus_bits):
    run("icarus", bus_bits, elementwise=True, COCOTB_TEST_FILTER="programs$")
