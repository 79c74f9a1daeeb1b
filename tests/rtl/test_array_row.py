"""One array row alone."""

import dataclasses
import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.array.array_row import ArrayRow
from sim.runner import SIMULATORS, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_commands(simulator):
    config = Config(rows=1, cols=4, glb_kib=32, lanes=2)
    run_block(ArrayRow(config), "sim.tb_array_row", simulator=simulator, env={
        "HWGEN_CONFIG": json.dumps(dataclasses.asdict(config)), "HWGEN_COMMANDS": "3"})
