"""Feed, filter distributor, array, psum controller and GLB together."""

import pytest

from hwgen.config import Config
from sim.datapath import Datapath
from sim.runner import SIMULATORS, each_test, run_block

SHAPES = {
    "2x14": dict(rows=2, cols=14),
    "3x4": dict(rows=3, cols=4, glb_kib=32, lanes=2),
    "1x1": dict(rows=1, cols=1, glb_kib=16, lanes=1, bus_bits=32, xbus_bytes=1),
    "5x3-wide": dict(rows=5, cols=3, glb_kib=64, lanes=8, params_depth=2048,
                     bus_bits=128, xbus_bytes=8, zero_gate=True),
    "4x6-256": dict(rows=4, cols=6, glb_kib=64, lanes=8, params_depth=2048,
                    bus_bits=256, ifmap_spad=128, burst=16),
}


# Icarus runs every shape; Verilator, whose models take long to compile, two unlike ones.
RUNS = [(shape, simulator) for shape in SHAPES for simulator in SIMULATORS
        if simulator == "icarus" or shape in ("3x4", "4x6-256")]


@pytest.mark.parametrize("shape, simulator", RUNS)
@each_test("sim.tb_datapath")
def test_psums_of_random_commands(case, shape, simulator):
    run_block(Datapath, case, simulator=simulator, config=Config(**SHAPES[shape]), commands=3)
