"""Products with vectors, with stacks of matrices, and with a bias for each row, as products with a
matrix and one bias each."""

import math

import numpy as np

__all__ = ["matrices", "rows"]

_STACK = 256            # matrices of one product
# Positions of the weights, their scale and their zero point.
_WEIGHTS = {"QLinearMatMul": (3, 4, 5), "MatMulInteger": (1, 3)}


def matrices(graph, node):
    """Products with one matrix each, if a node's constant weights are a vector or a stack."""
    at = _WEIGHTS.get(node.op)
    weights = graph.constants.get(node.input(at[0])) if at else None
    if weights is None or weights.ndim == 2:
        return None
    shape, result = (graph.values[name][0] for name in (node.input(0), node.outputs[0]))
    if not shape or result is None or min(*shape, *result, *weights.shape) < 1:
        return None
    stack = _Stack(graph, node, shape, weights)
    params = {i: stack.parameter(graph.constants.get(node.input(i)))
              for i in at[1:] if node.input(i)}
    if stack.count > _STACK or any(value is None for value in params.values()):
        return None
    return stack.nodes(at[0], params, result)


def rows(graph, node):
    """Products of one row each, if a QGemm has a bias for each row."""
    bias = graph.constants.get(node.input(6)) if node.op == "QGemm" else None
    if bias is None or bias.ndim < 2 or not 1 < bias.shape[0] <= _STACK:
        return None
    shape, result = (graph.values[name][0] for name in (node.input(0), node.outputs[0]))
    if not shape or not result or min(*shape, *result) < 1:
        return None
    axis, nodes, parts = int(bool(node.attributes.get("transA", 0))), [], []
    bias = np.broadcast_to(bias, result)
    for k, values in enumerate(bias):
        part = f"{node.outputs[0]}, row {k}"
        ends = [graph.constant(f"{part}, {what}", np.array([value], np.int64)) for what, value in
                (("from", k), ("to", k + 1), ("axis", axis))]
        inputs = list(node.inputs)
        inputs[0], inputs[6] = part, graph.constant(f"{part}, bias", values)
        parts.append(f"{part} of the product")
        nodes += [graph.node("Slice", [node.input(0), *ends], [part]),
                  graph.node("QGemm", inputs, parts[-1:], f"{node.name}, {k}", node.domain,
                             **node.attributes)]
    return [*nodes, graph.node("Concat", parts, node.outputs, axis=0)]


class _Stack:
    """The product of operands of ``front`` times ``rows`` times ``depth`` values and of a ``stack``
    of matrices; ``front`` and ``stack`` have the same number of dimensions, and stretch."""

    def __init__(self, graph, node, shape, weights):
        self.graph, self.node, self.made = graph, node, []
        self.weights = weights if weights.ndim > 1 else weights.reshape(-1, 1)
        front, stack = shape[:-2], self.weights.shape[:-2]
        dims = max(len(front), len(stack))
        self.front = (*(1,) * (dims - len(front)), *front)
        self.stack = (*(1,) * (dims - len(stack)), *stack)
        self.rows, self.depth = shape[-2] if len(shape) > 1 else 1, shape[-1]
        self.count = math.prod(stack)
        self.weights = self.weights.reshape(self.stack + self.weights.shape[-2:])

    def parameter(self, value):
        """A scale or zero point for each matrix, of the shape ``stack`` and one value or one a
        column; None if it is another kind."""
        columns = self.weights.shape[-1]
        if value is None or value.size not in (1, columns) and value.ndim < 3:
            return None
        if value.size == 1 or value.ndim < 2:
            return np.broadcast_to(value.reshape(-1), self.stack + (value.size,))
        try:
            return np.broadcast_to(value, (*self.stack, 1, value.shape[-1]))[..., 0, :]
        except ValueError:
            return None

    def nodes(self, at, params, result):
        y, parts, products = self.node.outputs[0], {}, {}
        whole = self._reshaped(self.node.input(0), f"{y}, operands",
                               (*self.front, self.rows, self.depth))
        kept = tuple(f if s == 1 else 1 for f, s in zip(self.front, self.stack, strict=True))
        for number, index in enumerate(np.ndindex(self.stack)):
            where = tuple(k if f > 1 else 0 for k, f in zip(index, self.front, strict=True))
            if where not in parts:
                parts[where] = self._reshaped(
                    self._part(whole, where, f"{y}, operand {len(parts)}"),
                    f"{y}, matrix {len(parts)}", (math.prod(kept) * self.rows, self.depth))
            inputs = list(self.node.inputs)
            inputs[0] = parts[where]
            inputs[at] = self.graph.constant(f"{y}, weights {number}", self.weights[index])
            for i, values in params.items():
                value = values[index]
                inputs[i] = self.graph.constant(f"{y}, parameter {i} of {number}",
                                                value if value.size > 1 else value.reshape(()))
            product = f"{y}, product {number}"
            self.made.append(self.graph.node(
                self.node.op, inputs, [product],
                self.node.name if self.count == 1 else f"{self.node.name}, {number}"))
            products[index] = self._reshaped(product, f"{product}, in place", (
                *kept, self.rows, self.weights.shape[-1])) if self.count > 1 else product
        self._reshaped(self._joined(products, y), y, result)
        return self.made

    def _reshaped(self, source, name, sizes):
        to = self.graph.constant(f"{name}, shape", np.array(sizes, np.int64))
        self.made.append(self.graph.node("Reshape", [source, to], [name]))
        return name

    def _part(self, whole, where, name):
        """The operands that meet the matrix at ``where``."""
        axes = [a for a, (f, s) in enumerate(zip(self.front, self.stack, strict=True))
                if f > 1 and s > 1]
        if not axes:
            return whole
        starts = np.array([where[a] for a in axes], np.int64)
        ends = [self.graph.constant(f"{name}, {what}", values) for what, values in (
            ("from", starts), ("to", starts + 1), ("axes", np.array(axes, np.int64)))]
        self.made.append(self.graph.node("Slice", [whole, *ends], [name]))
        return name

    def _joined(self, products, y):
        """The products put together, axis after axis."""
        for axis in reversed(range(len(self.stack))):
            if self.stack[axis] == 1:
                continue
            groups = {}
            for index, name in products.items():
                groups.setdefault(index[:axis] + (0,) + index[axis + 1:], []).append(name)
            products = {}
            for index, names in groups.items():
                products[index] = f"{y}, products {axis} {len(products)}"
                self.made.append(self.graph.node("Concat", names, [products[index]], axis=axis))
        name, = products.values()
        return name
