"""``hwgen verify`` and its random layers, by the golden model."""

import json
from collections import Counter

from click.testing import CliRunner

from hwgen.cli import main
from hwgen.cli.commands.verify import command
from hwgen.importer import onnx_import
from hwgen.network import golden
from hwgen.network.graph import Conv, Elementwise, MaxPool, Move
from hwgen.verify.random_graphs import random_graph
from hwgen.verify.random_layers import random_case


def _verify(*arguments):
    return CliRunner().invoke(command, [*arguments, "--sim", "golden"], standalone_mode=False)


def test_a_seed_is_one_layer():
    assert random_case(7, 100_000).model == random_case(7, 100_000).model
    assert random_case(7, 100_000).model != random_case(8, 100_000).model


def test_layers_are_of_every_kind():
    texts = [random_case(seed, 500_000).text for seed in range(80)]
    for word in ("conv", "grouped", "depthwise", "pointwise", "fully connected", "maxpool"):
        assert sum(word in text for text in texts) >= 3
    assert any("dilation [1, 1]" not in text for text in texts)


def test_a_seed_is_one_graph():
    assert random_graph(7, 100_000).model == random_graph(7, 100_000).model
    assert random_graph(7, 100_000).model != random_graph(8, 100_000).model


def test_graphs_have_layers_of_every_kind():
    networks = [onnx_import.load(random_graph(seed, 50_000).model) for seed in range(40, 60)]
    found = Counter(type(layer) for network in networks for layer in network.layers)
    assert min(found[kind] for kind in (Conv, Elementwise, MaxPool, Move)) >= 2
    assert any(len(network.outputs) > 1 for network in networks)
    assert any(len(network.inputs) > 1 for network in networks)


def test_equal_graphs_exit_with_0():
    result = _verify("--graphs", "--count", "10", "--seed", "100", "--pe", "3x4")
    assert result.return_value == 0 and result.exception is None
    assert "10 equal, 0 different" in result.output


def test_equal_layers_exit_with_0():
    result = _verify("--count", "10", "--seed", "100")
    assert result.return_value == 0 and result.exception is None
    assert "seeds 100 to 109" in result.output and "10 equal, 0 different" in result.output


def test_json_is_all_that_is_printed():
    result = _verify("--count", "2", "--json", "-")
    found = json.loads(result.stdout)
    assert found["failed"] == 0 and [layer["seed"] for layer in found["layers"]] == [1, 2]


def test_a_failure_is_kept_and_prints_how_to_repeat_it(monkeypatch, tmp_path):
    run = golden.run

    def wrong(network, inputs):
        values = run(network, inputs)
        values["y"].flat[0] ^= 1
        return values
    monkeypatch.setattr(golden, "run", wrong)
    save = tmp_path / "bad" / "cases"
    result = _verify("--count", "1", "--seed", "42", "--pe", "2x3", "--save", str(save))
    assert result.return_value == 1
    assert "python -m hwgen verify --count 1 --seed 42 --pe 2x3 --sim golden" in result.output
    assert "golden model against ONNX Runtime" in result.output
    assert f"python -m hwgen run {save}/layer-42/model.onnx" in result.output
    assert (save / "layer-42" / "failure.txt").read_text().startswith("seed 42: ")
    monkeypatch.setattr(golden, "run", run)
    assert main(["run", f"{save}/layer-42/model.onnx", "--input", f"{save}/layer-42/inputs.npz",
                 "--sim", "golden"]) == 0
    monkeypatch.setattr(golden, "run", wrong)
    (tmp_path / "file").write_text("")
    refused = _verify("--count", "1", "--seed", "42", "--save", str(tmp_path / "file"))
    assert "name another with --save" in str(refused.exception)


def test_it_goes_on_for_a_time(capfd):
    assert main(["verify", "--graphs", "--minutes", "0.02", "--pe", "2x3", "--sim", "golden"]) == 0
    said = capfd.readouterr().out
    assert "seeds from 1 on, for 0.02 minutes" in said and " 0 different" in said


def test_bad_options_are_one_sentence(capfd):
    for options in (["--count", "0"], ["--seed", "-1"], ["--pe", "12"], ["--pe", "40x2"],
                    ["--sim", "none"], ["--minutes", "0"], ["--count", "1", "--minutes", "1"]):
        assert main(["verify", *options]) == 2
        captured = capfd.readouterr()
        assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
