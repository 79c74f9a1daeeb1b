"""``hwgen map``: what it prints and writes, and what it refuses."""

import json
import tomllib

import numpy as np
import pytest

from hwgen.cli import main
from hwgen.network.eyeriss import MAPPINGS
from tests.importer.cases.shapes import shape_from_input

_LENET = "examples/lenet5/lenet5.onnx"


def test_a_known_network(tmp_path, capsys):
    report, out = tmp_path / "map.json", tmp_path / "out"
    assert main(["map", "alexnet", "--layers", "CONV3,CONV4", "--json", str(report), "--out",
                 str(out)]) == 0
    printed = capsys.readouterr().out
    assert "CONV3  M384 C256 H13 W13 R3 S3 E13 F13 P1, 149.5 M MACs" in printed
    assert "loop" not in printed and "pass 1 of" in printed and "bound by" in printed
    found = json.loads(report.read_text())
    assert found["network"] == "alexnet" and found["pe"] == "12x14"
    assert [layer["name"] for layer in found["layers"]] == ["CONV3", "CONV4"]
    layer = found["layers"][0]
    assert layer["predicted_cycles"] >= layer["array_bound_cycles"] == 908544
    assert layer["bytes_per_cycle"]["DRAM, read"]["peak"] == 8
    assert sorted(path.name for path in out.iterdir()) == [
        "01-CONV3.svg", "02-CONV4.svg", "mapping.toml", "report.txt"]
    given = tomllib.loads((out / "mapping.toml").read_text())
    assert given["CONV3"]["q"] == layer["mapping"]["q"]
    assert "CONV4" in (out / "report.txt").read_text()

    # What was written can be given again, and a field changed after it.
    change = tmp_path / "change.toml"
    change.write_text("[CONV3]\nbuffers = 1\n")
    assert main(["map", "alexnet", "--mapping", str(out / "mapping.toml"), "--override",
                 str(change), "--brief", "--layers", "CONV[34]", "--json", str(report)]) == 0
    assert "pass 1" not in capsys.readouterr().out
    third, fourth = json.loads(report.read_text())["layers"]
    assert third["mapping"] == layer["mapping"] | {"buffers": 1,
                                                   "tile_words": third["mapping"]["tile_words"]}
    assert fourth["mapping"] == found["layers"][1]["mapping"]


def test_the_published_mapping(tmp_path):
    report = tmp_path / "map.json"
    assert main(["map", "alexnet", "--mapping", "eyeriss", "--layers", "CONV*", "--brief",
                 "--json", str(report)]) == 0
    for layer in json.loads(report.read_text())["layers"]:
        published = MAPPINGS["alexnet"][layer["name"]]
        assert (layer["mapping"]["p"], layer["mapping"]["q"]) == (published["p"], published["q"])


def test_a_model(capsys):
    assert main(["map", _LENET, "--pe", "3x4", "--layers", "conv2"]) == 0
    out = capsys.readouterr().out
    assert "conv2  M16 C6 H14 W14 R5 S5 E10 F10" in out and "pooling fused" in out


def test_inputs_that_decide_shapes(tmp_path, capsys):
    """Values of an input that is a shape: with them a layer is on the array that is not without."""
    data, inputs = shape_from_input()
    model, values = tmp_path / "model.onnx", tmp_path / "to.npy"
    model.write_bytes(data)
    np.save(values, inputs["to"])
    assert main(["map", str(model), "--pe", "4x4", "--brief"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: shapes in case depend on the values of its inputs: give values "
                            "that fit, with --input (in Python: sample). ")
    assert error.count("\n") == 1
    for command in ["map", "--brief"], ["compile", "--out", str(tmp_path / "program")]:
        assert main([*command, str(model), "--pe", "4x4", "--input", f"to={values}"]) == 0
        out = capsys.readouterr().out
        assert "100.0 % of 2,160 MACs on the accelerator" in " ".join(out.split())


@pytest.mark.parametrize("arguments, message", [
    (["lenet6"], "'lenet6' is neither a known network nor a file: name an ONNX model or one of"),
    (["alexnet", "--layers", "POOL*"], "--layers 'POOL*' matches no layer of alexnet; its layers "
                                       "are CONV1, "),
    (["alexnet", "--mapping", "none.toml"], "cannot read the mapping none.toml"),
    (["vgg16", "--mapping", "eyeriss"], "--mapping eyeriss: the published mappings are those of"),
    ([_LENET, "--mapping", "eyeriss"], "--mapping eyeriss: the published mappings are those of"),
    (["alexnet", "--mapping", "eyeriss", "--pe", "4x4"], "--mapping eyeriss: CONV1 stacks"),
    (["alexnet", "--pe", "0x4"], "rows = 0 is out of range"),
    (["alexnet", "--json", "/nowhere/x.json"], "--json /nowhere/x.json cannot be written"),
    (["alexnet", "--layers", "CONV1", "--out", "hwgen"], "--out"),
])
def test_refusals(arguments, message, capsys):
    assert main(["map", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
