"""Fused products with a float result, and computed zero points, as plain sums of integers.

DynamicQuantizeMatMul, MatMulIntegerToFloat and a QGemm with a float result are written as the sum
of integers that they compute, and the float operators behind it, which give the same values.

With a zero point z that is computed for each input, ``sum((x - z) * w)`` is ``sum(x * w)``, which
is an integer layer like any other, less z times the sum of the weights that meet values, which is
known beforehand.
"""

import numpy as np
from onnx import TensorProto

from ..network.ort_session import evaluate

__all__ = ["constant_zero_points"]


def constant_zero_points(graph):
    """Rewrite dynamically quantised products of a graph with known shapes, in place; whether there
    were any."""
    nodes, changed = [], False
    for node in graph.nodes:
        made = _PARTS[node.op](graph, node) if node.op in _PARTS else [node]
        for one in made:
            rewritten = _corrected(graph, one)
            changed |= rewritten is not None or len(made) > 1
            nodes += rewritten or [one]
    if changed:
        graph.replace(nodes)
    return changed


def _apart(graph, node):
    """A DynamicQuantizeMatMul as the operators that it is made of."""
    y, (x, weight, step) = node.outputs[0], node.inputs[:3]
    zero, bias = node.input(3), node.input(4)
    if weight not in graph.constants or step not in graph.constants:
        return [node]

    def named(part):
        return f"{y}, {part}"
    last = named("float") if bias else y
    nodes = [
        graph.node("DynamicQuantizeLinear", [x], [named("codes"), named("scale"), named("zero")]),
        graph.node("MatMulInteger", [named("codes"), weight, named("zero"), *[zero] * bool(zero)],
                   [named("sum")], node.name),
        graph.node("Cast", [named("sum")], [named("value")], to=TensorProto.FLOAT),
        graph.node("Mul", [named("scale"), step], [named("step")]),
        graph.node("Mul", [named("value"), named("step")], [last])]
    shape, _ = graph.values[x]
    if shape is not None:
        graph.values[named("codes")] = shape, np.dtype(np.uint8)
    return nodes + [graph.node("Add", [last, bias], [y])] * bool(bias)


def _to_float(graph, node):
    """A MatMulIntegerToFloat as the operators that it is made of."""
    y, (a, b, a_step, b_step) = node.outputs[0], node.inputs[:4]
    a_zero, b_zero, bias = (node.input(k) for k in (4, 5, 6))
    if b not in graph.constants or not a_zero or not b_zero:
        return [node]

    def named(part):
        return f"{y}, {part}"
    last = named("float") if bias else y
    nodes = [graph.node("MatMulInteger", [a, b, a_zero, b_zero], [named("sum")], node.name),
             graph.node("Cast", [named("sum")], [named("value")], to=TensorProto.FLOAT),
             graph.node("Mul", [a_step, b_step], [named("step")]),
             graph.node("Mul", [named("value"), named("step")], [last])]
    return nodes + [graph.node("Add", [last, bias], [y])] * bool(bias)


def _gemm(graph, node):
    """A QGemm with a float result as the operators that it is made of."""
    values = [graph.constants.get(node.input(k)) for k in (1, 3, 4, 6)]
    step, weight, steps, bias = values
    if node.input(7) or node.input(6) and bias is None or \
            any(value is None for value in values[:3]) or not node.input(2) or not node.input(5):
        return [node]
    y = node.outputs[0]
    if node.attributes.get("transB", 0):
        weight = weight.T
    scale = np.float32(node.attributes.get("alpha", 1.0)) * step * steps
    x, nodes = node.input(0), []
    if node.attributes.get("transA", 0):
        x = f"{y}, turned"
        nodes = [graph.node("Transpose", [node.input(0)], [x], perm=[1, 0])]
    total = f"{y}, sum"
    nodes += [graph.node(
        "MatMulInteger", [x, graph.constant(f"{y}, matrix", weight), node.input(2),
                          node.input(5)], [f"{y}, sum"], node.name)]
    if bias is not None:
        total = f"{y}, with bias"
        nodes.append(graph.node("Add", [f"{y}, sum", node.input(6)], [total]))
    return nodes + [
        graph.node("Cast", [total], [f"{y}, value"], to=TensorProto.FLOAT),
        graph.node("Mul", [f"{y}, value", graph.constant(f"{y}, step", scale)], [y])]


_PARTS = {"DynamicQuantizeMatMul": _apart, "MatMulIntegerToFloat": _to_float, "QGemm": _gemm}


def _corrected(graph, node):
    """A sum of products with zero point 0, and its correction; None if the zero point is known."""
    zero, weight = node.input(2), node.input(1)
    if node.op not in ("ConvInteger", "MatMulInteger") or not zero or zero in graph.constants or \
            weight not in graph.constants:
        return None
    shape, dtype = graph.values.get(node.input(0), (None, None))
    if shape is None or not all(shape):
        return None
    y, (x, rest) = node.outputs[0], (node.inputs[0], node.inputs[3:])
    nil = graph.constant(f"{y}, zero", np.zeros((), dtype))
    whole = (1, *shape[1:]) if node.op == "ConvInteger" else (1, shape[-1])
    ones = graph.constant(f"{y}, ones", np.ones(whole, dtype))
    sums = graph.node(node.op, [ones, weight, nil, *rest], [f"{y}, weights"],
                      **node.attributes)
    met = evaluate(graph.submodel([sums], {}, sums.outputs, declared=False), {})[sums.outputs[0]]
    if node.op == "MatMulInteger":
        met = met.reshape(met.shape[-1:])
    return [
        graph.node(node.op, [x, weight, nil, *rest], [f"{y}, raw"], node.name, **node.attributes),
        graph.node("Cast", [zero], [f"{y}, zero point"], to=TensorProto.INT32),
        graph.node("Mul", [f"{y}, zero point", graph.constant(f"{y}, met", met)],
                   [f"{y}, correction"]),
        graph.node("Sub", [f"{y}, raw", f"{y}, correction"], [y])]
