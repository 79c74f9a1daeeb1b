"""Tells float models from quantised ones."""

import onnx

from ..errors import HwgenError

__all__ = ["is_quantised", "refuse_float"]

# Operators of quantised models; those that begin with QLinear as well.
_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger",
              "MatMulInteger", "QGemm", "MatMulNBits", "QAttention", "DynamicQuantizeMatMul",
              "MatMulIntegerToFloat", "DynamicQuantizeLSTM"}


def is_quantised(op):
    """Whether operators of type ``op`` are of quantised models."""
    return op in _QUANTISED or op.startswith("QLinear")


def refuse_float(model, path):
    """Refuse a model that multiplies and has no quantised operator.

    Parameters
    ----------
    model : Model
    path : path
        Its file, for the sentence.

    Raises
    ------
    HwgenError
        It is a float model; the sentence names ``hwgen quantise``.
    """
    if model.macs and not any(is_quantised(node.op) for node in model.graph.nodes) and \
            not any(map(is_quantised, _operators(onnx.load_from_string(model.plain).graph))):
        raise HwgenError(f"{path} is a float model, and the accelerator computes with 8-bit "
                         f"integers: quantise it first, with 'hwgen quantise {path} --calibrate "
                         f"IMAGES --out quantised.onnx'.")


def _operators(graph):
    """Types of the operators of a graph, and of those inside them."""
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _operators(inner)
