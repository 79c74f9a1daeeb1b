"""Operators with channels last, as ONNX Runtime writes them, turned to channels first."""

from onnx import helper

from ..errors import HwgenError
from ..network.ort_session import static_shapes

__all__ = ["channels_first"]

_OPERATORS = ("QLinearConv", "QLinearAveragePool", "QLinearGlobalAveragePool", "NhwcMaxPool")


def channels_first(proto, inputs):
    """Put a Transpose before and behind each operator with channels last, in place; ONNX Runtime
    cancels what meets. The kernels of both layouts give the same codes.

    Parameters
    ----------
    proto : onnx.ModelProto
    inputs : dict of str to (shape, dtype)
    """
    graph = proto.graph
    found = [node for node in graph.node if node.op_type in _OPERATORS and
             (node.op_type == "NhwcMaxPool" or any(a.name == "channels_last" and a.i
                                                   for a in node.attribute))]
    if not found:
        return
    ranks = _ranks(proto, [node.output[0] for node in found])
    nodes = []
    for node in graph.node:
        rank = ranks.get(node.output[0]) if any(node is other for other in found) else None
        if rank is None or rank < 3:
            nodes.append(node)
            continue
        first = type(node)()
        first.CopyFrom(node)
        for attribute in list(first.attribute):
            if attribute.name == "channels_last":
                first.attribute.remove(attribute)
        if node.op_type in ("NhwcMaxPool", "QLinearConv"):
            first.op_type, first.domain = first.op_type.removeprefix("Nhwc"), ""
        x, y = node.input[0], node.output[0]
        first.input[0], first.output[0] = f"{y}, channels first in", f"{y}, channels first"
        nodes += [helper.make_node("Transpose", [x], [first.input[0]], f"{node.name}, in",
                                   perm=[0, rank - 1, *range(1, rank - 1)]), first,
                  helper.make_node("Transpose", [first.output[0]], [y], f"{node.name}, out",
                                   perm=[0, *range(2, rank), 1])]
    del graph.node[:]
    graph.node.extend(nodes)


def _ranks(proto, names):
    """Ranks of values by name, as far as ONNX Runtime knows them."""
    model = type(proto).FromString(proto.SerializeToString())
    known = {o.name for o in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names
                              if n not in known)
    try:
        return {name: len(shape) for name, (shape, _) in static_shapes(
            model.SerializeToString(), open_dimensions=True).items() if shape is not None}
    except HwgenError:
        return {}
