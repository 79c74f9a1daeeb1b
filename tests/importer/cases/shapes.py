"""Shapes: open, computed, of batches, empty, and those that rules and kernels see differently."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .builder import Graph, image

__all__ = [
    "batch4",
    "batch_1d",
    "batch_se",
    "computed_sizes",
    "computed_view",
    "convtranspose",
    "ct_eltwise",
    "if_shapes",
    "ir3_plain",
    "loop",
    "maxpool_same_dil",
    "no_rank",
    "old_wide_pads",
    "open_minus_one",
    "outputs_odd",
    "resize_frac",
    "resize_ratio_dyn",
    "resize_ratio_nocat",
    "shape_from_input",
    "shape_arithmetic",
    "upsample_frac",
    "zero_size",
]


def batch4():
    """A batch of four images, of a file that leaves their number open."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", ["N", 3, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 5, 3, 0.05, 100, pads=[1] * 4)
    a = g.qdq(g.op("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2]), 0.05, 100)
    fl = g.op("Flatten", [a])
    w, s = g.weights((10, 80))
    y = g.qdq(g.op("Gemm", [fl, w, g.bias(10, 0.05, s)], transB=1), 0.2, 128)
    g.op("Identity", [y], "y")
    g.output("y", ["N", 10])
    return g.model(), dict(x=image(4, 3, 8, 8))


def convtranspose():
    """ConvTranspose, whose shape rule and kernel differ for SAME_LOWER with output padding."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 7, 7]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 8, 3, 0.05, 100, pads=[1] * 4)
    w, s = g.weights((8, 4, 2, 2), per_channel=False)
    b = g.qdq(g.op("ConvTranspose", [a, w, g.bias(4, 0.05, s)], strides=[2, 2]), 0.1, 128)
    w, s = g.weights((4, 4, 3, 3), axis=1)
    c = g.qdq(
        g.op("ConvTranspose", [b, w], strides=[2, 2], auto_pad="SAME_LOWER", output_padding=[1, 1]),
        0.1,
        128,
    )
    d = g.conv(c, 0.1, 4, 2, 1, 0.3, 128)
    g.op("Identity", [d], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 7, 7))


def ct_eltwise():
    """The wrong shape goes into a pointwise layer."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", [1, 4, 7, 7]), 0.02, 128)
    w, s = g.weights((4, 4, 3, 3), axis=1)
    c = g.qdq(
        g.op("ConvTranspose", [x, w], strides=[2, 2], auto_pad="SAME_UPPER", output_padding=[1, 1]),
        0.1,
        128,
    )
    c = g.qdq(g.op("Sigmoid", [c]), 1 / 256, 0)
    g.op("Identity", [c], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 7, 7))


def if_shapes():
    """If whose branches give maps of different sizes, in front of a quantised Conv; the
    condition compares with a large threshold.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.input("x", [1, 3, 16, 16])
    c = g.op("Greater", [g.op("ReduceMax", [x], keepdims=0), g.init(np.float32(2.5))])

    def br(n, nodes):
        return helper.make_graph(
            nodes, n, [], [helper.make_tensor_value_info(n + "o", TensorProto.FLOAT, None)]
        )

    y = g.op(
        "If",
        [c],
        then_branch=br(
            "t", [helper.make_node("AveragePool", [x], ["to"], kernel_shape=[2, 2], strides=[2, 2])]
        ),
        else_branch=br("e", [helper.make_node("Identity", [x], ["eo"])]),
    )
    q = g.qdq(y, 0.05, 128)
    z = g.conv(q, 0.05, 3, 4, 3, 0.2, 128)
    g.op("Identity", [z], "y")
    g.output("y", rank=4)
    v = image(1, 3, 16, 16)
    v[0, 0, 0, 0] = 9
    return g.model(), dict(x=v)


def ir3_plain():
    """IR 3, every initialiser also a graph input (the oldest exporters); image input first."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=10, ir=3)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 5, 3, 0.1, 100, per_channel=False)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    for t in g.inits:
        g.inputs.append(helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)))
    return g.model(), dict(x=image(1, 3, 8, 8))


def maxpool_same_dil():
    """MaxPool with SAME and dilation, where rule and kernel differ."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=18)
    x = g.qdq(g.input("x", [1, 3, 5, 12]), 0.02, 128)
    r = g.qdq(
        g.op(
            "MaxPool",
            [x],
            kernel_shape=[2, 3],
            strides=[2, 2],
            dilations=[2, 2],
            auto_pad="SAME_LOWER",
        ),
        0.02,
        128,
    )
    y = g.conv(r, 0.02, 3, 4, (1, 3), 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 5, 12))


def open_minus_one():
    """Open dimensions written as dim_value = -1 (PaddlePaddle)."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)
    x = g.qdq(g.input("x", [-1, 3, -1, -1]), 0.02, 128)
    y = g.conv(x, 0.02, 3, 8, 3, 0.05, 100, pads=[1] * 4)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 12, 16))


def outputs_odd():
    """Outputs: the input itself, a quantised tensor, an initialiser, one tensor under two
    names, an intermediate of a fused pair.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    i = g.input("x", [1, 3, 8, 8])
    q = g.q(i, 0.02, 128, out="xq")
    x = g.dq(q, 0.02, 128)
    w, s = g.weights((5, 3, 3, 3))
    c = g.op("Conv", [x, w, g.bias(5, 0.02, s)], "conv_float")
    cq = g.q(c, 0.1, 100, out="cq")
    a = g.dq(cq, 0.1, 100)
    m = g.op("MaxPool", [a], kernel_shape=[2, 2])
    g.q(m, 0.1, 100, out="mq")
    g.init(np.arange(3, dtype=np.float32), "const_out")
    for n, t in (("x", 1), ("xq", 2), ("conv_float", 1), ("cq", 2), ("mq", 2)):
        g.output(n, None if n != "x" else [1, 3, 8, 8], t, rank=4 if n != "x" else None)
    g.output("const_out", [3])
    g.op("Identity", ["mq"], "mq2")
    g.output("mq2", ty=2, rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def resize_frac():
    """Resize by 2.3 and 1.4 (nearest), quantised, in front of a Conv: size * float32(scale)
    rounds up in the kernel, down in the shape rule.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=18)
    x = g.qdq(g.input("x", [1, 3, 10, 5]), 0.02, 128)
    r = g.qdq(
        g.op("Resize", [x, "", g.init(np.array([1, 1, 2.3, 1.4], np.float32))], mode="nearest"),
        0.02,
        128,
    )
    y = g.conv(r, 0.02, 3, 4, 3, 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 10, 5))


def resize_ratio_dyn():
    """FPN / segmentation: nearest Resize of a 7x9 map to 11x13, written as scales 11/7, 13/9
    (as torch's interpolate(size=...) exports it), then Concat with a skip and a Conv.
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)
    x = g.qdq(g.input("x", ["N", 4, "H", "W"]), 0.02, 128)
    k = g.qdq(g.input("skip", [1, 4, 11, 13]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 4, 3, 0.02, 128, pads=[1] * 4)
    r = g.qdq(
        g.op(
            "Resize",
            [a, "", g.init(np.array([1, 1, 11 / 7, 13 / 9], np.float32))],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        0.02,
        128,
    )
    c = g.qdq(g.op("Concat", [r, k], axis=1), 0.02, 128)
    y = g.conv(c, 0.02, 8, 4, 3, 0.1, 128, pads=[1] * 4)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 7, 9), skip=image(1, 4, 11, 13, seed=2))


def resize_ratio_nocat():
    """The same Resize without a Concat behind it: 7x9 to 11x13."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=13, ir=7)
    x = g.qdq(g.input("x", [1, 4, 7, 9]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 4, 3, 0.02, 128, pads=[1] * 4)
    r = g.qdq(
        g.op(
            "Resize",
            [a, "", g.init(np.array([1, 1, 11 / 7, 13 / 9], np.float32))],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        0.02,
        128,
    )
    y = g.conv(r, 0.02, 4, 4, 3, 0.1, 128, pads=[1] * 4)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 7, 9))


def shape_arithmetic():
    """Shape, Slice and Concat make the target of a Reshape that stands behind integer layers
    (torch's flatten and view, not folded).
    """
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=17)
    x = g.qdq(g.input("x", ["N", 4, 8, 8]), 0.02, 128)
    sh = g.op("Shape", [x])
    b = g.op("Slice", [sh, g.init(np.array([0])), g.init(np.array([1]))])
    to = g.op("Concat", [b, g.init(np.array([512]))], axis=0)
    y = g.conv(x, 0.02, 4, 8, 1, 0.05, 100)
    e = g.op("Softmax", [y], axis=1)
    g.op("Reshape", [e, to], "out")
    g.output("out", ["N", "M"])
    return g.model(), dict(x=image(1, 4, 8, 8))


def upsample_frac():
    """Resize of opset 10 by fractions."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=10, ir=5)
    x = g.qdq(g.input("x", [1, 3, 10, 5]), 0.02, 128)
    r = g.qdq(
        g.op("Resize", [x, g.init(np.array([1, 1, 2.3, 1.4], np.float32))], mode="nearest"),
        0.02,
        128,
    )
    y = g.conv(r, 0.02, 3, 4, 3, 0.1, 128, per_channel=False)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 10, 5))


def zero_size():
    """A dimension of size zero runs through the graph."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", ["N", 3, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 5, 3, 0.05, 100)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=np.zeros((0, 3, 8, 8), np.float32))


def batch_1d():
    """Batches of 1-D maps, with slopes of their own."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", ["N", 3, 40]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 6, (3,), 0.05, 100, pads=[2, 0])
    a = g.qdq(g.op("MaxPool", [a], kernel_shape=[2], strides=[2]), 0.05, 100)
    a = g.qdq(g.op("PRelu", [a, g.init(rng.random((6, 1)).astype(np.float32))]), 0.05, 100)
    a = g.qdq(g.op("GlobalAveragePool", [a]), 0.05, 100)
    a = g.qdq(g.op("Flatten", [a]), 0.05, 100)
    w, s = g.weights((4, 6))
    y = g.qdq(g.op("Gemm", [a, w, g.bias(4, 0.05, s)], transB=1), 0.1, 100)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(3, 3, 40))


def batch_se():
    """A batch through squeeze and excitation."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [2, 4, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 6, 3, 0.05, 100, group=2)
    p = g.qdq(g.op("GlobalAveragePool", [a]), 0.03, 100)
    s = g.conv(p, 0.03, 6, 6, 1, 0.05, 128)
    s = g.qdq(g.op("Sigmoid", [s]), 1 / 255, 0)
    y = g.qdq(g.op("Mul", [a, s]), 0.03, 100)
    c = g.qdq(g.op("Concat", [y, a], axis=1), 0.05, 100)
    z = g.qdq(g.op("Add", [c, c]), 0.1, 100)
    g.op("Identity", [z], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(2, 4, 8, 8))


def computed_view():
    """A view whose first dimension the graph computes, with everything open."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", ["N", 4, "H", "W"]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 6, 3, 0.05, 100)
    sh = g.op("Shape", [a])
    n = g.op("Gather", [sh, g.init(np.int64(0))])
    n = g.op("Unsqueeze", [n, g.init(np.array([0]))])
    to = g.op("Concat", [n, g.init(np.array([-1]))], axis=0)
    r = g.op("Reshape", [a, to])
    w, s = g.weights((10, 216))
    y = g.qdq(g.op("Gemm", [r, w, g.bias(10, 0.05, s)], transB=1), 0.2, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    return g.model(), dict(x=image(2, 4, 8, 8))


def computed_sizes():
    """Resize to sizes that the graph computes."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", ["N", 4, "H", "W"]), 0.02, 128)
    a = g.conv(x, 0.02, 4, 4, 3, 0.05, 100, strides=[2, 2], pads=[1] * 4)
    sh = g.op("Shape", [x])
    hw = g.op("Slice", [sh, g.init(np.array([2])), g.init(np.array([4]))])
    sa = g.op("Shape", [a])
    nc = g.op("Slice", [sa, g.init(np.array([0])), g.init(np.array([2]))])
    sz = g.op("Concat", [nc, hw], axis=0)
    r = g.qdq(
        g.op(
            "Resize",
            [a, "", "", sz],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        0.05,
        100,
    )
    c = g.qdq(g.op("Concat", [r, x], axis=1), 0.05, 100)
    y = g.conv(c, 0.05, 8, 4, 1, 0.1, 100)
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(2, 4, 10, 14))


def no_rank():
    """An input of which the file tells no rank."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    g.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    x = g.qdq("x", 0.02, 128)
    a = g.conv(x, 0.02, 3, 5, 3, 0.1, 100)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def loop():
    """A convolution in the body of a Loop."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 3, 8, 8]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 3, 3, 0.05, 100, pads=[1] * 4)
    body = helper.make_graph(
        [
            helper.make_node("Conv", ["v", "bw"], ["vo"], pads=[1] * 4),
            helper.make_node("Identity", ["c"], ["co"]),
        ],
        "b",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("co", TensorProto.BOOL, []),
            helper.make_tensor_value_info("vo", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(rng.normal(0, 0.1, (3, 3, 3, 3)).astype(np.float32), "bw")],
    )
    y = g.op("Loop", [g.init(np.int64(3)), g.init(np.array(True)), a], body=body)
    q = g.qdq(y, 0.05, 128)
    z = g.conv(q, 0.05, 3, 4, 1, 0.1, 100)
    g.op("Identity", [z], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 3, 8, 8))


def old_wide_pads():
    """Pads and pooling windows beyond a command's, at a version whose Pad and MaxPool take no
    codes."""
    rng = np.random.default_rng(7)
    g = Graph(rng, opset=10, ir=5)
    x = g.qdq(g.input("x", [1, 3, 40, 70]), 0.02, 128)
    a = g.conv(x, 0.02, 3, 4, 3, 0.1, 128, per_channel=False, pads=[0, 80, 0, 64])
    pool = g.op("MaxPool", [a], kernel_shape=[34, 40], strides=[1, 20])
    for name, made in ("y", pool), ("z", g.op("GlobalMaxPool", [a])):
        g.op("Identity", [g.qdq(made, 0.1, 128)], name)
        g.output(name, rank=4)
    return g.model(), dict(x=image(1, 3, 40, 70))


def shape_from_input():
    """A Reshape to a shape that is an input, before a convolution that zeros would not suit."""
    rng = np.random.default_rng(7)
    g = Graph(rng)
    x = g.qdq(g.input("x", [1, 4, 6, 6]), 0.02, 128)
    to = g.input("to", [4], TensorProto.INT64)
    a = g.conv(g.qdq(g.op("Reshape", [x, to]), 0.02, 128), 0.02, 2, 3, 3, 0.1, 100)
    g.op("Identity", [a], "y")
    g.output("y", rank=4)
    return g.model(), dict(x=image(1, 4, 6, 6), to=np.int64([1, 2, 12, 6]))
