"""The bench command: tables, JSON and refusals; a small layer on the RTL in the top's tests."""

import json
import re

import numpy as np
import pytest

from hwgen.cli import main
from hwgen.model import golden
from hwgen.model.networks import NETWORKS
from hwgen.runtime.bench import layer_network


def test_model_only(tmp_path, capsys):
    path = tmp_path / "out.json"
    assert main(["bench", "alexnet", "--model-only", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert report["network"] == "alexnet" and report["pe"] == "12x14"
    assert [layer["name"] for layer in report["layers"]] == [f"CONV{i}" for i in range(1, 6)]
    assert report["total"]["macs"] == sum(layer["macs"] for layer in report["layers"])
    assert report["total"]["cycles"] >= report["total"]["macs"] / 168
    assert "predicted" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (["resnet51"], "network 'resnet51' is unknown: choose among"),
    (["alexnet", "--layers", "POOL*"], "--layers 'POOL\\*' matches no layer of alexnet"),
    (["alexnet", "--pe", "0x4"], "rows = 0 is out of range"),
    (["alexnet", "--model-only", "--json", "/nowhere/x.json"], "--json /nowhere/x.json cannot be written"),
])
def test_refusals(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error)


def test_layers_are_busy_and_varied():
    """The random data neither saturate nor vanish: a wrong value shows."""
    for name in ("CONV3", "FC8"):
        shape = next(s for s in NETWORKS["alexnet"] if s.name == name)
        network, inputs = layer_network(shape, 0.4, np.random.default_rng(1))
        y = golden.run(network, inputs)["y"]
        assert len(np.unique(y)) > 100
        assert np.mean((y == 0) | (y == 255)) < 0.2
