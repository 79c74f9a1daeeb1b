"""Weights as uint8 where uint8 activations meet them, for ONNX Runtime's kernels that saturate."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

__all__ = ["unsigned_weights"]

# Inputs of an operator: zero point of the activations, weights, zero point of the weights.
_OPERANDS = {"QLinearConv": (2, 3, 5), "QLinearMatMul": (2, 3, 5), "QGemm": (2, 3, 5),
             "ConvInteger": (2, 1, 3), "MatMulInteger": (2, 1, 3)}
_QDQ = ("Conv", "Gemm", "MatMul")


def unsigned_weights(model):
    """A serialised model with 128 added to int8 weights and their zero points, where the
    activations are uint8: the same products, in a form that no kernel computes wrongly.

    Weights and zero points that are not constant stay as they are.
    """
    proto = onnx.load_from_string(model)
    constants = {t.name: t for t in proto.graph.initializer}
    producer = {name: node for node in proto.graph.node for name in node.output}
    done = set()
    for node in proto.graph.node:
        if node.op_type in _OPERANDS:
            holder, at = node, _OPERANDS[node.op_type][1:]
            x_zero = _input(node, _OPERANDS[node.op_type][0])
        elif node.op_type in _QDQ:
            x, holder = (producer.get(name) for name in node.input[:2])
            if not all(n is not None and n.op_type == "DequantizeLinear" for n in (x, holder)):
                continue
            at, x_zero = (0, 2), _input(x, 2)
        else:
            continue
        given = [constants.get(name) for name in (x_zero, *(_input(holder, k) for k in at))]
        if None in given or [t.data_type for t in given] != [TensorProto.UINT8, TensorProto.INT8,
                                                             TensorProto.INT8]:
            continue
        for k in at:
            name = f"{holder.input[k]}, unsigned"
            if name not in done:
                done.add(name)
                value = numpy_helper.to_array(constants[holder.input[k]]).astype(np.int16) + 128
                proto.graph.initializer.append(
                    numpy_helper.from_array(value.astype(np.uint8), name))
            holder.input[k] = name
    return proto.SerializeToString() if done else model


def _input(node, index):
    return node.input[index] if index < len(node.input) else ""
