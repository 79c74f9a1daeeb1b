"""The microcoded machine's array: random blocks of psums on several shapes."""

import json

import pytest

from hwgen.config import preset
from hwgen.rtl.microcoded.array import LockstepArray
from sim.runner import SIMULATORS, run_block


@pytest.mark.parametrize("rows, cols", [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_blocks(simulator, rows, cols):
    config = preset("up5k").replace(rows=rows, cols=cols, filter_spad=53, ifmap_spad=32)
    run_block(LockstepArray(config), "sim.tb_lockstep", simulator=simulator, env={
        "HWGEN_CONFIG": json.dumps(config.to_dict()), "HWGEN_COUNT": "6"})
