"""``scripts/performance.py``: tables of a page and of README from the bench's JSON."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = "docs/measurements/performance.md"
NETWORKS = "alexnet", "vgg16", "resnet50", "mobilenet-v1"


def layer(name, cycles, predicted):
    return {"name": name, "count": 2, "macs": 84 * cycles, "cycles": cycles, "utilisation": 0.5,
            "predicted_cycles": predicted, "bound_cycles": cycles * 4 // 5, "mismatches": 0,
            "dram_read_bytes": 3000, "dram_write_bytes": 1000, "compulsory_bytes": 2000,
            "energy_per_mac": 6.5, "eyeriss": None,
            "stalls": {"start": 10, "busy": cycles - 10, "dram": 0}}


def write(folder, names):
    """Copies of the scripts and pages in ``folder``; runs the script with reports of ``names``."""
    for name in ("scripts/results.py", "scripts/performance.py", PAGE, "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "bench.json").write_text(json.dumps([
        {"network": name, "layers": [layer("CONV1", 1_000_000, 990_000),
                                     layer("CONV2", 500_000, 530_000)]} for name in names]))
    return subprocess.run([sys.executable, folder / "scripts/performance.py",
                           folder / "bench.json"], text=True, capture_output=True)


def test_tables(tmp_path):
    done = write(tmp_path, NETWORKS)
    assert done.returncode == 0, done.stderr
    page, readme = (tmp_path / name for name in (PAGE, "README.md"))
    row = "| AlexNet | 3 000 000 | 50.0 % | 80.0 % | 3 040 000 (+1.33 %) | 0.02 | 2.00 | 0 | - |"
    assert row in page.read_text()
    assert "| AlexNet | 3 000 000 | 50.0 % | +1.33 % | 0 | - |" in readme.read_text()
    text = page.read_text()
    assert "* VGG-16: farthest from its prediction CONV2 (+6.00 %)" in text
    assert text.count("| CONV1 | 2 | 84.0 | 1 000 000 | 50.0 % | 80.0 % | 990 000 |") == 4
    assert text.count("Cycles by cause: start 40, busy 2 999 960.") == 4


def test_a_missing_network_is_named(tmp_path):
    done = write(tmp_path, NETWORKS[:3])
    assert done.returncode and "missing: mobilenet-v1" in done.stderr
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
