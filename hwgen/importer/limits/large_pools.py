"""Max pooling in steps: the largest of the largest values, on codes."""

import numpy as np

from ..operators.conv import OnHost, window
from .shapes import Rows, usual

__all__ = ["Axis", "codes", "pool", "pooled", "windows"]

_WINDOW = 31            # rows, columns and strides of a pooling


def windows(node, shape, result):
    """The windows of a max pooling along each axis, an :class:`Axis` each; None if it is none that
    the accelerator has."""
    size, out = shape[2:], result[2:]
    if node.op == "GlobalMaxPool":
        return [Axis(n, n) for n in size]
    if len(node.outputs) > 1 or max(node.attributes.get("dilations", [1])) > 1:
        return None
    try:
        found = window(node, node.attributes["kernel_shape"], Rows(shape))
    except OnHost:
        return None
    dims = len(size)
    return [Axis(n, k, u, p, e) for n, k, u, p, e in zip(
        size, found["kernel"][-dims:], found["stride"][-dims:],
        found["pads"][:len(found["kernel"])][-dims:], out, strict=True)]


def codes(graph, node):
    """``(codes, quantised)`` that a pooling works on, ``quantised`` being the DequantizeLinear
    between them or None; None if it works on other values."""
    quantised = graph.producer.get(node.input(0))
    if quantised is None or quantised.op != "DequantizeLinear":
        quantised = None
    x = quantised.input(0) if quantised else node.input(0)
    return (x, quantised) if graph.values[x][1] in (np.uint8, np.int8) else None


def pooled(graph, node):
    """Poolings in steps of a large window, in front of codes, if a node has one."""
    if node.op not in ("MaxPool", "GlobalMaxPool"):
        return None
    shape, result = (usual(graph, name) for name in (node.input(0), node.outputs[0]))
    axes = shape and result and windows(node, shape, result)
    found = axes and codes(graph, node)
    if not found or all(axis.small for axis in axes):
        return None
    x, quantised = found

    def real(codes, step):
        name = f"{node.outputs[0]}, from {step}"
        return graph.node("DequantizeLinear", [codes, *quantised.inputs[1:]], [name]), name
    nodes, step = [], 0
    while not all(axis.small for axis in axes):
        firsts, axes = zip(*(axis.split() for axis in axes), strict=True)
        if None in firsts:
            return None
        step += 1
        y = f"{node.outputs[0]}, step {step}"
        if any(axis.sparse for axis in firsts):
            nodes.append(_picked(graph, x, y, firsts))
            x, y, firsts = y, f"{y}, rest", [axis.rest for axis in firsts]
            if all(axis.plain for axis in firsts):
                continue
        source = x
        if graph.version < 12:    # MaxPool takes no codes yet
            made, source = real(x, step)
            nodes.append(made)
        nodes.append(pool(graph, source, [y], firsts, f"{node.name}, step {step}"))
        if graph.version < 12:
            nodes.append(graph.node("QuantizeLinear", [y, *quantised.inputs[1:]], [f"{y}, codes"]))
            y = f"{y}, codes"
        x = y
    if quantised:
        made, x = real(x, step + 1)
        nodes.append(made)
    return [*nodes, pool(graph, x, node.outputs, axes, node.name)]


def _picked(graph, x, name, axes):
    """A Slice of what windows of one value pick."""
    ends = [graph.constant(f"{name}, {what}", np.array(values, np.int64)) for what, values in (
        ("from", [0] * len(axes)), ("to", [axis.size for axis in axes]),
        ("axes", range(2, 2 + len(axes))),
        ("steps", [axis.stride if axis.sparse else 1 for axis in axes]))]
    return graph.node("Slice", [x, *ends], [name])


def pool(graph, x, outputs, axes, name):
    """A MaxPool of these windows."""
    return graph.node("MaxPool", [x], outputs, name, kernel_shape=[a.kernel for a in axes],
                      strides=[a.stride for a in axes],
                      pads=[a.pad for a in axes] + [a.end for a in axes])


class Axis:
    """Windows along one axis: ``outputs`` windows of ``kernel`` values of ``size``, every
    ``stride``, the first one ``pad`` in front of it."""

    def __init__(self, size, kernel=1, stride=1, pad=0, outputs=None):
        self.size, self.kernel, self.pad = size, kernel, pad
        self.outputs = size - kernel + 1 if outputs is None else outputs
        self.stride = 1 if outputs == 1 else stride

    @property
    def small(self):
        return max(self.kernel, self.stride) <= _WINDOW

    @property
    def sparse(self):
        """Whether it only picks values, further apart than a pooling has them."""
        return self.kernel == 1 and self.stride > _WINDOW

    @property
    def plain(self):
        """Whether it changes nothing."""
        return self.kernel == self.stride == 1

    @property
    def rest(self):
        """What is left to do behind a Slice for the sparse ones."""
        return Axis(self.outputs) if self.sparse else self

    @property
    def end(self):
        """Places behind the last value that the last window reaches."""
        return max(0, (self.outputs - 1) * self.stride + self.kernel - self.size - self.pad)

    def split(self):
        """``(first, rest)``: windows of a first step, and those over its results."""
        if self.small:
            return Axis(self.size), self
        if self.sparse:
            return self, self.rest
        if self.kernel <= _WINDOW:
            stride = max(n for n in range(1, _WINDOW + 1) if self.stride % n == 0)
            step = self.stride // stride
            count = (self.outputs - 1) * step + 1
            return (Axis(self.size, self.kernel, stride, self.pad, count),
                    Axis(count, 1, step, 0, self.outputs))
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
            return (Axis(self.size, kernel, stride, pad, count),
                    Axis(count, inner, step, behind, self.outputs))
        return None, self
