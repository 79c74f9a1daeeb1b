"""Synthesis without a device: every cell has its block, every flip-flop is counted."""

import pytest

from hwgen.config import resolve
from hwgen.synth.flow import synthesise
from hwgen.synth.targets import TARGETS
from hwgen.verilog.accelerator import generate


@pytest.mark.parametrize("name, machine, registers", [
    pytest.param("gates", "parallel", 4000, marks=pytest.mark.long),
    pytest.param("xc7", "parallel", 4000, marks=pytest.mark.long), ("gates", "microcoded", 1000)])
def test_every_cell_has_a_block(name, machine, registers):
    config = resolve(preset_name="up5k", pe="1x1", settings=(
        "glb_kib=4", "params_depth=64", f"machine={machine}"))
    result = synthesise(config, generate(config), TARGETS[name])
    assert result.total["ff"] > registers
    assert result.by_block["wiring"]["logic_cells"] < 0.01 * result.total["logic_cells"]
    assert all(memory["block"] != "wiring" for memory in result.memories)
