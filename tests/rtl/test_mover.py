"""The microcoded machine's mover: copies, padding and drops at all alignments, with stalls."""

import pytest

from hwgen.rtl.microcoded.mover import Mover
from sim.runner import SIMULATORS, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_moves(simulator):
    run_block(Mover(), "sim.tb_mover", simulator=simulator)
