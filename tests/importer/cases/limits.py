"""Operators that are more than a command holds: volumes, stacks of matrices, negative pads."""

import numpy as np
from onnx import TensorProto

from .builder import Graph, image

__all__ = [
    "auto_pad_gaps",
    "constant_first",
    "gemm_bias_rows",
    "far_pools",
    "qgemm_float",
    "stacks_by_column",
    "stacks_integer",
    "stacks_stretched",
    "volume_convs",
    "volume_pools",
    "volumes_int8",
    "volumes_integer",
]


def _end(g, value, name, ty=TensorProto.FLOAT):
    g.op("Identity", [value], name)
    g.output(name, ty=ty)


def volume_convs():
    """3-D convolutions: batch, groups, pads of all kinds, strides, dilation, auto_pad."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [2, 4, 6, 7, 8]), 0.02, 120)
    for k, (kernel, options) in enumerate((
        ((3, 3, 3), dict(pads=[1, 0, 2, 2, 1, 0], strides=[2, 1, 1])),
        ((2, 1, 3), dict(dilations=[3, 1, 2], group=2)),
        ((3, 2, 2), dict(group=4, auto_pad="SAME_LOWER", strides=[1, 2, 2])),
        ((1, 1, 1), {}),
        ((2, 2, 1), dict(auto_pad="SAME_UPPER", strides=[4, 3, 4])),
    )):
        filters = 8 if "group" in options else 5
        w, s = g.weights((filters, 4 // options.get("group", 1), *kernel), 100, "u8")
        y = g.op("Conv", [x, w, g.bias(filters, 0.02, s)], **options)
        _end(g, g.qdq(y, 0.5, 100), f"y{k}")
    return g.model(), dict(x=image(2, 4, 6, 7, 8))


def volume_pools():
    """A 3-D network: convolution, maximum, convolution, global average, classifier."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 1, 8, 9, 9]), 0.02, 128)
    w, s = g.weights((6, 1, 3, 3, 3), 128, "u8")
    y = g.qdq(g.op("Relu", [g.op("Conv", [x, w, g.bias(6, 0.02, s)], pads=[1] * 6)]), 0.1, 0)
    y = g.qdq(g.op("MaxPool", [y], kernel_shape=[2, 3, 2], strides=[2, 2, 1], ceil_mode=1,
                   pads=[1, 1, 0, 0, 0, 1]), 0.1, 0)
    z = g.qdq(g.op("MaxPool", [y], kernel_shape=[1, 2, 2]), 0.07, 3)
    _end(g, g.qdq(g.op("GlobalMaxPool", [z]), 0.1, 0), "z")
    w, s = g.weights((4, 6, 3, 3, 3), 128, "u8")
    y = g.qdq(g.op("Conv", [y, w, g.bias(4, 0.1, s)]), 1, 100)
    y = g.op("Reshape", [g.qdq(g.op("GlobalAveragePool", [y]), 0.9, 100), g.init(
        np.array([1, 4]))])
    w, s = g.weights((4, 3), 128, "u8", axis=1)
    _end(g, g.qdq(g.op("MatMul", [g.qdq(y, 0.9, 100), w]), 2, 128), "y")
    return g.model(), dict(x=image(1, 1, 8, 9, 9))


def volumes_int8():
    """A 3-D convolution of int8, and one that is wider than the pads and taps of a command."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 2, 4, 5, 40]), 0.02, -3, "i8")
    w, s = g.weights((3, 2, 2, 2, 3))
    y = g.op("Conv", [x, w, g.bias(3, 0.02, s)], pads=[1, 0, 70, 0, 0, 0])
    _end(g, g.qdq(y, 0.5, 20, "i8"), "y")
    return g.model(), dict(x=image(1, 2, 4, 5, 40))


def volumes_integer():
    """ConvInteger of volumes."""
    g = Graph(np.random.default_rng(7))
    x = g.input("x", [1, 3, 5, 4, 6], TensorProto.UINT8)
    w = g.init(g.rng.integers(0, 256, (4, 3, 2, 3, 2)).astype(np.uint8))
    g.op("ConvInteger", [x, w, g.init(np.uint8(7)), g.init(np.uint8(120))], "y",
         pads=[1, 1, 0, 1, 0, 1])
    g.output("y", ty=TensorProto.INT32)
    return g.model(), dict(x=g.rng.integers(0, 256, (1, 3, 5, 4, 6)).astype(np.uint8))


_STACKS = ((3, 8, 5), (1, 3, 8, 5), (2, 1, 8, 5), (8,), (4, 1, 1, 8, 2))


def stacks_stretched():
    """Stacks of matrices that are stretched over a batch, or a batch over a stack; vectors."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [2, 3, 4, 8]), 0.02, 120)
    v = g.qdq(g.input("v", [8]), 0.02, 120)
    for k, (source, shape) in enumerate([*((x, s) for s in _STACKS), *((v, s) for s in _STACKS)]):
        w, _ = g.weights(shape, 128, "u8", per_channel=False)
        _end(g, g.qdq(g.op("MatMul", [source, w]), 0.05, 128), f"y{k}")
    return g.model(), dict(x=image(2, 3, 4, 8), v=image(8))


def stacks_integer():
    """The same as sums of integers."""
    g = Graph(np.random.default_rng(7))
    x = g.input("x", [2, 3, 4, 8], TensorProto.UINT8)
    for k, shape in enumerate(_STACKS):
        w = g.init(g.rng.integers(0, 256, shape).astype(np.uint8))
        g.op("MatMulInteger", [x, w, g.init(np.uint8(9)), g.init(np.uint8(100))], f"y{k}")
        g.output(f"y{k}", ty=TensorProto.INT32)
    return g.model(), dict(x=g.rng.integers(0, 256, (2, 3, 4, 8)).astype(np.uint8))


def stacks_by_column():
    """Stacks of matrices with a scale and a zero point for each column of each."""
    g = Graph(np.random.default_rng(7))
    x = g.input("x", [3, 4, 8], TensorProto.UINT8)
    scale, zero = g.init(np.float32(0.02)), g.init(np.uint8(120))
    for k, shape in enumerate(((3, 8, 5), (2, 1, 8, 5))):
        each = (*shape[:-2], 1, shape[-1])
        w = g.init(g.rng.integers(0, 256, shape).astype(np.uint8))
        steps = g.init(g.rng.uniform(0.002, 0.02, each).astype(np.float32))
        zeros = g.init(g.rng.integers(90, 140, each).astype(np.uint8))
        g.op("QLinearMatMul", [x, scale, zero, w, steps, zeros, g.init(np.float32(0.05)), zero],
             f"y{k}")
        g.output(f"y{k}", ty=TensorProto.UINT8)
    return g.model(), dict(x=g.rng.integers(0, 256, (3, 4, 8)).astype(np.uint8))


def auto_pad_gaps():
    """Convolutions with auto_pad whose windows pass over values, at the edge as well."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 3, 12, 17]), 0.02, 128)
    for k, (auto, kernel, strides) in enumerate((
        ("SAME_UPPER", (1, 1), (4, 7)), ("SAME_LOWER", (1, 1), (4, 7)),
        ("SAME_UPPER", (2, 1), (5, 6)), ("SAME_LOWER", (2, 3), (7, 5)),
    )):
        w, s = g.weights((4, 3, *kernel), 128, "u8")
        y = g.op("Conv", [x, w, g.bias(4, 0.02, s)], auto_pad=auto, strides=strides)
        _end(g, g.qdq(y, 0.05, 100), f"y{k}")
    return g.model(), dict(x=image(1, 3, 12, 17))


def gemm_bias_rows():
    """Gemm with a bias for each row, for each value, and one for all."""
    g = Graph(np.random.default_rng(7))
    x, v = (g.qdq(g.input(n, s), 0.02, 128) for n, s in (("x", [3, 8]), ("v", [8, 3])))
    for k, (shape, options) in enumerate((
        ((3, 6), {}), ((3, 1), {}), ((1,), {}), ((1, 6), {}), ((3, 6), dict(transA=1)),
    )):
        w, s = g.weights((8, 6), 128, "u8", per_channel=False)
        codes = g.rng.integers(-500, 500, shape).astype(np.int32)
        b = g.dq(g.init(codes), np.float32(0.02) * s, 0, "i32")
        source = v if "transA" in options else x
        _end(g, g.qdq(g.op("Gemm", [source, w, b], **options), 0.05, 128), f"y{k}")
    return g.model(), dict(x=image(3, 8), v=image(8, 3))


def constant_first():
    """Products whose first operand is the constant: a matrix, a vector, a stack; Gemm; sums."""
    g = Graph(np.random.default_rng(7))
    x, v, b = (g.qdq(g.input(n, s), 0.02, 120) for n, s in (
        ("x", [8, 5]), ("v", [5, 8]), ("b", [2, 8, 5])))
    for k, (shape, source) in enumerate((
        ((6, 8), x), ((6, 8), b), ((2, 6, 8), b), ((3, 1, 6, 8), b), ((8,), b), ((2, 6, 8), x),
    )):
        w, _ = g.weights(shape, 128, "u8", per_channel=False)
        _end(g, g.qdq(g.op("MatMul", [w, source]), 0.05, 128), f"y{k}")
    for k, (source, options) in enumerate(((x, {}), (v, dict(transB=1)), (x, dict(transA=1)))):
        w, s = g.weights((8, 6) if "transA" in options else (6, 8), 128, "u8", per_channel=False)
        codes = g.rng.integers(-500, 500, (6, 1)).astype(np.int32)
        bias = [g.dq(g.init(codes), np.float32(0.02) * s, 0, "i32")] * (k > 0)
        _end(g, g.qdq(g.op("Gemm", [w, source, *bias], **options), 0.05, 128), f"z{k}")
    w = g.init(g.rng.integers(0, 256, (3, 8)).astype(np.uint8))
    codes = g.q(g.op("Relu", [b]), 0.02, 120)
    g.op("MatMulInteger", [w, codes, g.init(np.uint8(7)), g.init(np.uint8(120))], "sums")
    g.output("sums", ty=TensorProto.INT32)
    return g.model(), dict(x=image(8, 5), v=image(5, 8), b=image(2, 8, 5))


def qgemm_float():
    """QGemm with a float result and the first operand transposed."""
    g = Graph(np.random.default_rng(7))
    g.input("x", [8, 3], TensorProto.UINT8)
    w = g.init(g.rng.integers(0, 256, (8, 6)).astype(np.uint8))
    step, zero = g.init(np.float32(0.02)), g.init(np.uint8(120))
    bias = g.init(np.arange(6, dtype=np.int32))
    g.op("QGemm", ["x", step, zero, w, step, zero, bias], "y", transA=1, domain="com.microsoft")
    g.output("y")
    return g.model(), dict(x=g.rng.integers(0, 256, (8, 3)).astype(np.uint8))


def far_pools():
    """Maxima whose windows stand further apart than a command has it, and a large global one."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 2, 150, 130]), 0.02, 120)
    for k, options in enumerate((
        dict(kernel_shape=[2, 2], strides=[50, 1]),
        dict(kernel_shape=[3, 90], strides=[37, 97], pads=[2, 5, 0, 50]),
        dict(kernel_shape=[100, 40], strides=[41, 64]), dict(kernel_shape=[1, 1], strides=[37, 2]),
    )):
        _end(g, g.qdq(g.op("MaxPool", [x], **options), 0.03, 100), f"y{k}")
    _end(g, g.qdq(g.op("GlobalMaxPool", [x]), 0.02, 120), "y")
    return g.model(), dict(x=image(1, 2, 150, 130))
