"""``hwgen quantise``: float models in, quantised ones out, and how near they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from hwgen.cli import main
from hwgen.errors import HwgenError
from hwgen.host.inputs import Preprocessing
from hwgen.importer import onnx_import
from hwgen.network.ort_session import session
from hwgen.quantisation import quantise

_FLOAT = "examples/lenet5/lenet5-float.onnx"
_QUANTISED = "examples/lenet5/lenet5.onnx"
_DIGITS = "examples/lenet5/digits"


@pytest.fixture(scope="module")
def digits():
    """The test digits as LeNet-5's inputs, shape (1000, 1, 28, 28), and their labels."""
    with np.load("examples/lenet5/test_digits.npz") as data:
        return data["images"][:, None] / np.float32(255), data["labels"]


def right(model, images, labels):
    runtime = session(model)
    return sum(runtime.run(None, {"image": image[None]})[0].argmax() == label
               for image, label in zip(images, labels, strict=True))


def test_accuracy_on_digits(digits, tmp_path):
    """Calibrated on a hundred of the thousand digits: as many are right as in float, less one."""
    images, labels = digits
    np.save(tmp_path / "digits.npy", images[::10])
    made = quantise(_FLOAT, [tmp_path / "digits.npy"])
    with open(_FLOAT, "rb") as file:
        exact = right(file.read(), images, labels)
    assert exact == 992 and right(made.model, images, labels) >= exact - 1
    assert made.samples == 100 and made.placement.share == 1 and made.placement.macs == 416_520
    assert made.outputs["logits"].sqnr_db > 30 and made.outputs["logits"].agreement == 1


@pytest.mark.parametrize("options", [
    [], ["--activations", "int8"], ["--per-tensor"], ["--format", "qoperator"],
    ["--format", "qoperator", "--activations", "int8", "--per-tensor"]], ids=" ".join)
def test_every_option_gives_a_network_for_the_array(tmp_path, options):
    out, report = tmp_path / "q.onnx", tmp_path / "q.json"
    assert main(["quantise", _FLOAT, "--calibrate", _DIGITS, "--out", str(out), "--json",
                 str(report), *options]) == 0
    found = json.loads(report.read_text())
    assert found["placement"]["accelerator_share"] == 1 and found["samples"] == 10
    assert found["float_bytes"] == os.path.getsize(_FLOAT)
    assert found["bytes"] == out.stat().st_size < found["float_bytes"] / 3
    assert found["outputs"]["logits"]["sqnr_db"] > 28
    assert found["outputs"]["logits"]["agreement"] == 1
    model = onnx.load(out)
    operators = {node.op_type for node in model.graph.node}
    assert ("QLinearConv" in operators) == ("qoperator" in options)
    types = {value.data_type for value in model.graph.initializer if "zero_point" in value.name
             and "weight" not in value.name and value.dims == []}
    assert (TensorProto.UINT8 in types) == ("int8" not in options)
    scales = [value for value in model.graph.initializer if value.name.endswith("weight_scale")]
    assert scales and all((value.dims == []) == ("--per-tensor" in options) for value in scales)
    assert main(["run", str(out), "--input", f"{_DIGITS}/7.png", "--sim", "golden"]) == 0


def test_what_the_report_measures(tmp_path, capsys):
    """Against sums made by hand."""
    out = tmp_path / "q.onnx"
    assert main(["quantise", _FLOAT, "--calibrate", f"{_DIGITS}/3.png", f"{_DIGITS}/8.png",
                 "--out", str(out), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["outputs"]["logits"]
    x = [np.asarray(Image.open(f"{_DIGITS}/{digit}.png"), np.float32)[None, None] / np.float32(255)
         for digit in (3, 8)]
    exact, got = (np.concatenate([session(Path(path).read_bytes()).run(None, {"image": image})[0]
                                  for image in x]).astype(np.float64) for path in (_FLOAT, out))
    assert found["sqnr_db"] == pytest.approx(
        10 * np.log10(np.sum(exact ** 2) / np.sum((exact - got) ** 2)), rel=1e-4)
    assert found["largest_difference"] == pytest.approx(np.abs(exact - got).max(), rel=1e-4)


def test_the_same_bytes_in_every_process(tmp_path):
    made = []
    for seed in "1", "2":
        out = tmp_path / f"{seed}.onnx"
        subprocess.run([sys.executable, "-m", "hwgen", "quantise", _FLOAT, "--calibrate", _DIGITS,
                        "--samples", "3", "--out", out], check=True, capture_output=True,
                       env={**os.environ, "PYTHONHASHSEED": seed})
        made.append(out.read_bytes())
    assert made[0] == made[1] and str(tmp_path).encode() not in made[0]


def test_samples_are_spread(digits, tmp_path):
    np.save(tmp_path / "digits.npy", digits[0][:100])
    seen = []
    made = quantise(_FLOAT, [tmp_path / "digits.npy"], samples=4,
                    progress=lambda what, done, count: seen.append((what, done, count)))
    assert made.samples == 4
    assert seen == [(what, i, 4) for what in ("calibrating", "comparing") for i in range(4)]
    np.save(tmp_path / "chosen.npy", digits[0][:100:25])
    assert quantise(_FLOAT, [tmp_path / "chosen.npy"]).model == made.model


# Small models.

def model(path, *, opset=17, ir=8, shape=(1, 3, 8, 8), weights_are_inputs=False, second=False):
    """A convolution with a batch normalisation, and a Gemm; ``second`` adds another input."""
    rng = np.random.default_rng(1)
    c, weights = shape[1], {}

    def weight(name, *size):
        weights[name] = (rng.normal(size=size) + (name == "var") * 4).astype(np.float32)
        return name
    nodes = [
        helper.make_node("Conv", ["x", weight("w", 4, c, 3, 3)], ["a"], name="conv",
                         pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", weight("s", 4), weight("b", 4),
                                                weight("m", 4), weight("var", 4)], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        *([helper.make_node("Add", ["r", "z"], ["sum"])] if second else []),
        helper.make_node("GlobalAveragePool", ["sum" if second else "r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", weight("g", 5, 4), weight("h", 5)], ["y"], transB=1)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    if second:
        inputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT,
                                                    (shape[0], 4, *shape[2:])))
    if weights_are_inputs:
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
                   for name, value in weights.items()]
    graph = helper.make_graph(
        nodes, "small", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                                ir_version=ir), path)
    return path


def samples(path, count=3, shape=(3, 8, 8), **arrays):
    rng = np.random.default_rng(2)
    if arrays:
        np.savez(path, **{name: rng.random((count, *size), np.float32)
                          for name, size in arrays.items()})
    else:
        np.save(path, rng.random((count, *shape), np.float32))
    return path


@pytest.mark.parametrize("given, shapes", [
    ({}, {}), ({"opset": 9, "ir": 3, "weights_are_inputs": True}, {}), ({"opset": 11}, {}),
    ({"shape": ("N", 3, 8, 8)}, {}), ({"shape": ("N", 3, "H", "W")}, {"x": (1, 3, 8, 8)})])
def test_old_and_open_models(tmp_path, given, shapes):
    source = model(tmp_path / "float.onnx", **given)
    made = quantise(source, [samples(tmp_path / "x.npy")], shapes=shapes)
    network = onnx_import.load(made.model)
    assert network.inputs["x"][0] == (1, 3, 8, 8)
    assert made.placement.share == 1
    assert made.placement.macs == 4 * 27 * 64 + 4 * 64 + 20
    assert made.outputs["y"].sqnr_db > 25


@pytest.mark.parametrize("opset, keepdims, axes", [(13, 0, [2, 3]), (18, 1, [-1, -2]),
                                                   (18, 0, [3, 2])])
def test_a_mean_over_the_image_runs_on_the_array(tmp_path, opset, keepdims, axes):
    """As exporters write global pooling."""
    source = onnx.load(model(tmp_path / "float.onnx", opset=opset))
    index, pool = next((i, node) for i, node in enumerate(source.graph.node)
                       if node.op_type == "GlobalAveragePool")
    mean = helper.make_node("ReduceMean", ["r"], ["p"], keepdims=keepdims)
    if opset < 18:
        mean.attribute.append(helper.make_attribute("axes", axes))
    else:
        mean.input.append("axes")
        source.graph.initializer.append(numpy_helper.from_array(np.array(axes), "axes"))
    source.graph.node.remove(pool)
    source.graph.node.insert(index, mean)
    onnx.save(source, tmp_path / "float.onnx")
    made = quantise(tmp_path / "float.onnx", [samples(tmp_path / "x.npy")])
    assert made.placement.nodes == [] and made.outputs["y"].sqnr_db > 25
    assert "ReduceMean" not in {node.op_type for node in
                                onnx.load_from_string(made.model).graph.node}


@pytest.mark.parametrize("op", ["silu", "HardSwish", "LeakyRelu", "Tanh", "PRelu",
                                "BatchNormalization"])
def test_what_stands_between_convolutions_runs_on_the_array(tmp_path, op):
    source = onnx.load(model(tmp_path / "float.onnx"))
    relu, = (node for node in source.graph.node if node.op_type == "Relu")
    new = [helper.make_node(op, ["n"], ["r"])]
    if op == "silu":
        new = [helper.make_node("Sigmoid", ["n"], ["gate"]),
               helper.make_node("Mul", ["n", "gate"], ["r"])]
    elif op == "PRelu":
        source.graph.initializer.append(
            numpy_helper.from_array(np.full((4, 1, 1), 0.2, np.float32), "slope"))
        new[0].input.append("slope")
    elif op == "BatchNormalization":
        new = [helper.make_node("Relu", ["n"], ["r0"]),
               helper.make_node(op, ["r0", "s", "b", "m", "var"], ["r"])]
    index = list(source.graph.node).index(relu)
    source.graph.node.remove(relu)
    for node in reversed(new):
        source.graph.node.insert(index, node)
    onnx.save(source, tmp_path / "float.onnx")
    made = quantise(tmp_path / "float.onnx", [samples(tmp_path / "x.npy")])
    assert made.placement.nodes == [] and made.outputs["y"].sqnr_db > 20


def test_two_inputs_by_name(tmp_path):
    source = model(tmp_path / "float.onnx", second=True)
    made = quantise(source, [samples(tmp_path / "x.npz", x=(3, 8, 8), z=(4, 8, 8))])
    assert made.samples == 3 and made.outputs["y"].sqnr_db > 25


@pytest.mark.parametrize("end", ["arrays", "one array", "a stack", "of an npz"])
def test_forms_of_arrays(tmp_path, end):
    x = np.random.default_rng(2).random((3, 3, 8, 8), np.float32)
    source, folder = model(tmp_path / "float.onnx"), tmp_path / "samples"
    folder.mkdir()
    if end == "of an npz":
        np.savez(folder / "all.npz", anything=x.astype(np.float64))
    elif end == "a stack":
        np.save(folder / "all.npy", x[:, None])
    else:
        for index, one in enumerate(x):
            np.save(folder / f"{index}.npy", one if end == "arrays" else one[None])
    (folder / "notes.txt").write_text("not a sample")
    np.save(tmp_path / "x.npy", x)
    assert quantise(source, [folder]).model == quantise(source, [tmp_path / "x.npy"]).model


def test_images_are_normalised(tmp_path):
    source = model(tmp_path / "float.onnx")
    pixels = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.save(tmp_path / "x.npy", (pixels.astype(np.float32).transpose(2, 0, 1) / np.float32(255)
                                 - np.float32(0.5)) / np.float32(0.25))
    how = Preprocessing(mean=(0.5,), std=(0.25,))
    assert quantise(source, [tmp_path / "x.png"], preprocessing=how).model == \
        quantise(source, [tmp_path / "x.npy"]).model


@pytest.mark.parametrize("arguments, sentence", [
    ([_QUANTISED, "--calibrate", _DIGITS], "is quantised already (DequantizeLinear"),
    ([_FLOAT], "there is no calibration data: name images"),
    ([_FLOAT, "--calibrate", "{tmp}"], "has no image, .npy or .npz file in it"),
    ([_FLOAT, "--calibrate", "none.npy"], "--calibrate none.npy does not exist"),
    ([_FLOAT, "--calibrate", "README.md"], "README.md is neither a NumPy file"),
    ([_FLOAT, "--calibrate", "{tmp}/samples/x.npy"],
     "has the shape (3, 3, 8, 8) for the input 'image', which takes (1, 1, 28, 28)"),
    ([_FLOAT, "--calibrate", "{tmp}/samples/int.npy"], "has int64 for the input 'image'"),
    (["{tmp}/open.onnx", "--calibrate", "{tmp}/samples/x.npy"],
     "dimension 2 of the input 'x' is H: give it with --shape NAME=1x3x224x224."),
    (["{tmp}/open.onnx", "--calibrate", "{tmp}/samples/x.npy", "--shape", "x=1x4x8x8"],
     "the model declares (?, 3, ?, ?)"),
    (["{tmp}/two.onnx", "--calibrate", "{tmp}/samples/x.npy"],
     "x.npy holds one array, but small has the inputs 'x', 'z'"),
    (["{tmp}/two.onnx", "--calibrate", "{tmp}/samples/one.npz"], "has no array 'z'"),
    (["{tmp}/two.onnx", "--calibrate", "{tmp}/samples/odd.npz"],
     "has 3 of 'x' and 1 of 'z': give as many samples of each input"),
    (["README.md", "--calibrate", _DIGITS], "is not an ONNX file"),
    ([_FLOAT, "--calibrate", _DIGITS, "--out", "/nowhere/q.onnx"], "cannot be written"),
    ([_FLOAT, "--calibrate", _DIGITS, "--mean", "0,0"], "--mean has 2 values: give 1 or 1")])
def test_refusals(tmp_path, capsys, arguments, sentence):
    folder = tmp_path / "samples"
    folder.mkdir()
    samples(folder / "x.npy")
    np.save(folder / "int.npy", np.zeros((1, 1, 28, 28), int))
    samples(folder / "one.npz", x=(3, 8, 8))
    samples(folder / "odd.npz", x=(3, 8, 8), z=(4, 8, 8))
    with np.load(folder / "odd.npz") as odd:
        np.savez(folder / "odd.npz", x=odd["x"], z=odd["z"][:1])
    model(tmp_path / "open.onnx", shape=("N", 3, "H", "W"))
    model(tmp_path / "two.onnx", second=True)
    arguments = [text.format(tmp=tmp_path) for text in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "q.onnx")]
    assert main(["quantise", *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "q.onnx").exists()


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    out = tmp_path / "q.onnx"
    out.write_bytes(b"old")
    monkeypatch.setattr("hwgen.network.quantiser.quantize_static", lambda *_, **__: 1 / 0)
    with pytest.raises(HwgenError, match="ONNX Runtime's quantiser cannot quantise the model"):
        quantise(_FLOAT, [_DIGITS], out)
    assert [path.name for path in tmp_path.iterdir()] == ["q.onnx"] and out.read_bytes() == b"old"


@pytest.mark.parametrize("command", [["run", "--input", f"{_DIGITS}/7.png"], ["map"],
                                     ["compile", "--out", "none"]], ids=lambda c: c[0])
def test_a_float_model_elsewhere_is_sent_here(capsys, command):
    assert main([command[0], _FLOAT, *command[1:]]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"error: {_FLOAT} is a float model") and "\n" not in said
    assert f"'hwgen quantise {_FLOAT} --calibrate IMAGES --out quantised.onnx'" in said
