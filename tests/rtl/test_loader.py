"""The loader: random LOAD and PARAMS commands over bus widths, banks and subwords."""

import json

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.load.loader import loader
from sim.runner import SIMULATORS, run_block

CONFIGS = {
    "bus64-lanes4-cols14": dict(),
    "bus32-lanes1-cols3": dict(bus_bits=32, lanes=1, cols=3, xbus_bytes=1),
    "bus64-lanes2-cols1": dict(bus_bits=64, lanes=2, cols=1, glb_kib=32),
    "bus32-lanes4-cols8": dict(bus_bits=32, lanes=4, cols=8, xbus_bytes=2),
    "bus128-lanes4-cols12": dict(bus_bits=128, lanes=4, cols=12),
    "bus256-lanes8-cols5": dict(bus_bits=256, lanes=8, params_depth=2048, cols=5),
}


def run(name, simulator, count):
    config = CONFIGS[name]
    run_block(loader(Config(**config)), "sim.tb_loader", simulator=simulator,
              env={"TB_CONFIG": json.dumps(config), "TB_COUNT": str(count)})


@pytest.mark.parametrize("name", list(CONFIGS)[1:])
def test_loader(name):
    run(name, "icarus", 15)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_loader_more(simulator):
    run("bus64-lanes4-cols14", simulator, 40)
