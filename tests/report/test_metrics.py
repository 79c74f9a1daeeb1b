"""``hwgen metrics``: the survey's table V for what was run."""

import json

import pytest

from hwgen.cli import main
from hwgen.energy.accelergy import ACTIONS
from hwgen.energy.items import ITEMS


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("metrics") / "run.json"
    assert main(["bench", "alexnet", "--layers", "CONV5", "--preset", "ecp5-25f", "--model-only",
                 "--json", str(path)]) == 0
    return path


def test_metrics_follow_from_the_result(result, tmp_path, capsys):
    out = tmp_path / "m.json"
    assert main(["metrics", str(result), "--target", "ecp5-25f", "--json", str(out)]) == 0
    assert "utilisation of the multipliers" in capsys.readouterr().out
    one, = json.loads(out.read_text())
    rows = {row["metric"]: row["value"] for row in one["metrics"]}
    assert all(row["how"] for row in one["metrics"])
    layer, = json.loads(result.read_text())["layers"]
    assert rows["MACs an image"] == layer["macs"] and rows["multipliers"] == 24
    assert rows["cycles"] == layer["predicted_cycles"]
    assert rows["throughput"] == pytest.approx(65e6 / layer["predicted_cycles"], rel=1e-3)
    assert rows["energy"] == pytest.approx(layer["energy"]["total"])
    assert rows["utilisation of the multipliers"] == pytest.approx(100 * layer["utilisation"],
                                                                   abs=0.01)
    # An LFE5U-25F has 24 288 logic cells and 126 KiB of block RAM, and holds this preset.
    assert 5_000 < rows["logic"] < 24_288 and 28 < rows["on-chip memory"] < 126
    assert rows["outputs that differ"] is None and rows["accuracy"] is None


def test_action_counts_for_accelergy(result, tmp_path, capsys):
    """Every priced count, of all layers, in the hierarchy that Accelergy flattens."""
    yaml = pytest.importorskip("yaml")
    out = tmp_path / "counts.yaml"
    assert main(["metrics", str(result), "--accelergy", str(out)]) == 0
    found = yaml.safe_load(out.read_text())["action_counts"]
    design, = found["subtree"]
    actions = {(part["name"], action["name"]): action["counts"]
               for part in design["local"] for action in part["action_counts"]}
    layer, = json.loads(result.read_text())["layers"]
    expected = {}
    for item, key in ACTIONS.items():
        expected[key] = expected.get(key, 0) + layer["counts"][item]["count"]
    assert actions == expected and actions["mac", "compute"] >= layer["macs"]
    assert set(ACTIONS) == {name for name, item in ITEMS.items() if item.price}
    assert main(["metrics", str(result), str(result), "--accelergy", str(out)]) == 2
    assert "--accelergy writes the counts of one result, and there are 2" in capsys.readouterr().err


def test_refusals(result, tmp_path, capsys):
    assert main(["metrics", str(result), "--target", "ecp6"]) == 2
    assert "--target 'ecp6' is unknown: choose among" in capsys.readouterr().err
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    assert main(["metrics", str(bad), "--json", str(tmp_path / "m.json")]) == 2
    assert "is something else" in capsys.readouterr().err and not (tmp_path / "m.json").exists()
