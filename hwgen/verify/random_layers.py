"""Random quantised layers, as one- or two-node ONNX models."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..simulate.dram import Dram

__all__ = ["Case", "integers", "random_case"]

_ONNX = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}
_ATTEMPTS = 200


@dataclass(frozen=True, eq=False)
class Case:
    """A random layer or graph.

    Attributes
    ----------
    text : str
        It in words.
    model : bytes
        The ONNX model.
    inputs : dict of str to numpy.ndarray
    dram : Dram
        A memory with random timing and stalls.
    """
    text: str
    model: bytes
    inputs: dict
    dram: Dram


def integers(rng, dtype, shape):
    """Random values, a fifth of them at the ends of the range."""
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    ends = rng.choice(np.array([info.min, info.max], dtype), shape)
    return np.where(rng.random(shape) < 0.2, ends, values)


def _shape(rng):
    """A random layer shape: a dict of the field's letters, and its kind."""
    kind = rng.choice(["conv", "grouped", "depthwise", "pointwise", "fully connected"],
                      p=[0.45, 0.1, 0.15, 0.15, 0.15])
    m, c = (int(2 ** rng.uniform(0, 7)) for _ in "MC")
    h, w = (int(2 ** rng.uniform(0, 6)) for _ in "HW")
    r, s = (int(rng.choice([1, 2, 3, 5, 7, 11], p=[.1, .15, .4, .2, .1, .05])) for _ in "RS")
    if rng.random() < 0.6:
        s = r
    stride = [int(rng.choice([1, 2, 3, 4], p=[.6, .25, .1, .05])) for _ in range(2)]
    groups, dilation = 1, [1, 1]
    if kind == "conv" and rng.random() < 0.15:
        dilation = [int(rng.integers(1, 4)), int(rng.integers(1, 4))]
    if kind == "grouped":
        groups = int(rng.integers(2, 5))
        m, c = -(-m // groups) * groups, -(-c // groups) * groups
    if kind == "depthwise":
        groups = c
        m = c * int(rng.choice([1, 2], p=[.8, .2]))
    if kind in ("pointwise", "fully connected"):
        r = s = 1
    if kind == "fully connected":
        m, c, h, w, stride = m * 4, c * 8, 1, 1, [1, 1]
    pads = [int(rng.integers(0, size)) for size in (r, s, r, s)]
    return dict(kind=kind, m=m, c=c, h=h, w=w, r=r, s=s, stride=stride, groups=groups,
                dilation=dilation, pads=pads)


def _output(size, kernel, stride, dilation, before, after):
    return (size + before + after - (kernel - 1) * dilation - 1) // stride + 1


def random_case(seed, max_macs):
    """The :class:`Case` of a seed, with at most ``max_macs`` multiply-accumulates.

    The same seed and bound give the same case on every machine.
    """
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        shape = _shape(rng)
        top, left, bottom, right = shape["pads"]
        e = _output(shape["h"], shape["r"], shape["stride"][0], shape["dilation"][0], top, bottom)
        f = _output(shape["w"], shape["s"], shape["stride"][1], shape["dilation"][1], left, right)
        taps = shape["c"] // shape["groups"] * shape["r"] * shape["s"]
        if e >= 1 and f >= 1 and shape["m"] * e * f * taps <= max_macs:
            return _case(rng, seed, shape, e, f, taps)
    raise ValueError(f"no layer of at most {max_macs} multiply-accumulates was found")


def _case(rng, seed, shape, e, f, taps):
    m, c, groups = shape["m"], shape["c"], shape["groups"]
    x_type = np.dtype(rng.choice([np.uint8, np.int8]))
    w_type = np.dtype(rng.choice([np.uint8, np.int8])) if x_type == np.uint8 else np.dtype(np.int8)
    per_channel = bool(rng.integers(2))
    weight = integers(rng, w_type, (m, c // groups, shape["r"], shape["s"]))
    zw = np.zeros((), w_type)
    if rng.random() < 0.4:
        zw = integers(rng, w_type, ())
    x_scale = np.float32(2 ** rng.uniform(-8, 2))
    w_scale = (2 ** rng.uniform(-9, 1, m if per_channel else ())).astype(np.float32)
    spread = 75 * 75 * np.sqrt(taps) * x_scale * np.median(w_scale)
    y_scale = np.float32(spread / 2 ** rng.uniform(4, 7))
    tensors = [
        ("x_scale", x_scale), ("x_zero", integers(rng, x_type, ())), ("w", weight),
        ("w_scale", w_scale), ("w_zero", np.full(w_scale.shape, zw, w_type)),
        ("y_scale", y_scale), ("y_zero", integers(rng, x_type, ())),
    ]
    names = ["x", *(name for name, _ in tensors)]
    if rng.random() < 0.7:
        spread = int(75 * 75 * np.sqrt(taps)) + 1
        tensors.append(("bias", rng.integers(-spread, spread, m).astype(np.int32)))
        names.append("bias")
    stride, dilation, pads = shape["stride"], shape["dilation"], shape["pads"]
    nodes = [helper.make_node("QLinearConv", names, ["y"], name="layer",
                              kernel_shape=[shape["r"], shape["s"]], strides=stride, pads=pads,
                              dilations=dilation, group=groups)]
    text = (f"{shape['kind']} {m}x{c // groups}x{shape['r']}x{shape['s']} on "
            f"{c}x{shape['h']}x{shape['w']}, {x_type} x {w_type}, stride {stride}, pads {pads}, "
            f"dilation {dilation}, groups {groups}")
    output, size = "y", (m, e, f)
    if min(e, f) > 1 and rng.random() < 0.4:
        kernel = [int(rng.integers(2, min(4, n) + 1)) for n in (e, f)]
        step = [int(rng.integers(1, 4)) for _ in range(2)]
        pool_pads = [int(rng.integers(0, k)) for k in (*kernel, *kernel)]
        size = (m, *(_output(n, k, u, 1, before, after) for n, k, u, before, after in
                     zip((e, f), kernel, step, pool_pads[:2], pool_pads[2:], strict=True)))
        nodes.append(helper.make_node("MaxPool", ["y"], ["z"], name="pool", kernel_shape=kernel,
                                      strides=step, pads=pool_pads))
        text += f", maxpool {kernel} stride {step} pads {pool_pads}"
        output = "z"
    kind = _ONNX[x_type]
    graph = helper.make_graph(
        nodes, "random",
        [helper.make_tensor_value_info("x", kind, (1, c, shape["h"], shape["w"]))],
        [helper.make_tensor_value_info(output, kind, (1, *size))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    x = integers(rng, x_type, (1, c, shape["h"], shape["w"]))
    dram = Dram(base=int(rng.integers(0, 1 << 18)) << 12, read_latency=int(rng.integers(0, 100)),
                write_latency=int(rng.integers(0, 50)), outstanding=int(rng.integers(1, 9)),
                stall=float(rng.choice([0, 0.1, 0.5])), seed=seed)
    return Case(text, model.SerializeToString(), {"x": x}, dram)
