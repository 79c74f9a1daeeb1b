"""Controller: fetch, queues, semaphores, errors."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.controller import Controller
from sim.runner import SIMULATORS, run_block


def run(simulator, bus_bits, tables, burst=16, **env):
    config = dict(bus_bits=bus_bits, lanes=8, params_depth=2048, tables=tables,
                  ifmap_spad=64, burst=burst, addr_bits=40)
    run_block(Controller(Config(**config)), "sim.tb_controller", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), **env})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_controller(simulator):
    run(simulator, 64, tables=False)


@pytest.mark.parametrize("bus_bits, burst", [(32, 16), (32, 8), (128, 16), (256, 16)])
def test_bus_widths(bus_bits, burst):
    """With 32 bits and bursts of 8 beats, a command takes two."""
    run("icarus", bus_bits, tables=True, burst=burst, COCOTB_TEST_FILTER="programs$")
