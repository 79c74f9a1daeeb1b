"""How files are quantised: by which tools, with what left out."""

import logging
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from ..models import Batches
from .builder import TYPES, Graph, image

__all__ = [
    "bias_scale_half_percent",
    "bias_u8",
    "cast_noop",
    "clip_wide",
    "conv_no_out_q",
    "dq_in_front",
    "dynq_u8u8",
    "float_bias",
    "gemm_no_out",
    "int4_blocked_conv",
    "int4_blocked_matmul",
    "int4w",
    "int8_avg",
    "int8_conv",
    "matmul_rank3",
    "maxpool_between",
    "mixed_u8_i8",
    "no_zp",
    "ort_tool_nobias",
    "qcdq",
    "silu_plain",
    "sym_relu",
    "trt_style",
    "wzp_perchannel",
]


def bias_scale_half_percent():
    """Bias dequantised with a scale that is not input scale * weight scale (factor 1.005);
    Conv and Gemm, a shared bias.
    """
    rng = np.random.default_rng(7)
    K = np.float32(1.005)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    w, s = g.weights((5, 3, 3, 3))
    b = g.dq(
        g.init(rng.integers(-20000, 20000, 5).astype(np.int32)),
        (np.float32(0.02) * s * K).astype(np.float32),
        np.zeros(5),
        "i32",
        axis=0,
    )
    a = g.qdq(g.op("Conv", [x, w, b]), 0.1, 100)
    fl = g.op("Flatten", [a])
    w, s = g.weights((10, 180))
    b = g.dq(
        g.init(rng.integers(-20000, 20000, 10).astype(np.int32)),
        (np.float32(0.1) * s * K).astype(np.float32),
        np.zeros(10),
        "i32",
        axis=0,
    )
    y = g.qdq(g.op("Gemm", [fl, w, b], transB=1), 0.5, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(1, 3, 8, 8))


def bias_u8():
    """Bias dequantised from 8 bits, and bias with a zero point / per-tensor scale while
    weights are per channel.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    w, s = g.weights((5, 3, 3, 3))
    b = g.dq(g.init(rng.integers(-128, 127, 5).astype(np.int8)), 0.01, 0, "i8")
    a = g.qdq(g.op("Conv", [x, w, b]), 0.1, 100)
    w, s = g.weights((4, 5, 3, 3))
    b = g.dq(g.init(rng.integers(-20000, 20000, 4).astype(np.int32)), 0.0001, None)
    a = g.qdq(g.op("Conv", [a, w, b]), 0.1, 100)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def cast_noop():
    """A Cast from uint8 to uint8 behind each QuantizeLinear (torch FX export)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    _s, _z = (0.02, 128)

    def qcd(a, s, z):
        return g.dq(g.op("Cast", [g.q(a, s, z)], to=TensorProto.UINT8), s, z)

    x = qcd(g.input("x", [1, 4, 12, 12]), 0.02, 128)
    w, sw = g.weights((8, 4, 3, 3))
    a = qcd(g.op("Conv", [x, w, g.bias(8, 0.02, sw)]), 0.05, 100)
    a = qcd(g.op("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2]), 0.05, 100)
    w, sw = g.weights((4, 8, 3, 3))
    a = qcd(g.op("Conv", [a, w, g.bias(4, 0.05, sw)]), 0.1, 100)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 12, 12))


def clip_wide():
    """ReLU6 whose output quantiser reaches to 8: the Clip is not implied by the codes."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 12, 12]), 0.02, 128)
    w, s = g.weights((6, 3, 3, 3))
    c = g.op(
        "Clip",
        [g.op("Conv", [x, w, g.bias(6, 0.02, s)]), g.init(np.float32(0)), g.init(np.float32(6))],
    )
    y = g.qdq(c, 8 / 255, 0)
    y = g.conv(y, 8 / 255, 6, 4, 1, 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 12, 12))


def conv_no_out_q():
    """The last Conv / Gemm has no output quantiser (common: logits stay float)."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 5, 3, 0.05, 100, pads=[1] * 4)
    w, s = g.weights((64, 5, 3, 3))
    y = g.op("Conv", [a, w, g.bias(64, 0.05, s)])
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def dq_in_front():
    """No quantisers around MaxPool, Transpose, Flatten, Reshape: DQ, MaxPool, Conv, Q ... DQ,
    Flatten, Gemm.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 12, 12, 3]), 0.02, 128)
    x = g.op("Transpose", [x], perm=[0, 3, 1, 2])
    x = g.conv(x, 0.02, 3, 6, 3, 0.05, 0)
    x = g.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = g.conv(x, 0.05, 6, 6, 3, 0.05, 0)
    x = g.op("Reshape", [x, g.init(np.array([1, -1]))])
    w, s = g.weights((10, 54))
    y = g.qdq(g.op("Gemm", [x, w, g.bias(10, 0.05, s)], transB=1), 0.3, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(1, 12, 12, 3))


def dynq_u8u8():
    """ORT's quantize_dynamic output kind: DynamicQuantizeLinear, ConvInteger / MatMulInteger,
    Cast, Mul.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)
    x = g.input("x", [1, 3, 10, 10])

    def dyn(x, op, w, zw, sw, b=None, **a):
        q, s, z = g.op("DynamicQuantizeLinear", [x], nout=3)
        i = g.op(op, [q, g.init(w), z, g.init(zw)], **a)
        c = g.op("Cast", [i], to=TensorProto.FLOAT)
        m = g.op("Mul", [s, g.init(np.float32(sw))])
        y = g.op("Mul", [c, m])
        return g.op("Add", [y, b]) if b else y

    a = g.op(
        "Relu",
        [
            dyn(
                x,
                "ConvInteger",
                rng.integers(0, 256, (8, 3, 3, 3)).astype(np.uint8),
                np.uint8(121),
                0.01,
                g.init(rng.normal(0, 1, (1, 8, 1, 1)).astype(np.float32)),
                pads=[1] * 4,
            )
        ],
    )
    fl = g.op("Flatten", [a])
    y = dyn(
        fl,
        "MatMulInteger",
        rng.integers(-127, 128, (800, 10)).astype(np.int8),
        np.int8(0),
        0.01,
        g.init(np.zeros(10, np.float32)),
    )
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(1, 3, 10, 10))


def float_bias():
    """Bias left as float (QuantizeBias off, NVIDIA / Brevitas style)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 10, 10]), 0.02, 0, "i8")
    for ci, co, so in ((3, 6, 0.05), (6, 4, 0.1)):
        wd, _ = g.weights((co, ci, 3, 3))
        x = g.qdq(
            g.op("Conv", [x, wd, g.init(rng.normal(0, 0.3, co).astype(np.float32))]), so, 0, "i8"
        )
    g.op("Identity", [x], "y")
    g.output("y")
    return g.model(), dict(x=image(1, 3, 10, 10))


def int4w():
    """Weights of 4 bits."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=21, ir=10)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    for i, (ci, co, si, so) in enumerate([(3, 6, 0.02, 0.05), (6, 5, 0.05, 0.1)]):
        w = rng.integers(-8, 8, (co, ci, 3, 3))
        s = rng.uniform(0.02, 0.05, co).astype(np.float32)
        t = helper.make_tensor(f"w4_{i}", TensorProto.INT4, (co, ci, 3, 3), w.flatten().tolist())
        g.inits.append(t)
        z = helper.make_tensor(f"z4_{i}", TensorProto.INT4, (co,), [0] * co)
        g.inits.append(z)
        wd = g.op("DequantizeLinear", [t.name, g.init(s), z.name], axis=0)
        x = g.qdq(g.op("Conv", [x, wd, g.bias(co, si, s)]), so, 120)
    g.op("Identity", [x], "y")
    g.output("y")
    return g.model(), dict(x=image(1, 3, 8, 8))


def int8_avg():
    """Int8 AveragePool and Softmax, Add with a per-channel constant: hwgen against a session
    with default options.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 16, 16]), 0.0313, -20, "i8")
    a = g.qdq(g.op("AveragePool", [x], kernel_shape=[2, 3], strides=[2, 1]), 0.0429, 11, "i8")
    s = g.qdq(g.op("Softmax", [x], axis=1), 0.0054, -100, "i8")
    m = g.qdq(g.op("Mul", [x, x]), 0.05, -7, "i8")
    d = g.qdq(g.op("Elu", [x]), 0.1, -3, "i8")
    for n, t in zip("asmd", (a, s, m, d), strict=True):
        g.op("Identity", [t], "y" + n)
        g.output("y" + n, rank=4)
    return g.model(), dict(x=image(1, 4, 16, 16, lo=-4, hi=4))


def int8_conv():
    """int8 activations, from one input to six scales."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 8, 20, 20]), 0.0313, -20, "i8")
    for k in range(6):
        y = g.conv(
            x,
            0.0313,
            8,
            12,
            3,
            [0.05, 0.25, 0.1, 0.5, 0.137, 1.0][k],
            [5, -30, 0, 99, -128, 7][k],
            "i8",
        )
        g.op("Identity", [y], f"y{k}")
        g.output(f"y{k}", rank=4)
    return g.model(), dict(x=image(1, 8, 20, 20, lo=-4, hi=4))


def maxpool_between():
    """A MaxPool without quantisers of its own between DequantizeLinear and Conv (Brevitas,
    PyTorch).
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 12, 12]), 0.02, 128)
    p = g.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    y = g.conv(p, 0.02, 4, 8, 3, 0.05, 100)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 12, 12))


def mixed_u8_i8():
    """Uint8 behind ReLU, int8 behind linear bottlenecks (MobileNetV2 as QAT tools export it)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 10, 10]), 0.02, 0, "i8")
    a = g.conv(x, 0.02, 4, 12, 1, 0.05, 0, "u8")
    a = g.conv(a, 0.05, 12, 12, 3, 0.1, 0, "u8", group=12, pads=[1] * 4)
    a = g.conv(a, 0.1, 12, 4, 1, 0.2, 0, "i8")
    r = g.qdq(g.op("Add", [a, x]), 0.25, 0, "i8")
    g.op("Identity", [r], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 10, 10))


def no_zp():
    """Q and DQ without the zero point input, some with output_dtype (opset 21); weights and
    bias without zero points.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=21, ir=10)
    x = g.dq(
        g.op(
            "QuantizeLinear",
            [g.input("x", [1, 3, 8, 8]), g.init(np.float32(0.02))],
            output_dtype=TensorProto.INT8,
        ),
        0.02,
        None,
    )
    w = g.dq(
        g.init(rng.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)),
        rng.uniform(0.005, 0.02, 5),
        None,
        axis=0,
    )
    a = g.op("Conv", [x, w])
    a = g.dq(
        g.op("QuantizeLinear", [a, g.init(np.float32(0.1))], output_dtype=TensorProto.INT8),
        0.1,
        None,
    )
    w = g.dq(g.init(rng.integers(-127, 128, (4, 5, 1, 1)).astype(np.int8)), np.float32(0.01), None)
    b = g.dq(
        g.init(np.arange(4, dtype=np.int32)), np.float32(np.float32(0.1) * np.float32(0.01)), None
    )
    a = g.op("Conv", [a, w, b])
    a = g.dq(
        g.op("QuantizeLinear", [a, g.init(np.float32(0.1)), ""], output_dtype=TensorProto.INT8),
        0.1,
        None,
    )
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def ort_tool_nobias():
    """ONNX Runtime's own quantiser, with biases left in float."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.input("x", [1, 3, 12, 12])

    def normal(*shape):
        return g.init(rng.normal(0, 0.2, shape).astype(np.float32))

    a = g.op("Relu", [g.op("Conv", [x, normal(8, 3, 3, 3), normal(8)], pads=[1] * 4)])
    a = g.op("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2])
    a = g.op("Relu", [g.op("Conv", [a, normal(8, 8, 3, 3), normal(8)])])
    a = g.op("Flatten", [a])
    g.op("Gemm", [a, normal(10, 128), normal(10)], "y", transB=1)
    g.output("y", [1, 10])
    data = [image(1, 3, 12, 12, seed=k) for k in range(4)]
    logging.disable(logging.WARNING)  # it recommends its preprocessing
    with tempfile.TemporaryDirectory() as folder:
        quantize_static(
            g.float_model(),
            f"{folder}/model.onnx",
            Batches("x", data),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"QuantizeBias": False},
        )
        model = Path(f"{folder}/model.onnx").read_bytes()
    logging.disable(logging.NOTSET)
    return model, dict(x=image(1, 3, 12, 12))


def qcdq():
    """4-bit activations and weights: Quantize, integer Clip, Dequantize."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)

    def act(x, s, lo, hi, t="i8", z=0):
        q = g.q(x, s, z, t)
        c = g.op("Clip", [q, g.init(np.asarray(lo, TYPES[t])), g.init(np.asarray(hi, TYPES[t]))])
        return g.dq(c, s, z, t)

    x = act(g.input("x", [1, 3, 10, 10]), 0.3, -8, 7)
    w = rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32)
    sw = 0.1
    wd = act(g.init(w), sw, -7, 7)
    a = g.op("Relu", [g.op("Conv", [x, wd], pads=[1] * 4)])
    a = act(a, 0.4, 0, 15, "u8")
    wi = g.init(rng.integers(-7, 8, (4, 6, 3, 3)).astype(np.int8))
    wd = g.dq(g.op("Clip", [wi, g.init(np.int8(-7)), g.init(np.int8(7))]), 0.05, 0, "i8")
    b = act(
        g.op(
            "Conv",
            [
                a,
                wd,
                g.dq(
                    g.init(np.arange(4).astype(np.int32)),
                    np.float32(np.float32(0.4) * np.float32(0.05)),
                    0,
                    "i32",
                ),
            ],
        ),
        0.6,
        -8,
        7,
    )
    g.op("Identity", [b], "y")
    g.output("y")
    return g.model(), dict(x=image(1, 3, 10, 10))


def silu_plain():
    """SiLU with float in between: Conv, Sigmoid, Mul, then one Q (as TensorRT-style exports
    leave it); and HardSwish, GELU(Erf), Mish.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=18)
    x = g.qdq(g.input("x", [1, 3, 12, 12]), 0.02, 128)
    w, sw = g.weights((8, 3, 3, 3))
    c = g.op("Conv", [x, w, g.bias(8, 0.02, sw)])
    a = g.qdq(g.op("Mul", [c, g.op("Sigmoid", [c])]), 0.03, 10)
    w, sw = g.weights((8, 8, 3, 3))
    c = g.op("Conv", [a, w, g.bias(8, 0.03, sw)])
    a = g.qdq(g.op("HardSwish", [c]), 0.03, 10)
    w, sw = g.weights((8, 8, 3, 3))
    c = g.op("Conv", [a, w, g.bias(8, 0.03, sw)])
    a = g.qdq(g.op("Mish", [c]), 0.03, 10)
    w, sw = g.weights((8, 8, 1, 1))
    c = g.op("Conv", [a, w, g.bias(8, 0.03, sw)])
    e = g.op(
        "Mul",
        [
            g.op("Mul", [c, g.init(np.float32(0.5))]),
            g.op(
                "Add",
                [
                    g.op("Erf", [g.op("Div", [c, g.init(np.float32(2**0.5))])]),
                    g.init(np.float32(1)),
                ],
            ),
        ],
    )
    a = g.qdq(e, 0.03, 10)
    w, sw = g.weights((4, 8, 1, 1))
    c = g.op("LeakyRelu", [g.op("Conv", [a, w, g.bias(4, 0.03, sw)])], alpha=0.1)
    a = g.qdq(c, 0.05, 30)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 12, 12))


def sym_relu():
    """Symmetric int8 activations (zero point 0) with ReLU between Conv and Q: TensorRT
    convention.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 10, 10]), 0.02, 0, "i8")
    a = g.conv(x, 0.02, 3, 6, 3, 0.05, 0, "i8", relu=True, pads=[1] * 4)
    a = g.conv(a, 0.05, 6, 4, 3, 0.1, 0, "i8", relu=True)
    g.op("Identity", [a], "y")
    g.output("y")
    return g.model(), dict(x=image(1, 3, 10, 10))


def trt_style():
    """Q/DQ only in front of Conv and on residual input; no bias Q; relu after add; int8 zero
    point 0.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    i0 = g.input("x", [1, 4, 10, 10])
    x = g.qdq(i0, 0.02, 0, "i8")
    w1, _ = g.weights((8, 4, 3, 3))
    c = g.op(
        "Relu",
        [g.op("Conv", [x, w1, g.init(rng.normal(0, 0.2, 8).astype(np.float32))], pads=[1] * 4)],
    )
    q1 = g.qdq(c, 0.03, 0, "i8")
    w2, _ = g.weights((8, 8, 3, 3))
    c2 = g.op("Conv", [q1, w2, g.init(rng.normal(0, 0.2, 8).astype(np.float32))], pads=[1] * 4)
    r = g.op("Relu", [g.op("Add", [c2, g.qdq(c, 0.03, 0, "i8")])])
    q2 = g.qdq(r, 0.05, 0, "i8")
    gap = g.op("GlobalAveragePool", [q2])
    fl = g.op("Flatten", [gap])
    qf = g.qdq(fl, 0.03, 0, "i8")
    wf, _ = g.weights((10, 8))
    g.op("Gemm", [qf, wf, g.init(np.zeros(10, np.float32))], "y", transB=1)
    g.output("y")
    return g.model(), dict(x=image(1, 4, 10, 10))


def wzp_perchannel():
    """Filters with zero points of their own."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    g.input("x", [1, 2, 5, 5], TensorProto.UINT8)
    w = rng.integers(0, 256, (2, 2, 2, 2)).astype(np.uint8)
    g.op(
        "QLinearConv",
        [
            "x",
            g.init(np.float32(0.05)),
            g.init(np.uint8(128)),
            g.init(w),
            g.init(np.array([0.02, 0.02], np.float32)),
            g.init(np.array([5, 90], np.uint8)),
            g.init(np.float32(0.1)),
            g.init(np.uint8(128)),
        ],
        "y",
    )
    g.output("y", None, TensorProto.UINT8)
    return g.model(), dict(
        x=np.random.default_rng(2).integers(0, 256, (1, 2, 5, 5)).astype(np.uint8)
    )


def int4_blocked_conv():
    """Weights of 4 bits in blocks of input channels."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=21, ir=10)
    x = g.qdq(g.input("x", [1, 8, 6, 6]), 0.02, 128)
    w = rng.integers(0, 16, (5, 8, 3, 3))
    t = helper.make_tensor("w4", TensorProto.UINT4, (5, 8, 3, 3), w.flatten().tolist())
    g.inits.append(t)
    z = helper.make_tensor("z4", TensorProto.UINT4, (5, 2, 3, 3), [8] * 90)
    g.inits.append(z)
    s = np.repeat(np.repeat(rng.uniform(0.01, 0.03, (5, 2, 1, 1)), 3, 2), 3, 3).astype(np.float32)
    wd = g.op("DequantizeLinear", ["w4", g.init(s), "z4"], axis=1, block_size=4)
    y = g.qdq(g.op("Conv", [x, wd]), 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 8, 6, 6))


def int4_blocked_matmul():
    """The same in a matrix product."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=21, ir=10)
    x = g.qdq(g.input("x", [3, 64]), 0.02, 128)
    w = rng.integers(-8, 8, (64, 10))
    t = helper.make_tensor("w4", TensorProto.INT4, (64, 10), w.flatten().tolist())
    g.inits.append(t)
    s = rng.uniform(0.01, 0.03, (2, 10)).astype(np.float32)
    wd = g.op("DequantizeLinear", ["w4", g.init(s)], axis=0, block_size=32)
    y = g.qdq(g.op("MatMul", [x, wd]), 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(3, 64))


def gemm_no_out():
    """A matrix product whose result stays float, which ONNX Runtime sums in integers."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [4, 16]), 0.02, 128)
    w, s = g.weights((10, 16))
    g.op("Gemm", [x, w, g.bias(10, 0.02, s)], "y", transB=1)
    g.output("y", rank=2)
    return g.model(), dict(x=image(4, 16))


def matmul_rank3():
    """Weights of more than two dimensions."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [2, 5, 16]), 0.02, 128)
    w, s = g.weights((1, 16, 10), per_channel=False)
    y = g.qdq(g.op("MatMul", [x, w]), 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=3)
    return g.model(), dict(x=image(2, 5, 16))
