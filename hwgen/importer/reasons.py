"""Why ONNX Runtime computes a product of quantised operands in float; what would change that."""

import numpy as np

from .operators.conv import CODES

__all__ = ["PRODUCTS", "why_float"]

#: Operators that multiply and add up in float.
PRODUCTS = frozenset("Conv ConvTranspose FusedConv FusedGemm FusedMatMul Gemm MatMul".split())

_BIAS_TOLERANCE = 1e-3
_ACTIVATIONS = frozenset(
    "Clip Elu Gelu HardSigmoid HardSwish LeakyRelu Mish QuickGelu Relu Sigmoid Softplus "
    "Tanh".split())


def why_float(graph, node):
    """A sentence for a convolution or matrix product that ONNX Runtime computes in float: the
    reason, and what to change in the quantiser; None for other nodes."""
    if node.op not in PRODUCTS:
        return None
    sources = [graph.producer.get(node.input(k)) for k in range(3)]
    x, w, b = (n if n and n.op == "DequantizeLinear" else None for n in sources)
    return (_operands(graph, node, x, w) or _bias(graph, node, x, w, b) or
            _scaled(node) or _result(graph, node, x) or _kinds(graph, node, x, w) or
            f"{node} is computed in float by ONNX Runtime.")


def _operands(graph, node, x, w):
    if node.op == "ConvTranspose":
        return (f"{node} has no integer form in ONNX Runtime: use Resize and Conv in its place to "
                f"have its work on the accelerator.")
    if x is None and w is None:
        return f"{node} has operands that are not quantised: quantise its input and weights."
    if x is None:
        return f"{node} has an input that is not quantised: quantise {node.input(0)!r}."
    if w is None:
        return f"{node} has weights that are not quantised: quantise {node.input(1)!r}."
    if w.input(0) not in graph.constants:
        return None if node.op in ("MatMul", "FusedMatMul") else \
            f"{node} takes its weights {w.input(0)!r} from a computation."
    return None


def _kinds(graph, node, x, w):
    if x.input(0) in graph.constants:
        return (f"{node} has its constant operand first: let the constant be the second, as the "
                f"product of the transposed operands has it.")
    types = [_type(graph, n.input(0)) for n in (x, w)]
    end = _quantiser(graph, node.outputs[0])
    out = end and graph.values[end.outputs[0]][1]
    if any(kind not in CODES for kind in (*types, *([out] if end else []))):
        shown = " and ".join(dict.fromkeys(_name(kind) for kind in types))
        exact = types[0] in CODES and (not end or out in CODES)    # small weights alone
        return (f"{node} works on {shown}, which ONNX Runtime computes in float: quantise to 8 "
                f"bits{', or use --integer' if exact else ''}.")
    if w.attributes.get("block_size", 0):
        return (f"{node} has weights quantised in blocks, which ONNX Runtime computes in float: "
                f"quantise them for each filter, or use --integer.")
    if types[0] != out or types == [np.int8, np.uint8]:
        return (f"{node} takes {types[0]}, has {types[1]} weights and gives {out}, which ONNX "
                f"Runtime does not compute in integers: quantise to uint8 in and out, or to int8 "
                f"in and out with int8 weights, or use --integer.")
    return None


def _bias(graph, node, x, w, b):
    name = node.input(2)
    if not name:
        return None
    if b is None:
        if name not in graph.constants:
            return f"{node} takes its bias {name!r} from a computation."
        return None
    scale, product = _constant(graph, b.input(1)), None
    factors = [_constant(graph, n.input(1)) for n in (x, w)]
    if all(factor is not None for factor in (scale, *factors)):
        product = factors[0] * factors[1]
    zero = _constant(graph, b.input(2))
    if product is None or zero is not None and np.any(zero) or \
            scale.size not in (1, product.size) or \
            not np.allclose(scale, product, rtol=_BIAS_TOLERANCE, atol=0) or \
            _type(graph, b.input(0)) != np.int32:
        return (f"the bias of {node} is not quantised to int32 with zero point 0 and the product "
                f"of the input's and the weights' scales, as integer accumulation needs: let the "
                f"quantiser do that, leave the bias in float, or use --integer.")
    return None


def _scaled(node):
    for name in "alpha", "beta":
        used = name == "alpha" or node.input(2)
        if node.op == "Gemm" and used and node.attributes.get(name, 1.0) != 1.0:
            return (f"{node} has {name} = {node.attributes[name]}, which ONNX Runtime computes in "
                    f"float: multiply the weights by it, or use --integer.")
    return None


def _result(graph, node, x):
    activation, y = node.attributes.get("activation"), node.outputs[0]
    readers = graph.consumers[y]
    if y in graph.outputs and not readers:
        return (f"the result of {node} is an output of the network as float, so ONNX Runtime "
                f"computes it in float: quantise its output.")
    ways = {reader.op for reader in readers}
    if y not in graph.outputs and len(readers) > 1 and ways & _ACTIVATIONS and \
            ways <= _ACTIVATIONS | {"Mul"}:
        activation = activation or min(ways & _ACTIVATIONS)
    elif y in graph.outputs or len(readers) > 1:
        return (f"the float result {y!r} of {node} is used apart from its QuantizeLinear, so ONNX "
                f"Runtime computes it in float: let other nodes read the quantised value, or use "
                f"--integer.")
    if activation is None and readers and readers[0].op in _ACTIVATIONS:
        activation = readers[0].op
    if activation in ("Relu", "Clip"):
        return (f"{activation} behind {node} has bounds that the codes of the quantised output do "
                f"not imply, so ONNX Runtime computes both in float: quantise the output "
                f"asymmetrically, with the zero point at the lowest code, or use --integer.")
    if activation:
        return (f"{node} goes into {activation} without a QuantizeLinear between them, so ONNX "
                f"Runtime computes it in float: quantise its result too, or use --integer.")
    if not readers or readers[0].op != "QuantizeLinear":
        return (f"the result of {node} is not quantised, so ONNX Runtime computes it in float: "
                f"quantise its output.")
    return None


def _quantiser(graph, name):
    readers = graph.consumers[name]
    return readers[0] if len(readers) == 1 and readers[0].op == "QuantizeLinear" else None


def _constant(graph, name):
    return graph.constants.get(name) if name else None


def _type(graph, name):
    value = graph.values.get(name)
    return value and value[1] and np.dtype(value[1])


def _name(kind):
    return "an unknown type" if kind is None else str(kind)
