"""The microcoded machine's stream: runs of words, alignments, errors, halt, with stalls."""

import pytest

from hwgen.config import preset
from hwgen.rtl.microcoded.stream import Stream
from sim.runner import SIMULATORS, each_test, run_block


@pytest.mark.parametrize("burst", (8, 32))
@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_stream")
def test_runs_of_words_and_errors(case, simulator, burst):
    run_block(Stream, case, simulator=simulator, config=preset("up5k").replace(
        rows=2, cols=3, burst=burst))
