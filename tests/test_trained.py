"""The trained networks of examples/trained on the RTL. Needs PyTorch and pip's index."""

import subprocess
import sys
from pathlib import Path

import pytest

from hwgen.cli import main

MAKE = Path(__file__).parents[1] / "examples" / "trained" / "make.py"
NETWORKS = "open-nsfw", "efficientnet-lite0"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that the script wrote, and what it said."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("trained")
    result = subprocess.run([sys.executable, MAKE, "--out", folder], check=True, text=True,
                            stdout=subprocess.PIPE)
    return folder, result.stdout


def test_quantised_networks_still_see(made):
    folder, said = made
    assert {path.name for path in folder.iterdir()} == {
        f"{name}{end}" for name in NETWORKS for end in (".onnx", ".npy")}
    lines = [line.split(": ") for line in said.splitlines() if ": " in line]
    classes = {what: [int(part.split()[2]) for part in found.split(", ")] for what, found in lines}
    for what, label in ("coffee", 967), ("cat", 285), ("rocket", 657):    # espresso, a cat, missile
        assert classes[f"efficientnet-lite0, {what}"] == [label, label]
        assert classes[f"open-nsfw, {what}"] == [0, 0]


@pytest.mark.parametrize("sim", ["golden", "verilator"])
@pytest.mark.parametrize("name", NETWORKS)
def test_run(made, name, sim):
    folder, _ = made
    assert main(["run", str(folder / f"{name}.onnx"), "--input", str(folder / f"{name}.npy"),
                 "--sim", sim]) == 0
