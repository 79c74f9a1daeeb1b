"""``scripts/results.py``: the tables of docs/measurements/results.md from the JSON of runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = "docs/measurements/results.md"


def report(cycles, digest="0x1"):
    def layer(name, op, where, cycles, predicted, macs):
        return {"name": name, "op": op, "where": where, "cycles": cycles, "macs": macs,
                "predicted_cycles": predicted, "dram_read_bytes": 2_000_000,
                "dram_write_bytes": 500_000}
    return {"config": "eyeriss", "config_hash": digest, "sim": "verilator", "pe": "2x5",
            "cycles": cycles, "layers": [
                layer("quantise", "QuantizeLinear", "host", 0, 0, 0),
                layer("conv1", "conv 3x3 + maxpool 2x2", "array", cycles // 2, cycles // 2,
                      4 * cycles),
                layer("add", "add", "vector", cycles // 2, cycles * 2 // 5, 0)],
            "totals": {"macs": 4 * cycles, "host_macs": 0, "mismatches": 0,
                       "accelerator_share": 1.0, "seconds": 2.0}}


@pytest.fixture
def copy(tmp_path):
    """The script and its page in a folder of their own, and a folder for runs."""
    for name in ("scripts/results.py", PAGE):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "runs").mkdir()
    return tmp_path


def write(copy):
    return subprocess.run([sys.executable, copy / "scripts/results.py", copy / "runs"], text=True,
                          stderr=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)})


def test_the_tables(copy):
    for name, cycles in ("vgg16", 2_000_000), ("lenet5", 20_000), ("of-mine", 400_000):
        (copy / "runs" / f"{name}.json").write_text(json.dumps(report(cycles)))
    assert write(copy).returncode == 0
    page = (copy / PAGE).read_text()
    assert "| `lenet5` | 80 k | 2 | 20 000 | 18 000 (-10.0 %) | 40.0 % | 4.000 | 1.000 | 0 | " \
           "100 % |\n| `vgg16` | 8 M | 2 | 2 000 000 |" in page
    assert "| `vgg16` | 50 %, 80 % | - | - | 50 % |\n| `of-mine` |" in page
    assert "* `vgg16`: `add` (add) 1 000 000.\n" in page
    assert "* `vgg16`, 1 of 2 layers, 50 % of its cycles: `add` -20.\n" in page
    assert "| `vgg16` | 2.0 s | 1 000 000 |" in page
    assert "configuration `eyeriss` (hash 0x1), 2x5 PEs.\nOf the zoo, not run for this table: " \
           "`alexnet`, " in page
    assert write(copy).returncode == 0 and (copy / PAGE).read_text() == page


def test_runs_of_different_accelerators_are_not_mixed(copy):
    before = (copy / PAGE).read_text()
    for name, digest in ("vgg16", "0x1"), ("lenet5", "0x2"):
        (copy / "runs" / f"{name}.json").write_text(json.dumps(report(20_000, digest)))
    done = write(copy)
    assert done.returncode == 1 and "all of one configuration" in done.stderr
    assert (copy / PAGE).read_text() == before
