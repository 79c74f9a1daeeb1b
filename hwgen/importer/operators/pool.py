"""Pooling: MaxPool as it stands, averages as convolutions where that is proved to be equal."""

import math

import numpy as np

from ...network import golden
from ...network.graph import Conv, MaxPool, Tensor
from .. import proof
from .conv import OnHost, Quantisation, attributes_of, planes, quantisation, window
from .kinds import Kind

__all__ = ["KIND", "POOLS", "pool_layer"]

#: The plain operator of each pooling operator.
POOLS = {"MaxPool": "MaxPool", "AveragePool": "AveragePool",
         "GlobalAveragePool": "GlobalAveragePool", "GlobalMaxPool": "GlobalMaxPool",
         "QLinearAveragePool": "AveragePool", "QLinearGlobalAveragePool": "GlobalAveragePool"}

_SUMS = 1 << 14     # sums of a global average that are tried, all there are if possible, ...
_CODES = 1 << 26    # ... of no more than so many codes together


def pool_layer(fragment, codes, tables):
    """The layer of a fragment that holds a pooling operator; ``codes`` are those of its leaves,
    ``tables``: whether the accelerator has tables, which change the largest values.

    Raises
    ------
    OnHost
        The pooling has no integer form, or none that is proved to be equal.
    """
    nodes = [node for node in fragment.inner if node.op in POOLS]
    node, code = nodes[0], codes[0]
    if len(nodes) > 1 or len(codes) > 1 or \
            any(n is not node and n.op not in ("Relu", "Clip") for n in fragment.inner):
        raise OnHost(f"{node} stands among float operators, without quantisation between them")
    graph, op = fragment.graph, POOLS[node.op]
    if node.attributes.get("channels_last", 0):
        raise OnHost(f"{node} has channels_last = 1; the accelerator takes channels first")
    if node.op.startswith("QLinear"):
        x_quant = quantisation(graph, node, node.input(1), node.input(2), code.dtype)
        y_quant = quantisation(graph, node, node.input(3), node.input(4), code.dtype)
    elif fragment.end.op == "QuantizeLinear":
        x_quant, y_quant = fragment.reading(fragment.leaves[0]), fragment.writing()
    else:
        x_quant = y_quant = Quantisation(np.ones(1, np.float32), np.zeros(1, np.int64), code.dtype)
    if x_quant is None or y_quant is None:
        raise OnHost(f"{node} stands between quantisers by channel")
    x_quant, y_quant = x_quant.single(node, "its input"), y_quant.single(node, "its output")
    x, shape = code.spatial(node, x_quant), graph.values[fragment.y][0]
    y = Tensor(fragment.y, planes(node, shape), y_quant.dtype, int(y_quant.zero.item()),
               float(y_quant.scale.item()), shape)
    if op.endswith("MaxPool"):
        layer = _maximum(fragment, node, x, y, x_quant.same(y_quant), op, tables)
    else:
        layer = _average(fragment, node, x, y, op)
    return _tried(fragment, layer, code)


def _maximum(fragment, node, x, y, same, op, tables):
    if len(node.outputs) > 1:
        raise OnHost(f"{node} also gives indices, which the accelerator does not")
    if not same and not tables:
        raise OnHost(f"{node} has different scales or zero points before and after it, which needs "
                     f"a table, and the accelerator is built without")
    table = None if same else _table(fragment, node, x, y)
    if op == "GlobalMaxPool":
        return MaxPool(node.name, x, y, x.shape[1:], table=table)
    geometry = _window(node, "MaxPool", x)
    _, e, f = y.shape
    # ceil_mode may add windows that pass the end: the pads there are what the last one needs.
    (top, left, _, _), (u, v) = geometry["pads"], geometry["stride"]
    r, s = ((k - 1) * d + 1 for k, d in zip(geometry["kernel"], geometry["dilation"], strict=True))
    pads = (top, left, max(0, (e - 1) * u + r - x.shape[1] - top),
            max(0, (f - 1) * v + s - x.shape[2] - left))
    return MaxPool(node.name, x, y, geometry["kernel"], geometry["stride"], pads,
                   geometry["dilation"], table)


def _table(fragment, node, x, y):
    """What becomes of each value that is the largest: the results for channels of that value."""
    values = np.arange(256).astype(np.uint8).view(x.dtype)
    table = np.empty(256, np.uint8)
    for part in np.split(values, 8):
        shape = (1, part.size, *x.onnx_shape[2:])
        made = fragment.runner([shape])(np.broadcast_to(
            part.reshape(1, -1, *[1] * (len(shape) - 2)), shape).copy()).reshape(part.size, -1)
        if np.any(made != made[:, :1]):
            raise OnHost(f"{node} gives results in ONNX Runtime that depend on where a value "
                         f"stands")
        table[part.view(np.uint8)] = made[:, 0].copy().view(np.uint8)
    in_order = table[np.sort(values).view(np.uint8)].view(y.dtype)
    if np.any(in_order[1:] < in_order[:-1]):
        raise OnHost(f"{node} has a greater result for a smaller value")
    return table


def _window(node, op, x):
    attributes = attributes_of(node, op)
    kernel = tuple(attributes["kernel_shape"])
    if len(kernel) != len(x.onnx_shape) - 2 or min(kernel) < 1:
        raise OnHost(f"{node} has kernel_shape = {list(kernel)} for a tensor of shape "
                     f"{x.onnx_shape}")
    return window(node, kernel, x)


def _average(fragment, node, x, y, op):
    m, info = x.shape[0], np.iinfo(y.dtype)
    if op == "GlobalAveragePool":
        geometry = {"kernel": x.shape[1:]}
        counts = np.full((1, 1), math.prod(x.shape[1:]))
    else:
        geometry = _window(node, "AveragePool", x)
        # ceil_mode may add windows that pass the end and its pads.
        del geometry["output"]
        counts, geometry["pads"] = _counts(geometry, x.shape[1:], y.shape[1:],
                                           node.attributes.get("count_include_pad", 0))
    kernel, scales = geometry.pop("kernel"), {}
    for count in map(int, np.unique(counts)):
        if node.op == "QLinearGlobalAveragePool":
            scale = _global_scale(fragment, x, y, count)
        else:
            scale = proof.average_scale(np.float32(x.scale), x.zero_point, np.float32(y.scale),
                                        y.zero_point, count, x.dtype, y.dtype)
        if scale is None:
            raise OnHost(f"{node} averages {count} values with scales {x.scale} and {y.scale}, for "
                         f"which no integer form is proved equal to ONNX Runtime's float one")
        scales[count] = scale
    scale = np.full(m, scale, np.float32) if len(scales) == 1 else \
        np.vectorize(scales.get, [np.float32])(counts)[None]
    return Conv(node.name, x, y, np.ones((m, 1, *kernel), np.int16), np.zeros(m, np.int32),
                scale, groups=m, lo=int(info.min), hi=int(info.max), **geometry)


def _counts(geometry, size, outputs, padded):
    """``(counts, pads)``: the values that each window averages (``padded``: as many as a window
    has places, as ONNX Runtime takes it even beyond the pads), of shape ``(E, F)``; the pads that
    the last windows reach."""
    along, ends = [], []
    for axis, (n, count) in enumerate(zip(size, outputs, strict=True)):
        taps, stride = geometry["kernel"][axis], geometry["stride"][axis]
        start = np.arange(count) * stride - geometry["pads"][axis]
        there = np.minimum(start + taps, n) - np.maximum(start, 0)
        along.append(np.full(count, taps) if padded else there)
        ends.append(max(0, int(start[-1]) + taps - n))
    return np.multiply.outer(*along), (*geometry["pads"][:2], *ends)


def _global_scale(fragment, x, y, count):
    """The scale of a global average, which ONNX Runtime computes from the integer sum.

    Every sum that occurs is tried, as a channel each, while there are no more than some thousands;
    of more, those nearest to the boundaries between two output codes.
    """
    info = np.iinfo(x.dtype)
    ratio = float(np.float32(x.scale) / (np.float32(y.scale) * np.float32(count)))
    if not 2.0 ** -32 <= ratio < 256:
        return None
    least, most = count * (info.min - x.zero_point), count * (info.max - x.zero_point)
    sums = np.arange(least, most + 1)
    most = min(_SUMS, max(_CODES // count, 1 << 8))
    if sums.size > most:
        exact = sums * ratio
        sums = np.sort(sums[np.argsort(np.abs(exact - np.floor(exact) - 0.5))[:most]])
    # A sum as `count` codes: as equal as can be.
    total = sums - least
    codes = (total // count)[:, None] + (np.arange(count) < (total % count)[:, None]) + info.min
    wanted, rows = [], max(1, (1 << 24) // count)
    for start in range(0, sums.size, rows):
        part = codes[start:start + rows].astype(x.dtype)
        shape = (1, len(part), *x.onnx_shape[2:])
        wanted.append(fragment.runner([shape])(part.reshape(shape)).reshape(-1))
    wanted, out = np.concatenate(wanted), np.iinfo(y.dtype)
    for scale in proof.neighbours(ratio):
        if np.array_equal(proof.requantised(sums, scale, y.zero_point, out.min, out.max), wanted):
            return scale
    return None


def _tried(fragment, layer, code):
    """The layer, if it gives what ONNX Runtime gives for random codes at its own size."""
    rng, info = np.random.default_rng(1), np.iinfo(code.dtype)
    run = fragment.runner([code.shape])
    for choices in (np.arange(info.min, info.max + 1), (info.min, info.min + 1, info.max)):
        x = rng.choice(choices, code.shape).astype(code.dtype)
        if not np.array_equal(golden.compute(layer, x.reshape(layer.x.shape)).reshape(-1),
                              run(x).reshape(-1)):
            raise OnHost(f"{fragment.name} has windows that ONNX Runtime treats in a way of its "
                         f"own")
    return layer


KIND = Kind(0, between=frozenset(op for op in POOLS if not op.startswith("QLinear")),
            direct=frozenset(op for op in POOLS if op.startswith("QLinear")),
            takes=lambda nodes: any(node.op in POOLS for node in nodes), layer=pool_layer)
