"""The feed alone."""

import dataclasses
import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.feed import Feed
from sim.runner import SIMULATORS, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_commands(simulator):
    config = Config(rows=3, cols=4, glb_kib=32, lanes=2)
    run_block(Feed(config), "sim.tb_feed", simulator=simulator, env={
        "HWGEN_CONFIG": json.dumps(dataclasses.asdict(config)), "HWGEN_COMMANDS": "8"})
