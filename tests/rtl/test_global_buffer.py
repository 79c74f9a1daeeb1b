"""The global buffer: accumulator, feed, drain and loader at once."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.glb.global_buffer import GlobalBuffer
from sim.runner import SIMULATORS, each_test, run_block

CONFIGS = {
    "bus64": dict(rows=2, cols=3, lanes=2, glb_kib=2, params_depth=32, tables=False),
    "bus32": dict(rows=2, cols=3, lanes=2, glb_kib=2, params_depth=32, tables=False,
                  bus_bits=32),
}


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_global_buffer")
def test_all_users_at_once(case, simulator):
    run_block(GlobalBuffer, case, simulator=simulator, config=Config(**CONFIGS["bus32"]),
              count=2000)


@each_test("sim.tb_global_buffer")
def test_ifmap_words_of_whole_bank_words(case):
    run_block(GlobalBuffer, case, simulator="icarus", config=Config(**CONFIGS["bus64"]),
              count=2000)
