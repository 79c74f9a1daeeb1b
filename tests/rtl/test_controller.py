"""Controller: fetch, queues, semaphores, errors."""

import pytest

from hwgen.config import Config
from hwgen.rtl.controller import Controller
from sim.runner import SIMULATORS, run_block


def run(simulator, bus_bits, **env):
    config = Config(bus_bits=bus_bits, lanes=8, params_depth=2048, ifmap_spad=64, burst=16,
                    addr_bits=40)
    run_block(Controller(config), "sim.tb_controller", simulator=simulator,
              env={"CONTROLLER_BUS_BITS": str(bus_bits), **env})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_controller(simulator):
    run(simulator, 64)


@pytest.mark.parametrize("bus_bits", [32, 128, 256])
def test_bus_widths(bus_bits):
    run("icarus", bus_bits, COCOTB_TEST_FILTER="programs$")
