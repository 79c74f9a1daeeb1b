"""The bench command: tables, JSON and refusals; a small layer on the RTL in the top's tests."""

import json
import re

import numpy as np
import pytest

from hwgen.cli import main
from hwgen.config import Config
from hwgen.host.layer_bench import bench_layer, layer_network, totals
from hwgen.network import golden
from hwgen.network.shapes import NETWORKS, LayerShape


def test_model_only(tmp_path, capsys):
    path = tmp_path / "out.json"
    assert main(["bench", "alexnet", "--model-only", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert report["network"] == "alexnet" and report["pe"] == "12x14"
    assert [layer["name"] for layer in report["layers"]] == [f"CONV{i}" for i in range(1, 6)]
    assert report["total"]["macs"] == sum(layer["macs"] for layer in report["layers"])
    assert report["total"]["cycles"] >= report["total"]["bound_cycles"]
    assert report["total"]["bound_cycles"] >= report["total"]["macs"] / 168
    assert report["total"]["eyeriss_cycles"] == 5_175_000
    assert report["layers"][2]["eyeriss"]["active_pes"] == 156
    out = capsys.readouterr().out
    assert "predicted" in out and "what the array did" not in out


def test_dram_bandwidth_bounds_the_cycles(tmp_path):
    path = tmp_path / "out.json"
    assert main(["bench", "alexnet", "--layers", "FC8", "--model-only", "--dram-bytes-per-cycle",
                 "2.4", "--json", str(path)]) == 0
    layer, = json.loads(path.read_text())["layers"]
    assert 4_096_000 / 2.4 < layer["predicted_cycles"] < 1.1 * 4_096_000 / 2.4


def test_totals_count_layers_as_often_as_they_occur():
    config = Config(rows=2, cols=2)
    shapes = [LayerShape("A", 2, 6, 6, 4, 3, 3, count=3), LayerShape("B", 2, 6, 6, 2, 1, 1)]
    results = [bench_layer("net", shape, config, None, sparsity=0.4, seed=1) for shape in shapes]
    total = totals(results)
    assert total["macs"] == 3 * 4 * 2 * 9 * 16 + 2 * 2 * 36
    assert total["cycles"] == 3 * results[0].cycles + results[1].cycles
    assert total["causes"] is None and total["eyeriss_cycles"] is None


@pytest.mark.parametrize("arguments, message", [
    (["resnet51"], "network 'resnet51' is unknown: choose among"),
    (["alexnet", "--layers", "POOL*"], "--layers 'POOL\\*' matches no layer of alexnet"),
    (["alexnet", "--pe", "0x4"], "rows = 0 is out of range"),
    (["vgg16", "--mapping", "eyeriss"], "--mapping eyeriss: the published mappings are those of"),
    (["alexnet", "--mapping", "none.toml"], "cannot read the mapping none.toml"),
    (["alexnet", "--model-only", "--json", "/nowhere/x.json"],
     "--json /nowhere/x.json cannot be written"),
])
def test_refusals(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error)


@pytest.mark.parametrize("network, names", [
    ("kws-ds-cnn", ["CONV1", "DW", "PW"]),
    ("ad-autoencoder", ["FC1", "FC2", "FC5", "FC6", "FC7", "FC10"])])
def test_layers_that_are_chosen(network, names, tmp_path):
    """Convolutions; of a network without any, all."""
    path = tmp_path / "out.json"
    assert main(["bench", network, "--pe", "4x6", "--model-only", "--json", str(path)]) == 0
    assert [layer["name"] for layer in json.loads(path.read_text())["layers"]] == names


def test_given_mappings(tmp_path):
    """Eyeriss's mapping, and a field given after it."""
    change, path = tmp_path / "change.toml", tmp_path / "out.json"
    change.write_text("[CONV3]\np = 8\n")
    assert main(["bench", "alexnet", "--model-only", "--mapping", "eyeriss", "--mapping",
                 str(change), "--layers", "CONV[23]", "--json", str(path)]) == 0
    second, third = (layer["mapping"] for layer in json.loads(path.read_text())["layers"])
    assert second.startswith("q=2 p=16 e=14 t=1 ") and third.startswith("q=4 p=8 e=13 t=1 ")


def test_layers_are_busy_and_varied():
    """The random data neither saturate nor vanish: a wrong value shows."""
    for name in ("CONV3", "FC8"):
        shape = next(s for s in NETWORKS["alexnet"] if s.name == name)
        network, inputs = layer_network(shape, 0.4, np.random.default_rng(1))
        y = golden.run(network, inputs)["y"]
        assert len(np.unique(y)) > 100
        assert np.mean((y == 0) | (y == 255)) < 0.2
