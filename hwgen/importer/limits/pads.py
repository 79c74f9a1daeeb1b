"""Convolutions whose pads no command holds: wide ones, and negative ones."""

import numpy as np

from ..operators.conv import OnHost, window
from .shapes import Rows, usual

__all__ = ["geometry", "padded"]

_PAD = 63               # columns that a LOAD pads
_POSITIONS = {"QLinearConv": (2, 3), "ConvInteger": (2, 1)}     # of zero point and weights


def geometry(graph, node, ranks):
    """``(window, zero)`` of a convolution of codes with constant weights: what
    :func:`~hwgen.importer.operators.conv.window` finds, and the zero point of its input; None of
    other nodes."""
    at = _POSITIONS.get(node.op)
    shape = at and usual(graph, node.input(0), ranks)
    if not shape or node.input(at[1]) not in graph.constants:
        return None
    zero = graph.constants.get(node.input(at[0]))
    if node.input(at[0]) and zero is None:
        return None
    kernel = graph.constants[node.input(at[1])].shape[2:]
    if len(kernel) != len(shape) - 2:
        return None
    try:
        found = window(node, kernel, Rows(shape))
    except OnHost:
        return None
    kind = graph.values[node.input(0)][1]
    return found, np.zeros((), kind) if zero is None else zero.reshape(())


def padded(graph, node):
    """A Slice or Pad and the convolution behind it, if its pads are negative or too wide."""
    found = geometry(graph, node, ranks=(3, 4, 5))
    if found is None:
        return None
    pads, zero = found[0]["pads"], found[1]
    wide = len(pads) == 4 and max(pads[1], pads[3]) > _PAD
    if not wide and min(pads) >= 0:
        return None
    x, y, size = node.input(0), node.outputs[0], graph.values[node.input(0)][0][2:]
    dims, half, made = len(size), len(pads) // 2, []
    front, behind = (list(side[half - dims:]) for side in (pads[:half], pads[half:]))
    if min(pads) < 0:
        made.append(_cut(graph, x, f"{y}, cut", [max(-p, 0) for p in front],
                         [n - max(-p, 0) for n, p in zip(size, behind, strict=True)]))
        x = f"{y}, cut"
        front, behind = ([max(p, 0) for p in side] for side in (front, behind))
    if wide:
        made += _pad(graph, x, f"{y}, padded", [0, 0, *front, 0, 0, *behind], zero)
        x, front, behind = f"{y}, padded", [0] * dims, [0] * dims
    attributes = {k: v for k, v in node.attributes.items() if k not in ("pads", "auto_pad")}
    return [*made, graph.node(node.op, [x, *node.inputs[1:]], node.outputs, node.name,
                              node.domain, pads=[*front, *behind], **attributes)]


def _cut(graph, x, name, starts, ends):
    given = [graph.constant(f"{name}, {what}", np.array(values, np.int64)) for what, values in (
        ("from", starts), ("to", ends), ("axes", range(2, 2 + len(starts))))]
    return graph.node("Slice", [x, *given], [name])


def _pad(graph, x, name, amounts, zero):
    fill = graph.constant(f"{name}, with", zero)
    if graph.version >= 11:
        by = graph.constant(f"{name}, by", np.array(amounts, np.int64))
        return [graph.node("Pad", [x, by, fill], [name])]
    # Pad takes no codes yet, but zeros are their zero point.
    one = graph.constant(f"{name}, scale", np.ones((), np.float32))
    real, wide = f"{name}, from", f"{name}, real"
    return [graph.node("DequantizeLinear", [x, one, fill], [real]),
            graph.node("Pad", [real], [wide], pads=amounts),
            graph.node("QuantizeLinear", [wide, one, fill], [name])]
