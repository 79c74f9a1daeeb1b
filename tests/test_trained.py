"""The trained networks of examples/trained: quantised, and on the RTL. Needs PyTorch and pip's
index."""

import json
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
        f"{name}{end}" for name in NETWORKS
        for end in (".onnx", ".npy", "-float.onnx", "-samples.npy")}
    lines = [line.split(": ") for line in said.splitlines() if ": " in line]
    classes = {what: [int(part.split()[2]) for part in found.split(", ")] for what, found in lines}
    for what, label in ("coffee", 967), ("cat", 285), ("rocket", 657):    # espresso, a cat, missile
        assert classes[f"efficientnet-lite0, {what}"] == [label, label]
        assert classes[f"open-nsfw, {what}"] == [0, 0]


@pytest.mark.parametrize("name, sqnr, agreement", [("open-nsfw", 60, 1),
                                                   ("efficientnet-lite0", 17, 14 / 16)])
def test_quantise(made, tmp_path, name, sqnr, agreement):
    """The command makes the same file, and all multiply-accumulates run on the array."""
    folder, _ = made
    out, report = tmp_path / "q.onnx", tmp_path / "q.json"
    assert main(["quantise", str(folder / f"{name}-float.onnx"), "--calibrate",
                 str(folder / f"{name}-samples.npy"), "--out", str(out), "--json",
                 str(report)]) == 0
    assert out.read_bytes() == (folder / f"{name}.onnx").read_bytes()
    found = json.loads(report.read_text())
    (output,) = found["outputs"].values()
    assert found["placement"]["accelerator_share"] == 1 and found["samples"] == 16
    assert output["sqnr_db"] > sqnr and output["agreement"] >= agreement


@pytest.mark.parametrize("sim", ["golden", "verilator"])
@pytest.mark.parametrize("name", NETWORKS)
def test_run(made, name, sim):
    folder, _ = made
    assert main(["run", str(folder / f"{name}.onnx"), "--input", str(folder / f"{name}.npy"),
                 "--sim", sim]) == 0
