"""The microcoded machine's array: random blocks of psums on several shapes."""

import pytest

from hwgen.config import preset
from hwgen.rtl.microcoded.array import LockstepArray
from sim.runner import SIMULATORS, each_test, run_block


@pytest.mark.parametrize("rows, cols", [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_lockstep")
def test_psums_of_random_passes(case, simulator, rows, cols):
    config = preset("up5k").replace(rows=rows, cols=cols, filter_spad=53, ifmap_spad=32)
    run_block(LockstepArray, case, simulator=simulator, config=config, count=6)
