"""Synthesis without a device: every cell has its block, every flip-flop is counted."""

import pytest

from hwgen.config import resolve
from hwgen.emit.verilog import generate
from hwgen.synth.flow import synthesise
from hwgen.synth.targets import TARGETS


@pytest.mark.parametrize("name", ["gates", "xc7"])
def test_every_cell_has_a_block(name):
    config = resolve(preset_name="up5k", pe="1x1")
    result = synthesise(config, generate(config), TARGETS[name])
    assert result.total["ff"] > 4000
    assert result.by_block["wiring"]["logic_cells"] < 0.01 * result.total["logic_cells"]
    assert all(memory["block"] != "wiring" for memory in result.memories)
