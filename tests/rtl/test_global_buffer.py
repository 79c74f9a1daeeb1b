"""The global buffer: accumulator, feed, drain and loader at once."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.glb.glb_bank import GlobalBuffer
from sim.runner import SIMULATORS, run_block

CONFIGS = {
    "bus64": dict(rows=2, cols=3, lanes=2, glb_kib=2, params_depth=32, tables=False),
    "bus32": dict(rows=2, cols=3, lanes=2, glb_kib=2, params_depth=32, tables=False,
                  bus_bits=32),
}


def run(simulator, name):
    config = CONFIGS[name]
    run_block(GlobalBuffer(Config(**config)), "sim.tb_global_buffer", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), "TB_COUNT": "2000"})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_global_buffer(simulator):
    run(simulator, "bus32")


def test_global_buffer_whole_words():
    """An ifmap word is a whole bank word."""
    run("icarus", "bus64")
