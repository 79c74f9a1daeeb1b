"""The synthesised netlist of a small array in simulation: the same bits and cycles as the RTL."""

from pathlib import Path

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.emit.verilog import generate
from hwgen.model import golden, onnx_import
from hwgen.runtime import verilated
from hwgen.runtime.driver import Driver
from hwgen.runtime.fuzz import random_case
from hwgen.runtime.session import execute
from hwgen.runtime.verilated import VerilatedBus
from hwgen.synth.flow import synthesise
from hwgen.synth.targets import TARGETS

pytest.importorskip("pyosys")

_CONFIG = Config(name="netlist", rows=2, cols=1, glb_kib=8, lanes=1, bus_bits=32, xbus_bytes=1,
                 ifmap_spad=16, params_depth=64, burst=8, elementwise=False)
_CELLS = Path(__file__).with_name("ecp5_cells.v")
_MACS = 4000


@pytest.fixture(scope="module")
def designs():
    """Simulators of the RTL and of the netlist, and the result of the synthesis."""
    verilog = generate(_CONFIG)
    result = synthesise(_CONFIG, verilog, TARGETS["ecp5-25f"], keep=True)
    netlist = result.files["netlist.v"].decode() + _CELLS.read_text()
    return verilated.build(verilog), verilated.build(netlist), result


def _case(kind):
    """The first random layer of a kind."""
    return next(case for case in (random_case(seed, _MACS) for seed in range(100, 400))
                if case.text.startswith("conv" if kind == "maxpool" else kind)
                and ("maxpool" in case.text) == (kind == "maxpool"))


@pytest.mark.parametrize("kind", ("conv", "depthwise", "maxpool"))
def test_layer(designs, kind):
    case = _case(kind)
    network = onnx_import.load(case.model)
    expected = golden.run(network, case.inputs)
    program = compile_network(network, _CONFIG)
    cycles = []
    for library in designs[:2]:
        with VerilatedBus(library, program.memory_bytes, dram=case.dram) as bus:
            layers = list(execute(network, program, Driver(bus, _CONFIG), case.inputs))
        for layer in layers:
            np.testing.assert_array_equal(layer.value, expected[layer.tensor], case.text)
        cycles.append([layer.cycles for layer in layers])
    assert cycles[0] == cycles[1], case.text


def test_memories(designs):
    result = designs[2]
    found = {entry["memory"]: entry for entry in result.memories}
    filters = found["core.array.row.pe.filter_spad"]
    assert (filters["count"], filters["depth"], filters["width"]) == (2, 448, 8)
    assert filters["became"] == "1 DP16KD" and filters["block"] == "PEs"
    assert "TRELLIS_DPR16X4" in found["core.array.row.pe.ifmap_spad"]["became"]
    assert not result.warnings


def test_resources(designs):
    result = designs[2]
    assert result.by_block["PEs"]["dsp"] == 2
    assert result.total["dsp"] == sum(row["dsp"] for row in result.by_block.values())
    assert result.by_block["wiring"]["logic_cells"] < result.total["logic_cells"] / 50
    assert result.fits(TARGETS["ecp5-25f"])
