"""Multiply-accumulates of ONNX operators, from the shapes of what they read and give."""

import math

import onnx

__all__ = ["INTEGER", "computes_codes", "macs"]

#: Operators with constant weights whose products ONNX Runtime computes in integers.
INTEGER = frozenset("ConvInteger DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulInteger "
                    "MatMulIntegerToFloat QAttention QGemm QLinearConv QLinearMatMul".split())

# Positions of the two operands.
_CONVOLUTIONS = {"Conv": (0, 1), "ConvInteger": (0, 1), "QLinearConv": (0, 3), "FusedConv": (0, 1),
                 "NhwcFusedConv": (0, 1), "DeformConv": (0, 1)}
_MATRICES = {"Gemm": (0, 1), "FusedGemm": (0, 1), "QGemm": (0, 3), "MatMul": (0, 1),
             "FusedMatMul": (0, 1), "TransposeMatMul": (0, 1), "MatMulInteger": (0, 1),
             "QLinearMatMul": (0, 3), "MatMulIntegerToFloat": (0, 1),
             "DynamicQuantizeMatMul": (0, 1)}
_RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
_BODIES = ("If", "Loop", "Scan")


def computes_codes(op):
    """Whether an operator of ONNX Runtime is one that computes in integers, or on codes."""
    return op in INTEGER or op.startswith("QLinear")


def macs(node, shapes, model):
    """Multiply-accumulates of a node, 0 if it has none, or its shapes are not known.

    Parameters
    ----------
    node : onnx.NodeProto
    shapes : callable
        The shape of a value by name, None if it is not known.
    model : callable
        Without arguments: an ``onnx.ModelProto`` of the node alone, for the shapes of values in
        its bodies.
    """
    if node.op_type in _BODIES:
        return _bodies(node, shapes, model)
    x = [shapes(name) if name else None for name in node.input]
    y = shapes(node.output[0]) if node.output and node.output[0] else None
    try:
        return _count(node, x, y)
    except (IndexError, TypeError, ZeroDivisionError):    # an operand or a shape that is not there
        return 0


def _count(node, x, y):
    op = node.op_type
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if op in _CONVOLUTIONS:
        return math.prod(y) * math.prod(x[_CONVOLUTIONS[op][1]][1:])
    if op in ("ConvTranspose", "QLinearConvTranspose"):
        return math.prod(x[0]) * math.prod(x[1 if op == "ConvTranspose" else 3][1:])
    if op in _MATRICES:
        a = x[_MATRICES[op][0]]
        return math.prod(y) * a[-2 if attributes.get("transA", 0) else -1]
    if op == "MatMulNBits":
        return math.prod(x[0]) * attributes["N"]
    if op in _RECURRENT:
        steps = x[0][0] * x[0][1]
        return steps * (math.prod(x[1]) + math.prod(x[2]))
    if op == "Einsum":
        return _einsum(attributes["equation"].decode(), x)
    if op in ("Attention", "QAttention") and node.domain == "com.microsoft":
        batch, length, _ = x[0]
        return batch * length * math.prod(x[1]) + 2 * batch * length * length * (x[1][1] // 3)
    if op in ("Attention", "MultiHeadAttention", "GroupQueryAttention"):
        return 2 * math.prod(x[0]) * x[1][-2]
    return 0


def _einsum(equation, shapes):
    """Products of all operands at every combination of the indices."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes = {}
    for term, shape in zip(terms, shapes, strict=True):
        front, dots, back = term.partition("...")
        if dots:
            middle = len(shape) - len(front) - len(back)
            term = [*front, *(f"{k}." for k in range(middle, 0, -1)), *back]
        for index, size in zip(term, shape, strict=True):
            sizes[index] = max(size, sizes.get(index, 1))
    return max(len(terms) - 1, 0) * math.prod(sizes.values())


def _bodies(node, shapes, model):
    """The larger branch of an If; a body as often as it runs, once if that is not known."""
    counts = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            known = _inside(node, attribute.g, shapes, model().opset_import)
            counts.append(sum(macs(inner, known, model) for inner in attribute.g.node))
    if not counts:
        return 0
    if node.op_type == "Scan":
        return counts[0] * (shapes(node.input[-1]) or (1,))[0]
    if node.op_type == "Loop":
        trips = next((t for t in model().graph.initializer if t.name == node.input[0]), None)
        return counts[0] * (int(onnx.numpy_helper.to_array(trips).item()) if trips else 1)
    return max(counts)


def _inside(node, body, shapes, opsets):
    """A function like ``shapes`` for the values in a body."""
    given = {"Loop": list(node.input), "Scan": list(node.input)}.get(node.op_type, [])
    outer = {value.name: shapes(name) for value, name in zip(body.input, given, strict=False)
             if name}
    if node.op_type == "Scan":
        count = next((a.i for a in node.attribute if a.name == "num_scan_inputs"), 0)
        for value in body.input[len(body.input) - count:]:
            outer[value.name] = outer.get(value.name) and outer[value.name][1:]
    own = {t.name for t in body.initializer} | {o for n in body.node for o in n.output}
    captured = {name for n in body.node for name in n.input if name and name not in own}
    graph = onnx.GraphProto.FromString(body.SerializeToString())
    del graph.input[:]
    for name in sorted(captured | {value.name for value in body.input}):
        shape = outer[name] if name in outer else shapes(name)
        declared = next((v for v in body.input if v.name == name), None)
        kind = declared.type.tensor_type.elem_type if declared else onnx.TensorProto.FLOAT
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    found = {value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
             for value in graph.input if value.type.tensor_type.HasField("shape")}
    found |= {t.name: tuple(t.dims) for t in body.initializer}
    try:
        graph = onnx.shape_inference.infer_shapes(
            onnx.helper.make_model(graph, opset_imports=opsets)).graph
    except Exception:    # it has exceptions of its own; then less is known, and less is counted
        pass
    for value in (*graph.value_info, *graph.output):
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.HasField("shape") and all(dims):
            found.setdefault(value.name, tuple(dims))
    return lambda name: found.get(name) or shapes(name)
