"""Operators beyond what the accelerator's commands hold, written as several within."""

import numpy as np

from .operators.conv import OnHost, window

__all__ = ["within_limits"]

_PAD = 63               # columns that a LOAD pads
_WINDOW = 31            # rows, columns and strides of a pooling
_STACK = 64             # matrices of one product


def within_limits(graph):
    """Rewrite a graph's wide pads, large pooling windows and stacks of weights in place; whether
    there were any.

    A convolution with wide pads gets a Pad of its own, filled with the input's zero point. A large
    window is pooled in steps, on codes: the largest value of the largest values. A product with a
    vector, or with a matrix for each part of a batch, becomes products with matrices.
    """
    nodes, changed = [], False
    for node in graph.nodes:
        made = _padded(graph, node) or _pooled(graph, node) or _matrices(graph, node)
        nodes += made or [node]
        changed |= bool(made)
    if changed:
        graph.replace(nodes)
    return changed


def _shape(graph, name):
    shape = graph.values[name][0]
    return shape if shape is not None and 3 <= len(shape) <= 4 and min(shape) > 0 else None


def _padded(graph, node):
    """A Pad and the convolution without pads, if these are too wide."""
    at = {"QLinearConv": (2, 3), "ConvInteger": (2, 1)}.get(node.op)
    shape = at and _shape(graph, node.input(0))
    if not shape or node.input(at[1]) not in graph.constants:
        return None
    zero = graph.constants.get(node.input(at[0]))
    if node.input(at[0]) and zero is None:
        return None
    kernel = graph.constants[node.input(at[1])].shape[2:]
    if len(kernel) != len(shape) - 2:
        return None
    try:
        pads = window(node, kernel, _rows(shape))["pads"]
    except OnHost:
        return None
    if max(pads[1], pads[3]) <= _PAD:
        return None
    x, name = node.input(0), f"{node.outputs[0]}, padded"
    dims = len(kernel)
    amounts = [0, 0, *pads[2 - dims:2], 0, 0, *pads[4 - dims:]]
    fill = graph.constant(f"{name}, with", np.zeros((), graph.values[x][1]) if zero is None else
                          zero.reshape(()))
    if graph.version >= 11:
        by = graph.constant(f"{name}, by", np.array(amounts, np.int64))
        made = [graph.node("Pad", [x, by, fill], [name])]
    else:    # Pad takes no codes yet, but zeros are their zero point
        one = graph.constant(f"{name}, scale", np.ones((), np.float32))
        real, wide = f"{name}, from", f"{name}, real"
        made = [graph.node("DequantizeLinear", [x, one, fill], [real]),
                graph.node("Pad", [real], [wide], pads=amounts),
                graph.node("QuantizeLinear", [wide, one, fill], [name])]
    attributes = {k: v for k, v in node.attributes.items() if k not in ("pads", "auto_pad")}
    return [*made, graph.node(node.op, [name, *node.inputs[1:]], node.outputs, node.name,
                              node.domain, pads=[0] * 2 * dims, **attributes)]


class _rows:
    """What :func:`window` asks of a tensor: its shape as channels, rows, columns."""

    def __init__(self, shape):
        self.shape = (shape[1], *(1,) * (4 - len(shape)), *shape[2:])


def _pooled(graph, node):
    """Poolings in steps of a large window, in front of codes, if a node has one."""
    if node.op not in ("MaxPool", "GlobalMaxPool") or len(node.outputs) > 1 or \
            max(node.attributes.get("dilations", [1])) > 1:
        return None
    shape, result = (_shape(graph, name) for name in (node.input(0), node.outputs[0]))
    if not shape or not result:
        return None
    size, out = shape[2:], result[2:]
    if node.op == "GlobalMaxPool":
        axes = [_Axis(n, n, 1, 0, 1) for n in size]
    else:
        try:
            found = window(node, node.attributes["kernel_shape"], _rows(shape))
        except OnHost:
            return None
        dims = len(size)
        axes = [_Axis(n, k, u, p, e) for n, k, u, p, e in zip(
            size, found["kernel"][-dims:], found["stride"][-dims:], found["pads"][2 - dims:2],
            out, strict=True)]
    if all(axis.small for axis in axes):
        return None
    quantised = graph.producer.get(node.input(0))
    if quantised is not None and quantised.op == "DequantizeLinear":
        x = quantised.input(0)
    else:
        x, quantised = node.input(0), None
    if graph.values[x][1] not in (np.uint8, np.int8):
        return None

    def real(codes, step):
        name = f"{node.outputs[0]}, from {step}"
        return graph.node("DequantizeLinear", [codes, *quantised.inputs[1:]], [name]), name
    nodes, step = [], 0
    while not all(axis.small for axis in axes):
        firsts, axes = zip(*(axis.split() for axis in axes), strict=True)
        if None in firsts:
            return None
        step += 1
        source, y = x, f"{node.outputs[0]}, step {step}"
        if graph.version < 12:    # MaxPool takes no codes yet
            made, source = real(x, step)
            nodes.append(made)
        nodes.append(_pool(graph, source, [y], firsts, f"{node.name}, step {step}"))
        if graph.version < 12:
            nodes.append(graph.node("QuantizeLinear", [y, *quantised.inputs[1:]], [f"{y}, codes"]))
            y = f"{y}, codes"
        x = y
    if quantised:
        made, x = real(x, step + 1)
        nodes.append(made)
    return [*nodes, _pool(graph, x, node.outputs, axes, node.name)]


def _pool(graph, x, outputs, axes, name):
    return graph.node("MaxPool", [x], outputs, name, kernel_shape=[a.kernel for a in axes],
                      strides=[a.stride for a in axes],
                      pads=[a.pad for a in axes] + [a.end for a in axes])


def _matrices(graph, node):
    """Products with one matrix each, if a node's constant weights are a vector or a stack."""
    at = {"QLinearMatMul": (3, 4, 5), "MatMulInteger": (1, 3)}.get(node.op)
    weights = graph.constants.get(node.input(at[0])) if at else None
    if weights is None or weights.ndim == 2:
        return None
    shape, result = (graph.values[name][0] for name in (node.input(0), node.outputs[0]))
    if not shape or not result or len(shape) < 2 or min(*shape, *result) < 1:
        return None
    stack = weights.reshape(-1, *(weights.shape[-2:] if weights.ndim > 2 else (weights.size, 1)))
    count = len(stack)
    params = {i: graph.constants.get(node.input(i)) for i in at[1:] if node.input(i)}
    lone = int(np.prod(shape[:-2])) == 1
    if count > 1 and not lone and weights.shape[:-2] != tuple(shape[:-2]) or count > _STACK or \
            any(p is None or p.size > 1 and count > 1 for p in params.values()):
        return None
    y, nodes = node.outputs[0], []

    def reshaped(source, name, sizes):
        to = graph.constant(f"{name}, shape", np.array(sizes, np.int64))
        nodes.append(graph.node("Reshape", [source, to], [name]))
        return name
    rows = shape[-2] if count > 1 else int(np.prod(shape[:-1]))
    whole = reshaped(node.input(0), f"{y}, operands", (1 if lone else count, rows, shape[-1]))
    products = []
    for k, matrix in enumerate(stack):
        part, inputs = whole, list(node.inputs)
        if count > 1 and not lone:
            part = f"{y}, operand {k}"
            ends = [graph.constant(f"{part}, {what}", np.array([v], np.int64)) for what, v in
                    (("from", k), ("to", k + 1), ("axis", 0))]
            nodes.append(graph.node("Slice", [whole, *ends], [part]))
        inputs[0] = part
        inputs[at[0]] = graph.constant(f"{y}, weights {k}", matrix)
        for i, value in params.items():
            inputs[i] = graph.constant(f"{y}, parameter {i}",
                                       value.reshape(-1 if value.size > 1 else ()))
        products.append(f"{y}, product {k}")
        nodes.append(graph.node(node.op, inputs, products[-1:],
                                node.name if count == 1 else f"{node.name}, {k}"))
    if count > 1:
        nodes.append(graph.node("Concat", products, [f"{y}, products"], axis=0))
        products = [f"{y}, products"]
    reshaped(products[0], y, result)
    return nodes


class _Axis:
    """Windows along one axis: ``outputs`` windows of ``kernel`` values of ``size``, every
    ``stride``, the first one ``pad`` in front of it."""

    def __init__(self, size, kernel, stride, pad, outputs):
        self.size, self.kernel, self.pad, self.outputs = size, kernel, pad, outputs
        self.stride = 1 if outputs == 1 else stride

    @property
    def small(self):
        return max(self.kernel, self.stride) <= _WINDOW

    @property
    def end(self):
        """Places behind the last value that the last window reaches."""
        return max(0, (self.outputs - 1) * self.stride + self.kernel - self.size - self.pad)

    def split(self):
        """``(first, rest)``: windows of a first step, and those over its results."""
        if self.small:
            return _Axis(self.size, 1, 1, 0, self.size), self
        for stride in range(_WINDOW, 0, -1):
            kernel = stride + (self.kernel - stride) % stride
            kernel += (_WINDOW - kernel) // stride * stride if kernel <= _WINDOW else 0
            if kernel > _WINDOW or kernel > self.kernel or \
                    self.stride % stride and self.outputs > 1:
                continue
            if stride == 1 and kernel == 1:
                break
            inner = (self.kernel - kernel) // stride + 1
            # What is left of the pad is a multiple of the stride.
            pad = min(self.pad, kernel - 1)
            pad -= (stride - (self.pad - pad) % stride) % stride
            behind = (self.pad - pad) // stride
            step = self.stride // stride if self.outputs > 1 else 1
            reached = (self.outputs - 1) * step + inner - behind
            count = min(reached, -(-(self.size + pad) // stride))
            return (_Axis(self.size, kernel, stride, pad, count),
                    _Axis(count, inner, step, behind, self.outputs))
        return None, self
