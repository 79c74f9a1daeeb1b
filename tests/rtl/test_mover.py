"""The microcoded machine's mover: copies, padding and drops at all alignments, with stalls."""

import pytest

from hwgen.rtl.microcoded.mover import Mover
from sim.runner import SIMULATORS, each_test, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_mover")
def test_bytes_at_all_alignments(case, simulator):
    run_block(Mover, case, simulator=simulator)
