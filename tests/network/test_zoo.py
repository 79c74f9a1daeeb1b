"""The zoo: shapes against the literature, files against shapes, and what the command refuses."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwgen.cli import main
from hwgen.host import inputs
from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network import shapes as networks
from hwgen.network.ort_session import evaluate
from hwgen.network.zoo import NETWORKS, architecture, photographs, synthesise

# CONV layers, weights and MACs, FC layers and MACs: Sze et al., Table II.
TABLE_II = {
    "alexnet": (5, 2.3e6, 666e6, 3, 58.6e6),
    "overfeat": (5, 16e6, 2.67e9, 3, 130e6),
    "vgg16": (13, 14.7e6, 15.3e9, 3, 124e6),
    "googlenet": (57, 6.0e6, 1.43e9, 1, 1e6),
    "resnet50": (53, 23.5e6, 3.86e9, 1, 2e6),
}
# MACs of MLPerf Tiny's reference networks.
MLPERF_TINY = {"ic-resnet8": 12.50e6, "kws-ds-cnn": 2.66e6, "vww-mobilenet": 7.49e6,
               "ad-autoencoder": 0.264e6}
LIGHT = ["squeezenet", "mobilenet-v1", *MLPERF_TINY]
HEAVY = sorted(set(NETWORKS) - {*LIGHT, "lenet5"})
MEMORY = 4 << 30


@pytest.mark.parametrize("name", TABLE_II)
def test_table_ii(name):
    layers, weights, macs, fc_layers, fc_macs = TABLE_II[name]
    figures = architecture(name).to_dict()
    assert figures["conv_layers"] == layers
    assert figures["conv_weights"] == pytest.approx(weights, rel=0.02)
    assert figures["conv_macs"] == pytest.approx(macs, rel=0.005)
    assert figures["fc_layers"] == fc_layers
    assert figures["fc_macs"] == pytest.approx(fc_macs, rel=0.03)


def test_table_ii_lenet5():
    """The table has LeCun's 340 908 connections, of a C3 that reads 60 of 96 maps, with biases
    and subsampling, and C5 and F6 as the FC layers. Dense convolutions have more."""
    figures = architecture("lenet5").to_dict()
    assert (figures["conv_layers"], figures["conv_weights"]) == (2, 2550)     # 2.6 k
    c1, s2, c3, s4 = 28 * 28 * 6 * 26, 14 * 14 * 6 * 5, 10 * 10 * (60 * 25 + 16), 5 * 5 * 16 * 5
    c5, f6, classes = 120 * 401, 84 * 121, 84 * 10
    assert c1 + s2 + c3 + s4 + c5 + f6 + classes == 340_908
    assert c1 + s2 + c3 + s4 + classes == pytest.approx(283e3, rel=0.002)
    assert figures["conv_macs"] == 28 * 28 * 6 * 25 + 10 * 10 * 96 * 25
    assert figures["fc_macs"] - classes == 120 * 400 + 84 * 120 == pytest.approx(58e3, rel=0.002)


def test_other_networks():
    """The papers' tables 8, 4 and 1."""
    v1, v2, squeeze = (architecture(n).to_dict()
                       for n in ("mobilenet-v1", "mobilenet-v2", "squeezenet"))
    assert v1["conv_macs"] + v1["fc_macs"] == pytest.approx(569e6, rel=0.002)
    assert v1["conv_weights"] + v1["fc_weights"] == pytest.approx(4.2e6, rel=0.01)
    assert v2["conv_macs"] + v2["fc_macs"] == pytest.approx(300e6, rel=0.01)
    assert v2["conv_weights"] + v2["fc_weights"] == pytest.approx(3.4e6, rel=0.03)
    assert squeeze["conv_weights"] + 3_976 == 1_248_424                       # with biases


@pytest.mark.parametrize("name, key", [
    ("alexnet",) * 2, ("overfeat",) * 2, ("vgg16",) * 2, ("googlenet-caffe", "googlenet"),
    ("resnet50-v1.5", "resnet50"), *((name,) * 2 for name in ("mobilenet-v1", *MLPERF_TINY))])
def test_layers_are_those_of_the_bench(name, key):
    zoo, bench = Counter(), Counter()
    for layer in architecture(name).of("Conv"):
        a, (x,) = layer.attributes, layer.x
        zoo[(layer.weight[0], *x.shape, *layer.weight[2:], a["strides"][0], *a["pads"],
             a["group"])] += 1
    for s in networks.NETWORKS[key]:
        if not s.fc:
            bench[s.m, s.c, s.h, s.w, s.r, s.s, s.u, *s.pads, s.groups] += s.count
    assert zoo == bench
    assert [layer.weights for layer in architecture(name).of("Gemm")] == [
        s.weights for s in networks.NETWORKS[key] if s.fc for _ in range(s.count)]


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_mlperf_tiny(name):
    figures = architecture(name).to_dict()
    assert figures["conv_macs"] + figures["fc_macs"] == pytest.approx(MLPERF_TINY[name], rel=0.002)


def test_lrn_is_kept_if_asked_for():
    for name in "alexnet", "googlenet":
        assert len(architecture(name, lrn=True).of("LRN")) == 2
        assert not architecture(name).of("LRN")


# Files.

def zoo(folder, name, *options):
    """The quantised model that the command writes, and its path."""
    path = folder / "model.onnx"
    assert main(["zoo", name, "--out", str(path), "--calibrate", "2", *options]) == 0
    return onnx.load(path), path


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def quantised_weights(model):
    """The codes of every Conv's and Gemm's weights, by node."""
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    producer = {o: n for n in model.graph.node for o in n.output}
    return {node.name: constants[producer[node.input[1]].input[0]] if node.op_type in
            ("Conv", "Gemm") else constants[node.input[3]]
            for node in model.graph.node
            if node.op_type in ("Conv", "Gemm", "QLinearConv", "QGemm")}


def check_file(model, path, net):
    """The file holds the network's layers, and gives in the golden model what it gives in ONNX
    Runtime."""
    weights = quantised_weights(model)
    layers = {layer.y.name: layer for layer in net.layers}
    assert {k: v.shape for k, v in weights.items()} == {
        k: layer.weight for k, layer in layers.items() if layer.weight}
    assert all(array.dtype == np.int8 for array in weights.values())
    for node in model.graph.node:
        if node.op_type in ("Conv", "MaxPool"):
            assert layers[node.name].attributes.items() <= attributes(node).items()
    assert not any(c.external_data for c in model.graph.initializer)
    assert path.stat().st_size < 2 << 30
    sample, outputs = path.with_name("sample.npy"), path.with_name("outputs.npz")
    np.save(sample, photographs.normalise(photographs.centre(0, net.picture)).reshape(
        1, *net.input.shape))
    assert main(["run", str(path), "--input", str(sample), "--sim", "golden", "--output",
                 str(outputs)]) == 0
    output = np.load(outputs)[net.output.name]
    assert output.shape == (1, *net.output.shape)
    assert np.isfinite(output).all() and len(np.unique(output)) > min(5, output.size - 1)


@pytest.mark.parametrize("name", LIGHT)
def test_files(name, tmp_path):
    check_file(*zoo(tmp_path, name), architecture(name))


@pytest.mark.long
@pytest.mark.parametrize("name", HEAVY)
def test_heavy_files(name, tmp_path):
    """In a process of its own, for its memory."""
    path = tmp_path / "model.onnx"
    subprocess.run([sys.executable, "-m", "hwgen", "zoo", name, "--out", path], check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY
    check_file(onnx.load(path), path, architecture(name))


@pytest.mark.long
@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_files_with_lrn(name, tmp_path):
    model, path = zoo(tmp_path, name, "--lrn")
    check_file(model, path, architecture(name, lrn=True))
    assert sum(node.op_type == "LRN" for node in model.graph.node) == 2


@pytest.mark.parametrize("form, activations, scales", [
    ("qdq", "uint8", "channel"), ("qdq", "uint8", "tensor"), ("qdq", "int8", "channel"),
    ("qoperator", "uint8", "channel"), ("qoperator", "int8", "tensor")])
def test_forms(form, activations, scales, tmp_path):
    """What the options say is in the file, and the golden model gives ONNX Runtime's values."""
    model, path = zoo(tmp_path, "lenet5", "--format", form, "--activations", activations,
                      f"--per-{scales}", "--sample", str(tmp_path / "x.npy"))
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    operators = {node.op_type for node in model.graph.node}
    assert ("QLinearConv" in operators) == (form == "qoperator")
    assert {constants[node.input[2]].dtype for node in model.graph.node
            if node.op_type == "QuantizeLinear"} == {np.dtype(activations)}
    assert constants["conv2.weight_scale"].size == (16 if scales == "channel" else 1)
    network = onnx_import.load(path)
    values = inputs.load([(None, tmp_path / "x.npy")], network)
    assert values["image"].shape == (1, 1, 28, 28)
    expected = golden.run(network, values)
    for name, array in Reference(path, network).run(values).items():
        np.testing.assert_array_equal(expected[name], array, name, strict=True)


def test_same_seed_same_file(tmp_path):
    """Also in a process whose sets have another order."""
    _, path = zoo(tmp_path, "lenet5")
    first = path.read_bytes()
    subprocess.run([sys.executable, "-m", "hwgen", "zoo", "lenet5", "--out", path, "--calibrate",
                    "2"], check=True, env=dict(os.environ, PYTHONHASHSEED="7"))
    assert path.read_bytes() == first
    zoo(tmp_path, "lenet5", "--seed", "2")
    assert path.read_bytes() != first


@pytest.mark.parametrize("sparsity", [0, 0.6])
def test_sparsity(sparsity, tmp_path):
    model, _ = zoo(tmp_path, "lenet5", "--sparsity", str(sparsity))
    for name, codes in quantised_weights(model).items():
        # Small weights round to zero as well.
        assert sparsity - 0.01 <= np.mean(codes == 0) < sparsity + 0.05, name


def test_weights_are_like_trained_ones():
    """No activation dies or explodes, Relu leaves zeros, filters differ in range."""
    net = architecture("squeezenet")
    pictures = [photographs.normalise(p) for p in photographs.crops(2, (3, 227, 227), seed=5)]
    model = synthesise(net, pictures, seed=5)
    relus = [layer.y.name for layer in net.of("Relu")]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in relus)
    values = evaluate(model.SerializeToString(), {"image": pictures[0]})
    for name in relus:
        assert 0.4 < np.mean(values[name] == 0) < 0.8, name
        assert 0.2 < values[name].std() < 2, name
    for c in model.graph.initializer:
        if c.name == "fire9-expand3x3.weight":
            largest = np.abs(numpy_helper.to_array(c)).max((1, 2, 3))
            assert largest.max() > 3 * largest.min()


def test_photographs():
    grey, colour = (photographs.crops(5, shape, seed=1) for shape in ((1, 28, 28), (3, 64, 64)))
    assert all(p.shape == (1, 1, 28, 28) and p.dtype == np.uint8 for p in grey)
    assert all(p.shape == (1, 3, 64, 64) and p.std() > 20 for p in colour)
    assert not np.array_equal(colour[0], colour[4])        # two crops of one photograph
    # The middle of the astronaut's photograph is orange and white, not blue.
    red, _, blue = photographs.centre(0, (3, 64, 64))[0, :, 32:].mean((1, 2))
    assert red > blue + 20
    x = photographs.normalise(colour[0])
    np.testing.assert_allclose(x[0, 2], (colour[0][0, 2] / 255 - 0.406) / 0.225, rtol=1e-4,
                               atol=1e-6)


# The command.

def test_list(tmp_path, capsys):
    path = tmp_path / "list.json"
    assert main(["zoo", "--list", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    rows = {row["network"]: row for row in json.loads(path.read_text())["networks"]}
    assert list(rows) == list(NETWORKS) and all(name in out for name in rows)
    assert rows["alexnet"]["input"] == [1, 3, 227, 227]
    assert rows["alexnet"]["conv_macs"] == 665_784_864


def test_report(tmp_path, capsys):
    path = tmp_path / "report.json"
    _, model = zoo(tmp_path, "lenet5", "--seed", "3", "--json", str(path))
    out, err = capsys.readouterr()
    (row,) = json.loads(path.read_text())["networks"]
    assert (row["network"], row["seed"], row["images"], row["format"]) == ("lenet5", 3, 2, "qdq")
    assert row["bytes"] == model.stat().st_size and f"{row['bytes']:,} bytes" in out
    assert "weights" in err                                # progress


@pytest.mark.parametrize("arguments, message", [
    (["vgg61"], "network 'vgg61' is unknown: choose among lenet5, alexnet"),
    ([], "no network is named: choose among lenet5"),
    (["lenet5"], "give --out MODEL.onnx, --sample FILE.npy or both"),
    (["lenet5", "--list"], "--list stands alone"),
    (["vgg16", "--lrn", "--out", "m.onnx"], "vgg16 has no response normalisation"),
    (["lenet5", "--out", "none/m.onnx"], "--out none/m.onnx cannot be written"),
    (["lenet5", "--out", "m.onnx", "--sample", "none/x.npy"], "--sample none/x.npy cannot be"),
    (["lenet5", "--out", "m.onnx", "--sparsity", "1"], "1.0 is not in the range 0<=x<1"),
    (["lenet5", "--out", "m.onnx", "--calibrate", "0"], "0 is not in the range"),
    (["lenet5", "--out", "m.onnx", "--format", "tflite"], "'tflite' is not one of"),
])
def test_refusals(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err and len(err.splitlines()) == 1 and not out
    assert not list(tmp_path.iterdir())


def test_without_photographs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", "lenet5", "--out", "m.onnx"]) == 2
    assert "pip install scikit-image" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_no_room_for_the_float_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert main(["zoo", "lenet5", "--out", str(tmp_path / "m.onnx")]) == 2
    assert "set TMPDIR" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
