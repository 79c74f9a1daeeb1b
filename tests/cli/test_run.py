"""``hwgen run`` on outputs that are not numbers, and on shapes that are inputs."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from hwgen.cli.commands.run import command
from hwgen.errors import HwgenError
from tests.importer.cases import CASES
from tests.importer.cases.builder import Graph, image


def run(folder, model, inputs):
    (folder / "m.onnx").write_bytes(model)
    np.savez(folder / "x.npz", **inputs)
    made = CliRunner().invoke(command, [
        str(folder / "m.onnx"), "--input", str(folder / "x.npz"), "--pe", "4x4", "--sim", "golden",
        "--output", str(folder / "y.npz"), "--json", str(folder / "r.json")],
        catch_exceptions=False, standalone_mode=False)
    assert made.return_value == 0, made.output
    return made.output, json.loads((folder / "r.json").read_text())


def network():
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    return g, g.conv(x, 0.02, 3, 4, 3, 0.1, 100)


def test_text(tmp_path):
    """The name of a class as an output, and names as an input."""
    g, a = network()
    best = g.op("ArgMax", [g.op("ReduceMax", [a], axes=[2, 3], keepdims=0)], axis=1, keepdims=0)
    g.op("Gather", [g.input("names", [4], TensorProto.STRING), best], "name")
    g.output("name", rank=1, ty=TensorProto.STRING)
    g.op("Identity", [best], "best")
    g.output("best", rank=1, ty=TensorProto.INT64)
    names = np.array(["cat", "dog", "owl", "bee"])
    said, report = run(tmp_path, g.model(), {"x": image(1, 3, 8, 8), "names": names})
    name = names[np.load(tmp_path / "y.npz")["best"]][0]
    assert report["outputs"]["name"]["values"] == [name] and report["mismatches"] == 0
    assert f"name: {name}\n" in said
    assert report["plain_session"]["outputs"]["name"]["differing"] == 0


def test_sequence(tmp_path):
    """Each tensor of an output that is a sequence is an output."""
    g, a = network()
    g.op("SplitToSequence", [a], "parts", axis=1)
    g.outputs.append(helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None))
    _, report = run(tmp_path, g.model(), {"x": image(1, 3, 8, 8)})
    values = np.load(tmp_path / "y.npz")
    assert list(report["outputs"]) == [f"parts[{k}]" for k in range(4)]
    assert all(values[name].shape == (1, 1, 6, 6) for name in report["outputs"])
    assert report["mismatches"] == 0


def test_map(tmp_path):
    """An output without tensors is refused by name."""
    g, a = network()
    flat = g.op("ReduceMean", [a], axes=[2, 3], keepdims=0)
    g.op("ZipMap", [flat], "classes", domain="ai.onnx.ml", classlabels_int64s=range(4))
    g.outputs.append(helper.make_value_info("classes", helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(
            TensorProto.FLOAT, None)))))
    model = g.float_model()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    with pytest.raises(HwgenError, match="output 'classes' of .* is no tensor"):
        run(tmp_path, model.SerializeToString(), {"x": image(1, 3, 8, 8)})


def test_a_shape_that_is_an_input(tmp_path):
    """Zeros, on which shapes are tried, need not suit the network."""
    _, report = run(tmp_path, *CASES["shape_from_input"]())
    assert report["mismatches"] == 0 and report["totals"]["accelerator_share"] == 1
