"""Controller: fetch, queues, semaphores, errors."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.controller import Controller
from sim.runner import SIMULATORS, each_test, run_block

CONFIG = Config(lanes=8, params_depth=2048, ifmap_spad=64, burst=16, addr_bits=40)


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_controller")
def test_order_of_commands_and_errors(case, simulator):
    run_block(Controller, case, simulator=simulator,
              config=CONFIG.replace(bus_bits=64, tables=False))


@pytest.mark.parametrize("bus_bits, burst", [(32, 16), (32, 8), (128, 16), (256, 16)])
@each_test("sim.tb_controller", "programs$")
def test_bus_widths(case, bus_bits, burst):
    """With 32 bits and bursts of 8 beats, a command takes two."""
    run_block(Controller, case, simulator="icarus",
              config=CONFIG.replace(bus_bits=bus_bits, burst=burst))
