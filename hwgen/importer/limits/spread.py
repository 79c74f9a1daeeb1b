"""Operands of pointwise operators in the shape of the result; constants of codes as tensors."""

import math

import numpy as np

from ...network.ort_session import evaluate
from ..operators.conv import CODES

__all__ = ["joined", "spread"]

_PIECES = 64            # of a Move; more are left to the host
_QLINEAR = {"QLinearAdd": (0, 3), "QLinearMul": (0, 3)}
_FLOAT = frozenset("Add Div Max Mean Min Mul PRelu Pow Sub Sum".split())
_BEHIND = ("Relu", "Clip")


def spread(graph, node):
    """The node with operands of the result's shape: codes through an Expand, constants of codes as
    a tensor; None if they have it, or one value, or one a channel."""
    places = _QLINEAR.get(node.op)
    if places is None and (node.op not in _FLOAT or len(node.inputs) != 2 or
                           not _quantised(graph, node.outputs[0])):
        return None
    shape = graph.values[node.outputs[0]][0]
    if not shape or min(shape) < 1:
        return None
    operands = [_Operand(graph, node, k, shape, places is not None) for k in places or (0, 1)]
    if not all(operand.known for operand in operands) or \
            all(operand.constant for operand in operands) or \
            not any(operand.stretched for operand in operands):
        return None
    if not any(operand.stretched and not operand.fits(operands) for operand in operands):
        return None
    if places and not _alike(graph, node, operands):
        return None
    graph.last -= {node.name}
    inputs, nodes = list(node.inputs), []
    for operand in operands:
        if operand.stretched:
            inputs[operand.place] = operand.whole(nodes)
    return [*nodes, graph.node(node.op, inputs, node.outputs, node.name, node.domain,
                               **node.attributes)]


def _alike(graph, node, operands):
    """Whether stretching operands changes no result of a QLinear operator: it has kernels of its
    own for one value and a vector, which may round in another order."""
    shape, last = graph.values[node.outputs[0]][0], node.name in graph.last
    axes = [*range(2, len(shape)), 1] if last else range(1, len(shape))
    inner = max((axis for axis in axes if shape[axis] > 1), key=list(axes).index, default=0)
    if all((1,) * (len(shape) - len(operand.own)) + operand.own == shape or
           ((1,) * (len(shape) - len(operand.own)) + operand.own)[inner] == shape[inner] or
           math.prod(operand.own) == 1 for operand in operands):
        return True
    inputs, names = list(node.inputs), ["first", "second"]
    for operand, name in zip(operands, names, strict=True):
        inputs[operand.place] = name
    alone = graph.node(node.op, inputs, ["result"], domain=node.domain)
    kinds = [graph.values[operand.codes][1] for operand in operands]
    codes = np.arange(256).astype(np.uint8)
    pairs = np.repeat(codes, 256).reshape(1, -1), np.tile(codes, 256).reshape(1, -1)
    found = []
    for first, second in pairs, (codes[:, None], codes[None]), (codes[None], codes[:, None]):
        given = [values.view(kind) for values, kind in zip((first, second), kinds, strict=True)]
        model = graph.submodel([alone], {name: (value.shape, value.dtype) for name, value in zip(
            names, given, strict=True)}, ["result"], declared=False)
        y = evaluate(model, dict(zip(names, given, strict=True)), as_written=True)["result"]
        found.append(y.reshape(256, 256) if first.shape != (1, 256) else y.T)
    return all(np.array_equal(found[0], other) for other in found[1:])


def joined(graph, node):
    """A Concat whose constants of codes are tensors, if it has some beside computed codes."""
    places = range(2, len(node.inputs), 3) if node.op == "QLinearConcat" else \
        range(len(node.inputs)) if node.op == "Concat" else ()
    operands = [_Operand(graph, node, place, (), node.op == "QLinearConcat") for place in places]
    constants = [operand for operand in operands if operand.constant]
    if not constants or len(constants) == len(operands) or \
            not all(operand.known and operand.plain for operand in operands):
        return None
    inputs, nodes = list(node.inputs), []
    for operand in constants:
        operand.shape = operand.own
        inputs[operand.place] = operand.whole(nodes)
    return [*nodes, graph.node(node.op, inputs, node.outputs, node.name, node.domain,
                               **node.attributes)]


def _quantised(graph, name):
    """Whether a float value goes into one QuantizeLinear, a Relu or Clip in front of it at most."""
    readers = graph.consumers[name]
    if len(readers) == 1 and readers[0].op in _BEHIND and name not in graph.outputs:
        readers = graph.consumers[readers[0].outputs[0]]
    return len(readers) == 1 and readers[0].op == "QuantizeLinear"


class _Operand:
    """An operand of ``node``: its ``codes`` by name, whether they are ``known`` to be such, and
    ``constant``, and whether they are to be ``stretched`` to a tensor of ``shape``."""

    def __init__(self, graph, node, place, shape, direct):
        self.graph, self.node, self.place, self.shape = graph, node, place, shape
        self.name = node.input(place)
        source = None if direct else graph.producer.get(self.name)
        self.quantised = source if source and source.op == "DequantizeLinear" else None
        self.codes = self.quantised.input(0) if self.quantised else self.name
        own, dtype = graph.values.get(self.codes, (None, None))
        self.constant = self.codes in graph.constants
        self.known = own is not None and bool(math.prod(own)) and (
            dtype in CODES if direct or self.quantised else self.constant and math.prod(own) == 1)
        # A scale for each channel belongs to an axis, which Expand would move.
        self.plain = not self.quantised or all(
            i in graph.constants and graph.constants[i].size == 1
            for i in self.quantised.inputs[1:] if i)
        self.stretched = self.known and self.plain and (
            math.prod(own) > 1 if self.constant else own != shape)
        self.own = own

    def fits(self, operands):
        """Whether the accelerator takes it as it is, or would not take it stretched either."""
        shape = self.shape
        aligned = (*(1,) * (len(shape) - len(self.own)), *self.own)
        channels = len(shape) > 1 and aligned == (1, shape[1], *(1,) * (len(shape) - 2))
        if self.constant:
            return channels
        whole = any(other.own == shape and not other.constant for other in operands)
        each = len(shape) > 2 and aligned == (*shape[:2], *(1,) * (len(shape) - 2))
        return whole and each or math.prod(shape) // math.prod(self.own) > _PIECES

    def whole(self, nodes):
        """Add what gives it in the result's shape to ``nodes``; returns the name."""
        graph, codes = self.graph, f"{self.node.outputs[0]}, operand {self.place}"
        if self.constant:
            value = np.broadcast_to(graph.constants[self.codes], self.shape)
            given = graph.constant(f"{codes}, values", np.ascontiguousarray(value))
            nodes.append(graph.node("Identity", [given], [codes]))
        else:
            to = graph.constant(f"{codes}, shape", np.array(self.shape, np.int64))
            nodes.append(graph.node("Expand", [self.codes, to], [codes]))
        if not self.quantised:
            return codes
        real = f"{codes}, real"
        nodes.append(graph.node("DequantizeLinear", [codes, *self.quantised.inputs[1:]], [real]))
        return real
