"""Layers beside convolutions, and operators that ONNX Runtime merges."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto

from .builder import Graph, image

__all__ = [
    "add_channels",
    "big_pools",
    "bn_between",
    "large_pools",
    "lstm_only",
    "matrix_stacks",
    "nhwc_tf",
    "ort_optimised",
    "prelu_channels",
    "qop_channels_last",
    "tcn",
    "two_transposes_conv_u8",
    "two_transposes_u8",
    "vit_patch",
    "wide_pads",
]


def add_channels():
    """A constant for each channel added to a tensor, and one multiplied with it, each behind
    quantisers.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 12, 12]), 0.02, 128)
    c = g.dq(g.init(rng.integers(0, 255, (1, 4, 1, 1)).astype(np.uint8)), 0.02, 128)
    a = g.qdq(g.op("Add", [x, c]), 0.03, 120)
    m = g.dq(g.init(rng.integers(0, 255, (1, 4, 1, 1)).astype(np.uint8)), 0.01, 10)
    b = g.qdq(g.op("Mul", [a, m]), 0.05, 128)
    y = g.conv(b, 0.05, 4, 4, 3, 0.1, 100)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 12, 12))


def big_pools():
    """Global pools over 40x40 and 1x100 windows, kernels of 33 and more."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 40, 40]), 0.02, 128)
    x2 = g.qdq(g.input("v", [1, 3, 1, 200]), 0.02, 128)
    a = g.qdq(g.op("GlobalMaxPool", [x]), 0.02, 128)
    b = g.qdq(g.op("GlobalAveragePool", [x]), 0.01, 128)
    c = g.qdq(g.op("MaxPool", [x2], kernel_shape=[1, 100], strides=[1, 50]), 0.02, 128)
    d = g.qdq(g.op("AveragePool", [x], kernel_shape=[40, 40]), 0.01, 128)
    for n, t in zip("abcd", (a, b, c, d), strict=True):
        g.op("Identity", [t], "y" + n)
        g.output("y" + n, rank=4)
    return g.model(), dict(x=image(1, 3, 40, 40), v=image(1, 3, 1, 200))


def bn_between():
    """BatchNormalization left between Conv and Q (unfused training export)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 12, 12]), 0.02, 128)
    w, s = g.weights((6, 3, 3, 3))
    c = g.op("Conv", [x, w])
    b = g.op(
        "BatchNormalization",
        [c]
        + [
            g.init(a.astype(np.float32))
            for a in (
                rng.uniform(0.5, 1.5, 6),
                rng.normal(0, 0.1, 6),
                rng.normal(0, 0.1, 6),
                rng.uniform(0.5, 2, 6),
            )
        ],
    )
    y = g.qdq(g.op("Relu", [b]), 0.05, 0)
    y = g.conv(y, 0.05, 6, 4, 1, 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 12, 12))


def lstm_only():
    """How the share of MACs is reported: a tiny quantised layer and a large LSTM / Einsum /
    conv inside If.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [8, 1, 64]), 0.02, 128)
    y, hh, cc = g.op(
        "LSTM",
        [
            x,
            g.init(rng.normal(0, 0.2, (1, 512, 64)).astype(np.float32)),
            g.init(rng.normal(0, 0.2, (1, 512, 128)).astype(np.float32)),
        ],
        nout=3,
        hidden_size=128,
    )
    e = g.op(
        "Einsum",
        [
            g.op("Squeeze", [hh, g.init(np.array([0]))]),
            g.init(rng.normal(0, 0.1, (128, 256)).astype(np.float32)),
        ],
        equation="ij,jk->ik",
    )
    q = g.qdq(e, 0.02, 128)
    w, s = g.weights((2, 256))
    z = g.qdq(g.op("Gemm", [q, w, g.bias(2, 0.02, s)], transB=1), 0.05, 128)
    g.op("Identity", [z], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(8, 1, 64))


def nhwc_tf():
    """Tf2onnx style: NHWC input, Transpose, Conv ... Transpose back; fake-quant pairs;
    ReduceMean; MatMul + Add bias float.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)
    x = g.qdq(g.input("x", [1, 12, 12, 3]), 0.02, 128)
    t = g.op("Transpose", [x], perm=[0, 3, 1, 2])
    w = rng.normal(0, 0.2, (3, 3, 3, 8)).astype(np.float32)
    S = g.init((np.abs(w).reshape(-1, 8).max(0) / 127).astype(np.float32))
    Z = g.init(np.zeros(8, np.int8))
    wd = g.op("DequantizeLinear", [g.op("QuantizeLinear", [g.init(w), S, Z], axis=3), S, Z], axis=3)
    wt = g.op("Transpose", [wd], perm=[3, 2, 0, 1])
    c = g.op(
        "Conv",
        [t, wt, g.init(rng.normal(0, 0.1, 8).astype(np.float32))],
        pads=[0, 0, 1, 1],
        strides=[2, 2],
    )
    c = g.op("Relu", [c])
    u = g.op("Transpose", [c], perm=[0, 2, 3, 1])
    u = g.qdq(u, 0.05, 0)
    m = g.qdq(g.op("ReduceMean", [u], axes=[1, 2], keepdims=0), 0.04, 0)
    w, s = g.weights((8, 5), per_channel=False)
    y = g.op("Add", [g.op("MatMul", [m, w]), g.init(np.zeros(5, np.float32))])
    y = g.qdq(y, 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(1, 12, 12, 3))


def ort_optimised():
    """A model that ONNX Runtime has optimised and written back (com.microsoft fused and NHWC
    operators).
    """
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 3, 12, 12]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 16, 3, 0.05, 100, pads=[1] * 4)
    a = g.qdq(g.op("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2]), 0.05, 100)
    b = g.conv(a, 0.05, 16, 16, 3, 0.1, 100, pads=[1] * 4)
    c = g.qdq(g.op("Add", [a, b]), 0.12, 100)
    p = g.qdq(g.op("GlobalAveragePool", [c]), 0.1, 100)
    g.op("Identity", [p], "y")
    g.output("y", rank=4)
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = f"{folder}/model.onnx"
        ort.InferenceSession(g.model(), options, providers=["CPUExecutionProvider"])
        model = Path(options.optimized_model_filepath).read_bytes()
    return model, dict(x=image(1, 3, 12, 12))


def prelu_channels():
    """PRelu with a slope for each channel behind a Conv (MTCNN, MediaPipe)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 12, 12]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 8, 3, 0.05, 128)
    a = g.qdq(g.op("PRelu", [a, g.init(rng.random((8, 1, 1)).astype(np.float32))]), 0.04, 60)
    y = g.conv(a, 0.04, 8, 4, 1, 0.1, 100)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 12, 12))


def qop_channels_last():
    """Operators of com.microsoft with channels last, as a file that somebody else wrote."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    g.input("x", [1, 6, 6, 4], TensorProto.UINT8)
    first, second = g.init(np.float32(0.02)), g.init(np.float32(0.2))
    zero = g.init(np.uint8(128))
    weights = g.init(rng.integers(-128, 128, (5, 4, 3, 3)).astype(np.int8))
    last = {"domain": "com.microsoft", "channels_last": 1}
    c = g.op(
        "QLinearConv",
        ["x", first, zero, weights, g.init(np.float32(0.01)), g.init(np.int8(0)), second, zero],
        **last,
    )
    p = g.op("QLinearAveragePool", [c, second, zero, second, zero], kernel_shape=[2, 2], **last)
    g.op("QLinearGlobalAveragePool", [p, second, zero, g.init(np.float32(0.1)), zero], "y", **last)
    g.output("y", ty=TensorProto.UINT8, rank=4)
    return g.model(), dict(x=rng.integers(0, 256, (1, 6, 6, 4)).astype(np.uint8))


def tcn():
    """Temporal conv net: dilation 1..128, causal left pads up to 256 columns, 1-D."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 1, 400]), 0.02, 128)
    s = 0.02
    ci = 1
    for d in (1, 8, 32, 64, 128):
        x = g.conv(x, s, ci, 4, (3,), 0.05, 110, dilations=[d], pads=[2 * d, 0])
        s = 0.05
        ci = 4
    g.op("Identity", [x], "y")
    g.output("y", rank=3)
    return g.model(), dict(x=image(1, 1, 400))


def two_transposes_conv_u8():
    """NHWC and back around a pointwise layer, then a Conv (perm 0 2 3 1 and 0 3 1 2),
    requantised at the second Transpose (u8).
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 5, 6]), 0.0313, 77, "u8")
    c = g.conv(x, 0.0313, 3, 4, 1, 0.05, 67, "u8")
    a = g.qdq(g.op("Transpose", [c], perm=[0, 2, 3, 1]), 0.05, 67, "u8")
    r = g.qdq(g.op("Relu", [a]), 0.02, 218, "u8")
    b = g.qdq(g.op("Transpose", [r], perm=[0, 3, 1, 2]), 0.03, 77, "u8")
    y = g.conv(b, 0.03, 4, 4, 3, 0.05, 67, "u8")
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 5, 6, lo=-4, hi=4))


def two_transposes_u8():
    """Transpose, pointwise layer, Transpose back, each behind quantisers of their own scales
    (u8): ONNX Runtime cancels the two and merges the quantisers between.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 5, 6]), 0.0313, 77, "u8")
    a = g.qdq(g.op("Transpose", [x], perm=[0, 1, 3, 2]), 0.05, 67, "u8")
    r = g.qdq(g.op("Relu", [a]), 0.0039, 218, "u8")
    b = g.qdq(g.op("Transpose", [r], perm=[0, 1, 3, 2]), 0.01, 77, "u8")
    g.op("Identity", [b], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 5, 6, lo=-4, hi=4))


def vit_patch():
    """ViT: 16x16 stride 16 patches, LayerNorm, attention MatMuls, Softmax, GELU, class token."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 3, 32, 32]), 0.02, 128)
    D = 16
    a = g.conv(x, 0.02, 3, D, 16, 0.05, 128, strides=[16, 16])
    t = g.op("Transpose", [g.op("Reshape", [a, g.init(np.array([1, D, 4]))])], perm=[0, 2, 1])
    t = g.op("Concat", [g.init(rng.normal(0, 1, (1, 1, D)).astype(np.float32)), t], axis=1)
    t = g.op("Add", [t, g.init(rng.normal(0, 1, (1, 5, D)).astype(np.float32))])
    t = g.qdq(t, 0.03, 128)
    ln = g.qdq(
        g.op(
            "LayerNormalization",
            [t, g.init(np.ones(D, np.float32)), g.init(np.zeros(D, np.float32))],
        ),
        0.03,
        128,
    )

    def lin(x, ci, co, so):
        w, s = g.weights((ci, co), axis=1)
        m = g.qdq(g.op("MatMul", [x, w]), so, 128)
        b = g.dq(g.init(rng.integers(0, 256, co).astype(np.uint8)), 0.01, 128, "u8")
        return g.qdq(g.op("Add", [m, b]), so, 128)

    q, k, v = (lin(ln, D, D, 0.05) for _ in range(3))
    s = g.qdq(g.op("MatMul", [q, g.op("Transpose", [k], perm=[0, 2, 1])]), 0.1, 128)
    s = g.qdq(g.op("Softmax", [s], axis=-1), 1 / 255, 0)
    o = g.qdq(g.op("MatMul", [s, v]), 0.05, 128)
    o = lin(o, D, D, 0.05)
    r = g.qdq(g.op("Add", [o, t]), 0.06, 128)
    h1 = lin(r, D, 32, 0.05)
    ge = g.qdq(
        g.op(
            "Mul",
            [
                g.op("Mul", [h1, g.init(np.float32(0.5))]),
                g.op(
                    "Add",
                    [
                        g.op("Erf", [g.op("Div", [h1, g.init(np.float32(1.41421356))])]),
                        g.init(np.float32(1)),
                    ],
                ),
            ],
        ),
        0.04,
        5,
    )
    h2 = lin(ge, 32, D, 0.05)
    y = g.qdq(g.op("Add", [h2, r]), 0.08, 128)
    cls = g.op("Gather", [y, g.init(np.int64(0))], axis=1)
    z = lin(cls, D, 10, 0.1)
    g.op("Identity", [z], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(1, 3, 32, 32))


def wide_pads():
    """Pads and windows beyond what a command holds, on all sides."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 3, 6, 20]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 4, (3, 3), 0.05, 100, pads=[70, 66, 1, 80], dilations=[2, 40])
    a = g.qdq(
        g.op("MaxPool", [a], kernel_shape=[40, 35], strides=[7, 3], pads=[20, 17, 30, 34]),
        0.05,
        100,
    )
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 6, 20))


def large_pools():
    """Large windows with strides and pads of all kinds, int8."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 3, 90, 37]), 0.02, 12, "i8")
    o = []
    for k, (ks, st, pd) in enumerate(
        [
            ((90, 37), (1, 1), (0, 0, 0, 0)),
            ((33, 1), (33, 1), (16, 0, 0, 0)),
            ((64, 32), (8, 2), (3, 3, 60, 20)),
            ((32, 37), (32, 37), (0, 0, 0, 0)),
            ((35, 35), (40, 40), (10, 10, 10, 10)),
        ]
    ):
        o.append(g.qdq(g.op("MaxPool", [x], kernel_shape=ks, strides=st, pads=pd), 0.02, 12, "i8"))
        g.op("Identity", [o[-1]], f"y{k}")
        g.output(f"y{k}", rank=4)
    y = g.qdq(g.op("GlobalMaxPool", [x]), 0.03, 100)
    g.op("Identity", [y], "z")
    g.output("z", rank=4)
    y = g.qdq(g.op("GlobalAveragePool", [x]), 0.03, 10, "i8")
    g.op("Identity", [y], "z2")
    g.output("z2", rank=4)
    return g.model(), dict(x=image(1, 3, 90, 37))


def matrix_stacks():
    """Products with a matrix for each part of a batch, with a stack for one operand, with a stack
    of one, and with a vector."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [2, 3, 5, 8]), 0.02, 128)
    lone = g.qdq(g.input("lone", [1, 5, 8]), 0.02, 128)
    for k, (source, shape) in enumerate((
            (x, (2, 3, 8, 6)), (lone, (3, 8, 4)), (x, (1, 8, 6)), (x, (1, 1, 1, 8, 2)),
            (x, (8,)))):
        w, _ = g.weights(shape, per_channel=False)
        g.op("Identity", [g.qdq(g.op("MatMul", [source, w]), 0.1, 100)], f"y{k}")
        g.output(f"y{k}")
    return g.model(), dict(x=image(2, 3, 5, 8), lone=image(1, 5, 8))
