"""The drain against a NumPy model of STORE, for several widths of its words."""

import pytest

from hwgen.config import Config
from hwgen.rtl.parallel.store.drain import Drain
from sim.runner import each_test, run_block

CONFIGS = {
    "lanes-1": dict(cols=3, rows=2, lanes=1, bus_bits=32, xbus_bytes=1, params_depth=32,
                    tables=False, functions=0, glb_kib=8),
    "lanes-1-tables": dict(cols=3, rows=2, lanes=1, bus_bits=32, xbus_bytes=1, params_depth=512,
                           functions=8, glb_kib=12),
    "lanes-2-tables": dict(cols=7, rows=2, lanes=2, bus_bits=32, params_depth=1024, glb_kib=40),
    "lanes-4-tables": dict(cols=14, rows=2, lanes=4, bus_bits=64, params_depth=2048,
                           functions=1, glb_kib=80),
    "lanes-8-tables": dict(cols=14, rows=2, lanes=8, bus_bits=64, params_depth=1024,
                           functions=0, glb_kib=80),
    "lanes-8-functions": dict(cols=14, rows=2, lanes=8, bus_bits=64, params_depth=1024, glb_kib=80),
    "lanes-8": dict(cols=4, rows=2, lanes=8, bus_bits=256, params_depth=256, tables=False,
                    functions=4, glb_kib=64),
}


@pytest.mark.parametrize("simulator,name", [
    *(("icarus", name) for name in CONFIGS), ("verilator", "lanes-2-tables"),
    ("verilator", "lanes-8-functions")])
@each_test("sim.tb_drain")
def test_outputs_of_every_store_mode(case, simulator, name):
    run_block(Drain, case, simulator=simulator, config=Config(**CONFIGS[name]),
              commands={"icarus": 16, "verilator": 100}[simulator])
