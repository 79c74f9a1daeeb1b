"""Products with vectors, with stacks of matrices, with the constant first and with a bias for each
row, as products with a matrix and one bias each, and as convolutions."""

import math

import numpy as np

__all__ = ["gemm", "matrices"]

_STACK = 512            # matrices of one product
# Positions of the operands, and the order in which a convolution of the second takes all inputs.
_PRODUCTS = {"QLinearMatMul": (0, 3, (3, 4, 5, 0, 1, 2, 6, 7)),
             "MatMulInteger": (0, 1, (1, 0, 3, 2))}
_CONVOLUTIONS = {"QLinearMatMul": "QLinearConv", "MatMulInteger": "ConvInteger"}


def matrices(graph, node):
    """Products with one matrix each, if a node's constant operand is a vector, a stack or the first
    one. With the constant first a product is a convolution, with the rows of the second as
    channels."""
    if node.op not in _PRODUCTS:
        return None
    first, second, _ = _PRODUCTS[node.op]
    given = [graph.constants.get(node.input(k)) for k in (first, second)]
    turned = given[0] is not None
    weights = given[0] if turned else given[1]
    if weights is None or turned and given[1] is not None or not turned and weights.ndim == 2 or \
            turned and not _convolves(graph, node):
        return None
    shape, result = (graph.values[name][0] for name in (
        node.input(second if turned else first), node.outputs[0]))
    if not shape or result is None or min(*shape, *result, *weights.shape) < 1:
        return None
    stack = _Stack(graph, node, shape, weights, turned)
    params = stack.parameters()
    if stack.count > _STACK or None in params.values():
        return None
    return stack.nodes(params, result)


def _convolves(graph, node):
    """Whether ONNX Runtime has a convolution of the types of a product with the constant first."""
    first, second, _ = _PRODUCTS[node.op]
    w, x, y = (graph.values[name][1] for name in (node.input(first), node.input(second),
                                                  node.outputs[0]))
    return x == np.uint8 if node.op == "MatMulInteger" else x == y and (x, w) != (np.int8, np.uint8)


def gemm(graph, node):
    """What a QGemm becomes that has its constant first, or a bias for each row."""
    if node.op != "QGemm" or not node.input(7):
        return None
    shape, result = (graph.values[name][0] for name in (node.input(0), node.outputs[0]))
    if not shape or not result or min(*shape, *result) < 1:
        return None
    bias = graph.constants.get(node.input(6))
    if node.input(0) in graph.constants:
        return _constant_first(graph, node, bias, result)
    if bias is None or bias.ndim < 2 or not 1 < bias.shape[0] <= _STACK:
        return None
    return _rows(graph, node, bias, result)


def _constant_first(graph, node, bias, result):
    """A convolution with the rows of the second operand as channels, if each filter has one
    bias."""
    weights, x, y = graph.constants[node.input(0)], node.input(3), node.outputs[0]
    m, n = result
    kinds = (graph.values[x][1], weights.dtype)
    if x in graph.constants or kinds[0] != graph.values[y][1] or kinds == (np.int8, np.uint8) or \
            node.attributes.get("alpha", 1.0) != 1 or node.input(6) and bias is None or \
            bias is not None and bias.shape not in ((), (1,), (1, 1), (m, 1)):
        return None
    if node.attributes.get("transA", 0):
        weights = weights.T
    nodes = []
    if node.attributes.get("transB", 0):
        nodes, x = [graph.node("Transpose", [x], [f"{y}, turned"], perm=[1, 0])], f"{y}, turned"
    sizes = [graph.constant(f"{y}, {what}", np.array(values, np.int64)) for what, values in (
        ("operand's shape", (1, weights.shape[1], n)), ("shape", result))]
    inputs = [f"{y}, operand", *(node.input(k) for k in (4, 5)),
              graph.constant(f"{y}, weights", weights[..., None]),
              *(node.input(k) for k in (1, 2, 7, 8))]
    if bias is not None:
        inputs.append(graph.constant(f"{y}, bias", np.broadcast_to(bias.reshape(-1), m)))
    return [*nodes, graph.node("Reshape", [x, sizes[0]], inputs[:1]),
            graph.node("QLinearConv", inputs, [f"{y}, product"], node.name),
            graph.node("Reshape", [f"{y}, product", sizes[1]], [y])]


def _rows(graph, node, bias, result):
    """Products of one row each."""
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
    """The product of operands of ``front`` times a matrix and of a ``stack`` of matrices; ``front``
    and ``stack`` have the same number of dimensions, and stretch. ``turned``: the stack is the
    first operand."""

    def __init__(self, graph, node, shape, weights, turned):
        self.graph, self.node, self.turned, self.made = graph, node, turned, []
        if weights.ndim == 1:
            weights = weights.reshape((1, -1) if turned else (-1, 1))
        if len(shape) == 1:
            shape = (*shape, 1) if turned else (1, *shape)
        front, stack = shape[:-2], weights.shape[:-2]
        dims = max(len(front), len(stack))
        self.front = (*(1,) * (dims - len(front)), *front)
        self.stack = (*(1,) * (dims - len(stack)), *stack)
        self.operand, self.count = shape[-2:], math.prod(stack)
        self.weights = weights.reshape(self.stack + weights.shape[-2:])
        m, n = self.weights.shape[-2:]
        self.product = (m, self.operand[1]) if turned else (self.operand[0], n)

    def parameters(self):
        """By position, what scales and zero points the weights have: see :meth:`_parameter`."""
        if self.node.op == "QLinearMatMul":
            at = (1, 2) if self.turned else (4, 5)
        else:
            at = (2,) if self.turned else (3,)
        return {k: self._parameter(self.graph.constants.get(self.node.input(k)))
                for k in at if self.node.input(k)}

    def _parameter(self, value):
        """Values for each matrix in a list, one or one a column each; None for others."""
        columns = self.weights.shape[-1]
        if value is None or self.turned and value.size > 1 or \
                value.size not in (1, columns) and value.ndim < 3:
            return None
        if value.size == 1:
            return [value.reshape(())] * self.count
        if value.ndim < 2:
            return [value] * self.count
        try:
            each = np.broadcast_to(value, (*self.stack, 1, value.shape[-1]))
        except ValueError:
            return None
        return list(each.reshape(self.count, -1))

    def nodes(self, params, result):
        y, parts, products = self.node.outputs[0], {}, {}
        first, second, _ = _PRODUCTS[self.node.op]
        x, at = (second, first) if self.turned else (first, second)
        whole = self._reshaped(self.node.input(x), f"{y}, operands", (*self.front, *self.operand))
        kept = tuple(f if s == 1 else 1 for f, s in zip(self.front, self.stack, strict=True))
        for number, index in enumerate(np.ndindex(self.stack)):
            where = tuple(k if f > 1 else 0 for k, f in zip(index, self.front, strict=True))
            if where not in parts:
                part = self._part(whole, where, f"{y}, operand {len(parts)}")
                images, (high, wide) = math.prod(kept), self.operand
                sizes = (images, high, wide) if self.turned else (images * high, wide)
                parts[where] = self._reshaped(part, f"{y}, matrix {len(parts)}", sizes)
            weights, inputs = self.weights[index], list(self.node.inputs)
            if self.turned:
                weights = weights[..., None]
            inputs[x] = parts[where]
            inputs[at] = self.graph.constant(f"{y}, weights {number}", weights)
            for i, values in params.items():
                inputs[i] = self.graph.constant(f"{y}, parameter {i} of {number}", values[number])
            product = f"{y}, product {number}"
            self._multiply(inputs, product, number)
            products[index] = self._reshaped(product, f"{product}, in place", (
                *kept, *self.product)) if self.count > 1 else product
        self._reshaped(self._joined(products, y), y, result)
        return self.made

    def _multiply(self, inputs, product, number):
        node = self.node
        name, op = node.name if self.count == 1 else f"{node.name}, {number}", node.op
        if self.turned:
            op, order = _CONVOLUTIONS[op], _PRODUCTS[op][2]
            inputs = [inputs[k] if k < len(inputs) else "" for k in order]
        self.made.append(self.graph.node(op, inputs, [product], name))

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
