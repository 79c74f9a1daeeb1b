"""What an ONNX file means: the graph that ONNX Runtime itself makes of it.

Which layers are computed in integers, which quantisers are merged, which Transposes cancel, and
what a shape computed in the graph is: ONNX Runtime decides all that when it optimises the file,
while nobody reads the tensors inside. So the graph that it makes is taken, and none of its rules is
written a second time.
"""

from dataclasses import dataclass

import numpy as np
import onnx
import onnx.inliner
from onnx import helper

from ..errors import HwgenError
from ..network.ort_session import optimised
from . import onnx_graph
from .channels_first import channels_first
from .dynamic import constant_zero_points
from .integers import exact_integers
from .layouts import channels_last
from .limits import within_limits
from .macs import INTEGER, computes_codes
from .operators.conv import unusable
from .sequences import elements

__all__ = ["Meaning", "read"]


@dataclass(frozen=True, eq=False)
class Meaning:
    """What an ONNX file means.

    Attributes
    ----------
    graph : Graph
        What ONNX Runtime makes of the file, its operators written as the accelerator takes them.
    plain : bytes
        The file as it is, with its weights.
    integers : dict of str to tuple of str
        What :func:`~.integers.exact_integers` found.
    macs : tuple of int
        Multiply-accumulates that ONNX Runtime computes in integers, with constant weights, and
        those of the whole file.
    kernels : int
        Nodes that ONNX Runtime computes in integers.
    depends : bool
        Whether shapes, or numbers of outputs, depend on the values of inputs.
    """
    graph: onnx_graph.Graph
    plain: bytes
    integers: dict
    macs: tuple
    kernels: int
    depends: bool


def read(source, shapes, sample=None, integer=False):
    """The :class:`Meaning` of an ONNX file.

    Parameters
    ----------
    source : bytes or str or os.PathLike
        The file's path, or its contents (which then hold every weight).
    shapes : dict of str to tuple
        Shapes of inputs, for those that the file leaves open.
    sample : dict of str to numpy.ndarray, optional
        See :meth:`~.onnx_graph.Graph.infer`.
    integer : bool
        Whether products that ONNX Runtime computes in float become integer ones, see
        :mod:`.integers`.

    Raises
    ------
    HwgenError
        The file cannot be read, is not an ONNX model, is malformed, or ONNX Runtime refuses it.
    """
    what, proto = onnx_graph.parse(source)
    by_zeros = elements(proto, shapes, sample)
    plain = proto.SerializeToString()
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    _plain_initialisers(proto)
    inputs = onnx_graph.input_shapes(proto.graph, shapes)
    written = onnx_graph.Graph(proto, inputs)
    written.check_sizes()
    _check_scales(written)
    channels_first(proto, inputs)
    made, fixed, model = _optimised(proto, inputs, what)
    graph = onnx_graph.Graph(made, inputs, fixed)
    graph.name = written.name
    graph.fold()
    graph.infer(sample)
    graph.last = channels_last(model, graph, sample)
    counts = {id(node): graph.macs(node) for node in graph.nodes}
    macs = sum(counts[id(node)] for node in graph.nodes if _in_integers(graph, node)), \
        sum(counts.values())
    kernels = sum(computes_codes(node.op) for node in graph.nodes)
    if constant_zero_points(graph):
        graph.infer(sample)
    integers = exact_integers(graph) if integer else {}
    if integers:
        graph.infer(sample)
    while within_limits(graph):
        graph.infer(sample)
    return Meaning(graph, plain, integers, macs, kernels, by_zeros or graph.depends)


# Positions of the scales in what these operators read.
_SCALES = {"QuantizeLinear": (1,), "DequantizeLinear": (1,), "QLinearConv": (1, 4, 6),
           "QLinearMatMul": (1, 4, 6), "QGemm": (1, 4, 7), "QLinearAdd": (1, 4, 6),
           "QLinearMul": (1, 4, 6), "QLinearSigmoid": (1, 3), "QLinearLeakyRelu": (1, 3),
           "QLinearAveragePool": (1, 3), "QLinearGlobalAveragePool": (1, 3)}


def _check_scales(graph):
    """Refuse scales that mean nothing."""
    for node in graph.nodes:
        for name in map(node.input, _SCALES.get(node.op, ())):
            values = graph.constants.get(name)
            bad = unusable(values) if values is not None and values.dtype == np.float32 else None
            if bad is not None:
                raise HwgenError(f"the scale {name!r} of {node} holds {bad}; scales must be "
                                 f"positive and finite.")


def _in_integers(graph, node):
    return node.op in INTEGER and any(name in graph.constants and graph.constants[name].ndim > 1
                                      for name in node.inputs)


def _plain_initialisers(proto):
    """Before IR 4 every initialiser was an input, too, and yet a constant."""
    if proto.ir_version < 4:
        constants = {tensor.name for tensor in proto.graph.initializer}
        inputs = [i for i in proto.graph.input if i.name not in constants]
        del proto.graph.input[:]
        proto.graph.input.extend(inputs)
        proto.ir_version = 4


def _optimised(proto, inputs, what):
    """``(made, fixed, model)``: the optimised model, whether the shapes of its inputs were given,
    and what it was made of."""
    refusal = None
    for fixed in True, False:
        model = _fixed(proto, inputs) if fixed else proto
        for change in (None, _zero_points):
            if change and not change(model):
                continue
            try:
                data = model.SerializeToString()
                return optimised(data), fixed, data
            except HwgenError as error:
                refusal = refusal or error
    onnx_graph.malformed(proto, what)
    raise refusal


def _fixed(proto, inputs):
    """The model with the shapes of its inputs, and without those that it states of the rest."""
    model = onnx.ModelProto.FromString(proto.SerializeToString())
    del model.graph.value_info[:]
    for value in model.graph.input:
        if value.name in inputs:
            shape, dtype = inputs[value.name]
            value.CopyFrom(helper.make_tensor_value_info(
                value.name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape))
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    return model


def _zero_points(model):
    """Write out zero points that are left out, which ONNX Runtime trips over where they are not
    uint8; whether there are any."""
    graph, changed = model.graph, False
    kinds = {t.name: t.data_type for t in graph.initializer}
    kinds |= {v.name: v.type.tensor_type.elem_type for v in graph.input}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if len(node.input) > 2 and node.input[2]:
            kinds[node.output[0]] = kinds.get(node.input[2], 0)
            continue
        stated = next((a for a in node.attribute if a.name == "output_dtype"), None)
        kind = kinds.get(node.input[0], 0)
        if node.op_type == "QuantizeLinear":
            kind = stated.i if stated and stated.i else onnx.TensorProto.UINT8
            kinds[node.output[0]] = kind
            if stated:
                node.attribute.remove(stated)
        scale = next((t for t in graph.initializer if t.name == node.input[1]), None)
        if not kind or scale is None:
            continue
        name = f"{node.output[0]}, zero"
        zero = helper.make_tensor(name, kind, scale.dims,
                                  np.zeros(int(np.prod(scale.dims)), np.int64).tolist())
        graph.initializer.append(zero)
        del node.input[2:]
        node.input.append(name)
        changed = True
    return changed
