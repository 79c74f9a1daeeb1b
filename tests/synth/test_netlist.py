"""The synthesised netlist of a small array in simulation: the same bits and cycles as the RTL."""

from pathlib import Path

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.host.driver import Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.network import golden
from hwgen.simulate import verilated
from hwgen.simulate.verilated import VerilatedBus
from hwgen.synth.flow import synthesise
from hwgen.synth.targets import TARGETS
from hwgen.verify.random_layers import random_case
from hwgen.verilog.accelerator import generate

pytest.importorskip("pyosys")

_CONFIG = Config(name="netlist", rows=2, cols=1, glb_kib=8, lanes=1, bus_bits=32, xbus_bytes=1,
                 ifmap_spad=16, params_depth=64, burst=8, tables=False, functions=0)
_MICROCODED = _CONFIG.replace(machine="microcoded", cols=2)
_MACS = 4000


@pytest.fixture(scope="module", params=(
    pytest.param((_CONFIG, "ecp5-25f"), marks=pytest.mark.long), (_MICROCODED, "up5k")),
                ids=lambda param: param[1])
def designs(request):
    """The configuration, simulators of the RTL and of the netlist, the result of the synthesis."""
    config, name = request.param
    verilog = generate(config)
    result = synthesise(config, verilog, TARGETS[name], keep=True)
    cells = Path(__file__).with_name(f"{TARGETS[name].family.name}_cells.v")
    netlist = result.files["netlist.v"].decode() + cells.read_text()
    return config, verilated.build(verilog), verilated.build(netlist), result


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
    config, *libraries, _ = designs
    program = compile_network(network, config)
    cycles = []
    for library in libraries:
        with VerilatedBus(library, program.memory_bytes, dram=case.dram) as bus:
            layers = list(execute(network, program, Driver(bus, config), case.inputs))
        for layer in layers:
            np.testing.assert_array_equal(layer.value, layer.expected(expected), case.text)
        cycles.append([layer.cycles for layer in layers])
    assert cycles[0] == cycles[1], case.text


def test_memories(designs):
    config, *_, result = designs
    found = {entry["memory"]: entry for entry in result.memories}
    microcoded = config.machine == "microcoded"
    filters = found[f"core.array{'' if microcoded else '.row'}.pe.filter_spad"]
    assert (filters["count"], filters["depth"], filters["width"]) == (
        config.rows * config.cols, 448, 8)
    assert filters["became"] == f"1 {'SB_RAM40_4K' if microcoded else 'DP16KD'}"
    assert filters["block"] == "PEs"
    if microcoded:
        assert found["core.glb.memory"]["became"] == "2 SB_SPRAM256KA"
    else:
        assert "TRELLIS_DPR16X4" in found["core.array.row.pe.ifmap_spad"]["became"]
    assert not result.warnings


def test_resources(designs):
    config, *_, result = designs
    assert result.by_block["PEs"]["dsp"] == config.rows * config.cols
    assert result.total["dsp"] == sum(row["dsp"] for row in result.by_block.values())
    assert result.by_block["wiring"]["logic_cells"] < result.total["logic_cells"] / 50
    assert result.fits(TARGETS["up5k" if config.machine == "microcoded" else "ecp5-25f"])
