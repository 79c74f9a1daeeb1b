"""The PE: random taps over spad sizes and X-bus widths, with and without zero gating."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.array.pe import PE
from sim.runner import SIMULATORS, run_block

CONFIGS = {
    "eyeriss": dict(),
    "small-xbus1": dict(rows=2, cols=3, filter_spad=11, ifmap_spad=16, lanes=1, bus_bits=32,
                        xbus_bytes=1),
}


def run(simulator, name, zero_gate):
    config = CONFIGS[name] | {"zero_gate": zero_gate}
    run_block(PE(Config(**config)), "sim.tb_pe", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), "TB_COUNT": "1000"})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_pe(simulator):
    run(simulator, "eyeriss", True)


@pytest.mark.parametrize("name, zero_gate", (("eyeriss", False), ("small-xbus1", False),
                                             ("small-xbus1", True)))
def test_pe_more(name, zero_gate):
    run("icarus", name, zero_gate)
