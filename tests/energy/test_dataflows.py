"""Dataflows: held to the published ratios, to what fits, and to counts by hand."""

import json

import pytest

from hwgen.cli import main
from hwgen.energy import dataflows, table
from hwgen.energy.dataflows import DATAFLOWS, PUBLISHED, Layer, best, storage
from hwgen.network.shapes import NETWORKS

LAYERS = [Layer.of(shape, 16) for shape in NETWORKS["alexnet"] if not shape.fc]


@pytest.fixture(scope="module")
def compared():
    return dataflows.comparison(LAYERS, 256, table())


def test_alexnet_comes_to_the_published_ratios(compared):
    """Figures 33 and 34 of the survey: within 15 %, and row stationary at 5.9 to 6.2 MACs a MAC."""
    total = {name: sum(dataflows.per_mac(results).values()) for name, results in compared.items()}
    assert 5.9 <= total["RS"] <= 6.2
    for name, published in PUBLISHED["conv"].items():
        assert total[name] / total["RS"] == pytest.approx(published, rel=0.15), name
    levels = {}
    for (level, _), energy in dataflows.per_mac(compared["RS"]).items():
        levels[level] = levels.get(level, 0) + energy
    assert levels["mac"] == pytest.approx(1) and levels["spad"] == pytest.approx(4)


def test_storage_has_the_same_area():
    areas = []
    for flow in DATAFLOWS.values():
        registers, buffer = storage(flow, LAYERS, 256)
        areas.append(256 * registers * 1.6 + buffer)
    assert max(areas) - min(areas) < 1                          # rounded to bytes
    assert storage(DATAFLOWS["RS"], LAYERS, 256) == (512, 128 * 1024)
    assert storage(DATAFLOWS["NLR"], LAYERS, 256)[1] == pytest.approx(2.6 * 128 * 1024, abs=1)


def test_mappings_fit_and_move_what_they_must(compared):
    for name, results in compared.items():
        flow = DATAFLOWS[name]
        buffer = storage(flow, LAYERS, 256)[1]
        for result in results:
            layer, g = result.layer, result.mapping
            assert result.considered > 0
            pes = {"RS": lambda g, layer: layer.r * g["across"] * g["r_sets"] * g["t"],
                   "WS": lambda g, layer: g["m0"] * g["c0"] * layer.r * layer.s,
                   "NLR": lambda g, layer: g["m0"] * g["c0"]}.get(
                       name, lambda g, layer: g["m0"] * g["x"])(g, layer)
            assert pes <= 256, (name, layer.name)
            # Every ifmap value and weight once at least, every output once.
            price = table().prices["dram"][0]
            assert result.split["dram", "ifmap"] >= price * layer.n * layer.c * layer.h * layer.w
            assert result.split["dram", "filter"] >= price * layer.m * layer.c * layer.r * layer.s
            assert result.split["dram", "psum"] >= price * layer.n * layer.m * layer.e * layer.f
            assert result.split["mac", "mac"] == layer.macs
            if name == "RS":
                assert g["p"] * g["q"] * layer.s + g["q"] * layer.s + g["p"] <= 256
            held = g["n"] * g["c"] * ((g["rows"] - 1) * layer.u + layer.r) * layer.w
            if name in ("OSA", "OSB", "OSC"):
                held += g["m"] * g["c"] * layer.r * layer.s
                assert 2 * held <= buffer and g["c"] == layer.c


def test_no_local_reuse_by_hand():
    """One image, one filter, one channel, 1x1: nothing is used twice, so each MAC reads its weight,
    its ifmap value and nothing else, and each output is complete at once."""
    layer = Layer("point", 1, 1, 1, 4, 4, 1, 1, 1)
    found = best(DATAFLOWS["NLR"], layer, 4, 4096, table())
    assert found.split == {
        ("mac", "mac"): 16, ("dram", "ifmap"): 200 * 16, ("dram", "filter"): 200,
        ("dram", "psum"): 200 * 16, ("noc", "ifmap"): 0, ("noc", "psum"): 0,
        ("glb", "filter"): 6 * 16, ("glb", "ifmap"): 6 * 16, ("glb", "psum"): 0}


def test_weight_stationary_by_hand():
    """Two filters of two channels on four PEs, 1x1, all at once: an ifmap value goes to both
    filters' PEs, a psum through both channels', a weight stays for all 16 pixels."""
    layer = Layer("point", 1, 2, 2, 4, 4, 1, 1, 1)
    found = best(DATAFLOWS["WS"], layer, 4, 4096, table())
    assert (found.mapping["m0"], found.mapping["c0"]) == (2, 2)
    macs = 2 * 2 * 16
    assert found.split["spad", "filter"] == macs
    assert found.split["noc", "ifmap"] == found.split["noc", "psum"] == 2 * macs
    assert found.split["glb", "ifmap"] == 6 * macs / 2
    assert found.split["glb", "filter"] == 6 * 4
    assert found.split["glb", "psum"] == 0


def test_command(tmp_path, capsys):
    out = tmp_path / "d.json"
    assert main(["dataflows", "lenet5", "--pe", "8x8", "--batch", "4", "--energy",
                 "accelergy-eyeriss", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert "RF B" in text and "row stationary" in text
    found = json.loads(out.read_text())
    assert (found["table"], found["unit"], found["batch"]) == ("accelergy-eyeriss", "pJ", 4)
    names = [*DATAFLOWS, "hwgen"]
    for part in ("conv", "fc"):
        assert [row["dataflow"] for row in found[part]] == names
        for row in found[part]:
            assert row["published"] is None
            assert sum(row["by_level"].values()) == pytest.approx(row["per_mac"])
            assert sum(row["by_kind"].values()) == pytest.approx(row["per_mac"])


@pytest.mark.parametrize("arguments, message", [
    (["alexnot"], "network 'alexnot' is unknown: choose among"),
    (["alexnet", "--pe", "0x4"], "rows = 0 is out of range"),
    (["vgg16", "--batch", "256", "--pe", "4x4"], "does not fit the buffer of"),
])
def test_refusals(arguments, message, tmp_path, capsys):
    out = tmp_path / "d.json"
    assert main(["dataflows", *arguments, "--json", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error and not out.exists()
