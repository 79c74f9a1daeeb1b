"""The commands and models that are none: one sentence, exit code 2, nothing half-written."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwgen.cli import main

_LENET = "examples/lenet5/lenet5.onnx"


def _scale(value):
    """LeNet-5 whose first scale is something else."""
    def change(model):
        dequantise = next(n for n in model.graph.node if n.op_type == "DequantizeLinear")
        constant = next(t for t in model.graph.initializer if t.name == dequantise.input[1])
        array = np.full_like(numpy_helper.to_array(constant), value)
        constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    return change


def _reads(source):
    """LeNet-5 whose first layer reads ``source`` of the model instead of the image."""
    def change(model):
        node = next(n for n in model.graph.node if n.op_type == "DequantizeLinear")
        node.input[0] = source(model)
    return change


def _open(model):
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_param = "size"


@pytest.mark.parametrize("change, message", [
    (_scale(np.nan), "holds nan; scales must be positive and finite."),
    (_scale(0), "holds 0.0; scales must be positive and finite."),
    (_scale(-1), "holds -1.0; scales must be positive and finite."),
    (_scale(np.inf), "holds inf; scales must be positive and finite."),
    (_reads(lambda model: next(n.output[0] for n in reversed(model.graph.node)
                               if n.op_type == "QuantizeLinear")), "is cyclic: "),
    (_reads(lambda model: "nowhere"), "nothing gives the value 'nowhere': the graph"),
])
@pytest.mark.parametrize("command", ["run", "compile", "map"])
def test_models(command, change, message, tmp_path, capfd):
    model = onnx.load(_LENET)
    change(model)
    path = tmp_path / "bad.onnx"
    onnx.save(model, path)
    _refused(command, path, message, tmp_path, capfd)


@pytest.mark.parametrize("command", ["run", "compile", "map"])
@pytest.mark.parametrize("size", [0, 1, 100, 0.5, 0.999])
def test_cut_files(command, size, tmp_path, capfd):
    with open(_LENET, "rb") as file:
        data = file.read()
    path = tmp_path / "bad.onnx"
    path.write_bytes(data[:int(size * len(data)) if isinstance(size, float) else size])
    _refused(command, path, "is not an ONNX file, or is cut short: ", tmp_path, capfd)


@pytest.mark.parametrize("command", ["run", "compile", "map"])
def test_external_data(command, tmp_path, capfd):
    """Gone, or shorter than the model says."""
    path, weights = tmp_path / "bad.onnx", tmp_path / "weights"
    onnx.save(onnx.load(_LENET), path, save_as_external_data=True, location="weights",
              size_threshold=10)
    for content in b"12", None:
        if content is None:
            weights.unlink()
        else:
            weights.write_bytes(content)
        _refused(command, path, "lies in the file 'weights', which cannot be read", tmp_path, capfd)


def _refused(command, path, message, folder, capfd):
    image = folder / "image.npy"
    np.save(image, np.zeros((1, 1, 28, 28), np.float32))
    before = sorted(folder.iterdir())
    arguments = ["--input", str(image), "--sim", "golden", "--output"] if command == "run" else \
        ["--out"]
    assert main([command, str(path), *arguments, str(folder / "made"), "--json",
                 str(folder / "j.json")]) == 2
    out, error = capfd.readouterr()
    assert error.startswith("error: ") and message in error and error.count("\n") == 1 and not out
    assert sorted(folder.iterdir()) == before


def test_open_dimensions(tmp_path, capfd):
    """``run`` takes them from the input, the others as told."""
    model = onnx.load(_LENET)
    _open(model)
    path, image, out = (str(tmp_path / name) for name in ("open.onnx", "image.npy", "out"))
    onnx.save(model, path)
    np.save(image, np.zeros((1, 1, 28, 28), np.float32))
    name = model.graph.input[0].name
    assert main(["run", path, "--input", image, "--sim", "golden"]) == 0
    assert main(["compile", path, "--pe", "2x2", "--out", out]) == 2
    assert f"dimension 2 of the input '{name}' is size" in capfd.readouterr().err
    for command in (["compile", path, "--pe", "2x2", "--out", out], ["map", path, "--brief"]):
        assert main([*command, "--shape", f"{name}=1x1x28x28"]) == 0
