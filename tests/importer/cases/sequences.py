"""Outputs that are no tensors."""

import numpy as np
from onnx import TensorProto, helper

from .builder import Graph, image

__all__ = ["sequence_loop", "sequence_outputs"]


def _start():
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 4, 6, 6]), 0.02, 128)
    return g, g.conv(x, 0.02, 4, 4, 3, 0.05, 100)


def sequence_outputs():
    """Sequences of float values and of codes, an empty one, and an optional tensor, among tensors
    as outputs."""
    g, y = _start()
    g.op("SplitToSequence", [y, g.init(np.array([1, 3]))], "parts", axis=1)
    codes = g.q(g.op("Relu", [y]), 0.05, 0)
    g.op("SequenceConstruct", [codes, codes], "codes")
    g.op("SequenceEmpty", [], "none", dtype=TensorProto.FLOAT)
    for name, kind in (("parts", TensorProto.FLOAT), ("codes", TensorProto.UINT8),
                       ("none", TensorProto.FLOAT)):
        g.outputs.append(helper.make_tensor_sequence_value_info(name, kind, None))
    g.op("Identity", [y], "y")
    g.output("y", rank=4)
    g.op("Optional", [y], "maybe")
    g.outputs.append(helper.make_value_info("maybe", helper.make_optional_type_proto(
        helper.make_tensor_type_proto(TensorProto.FLOAT, None))))
    return g.model(), dict(x=image(1, 4, 6, 6))


def sequence_loop():
    """A loop that makes a sequence as long as an input says."""
    g, y = _start()
    g.input("n", [], TensorProto.INT64)
    given = [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
             helper.make_tensor_value_info("go", TensorProto.BOOL, [])]
    before, behind = (helper.make_tensor_sequence_value_info(n, TensorProto.FLOAT, None)
                      for n in ("before", "behind"))
    body = helper.make_graph([
        helper.make_node("Mul", [y, y], ["square"]),
        helper.make_node("SequenceInsert", ["before", "square"], ["behind"]),
        helper.make_node("Identity", ["go"], ["again"])], "body", [*given, before],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), behind])
    empty = g.op("SequenceEmpty", [], dtype=TensorProto.FLOAT)
    g.op("Loop", ["n", "", empty], "squares", body=body)
    g.outputs.append(helper.make_tensor_sequence_value_info("squares", TensorProto.FLOAT, None))
    return g.model(), dict(x=image(1, 4, 6, 6), n=np.array(3))
