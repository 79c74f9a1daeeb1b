"""The microcoded machine's stream: runs of words, alignments, errors, halt, with stalls."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.microcoded.stream import Stream
from sim.runner import SIMULATORS, run_block


@pytest.mark.parametrize("burst", (8, 32))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_stream(simulator, burst):
    config = dict(machine="microcoded", rows=2, cols=3, glb_kib=64, lanes=1, bus_bits=32,
                  xbus_bytes=1,
                  tables=False, burst=burst)
    run_block(Stream(Config(**config)), "sim.tb_stream", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config)})
