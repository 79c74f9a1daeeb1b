"""Bad models: one sentence each, nothing but HwgenError. Unsupported nodes: host, exactly."""

import re
import time

import numpy as np
import onnx
import pytest
from onnx import helper

from hwgen.cli import main
from hwgen.errors import HwgenError
from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network.graph import Conv, Elementwise, Host, MaxPool
from hwgen.network.ort_session import session
from tests.seed import SEED

from .models import Builder


def qdq(op="Conv", *, shape=(1, 4, 6, 6), zx=np.uint8(3), wtype=np.int8, sw=np.float32(0.01),
        zw=None, bias=True, bias_factor=1.0, zy=np.uint8(0), sx=np.float32(0.1), sy=np.float32(0.2),
        between=None, weight=(5, 4, 3, 3), weight_extra=None, **attributes):
    """A builder with one layer; ``between`` adds nodes between the layer and its quantiser."""
    b = Builder()
    x = b.quantised("QuantizeLinear", b.input("x", shape), "xq", sx, zx)
    x = b.quantised("DequantizeLinear", x, "xd", sx, zx)
    w = b.constant("w", np.ones(weight, wtype))
    zw = np.zeros(np.shape(sw), wtype) if zw is None else zw
    inputs = [x, b.quantised("DequantizeLinear", w, "wd", sw, zw, **(weight_extra or {}))]
    if bias:
        b.constant("b", np.zeros(5, np.int32))
        inputs.append(b.quantised("DequantizeLinear", "b", "bd",
                                  np.float32(sx * np.mean(sw) * bias_factor), np.int32(0)))
    y = b.node(op, inputs, "yf", **attributes)
    if between:
        y = between(b, y)
    y = b.quantised("QuantizeLinear", y, "yq", sy, zy)
    b.output(b.quantised("DequantizeLinear", y, "y", sy, zy))
    return b


def gemm(**options):
    return qdq("Gemm", shape=(1, 4), weight=(5, 4), transB=1, **options)


def pool(**attributes):
    b = Builder()
    x = b.quantised("QuantizeLinear", b.input("x", (1, 2, 6, 6)), "xq", np.float32(1), np.uint8(0))
    b.output(b.node("MaxPool", [x], "y", **attributes), np.uint8)
    return b


def qgemm_to_float():
    b = Builder()
    x = b.quantised("QuantizeLinear", b.input("x", (1, 4)), "xq", np.float32(1), np.uint8(0))
    w = [b.constant("w", np.ones((4, 5), np.uint8)), b.constant("sw", np.float32(1)),
         b.constant("zw", np.uint8(0))]
    b.output(b.node("QGemm", [x, "xq_s", "xq_z", *w], "y", domain="com.microsoft"))
    return b


def add_between(b, y):
    other = b.quantised("DequantizeLinear", "xq", "x2", np.float32(0.1), np.uint8(3))
    return b.node("Add", [y, other], "sum")


def two_layers(op, **attributes):
    """A Conv, an operator on float values, another Conv."""
    b = qdq(pads=[1, 1, 1, 1])
    b.outputs.clear()
    y = b.node(op, ["y"], "mid", **attributes)
    y = b.quantised("QuantizeLinear", y, "zq", np.float32(0.2), np.uint8(0))
    y = b.quantised("DequantizeLinear", y, "zd", np.float32(0.2), np.uint8(0))
    b.constant("w2", np.ones((2, 5, 1, 1), np.int8))
    w = b.quantised("DequantizeLinear", "w2", "w2d", np.float32(1), np.int8(0))
    y = b.node("Conv", [y, w], "y2f")
    y = b.quantised("QuantizeLinear", y, "y2q", np.float32(9), np.uint8(0))
    b.output(b.quantised("DequantizeLinear", y, "y2", np.float32(9), np.uint8(0)))
    return b


def shared_float():
    b = qdq()
    b.output("yf")
    return b


def unquantised_output():
    b = qdq()
    b.nodes = b.nodes[:-2]
    b.outputs.clear()
    b.output("yf")
    return b


def float_only():
    b = Builder()
    b.constant("w", np.ones((5, 4, 3, 3), np.float32))
    b.output(b.node("Conv", [b.input("x", (1, 4, 6, 6)), "w"], "y"))
    return b


def weights_from_input():
    b = qdq()
    del b.constants["w"]
    b.input("w", (5, 4, 3, 3), np.int8)
    return b


def scale_from_input():
    b = qdq()
    del b.constants["yq_s"]
    b.input("yq_s", ())
    return b


def requantising():
    """Codes pass to another scale, of a ratio that float32 rounds differently twice."""
    b = qdq(sy=np.float32(0.2))
    b.outputs.clear()
    y = b.quantised("QuantizeLinear", "y", "zq", np.float32(0.2 / 2.5), np.uint8(0))
    b.output(b.quantised("DequantizeLinear", y, "z", np.float32(0.2 / 2.5), np.uint8(0)))
    return b


def pool_between_scales():
    b = qdq()
    b.outputs.clear()
    y = b.node("MaxPool", ["y"], "p", kernel_shape=[2, 2])
    y = b.quantised("QuantizeLinear", y, "pq", np.float32(0.3), np.uint8(0))
    b.output(b.quantised("DequantizeLinear", y, "z", np.float32(0.3), np.uint8(0)))
    return b


def control_flow():
    b = qdq()
    branch = helper.make_graph([helper.make_node("Identity", ["y"], ["i"])], "g", [],
                               [helper.make_tensor_value_info("i", 1, None)])
    b.constant("yes", np.array(True))
    b.outputs.clear()
    b.output(b.node("If", ["yes"], "z", then_branch=branch, else_branch=branch))
    return b


def relu(b, y):
    return b.node("Relu", [y], "relu")


def clip(b, y):
    return b.node("Clip", [y, b.constant("lo", np.float32(0)), b.constant("hi", np.float32(6))],
                  "clip")


S, U = np.float32, np.uint8


def float_bias():
    b = qdq()
    b.constants["b"] = np.ones(5, np.float32)
    b.nodes = [n for n in b.nodes if n.output[0] != "bd"]
    conv = next(n for n in b.nodes if n.op_type == "Conv")
    conv.input[2] = "b"
    return b


@pytest.mark.parametrize("make, message", [
    # What ONNX Runtime does not run either, with our reason where there is one.
    (lambda: qdq(auto_pad="SAME_UPPER", dilations=[2, 2]),
     "Conv 'n_yf' has auto_pad = SAME_UPPER with dilations, .*: export it with explicit pads. "
     "ONNX Runtime cannot run the model: .* Dilation not supported"),
    (lambda: qdq(pads=[-1, 0, 0, 0]),
     r"Node \(n_yf\) Op \(Conv\) .* pads must not contain negative values"),
    (lambda: qdq(group=2), "Conv 'n_yf' has .* group = 2 for 4 input channels, which do not fit "
                           "together. ONNX Runtime cannot run the model"),
    (lambda: qdq(shape=(1, 4, 2, 2)), "Conv 'n_yf' has a window of .* that does not fit its input"),
    (lambda: pool(kernel_shape=[2, 2], pads=[2, 0, 0, 0]),
     "ONNX Runtime refuses the model: .*Pad should be smaller than kernel"),
    (lambda: pool(), "is malformed: Required attribute 'kernel_shape' is missing"),
    (lambda: qdq(sx=np.float16(1), sw=np.float16(1), sy=np.float16(1), bias=False),
     "ONNX Runtime refuses the model: .*float16.* is invalid"),
    (lambda: qdq(sw=np.full(4, 0.01, S), weight_extra={"axis": 1}, bias=False),
     "QLinearConv 'n_yf' has 4 weight scales; supported are one scale, or 5 on axis 0. ONNX"),
    (lambda: qdq(sy=np.full(5, 0.2, S), zy=np.zeros(5, U)),
     "Conv 'n_yf' quantises its output per channel.*: quantise activations per tensor. ONNX"),
    # Scales that mean nothing.
    (lambda: qdq(sw=S(np.nan), bias=False), "the scale 'wd_s' of .* holds nan; scales must be"),
    (lambda: qdq(sw=S(0), bias=False), "holds 0.0; scales must be positive and finite"),
    (lambda: qdq(sx=S(-1), bias=False), "holds -1.0; scales must be positive and finite"),
    (lambda: qdq(sy=S(np.inf)), "holds inf; scales must be positive and finite"),
])
def test_refused(make, message):
    with pytest.raises(HwgenError, match=message) as caught:
        onnx_import.load(make().bytes())
    assert "\n" not in str(caught.value)
    assert "onnxruntime/core" not in str(caught.value)


@pytest.mark.parametrize("make, reason, layers", [
    (lambda: qdq(between=add_between, weight=(4, 4, 1, 1), bias=False), None, []),
    (lambda: two_layers("AveragePool", kernel_shape=[2, 2]),
     "AveragePool 'n_mid' averages 4 values .* no integer form is proved equal", [Conv, Conv]),
    (lambda: two_layers("Sigmoid"), None, [Conv, Elementwise, Conv]),
    (lambda: two_layers("LRN", size=3), None, [Conv, Conv]),
    (lambda: qdq(between=relu, zy=U(7)), "Relu behind FusedConv 'n_yf' has bounds that", []),
    (lambda: qdq(between=clip), "Clip behind FusedConv 'n_yf' has bounds that the codes", []),
    (lambda: gemm(alpha=0.5), "has alpha = 0.5, which ONNX Runtime computes in float", []),
    (lambda: gemm(beta=0.5), "has beta = 0.5, which ONNX Runtime computes in float", []),
    (lambda: qdq(shape=(1, 4, 3, 3, 3, 3), weight=(5, 4, 2, 2, 2, 2)), "2-D convolutions", []),
    (lambda: qdq(shape=(2, 4, 6, 6)), None, [Conv]),
    (lambda: pool(kernel_shape=[2, 2], dilations=[2, 2]), None, [MaxPool]),
    (lambda: pool(kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[6, 6]),
     "auto_pad = SAME_UPPER but windows that pass over values", []),
    (qgemm_to_float, None, [Conv]),
    (unquantised_output, None, []),
    (float_only, None, []),
    (shared_float, "the float result 'yf' of Conv 'n_yf' is used apart from its QuantizeLinear",
     []),
    (pool_between_scales, None, [Conv, MaxPool]),
    (requantising, None, [Conv]),
    (control_flow, None, [Conv]),
    (lambda: qdq(sx=S(1e30), sw=S(1e20), bias=False), "has the output scale inf", []),
    (lambda: qdq(zy=np.int8(0)), "takes uint8, has int8 weights and gives int8", []),
    (lambda: qdq(zx=np.int8(0), zy=np.int8(0), wtype=np.uint8),
     "takes int8, has uint8 weights and gives int8", []),
    (lambda: qdq(sw=np.full(5, 0.01, S), zw=np.arange(5, dtype=np.int8), weight_extra={"axis": 0}),
     None, [Conv]),
    (lambda: qdq(bias_factor=1.5), "is not quantised to int32 with zero point 0", []),
    (float_bias, None, [Conv]),
    (weights_from_input, "Conv 'n_yf' takes its weights 'w' from a computation", []),
    (scale_from_input, "takes its scale or zero point 'yq_s' from a computation", []),
])
def test_on_the_host(make, reason, layers):
    """What has no integer form runs in ONNX Runtime, the rest does not, and both are exact."""
    model = make().bytes()
    network = onnx_import.load(model)
    assert [type(layer) for layer in network.layers if not isinstance(layer, Host)] == layers
    if reason:
        assert re.search(reason, " ".join(network.reasons.values()))
    rng, inputs = np.random.default_rng(1), {}
    for name, (shape, dtype) in network.inputs.items():
        inputs[name] = np.asarray(rng.normal(1, 2, shape) if shape else 1, dtype)
    values = golden.run(network, inputs)
    for name, expected in Reference(model, network).run(inputs).items():
        np.testing.assert_array_equal(values[name], expected, name)


def test_macs_of_the_host():
    network = onnx_import.load(float_only().bytes())
    part, = network.layers
    assert part.nodes == (("n_y", "Conv"),)
    assert part.macs == 5 * 4 * 4 * 4 * 3 * 3


@pytest.mark.parametrize("data, message", [
    (b"", "is not an ONNX file, or is cut short"),
    (b"hello, world", "is not an ONNX file, or is cut short"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not an ONNX file, or is cut short"),
])
def test_not_onnx(data, message, tmp_path):
    with pytest.raises(HwgenError, match=f"the model {message}"):
        onnx_import.load(data)
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(HwgenError, match=f"bad.onnx {message}"):
        onnx_import.load(tmp_path / "bad.onnx")


def test_unreadable(tmp_path):
    with pytest.raises(HwgenError, match="cannot read the model .*none.onnx: No such file"):
        onnx_import.load(tmp_path / "none.onnx")
    with pytest.raises(HwgenError, match="cannot read the model .*: Is a directory"):
        onnx_import.load(tmp_path)


def test_truncated_anywhere():
    data = qdq().bytes()
    for size in range(0, len(data) - 40, 7):    # what follows the graph is a few versions
        with pytest.raises(HwgenError):
            onnx_import.load(data[:size])


def test_external_data(tmp_path):
    model = qdq().model()
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    assert len(onnx_import.load(path).layers) == 3
    with pytest.raises(HwgenError, match="lies in another file: give the model's path"):
        onnx_import.load(path.read_bytes())
    (tmp_path / "net.bin").unlink()
    with pytest.raises(HwgenError, match="lies in the file 'net.bin', which cannot be read"):
        onnx_import.load(path)


def test_dynamic_shapes():
    b = qdq(shape=("batch", 4, "height", 6))
    with pytest.raises(HwgenError, match="dimension 2 of the input 'x' is height: give the input"):
        onnx_import.load(b.bytes())
    network = onnx_import.load(b.bytes(), {"x": (1, 4, 8, 6)})
    assert network.inputs["x"][0] == (1, 4, 8, 6)
    assert network.layers[1].y.shape == (5, 6, 4)
    with pytest.raises(HwgenError, match=r"was given shape \(1, 3, 8, 6\); the model declares"):
        onnx_import.load(b.bytes(), {"x": (1, 3, 8, 6)})
    with pytest.raises(HwgenError, match="'z' is not an input of net: its inputs are 'x'"):
        onnx_import.load(b.bytes(), {"z": (1, 4, 8, 6)})


def test_malformed_graphs():
    b = qdq()
    b.nodes[0].input[0] = "y"
    with pytest.raises(HwgenError, match="the graph of net is cyclic: .* needs its own result"):
        onnx_import.load(b.bytes())
    b = qdq()
    b.nodes[0].input[0] = "nowhere"
    with pytest.raises(HwgenError, match="nothing gives the value 'nowhere'"):
        onnx_import.load(b.bytes())
    b = qdq()
    b.nodes.append(b.nodes[-1])
    with pytest.raises(HwgenError, match="the value 'y' is defined twice"):
        onnx_import.load(b.bytes())
    b = qdq()
    b.outputs.clear()
    with pytest.raises(HwgenError, match="the network net has no outputs"):
        onnx_import.load(b.bytes())
    model = qdq().model()
    model.graph.initializer[0].data_type = 99
    with pytest.raises(HwgenError, match="the initialiser 'xq_s' cannot be read"):
        onnx_import.load(model.SerializeToString())
    b = qdq()
    b.nodes[0].op_type = "Nonsense"
    with pytest.raises(HwgenError, match="is malformed: No Op registered for Nonsense"):
        onnx_import.load(b.bytes())


def test_names_that_are_not_text():
    with pytest.raises(HwgenError, match=r"the name b'n_\\xfff' is not UTF-8"):
        onnx_import.load(qdq().bytes().replace(b"n_yf", b"n_\xfff"))


def test_damaged_anywhere():
    """A model with a few wrong bytes is imported or refused; nothing else happens."""
    rng = np.random.default_rng(SEED)
    whole, refused = qdq().bytes(), 0
    for _ in range(300):
        data = bytearray(whole)
        for index in rng.integers(len(data), size=3):
            data[index] = rng.integers(256)
        try:
            onnx_import.load(bytes(data))
        except HwgenError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 200


def enlarged(by):
    """A layer, and an enlargement of its output."""
    b = qdq(pads=[1, 1, 1, 1])
    b.outputs.clear()
    scales = b.constant("by", np.float32([1, 1, by, by]))
    b.output(b.node("Resize", ["y", "", scales], "big", mode="nearest"))
    return b


def spread():
    """An addend of a size that a constant states."""
    b = qdq()
    b.outputs.clear()
    b.constant("size", np.int64([1, 1, 1 << 20, 1 << 20]))
    zeros = b.node("ConstantOfShape", ["size"], "zeros")
    b.output(b.node("Add", ["y", zeros], "sum"))
    return b


@pytest.mark.parametrize("make, message", [
    (lambda: qdq(shape=(1, 4, 1 << 20, 1 << 20)),
     r"the value 'x' of net has the shape \(1, 4, 1048576, 1048576\), 17592186044416 bytes; a "
     r"value has at most 4294967296: use a smaller input"),
    (lambda: enlarged(20000.0), r"the value 'big' .* \(1, 5, 120000, 120000\), 288000000000 bytes"),
    (spread, r"the value 'zeros' .* 4398046511104 bytes"),
])
def test_enormous_shapes_are_refused_at_once(make, message):
    model, began = make().bytes(), time.perf_counter()
    with pytest.raises(HwgenError, match=message):
        onnx_import.load(model)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("make, message", [
    (lambda path: path.write_bytes(qdq().bytes()[:300]), "is not an ONNX file, or is cut short"),
    (lambda path: path.write_bytes(qdq(shape=(1, 4, "h", 6)).bytes()), "dimension 2 .* is h"),
    (lambda path: path.write_bytes(qdq(sw=S(0), bias=False).bytes()), "be positive and finite"),
    (lambda path: path.write_bytes(qdq(shape=(1, 4, 1 << 20, 1 << 20)).bytes()), "smaller input"),
    (lambda path: None, "(cannot read the model|is neither a known network nor a file)"),
])
@pytest.mark.parametrize("command", ["run", "compile", "map"])
def test_the_commands_say_one_sentence(command, make, message, tmp_path, capfd):
    path, out = tmp_path / "net.onnx", tmp_path / "out"
    make(path)
    options = {"run": ["--input", str(tmp_path / "x.npz")], "compile": ["--out", str(out)]}
    assert main([command, str(path), *options.get(command, ())]) == 2
    said = capfd.readouterr()
    assert re.match(f"error: .*{message}.*\n$", said.err) and said.err.count("\n") == 1
    assert not said.out and not out.exists()


def test_versions_that_onnx_runtime_does_not_know():
    """Its sentence, without its source files and functions."""
    model = qdq().model()
    model.ir_version = 99
    with pytest.raises(HwgenError, match="^ONNX Runtime refuses the model: Unsupported model IR"):
        session(model.SerializeToString())


def test_nodes_in_any_order():
    b = qdq()
    b.nodes.reverse()
    assert len(onnx_import.load(b.bytes()).layers) == 3
