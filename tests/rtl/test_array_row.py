"""One array row alone, which is then the whole array."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.array.array_row import ArrayRow
from sim.runner import SIMULATORS, each_test, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_array_row")
def test_psums_of_random_commands(case, simulator):
    run_block(ArrayRow, case, simulator=simulator, commands=3,
              config=Config(rows=1, cols=4, glb_kib=32, lanes=2))
