"""``scripts/synthesis.py``: the tables of a page and README from ``hwgen synth --json``."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from hwgen.synth.resources import WRAPPER

ROOT = Path(__file__).parents[1]
PAGE = "docs/measurements/synthesis.md"
BLOCKS = {"PEs": 9000, "GLB": 1500, WRAPPER: 70}

PAGE = "docs/measurements/synthesis.md"


def report(fmax, capacity):
    routed = fmax is not None
    return {"pe": "4x5", "logic_cells": 10_500, "ff": 9_000, "bram": 30, "dsp": 20, "fits": True,
            "fmax_mhz": fmax, "clock_mhz": 65.0, "gmacs_peak": 1.2, "gmacs_sustained": 1.1,
            "capacity": capacity and dict.fromkeys(("logic_cells", "ff", "bram", "dsp"), 20_000),
            "routed": {"logic_cells": 10_000} if routed else {}, "seconds": 120.0,
            "by_block": {block: {"logic_cells": cells} for block, cells in BLOCKS.items()},
            "critical_path": [{"block": "GLB", "path": "core.glb", "signals": ["a", "b"],
                               "logic_ns": 4.0, "routing_ns": 8.5}] if routed else [],
            "tools": ["a yosys 1"]}


def write(folder, reports):
    """Copies of the scripts and pages in ``folder``; runs the script with reports by name."""
    for name in ("scripts/results.py", "scripts/synthesis.py", PAGE, "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "runs").mkdir()
    for name, found in reports.items():
        (folder / "runs" / f"{name}.json").write_text(json.dumps(found))
    return subprocess.run([sys.executable, folder / "scripts/synthesis.py", folder / "runs"],
                          text=True, capture_output=True, env={"PYTHONPATH": str(ROOT)})


def test_tables(tmp_path):
    done = write(tmp_path, {"ecp5-25f": report(80.0, True), "gates": report(None, False)})
    assert done.returncode == 0, done.stderr
    page, readme = ((tmp_path / name).read_text() for name in (PAGE, "README.md"))
    for row in ("| `--target ecp5-25f` | 4x5 | 10 500 (52.5 %) | 9 000 (45.0 %) | 30 (0.1 %) | "
                "20 (0.1 %) | 80.0 MHz (65) | 1.20, 1.10 | 2.00 | 2 min |",
                "| `--target gates` | 4x5 | 10 500 | 9 000 | 30 | 20 | - | - | - | 2 min |"):
        assert row in page
    assert "| `ecp5-25f` | 4x5 | 10 500 (52.5 %) | 80.0 MHz | 1.20 |" in readme
    assert "`gates`" not in readme          # it has no clock
    assert "| logic cells | `ecp5-25f` | `gates` |" in page
    assert "| GLB | 1 500 | 1 500 |\n<!-- end -->" in page
    assert ("* `ecp5-25f`, 12.5 ns: GLB (`core.glb`: `a`, `b`), 4.0 ns of logic and 8.5 of "
            "routing.") in page


def test_no_reports(tmp_path):
    done = write(tmp_path, {})
    assert done.returncode == 1 and "holds none of ecp5-85f" in done.stderr
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
