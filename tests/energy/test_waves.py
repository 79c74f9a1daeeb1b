"""Counts that no performance counter gives, or only together with others, beside the waves of the
RTL: what the enables of spads and banks do, and the handshakes between rows, cycle by cycle."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import hwgen
from hwgen.energy import of_segments
from hwgen.verify.random_layers import random_case

_FILE = Path(__file__).parents[2] / "examples" / "tutorial" / "waves.py"
_spec = importlib.util.spec_from_file_location("waves", _FILE)
waves = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(waves)

ROWS, COLS = 4, 4


@pytest.fixture(scope="module", params=[1, 6])
def run(request, tmp_path_factory):
    """A random layer on 4x4 PEs: what its commands tell, and its waves."""
    path = str(tmp_path_factory.mktemp("waves") / "layer.vcd")
    case = random_case(request.param, 8_000)
    compiled = hwgen.compile(hwgen.load(case.model), hwgen.configuration(f"{ROWS}x{COLS}"))
    assert hwgen.run(compiled, case.inputs, waves=path).mismatches == 0
    names = [f"core.array.row_{r}.{signal}" for r in range(ROWS)
             for signal in ("taken", "busy", "macs")]
    names += [f"core.array.row_{r}.pe_{c}.{signal}" for r in range(ROWS) for c in range(COLS)
              for signal in ("ifmap_we", "filter_we", "valid")]
    names += [f"core.glb.bank_{c}.{signal}" for c in range(COLS)
              for signal in ("feed_read", "drain_read", "write")]
    found = waves.signals(path, *names)
    items = of_segments(compiled.program, compiled.program.segments).items
    return compiled.config, items, {name: found[name].astype(int) for name in names}


def total(wave, pattern):
    """Cycles in which signals are high, of all PEs or banks together."""
    return sum(int(values.sum()) for name, values in wave.items() if name.endswith(pattern))


def test_spads(run):
    _, items, wave = run
    assert total(wave, ".filter_we") == items["filter_spad_writes"]
    assert total(wave, ".ifmap_we") == items["ifmap_spad_writes"]


def test_x_buses(run):
    """A chunk on an X-bus is written by one PE at least, in the same cycle by all that want it."""
    config, items, wave = run
    chunks = sum(int(np.any([wave[f"core.array.row_{r}.pe_{c}.ifmap_we"] for c in range(COLS)],
                            axis=0).sum()) for r in range(ROWS))
    assert chunks == items["xbus_words"] * config.bus_bytes // config.xbus_bytes


def test_psums_move_once_for_each_column_that_computes(run):
    _, items, wave = run
    columns = {int(n) for r in range(ROWS) for n in wave[f"core.array.row_{r}.macs"] if n}
    assert len(columns) == 1                # all blocks of these layers have as many
    assert total(wave, ".taken") * columns.pop() == items["psum_moves"]


def test_banks(run):
    _, items, wave = run
    assert total(wave, ".feed_read") == items["glb_ifmap_reads"]
    assert total(wave, ".write") == items["glb_ifmap_writes"]
    assert 0 < total(wave, ".drain_read") <= items["glb_psum_reads"]
