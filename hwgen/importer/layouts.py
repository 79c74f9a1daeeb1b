"""Operators that ONNX Runtime computes with channels last, where that changes results.

A sum of float values depends on the order in which they lie, and QLinearAdd and QLinearMul round in
another order where one operand is a single value for a stretch of the other. ONNX Runtime turns
most convolutional networks to channels last, but behind the level of optimisation whose graph is
taken for what a file means: so such operators get Transposes of their own.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import HwgenError
from ..network.ort_session import evaluate, optimised

__all__ = ["channels_last", "turned"]

_SUMS = frozenset("ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum "
                  "ReduceSumSquare".split())
_OPERANDS = {"QLinearAdd": (0, 3), "QLinearMul": (0, 3)}
_ALIKE = 0.7            # of the values, at least, before roundings add up


def channels_last(model, graph, sample):
    """Names of the nodes of a graph with known shapes that are computed with channels last.

    Parameters
    ----------
    model : bytes
        What the graph was made of.
    graph : Graph
    sample : dict of str to numpy.ndarray or None
        See :meth:`~.onnx_graph.Graph.infer`.
    """
    found = {node.name: at for node in graph.nodes
             if (at := _telling(graph, node)) is not None}
    if not found:
        return frozenset()
    try:
        made = optimised(model, whole=True)
        there = {node.name: node.input[found[node.name]] for node in made.graph.node
                 if node.name in found}
        known = {output.name for output in made.graph.output}
        made.graph.output.extend(helper.make_empty_tensor_value_info(name)
                                 for name in dict.fromkeys(there.values()) if name not in known)
        here = {node.name: node.input(found[node.name]) for node in graph.nodes
                if node.name in there}
        inputs = sample or _random(graph.inputs)
        last = evaluate(made.SerializeToString(), inputs, as_written=True)
        first = evaluate(graph.serialise(here.values()), inputs, as_written=True)
    except HwgenError:
        return frozenset()      # nothing is known, so nothing is turned
    return frozenset(name for name in there if not _alike(last[there[name]], first[here[name]]) and
                     _alike(last[there[name]], np.moveaxis(first[here[name]], 1, -1)))


def _telling(graph, node):
    """The input of a node by which its layout is seen, None if its results are the same in any."""
    if node.op not in _SUMS and node.op not in _OPERANDS:
        return None
    names = [node.input(k) for k in _OPERANDS.get(node.op, (0,))]
    shapes = [graph.values[name][0] for name in names]
    result = graph.values[node.outputs[0]][0]
    if None in (*shapes, result):
        return None
    sizes = [0 if name in graph.constants else np.prod(shape) for name, shape in
             zip(names, shapes, strict=True)]
    at = int(np.argmax(sizes))
    if len(shapes[at]) < 3 or not sizes[at]:
        return None
    if node.op in _OPERANDS and (shapes[at] != result or all(
            np.prod(shape) == 1 or shape == result for shape in shapes)):
        return None
    return _OPERANDS.get(node.op, (0,))[at]


def _random(inputs):
    rng = np.random.default_rng(1)
    return {name: rng.normal(0, 1, shape).astype(dtype) if np.dtype(dtype).kind == "f" else
            rng.integers(0, 100, shape).astype(dtype) if dtype in (np.uint8, np.int8) else
            np.full(shape, "", object) if np.dtype(dtype) == object else np.zeros(shape, dtype)
            for name, (shape, dtype) in inputs.items()}


def _alike(values, others):
    return values.shape == others.shape and np.mean(np.isclose(values, others)) >= _ALIKE


def turned(node, shapes, constants):
    """The protos of a node that is computed with channels last, among Transposes.

    Parameters
    ----------
    node : Node
    shapes : callable
        The shape of a value by name.
    constants : dict of str to numpy.ndarray
    """
    proto = onnx.NodeProto.FromString(node.proto.SerializeToString())
    protos, around = [], _operands if node.op in _OPERANDS else _sum

    def add(op, source, name, **attributes):
        protos.append(helper.make_node(op, source, [name], name, **attributes))
        return name
    perm = around(node, proto, shapes, constants, add)
    proto.output[0] = f"{node.outputs[0]}, turned"
    protos.append(proto)
    add("Transpose", [proto.output[0]], node.outputs[0], perm=perm)
    return protos


def _operands(node, proto, shapes, constants, add):
    """Turn the operands; returns how the result is turned back."""
    rank = max(len(shapes(node.input(at))) for at in _OPERANDS[node.op])
    for at in _OPERANDS[node.op]:
        name, own, shape = f"{node.name}, operand {at}", node.input(at), shapes(node.input(at))
        if np.prod(shape) == 1:
            continue
        if len(shape) < rank:
            sizes = np.array([1] * (rank - len(shape)) + list(shape), np.int64)
            to = add("Constant", [], f"{name}, shape", value=numpy_helper.from_array(sizes))
            own = add("Reshape", [own, to], f"{name} of the same rank")
        proto.input[at] = add("Transpose", [own], f"{name}, turned", perm=[0, *range(2, rank), 1])
    return [0, rank - 1, *range(1, rank - 1)]


def _sum(node, proto, shapes, constants, add):
    """Turn what is summed, and the axes."""
    rank = len(shapes(node.input(0)))
    order = [0, *range(2, rank), 1]     # where each axis comes from
    proto.input[0] = add("Transpose", [node.input(0)], f"{node.name}, turned", perm=order)
    axes = node.attributes.get("axes", [])
    if node.input(1):
        axes = constants[node.input(1)].tolist()
    axes = [axis % rank for axis in axes]
    where = [order.index(axis) for axis in axes]
    if node.input(1):
        proto.input[1] = add("Constant", [], f"{node.name}, axes",
                             value=numpy_helper.from_array(np.array(where, np.int64)))
    for attribute in proto.attribute:
        if attribute.name == "axes":
            attribute.ints[:] = where
    if node.attributes.get("keepdims", 1):
        return [0, rank - 1, *range(1, rank - 1)]
    left = [axis for axis in order if axes and axis not in axes]
    return [left.index(axis) for axis in sorted(left)]
