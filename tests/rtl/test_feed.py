"""The feed alone."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.feed.feed import Feed
from sim.runner import SIMULATORS, each_test, run_block


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_feed")
def test_messages_of_random_commands(case, simulator):
    run_block(Feed, case, simulator=simulator, commands=8,
              config=Config(rows=3, cols=4, glb_kib=32, lanes=2))
