"""Convolutions and pooling of volumes, with three spatial dimensions, as those of planes."""

import math

import numpy as np

from .large_pools import Axis, codes, pool, windows
from .pads import geometry
from .shapes import usual

__all__ = ["planes"]

_PLANES = 256           # of the output, at most


def planes(graph, node):
    """Nodes with two spatial dimensions in place of one with three, or None.

    Each plane of a convolution's output is the convolution of those planes of the input that its
    window reaches, as so many channels. The largest value of a volume is the largest of those of
    its planes; a global average does not care where a value stands.
    """
    if node.op in ("QLinearConv", "ConvInteger"):
        return _convolution(graph, node)
    if node.op == "QLinearGlobalAveragePool":
        return _average(graph, node)
    if node.op in ("MaxPool", "GlobalMaxPool"):
        return _largest(graph, node)
    return None


class _Nodes:
    """Collects nodes that work on codes; methods return the name of what they give."""

    def __init__(self, graph):
        self.graph, self.made = graph, []

    def add(self, op, inputs, name, node_name="", **attributes):
        self.made.append(self.graph.node(op, inputs, [name], node_name, **attributes))
        return name

    def reshaped(self, x, name, shape):
        to = self.graph.constant(f"{name}, shape", np.array(shape, np.int64))
        return self.add("Reshape", [x, to], name)

    def cut(self, x, name, start, stop, step):
        """Planes of a volume."""
        ends = [self.graph.constant(f"{name}, {what}", np.array([value], np.int64)) for what, value
                in (("from", start), ("to", stop), ("axis", 2), ("step", step))]
        return self.add("Slice", [x, *ends], name)


def _convolution(graph, node):
    found = geometry(graph, node, ranks=(5,))
    if found is None or found[0]["output"][0] > _PLANES:
        return None
    window, at, new = found[0], 3 if node.op == "QLinearConv" else 1, _Nodes(graph)
    x, y, weights = node.input(0), node.outputs[0], graph.constants[node.input(at)]
    batch, channels, depth, height, width = graph.values[x][0]
    (stride, *strides), (dilation, *dilations), pads = (
        window[k] for k in ("stride", "dilation", "pads"))
    count, *size = window["output"]
    attributes = dict(strides=strides, dilations=dilations, group=node.attributes.get("group", 1),
                      pads=[*pads[1:3], *pads[4:]])
    results, constants, sources = [], {}, {}
    for plane in range(count):
        first = plane * stride - pads[0]
        taps = [k for k in range(weights.shape[2]) if 0 <= first + k * dilation < depth]
        if not taps:
            return None
        reached = first + taps[0] * dilation, first + taps[-1] * dilation
        if reached not in sources:
            name = f"{y}, planes from {reached[0]} to {reached[1]}"
            cut = new.cut(x, name, reached[0], reached[1] + 1, dilation)
            sources[reached] = new.reshaped(cut, f"{name} as channels", (
                batch, channels * len(taps), height, width))
        part = taps[0], taps[-1] + 1
        if part not in constants:
            cut = weights[:, :, slice(*part)]
            constants[part] = graph.constant(
                f"{y}, weights of taps {part[0]} to {part[1] - 1}",
                cut.reshape(cut.shape[0], -1, *cut.shape[3:]))
        inputs = list(node.inputs)
        inputs[0], inputs[at] = sources[reached], constants[part]
        done = new.add(node.op, inputs, f"{y}, plane {plane}", f"{node.name}, plane {plane}",
                       **attributes)
        results.append(new.reshaped(done, f"{done}, in place" if count > 1 else y,
                                    (batch, weights.shape[0], 1, *size)))
    if count > 1:
        new.add("Concat", results, y, axis=2)
    return new.made


def _largest(graph, node):
    """The largest of each plane's windows, then the largest of neighbouring planes."""
    shape, result = (usual(graph, name, ranks=(5,)) for name in (node.input(0), node.outputs[0]))
    axes = shape and result and windows(node, shape, result)
    found = axes and codes(graph, node)
    if not found or graph.version < 12:     # MaxPool takes no codes yet
        return None
    new, y, (x, quantised) = _Nodes(graph), node.outputs[0], found
    batch, channels, depth, *_ = shape
    planes, size = (batch, channels * depth, *shape[3:]), result[3:]
    x = new.reshaped(x, f"{y}, as planes", planes)
    new.made.append(pool(graph, x, [f"{y}, of planes"], axes[1:], f"{node.name}, of planes"))
    x = new.reshaped(f"{y}, of planes", f"{y}, as rows", (batch, channels, depth, math.prod(size)))
    new.made.append(pool(graph, x, [f"{y}, of volumes"], (axes[0], Axis(math.prod(size))),
                         node.name))
    x = new.reshaped(f"{y}, of volumes", f"{y}, codes" if quantised else y, result)
    if quantised:
        new.add("DequantizeLinear", [x, *quantised.inputs[1:]], y)
    return new.made


def _average(graph, node):
    shape, new = usual(graph, node.input(0), ranks=(5,)), _Nodes(graph)
    if shape is None or node.attributes.get("channels_last", 0):
        return None
    y = node.outputs[0]
    batch, channels, depth, height, width = shape
    x = new.reshaped(node.input(0), f"{y}, as planes", (batch, channels, depth * height, width))
    new.made.append(graph.node(node.op, [x, *node.inputs[1:]], [f"{y}, of planes"], node.name,
                               node.domain, **node.attributes))
    new.reshaped(f"{y}, of planes", y, (batch, channels, 1, 1, 1))
    return new.made
