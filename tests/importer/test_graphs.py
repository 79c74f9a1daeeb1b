"""Networks with branches as onnxruntime.quantization writes them, against ONNX Runtime."""

import logging

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network.graph import Conv, Elementwise, Host, MaxPool, Move
from hwgen.network.ort_session import evaluate

from .models import Builder, quantise

QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
U8, S8 = QuantType.QUInt8, QuantType.QInt8
FLOAT = {"QuantizeLinear", "DequantizeLinear", "Softmax", "QLinearSoftmax"}
FORMS = [(QDQ, U8, S8), (QDQ, S8, S8), (QDQ, U8, U8), (QOPERATOR, U8, S8), (QOPERATOR, S8, S8)]


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)    # the quantiser recommends its preprocessing
    yield
    logging.disable(logging.NOTSET)


class Net(Builder):
    """A float network from an input ``x`` of shape (1, 3, 14, 14) to an output ``y``."""

    def __init__(self, rng):
        super().__init__()
        self.rng, self.x = rng, self.input("x", [1, 3, 14, 14])

    def conv(self, x, name, m, c, kernel=1, group=1, **attributes):
        shape = (m, c // group, kernel, kernel)
        weight = self.rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
        bias = self.rng.normal(0, 0.1, m).astype(np.float32)
        pads = [kernel // 2] * 4
        return self.node("Conv", [x, self.constant(f"{name}_w", weight),
                                  self.constant(f"{name}_b", bias)], name, group=group,
                         **{"pads": pads} | attributes)

    def finish(self, x, c):
        x = self.node("GlobalAveragePool", [x], "gap")
        x = self.node("Flatten", [x], "flat")
        w = self.rng.normal(0, c ** -0.5, (10, c)).astype(np.float32)
        x = self.node("Gemm", [x, self.constant("fc_w", w), self.constant(
            "fc_b", np.zeros(10, np.float32))], "fc", transB=1)
        self.output(self.node("Softmax", [x], "y"))
        return onnx.shape_inference.infer_shapes(self.model())


def residual(rng):
    b = Net(rng)
    x = b.node("Relu", [b.conv(b.x, "c1", 8, 3, 3)], "r1")
    y = b.node("Relu", [b.conv(x, "c2", 8, 8, 3)], "r2")
    y = b.node("Add", [b.conv(y, "c3", 8, 8, 3), x], "a1")
    x = b.node("Relu", [y], "r3")
    y = b.node("Add", [b.conv(x, "c4", 8, 8, 1), x], "a2")
    return b.finish(b.node("Relu", [y], "r4"), 8)


def squeeze_excite(rng):
    b = Net(rng)
    x = b.node("HardSwish", [b.conv(b.x, "c1", 8, 3, 3, strides=[2, 2])], "h1")
    x = b.conv(x, "c2", 8, 8, 3, 8)
    s = b.node("GlobalAveragePool", [x], "s1")
    s = b.node("Relu", [b.conv(s, "s2", 4, 8)], "s3")
    s = b.node("Sigmoid", [b.conv(s, "s4", 8, 4)], "s5")
    x = b.node("Mul", [x, s], "scaled")
    x = b.node("LeakyRelu", [b.conv(x, "c3", 6, 8)], "l3", alpha=0.1)
    return b.finish(x, 6)


def inception(rng):
    b = Net(rng)
    x = b.node("Relu", [b.conv(b.x, "c1", 8, 3, 3)], "r1")
    x = b.node("MaxPool", [x], "m1", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    one = b.node("Relu", [b.conv(x, "b1", 4, 8)], "br1")
    two = b.node("Relu", [b.conv(x, "b2", 6, 8, 3)], "br2")
    pool = b.node("AveragePool", [x], "b3", kernel_shape=[3, 3], pads=[1] * 4,
                  count_include_pad=1)
    x = b.node("Concat", [one, two, b.conv(pool, "b4", 2, 8)], "cat", axis=1)
    left, right = b.constant("l", np.int64([2, 0])), b.constant("r", np.int64([7, 1]))
    part = b.node("Slice", [x, left, right, b.constant("ax", np.int64([1, 2]))], "slice")
    up = b.node("Resize", [part, "", b.constant("by", np.float32([1, 1, 7, 1]))], "up",
                mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    return b.finish(b.node("Concat", [x, up], "cat2", axis=1), 17)


def host_between(rng):
    b = Net(rng)
    x = b.node("Relu", [b.conv(b.x, "c1", 8, 3, 3)], "r1")
    x = b.node("LRN", [x], "lrn", size=3)
    x = b.node("Relu", [b.conv(x, "c2", 8, 8, 3)], "r2")
    y = b.node("InstanceNormalization", [x, b.constant("one", np.ones(8, np.float32)),
                                         b.constant("nil", np.zeros(8, np.float32))], "norm")
    return b.finish(b.node("Add", [b.conv(y, "c3", 8, 8), x], "a"), 8)


@pytest.mark.parametrize("form, xtype, wtype", FORMS)
@pytest.mark.parametrize("make, kinds, hosted", [
    (residual, {Conv, Elementwise}, set()),
    (squeeze_excite, {Conv, Elementwise}, set()),
    (inception, {Conv, MaxPool, Move}, {"AveragePool", "QLinearAveragePool"}),
    (host_between, {Conv, Elementwise}, {"LRN", "InstanceNormalization"})])
def test_networks(make, kinds, hosted, form, xtype, wtype, tmp_path):
    """Every tensor and every output; outputs also as the file gives them unchanged."""
    rng = np.random.default_rng(6)
    model = quantise(make(rng), tmp_path, rng, quant_format=form, activation_type=xtype,
                     weight_type=wtype)
    network = onnx_import.load(model)
    layers = [layer for layer in network.layers if not isinstance(layer, Host)]
    assert {type(layer) for layer in layers} == kinds
    ops = {op for part in network.layers if isinstance(part, Host) for _, op in part.nodes}
    assert ops - FLOAT <= hosted
    assert not network.reasons or hosted
    known = set(network.inputs)
    for layer in network.layers:
        host = isinstance(layer, Host)
        assert known >= set(layer.inputs if host else (x.name for x in layer.inputs))
        known.update(layer.outputs if host else [layer.y.name])
    reference = Reference(model, network)
    for _ in range(4):
        inputs = {"x": rng.normal(0, 1.2, (1, 3, 14, 14)).astype(np.float32)}
        values = golden.run(network, inputs)
        for name, expected in reference.run(inputs).items():
            np.testing.assert_array_equal(values[name], expected, name, strict=True)
        np.testing.assert_array_equal(values["y"], evaluate(model, inputs)["y"])


def test_layers_that_read_aliases():
    """Operators read the codes of others in another shape: the same leaf by another name."""
    b, rng = Builder(), np.random.default_rng(8)
    scale, zero = b.constant("s", np.float32(0.04)), b.constant("z", np.uint8(3))
    b.input("x", (1, 6, 4, 5), np.uint8)
    flat = b.node("Reshape", ["x", b.constant("to", np.int64([1, 6, 4, 5]))], "same")
    b.node("QLinearAdd", [flat, scale, zero, "x", scale, zero, scale, zero], "sum",
           domain="com.microsoft")
    pooled = b.node("DequantizeLinear", [flat, scale, zero], "d")
    pooled = b.node("GlobalAveragePool", [pooled], "g")
    b.output(b.node("QuantizeLinear", [pooled, b.constant("s2", np.float32(0.031)), zero], "y"),
             np.uint8)
    b.output("sum", np.uint8)
    model = b.bytes()
    network = onnx_import.load(model)
    assert {type(layer) for layer in network.layers} <= {Conv, Elementwise}
    inputs = {"x": rng.integers(0, 256, (1, 6, 4, 5)).astype(np.uint8)}
    values = golden.run(network, inputs)
    for name, expected in Reference(model, network).run(inputs).items():
        np.testing.assert_array_equal(values[name], expected, name, strict=True)


def chain(between):
    """Conv, codes, ``between``, codes of another scale, Conv."""
    b, rng = Builder(), np.random.default_rng(1)

    def codes(x, name, scale, zero):
        x = b.quantised("QuantizeLinear", x, f"{name}q", np.float32(scale), np.uint8(zero))
        return b.quantised("DequantizeLinear", x, f"{name}d", np.float32(scale), np.uint8(zero))

    def conv(x, name):
        w = b.constant(f"{name}w", rng.integers(-127, 128, (4, 4, 1, 1)).astype(np.int8))
        w = b.quantised("DequantizeLinear", w, f"{name}wd", np.float32(0.01), np.int8(0))
        return b.node("Conv", [x, w], name)
    x = codes(b.input("x", (1, 4, 6, 6)), "x", 0.02, 128)
    x = codes(between(b, codes(conv(x, "c1"), "a", 0.05, 128)), "b", 0.03, 100)
    b.output(codes(conv(x, "c2"), "y", 0.05, 128))
    return b.bytes()


@pytest.mark.parametrize("layers, between", [
    (2, lambda b, x: b.node("Identity", [x], "i")),
    (2, lambda b, x: x),
    (2, lambda b, x: b.quantised("DequantizeLinear", b.quantised(
        "QuantizeLinear", x, "q", np.float32(0.04), np.uint8(90)), "d", np.float32(0.04),
        np.uint8(90))),
    (3, lambda b, x: b.node("Relu", [x], "r")),
    (3, lambda b, x: b.node("Reshape", [x, b.constant("to", np.int64([1, 4, 6, 6]))], "r"))])
def test_quantised_twice(layers, between):
    """ONNX Runtime makes one of two pairs of quantisers, unless somebody reads the codes."""
    model = chain(between)
    network = onnx_import.load(model)
    rng = np.random.default_rng(7)
    inputs = {"x": rng.normal(0, 2, (1, 4, 6, 6)).astype(np.float32)}
    values = golden.run(network, inputs)
    for name, expected in Reference(model, network).run(inputs).items():
        np.testing.assert_array_equal(values[name], expected, name, strict=True)
    np.testing.assert_array_equal(values["yd"], evaluate(model, inputs)["yd"])
    assert sum(not isinstance(layer, Host) for layer in network.layers) == layers
