"""Convolutions and matrix products that take and give integers."""

from .conv import OnHost, Operands, conv_layer, quantisation

__all__ = ["PRODUCTS", "product"]

#: The plain operator of each.
PRODUCTS = {"QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm",
            "ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def product(graph, node, code):
    """``(Conv, leaves)`` of a node of :data:`PRODUCTS`; ``(None, ())`` if its result is float.

    ``code`` gives the :class:`.conv.Code` of a value by name.

    Raises
    ------
    OnHost
        The accelerator has no such layer.
    """
    i, op = node.input, PRODUCTS[node.op]
    if node.op in ("ConvInteger", "MatMulInteger"):
        types = [graph.values[i(k)][1] for k in (0, 1)]
        x_quant, w_quant = (quantisation(graph, node, None, i(k + 2), t)
                            for k, t in enumerate(types))
        weight, bias, y_quant = i(1), "", None
    else:
        at = 7 if node.op == "QGemm" else 6
        if not i(at):
            return None, ()
        y_quant = quantisation(graph, node, i(at), i(at + 1))
        x_quant, w_quant = quantisation(graph, node, i(1), i(2)), \
            quantisation(graph, node, i(4), i(5))
        weight, bias = i(3), i(6) if node.op == "QGemm" else i(8)
    operands = Operands(node, op, i(0), x_quant, _constant(graph, node, weight, "weights"), w_quant,
                        _constant(graph, node, bias, "bias") if bias else None, node.outputs[0],
                        y_quant)
    if operands.x in graph.constants:
        raise OnHost(f"{node} works on a constant")
    return conv_layer(operands, code(operands.x)), (operands.x,)


def _constant(graph, node, name, what):
    if name not in graph.constants:
        raise OnHost(f"{node} takes its {what} {name!r} from a computation")
    return graph.constants[name]
