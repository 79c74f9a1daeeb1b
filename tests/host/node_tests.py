"""ONNX's own node tests as an 8-bit accelerator can take them."""

import importlib
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.backend.test.case.node as onnx_cases
from onnx import TensorProto, helper, numpy_helper

__all__ = ["OPERATORS", "NodeTest", "node_tests"]

#: The operators that the accelerator is for; each has at least one test.
OPERATORS = frozenset(
    "Add AveragePool Clip Concat Conv ConvInteger DequantizeLinear Flatten Gemm GlobalAveragePool "
    "GlobalMaxPool HardSigmoid HardSwish LeakyRelu MatMul MatMulInteger MaxPool Mul PRelu Pad "
    "QLinearConv QLinearMatMul QuantizeLinear Relu Reshape Resize Sigmoid Slice Split Squeeze Sub "
    "Tanh Transpose Unsqueeze Upsample".split())

_BYTES = (TensorProto.UINT8, TensorProto.INT8)
_TENSORS = ("Add", "Concat", "Mul", "Sub")       # every input is a tensor
_WEIGHTED = ("Conv", "Gemm", "MatMul")           # the second one holds weights, the third a bias
# Operators whose quantisation stays, as quantisers make it; and those that may leave nothing to do,
# unless the scale changes.
_KEEPING = ("GlobalMaxPool", "MaxPool", "Slice", "Split")
_IDLE = ("Clip", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_ENDS = ("DequantizeLinear", "QuantizeLinear")
_OPSET = 21                                     # of these, at most


@dataclass(frozen=True)
class NodeTest:
    """A test of one operator.

    Attributes
    ----------
    name : str
        Of ONNX's test.
    op : str
    model : onnx.ModelProto
        The operator; its parameters are constants, and what is float in ONNX's test goes through
        QuantizeLinear and DequantizeLinear.
    inputs : dict of str to numpy.ndarray
    expected : list of numpy.ndarray
        The outputs as ONNX's test states them.
    steps : list of float
        For each output, the step of its quantisation; 0: there is none.
    """
    name: str
    op: str
    model: onnx.ModelProto
    inputs: dict
    expected: list
    steps: list


def node_tests():
    """ONNX's tests of one of :data:`OPERATORS`: a :class:`NodeTest` by name, None for one that has
    no 8-bit form.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")          # some overflow on purpose
        for operator in OPERATORS:
            importlib.import_module(f"{onnx_cases.__name__}.{operator.lower()}")
    cases = [case for case in onnx_cases._NodeTestCases if len(case.model.graph.node) == 1
             and case.model.graph.node[0].op_type in OPERATORS]
    return {case.name: _Converted(case).test() if _expressible(case) else None for case in cases}


def _expressible(case):
    """Whether a test has an 8-bit form: the types are codes or float, and there are values."""
    graph = case.model.graph
    node, first = graph.node[0], graph.input[0].type.tensor_type
    types = {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    if node.op_type in _ENDS:
        return bool(types & set(_BYTES))
    opset = next(o.version for o in case.model.opset_import if not o.domain)
    kinds = (*_BYTES, TensorProto.FLOAT) + (TensorProto.INT32,) * (node.op_type == "Pad")
    return first.elem_type in kinds and TensorProto.FLOAT16 not in types and opset >= 10 and all(
        d.dim_value for v in (*graph.input, *graph.output) for d in v.type.tensor_type.shape.dim)


class _Converted:
    """Builds the model of a test."""

    def __init__(self, case):
        self.case, self.graph = case, case.model.graph
        self.node = onnx.NodeProto.FromString(self.graph.node[0].SerializeToString())
        self.op = self.node.op_type
        (data, expected), = case.data_sets
        names = [v.name for v in self.graph.input]
        self.data = dict(zip(names, (np.asarray(v) for v in data), strict=True))
        self.expected = [np.asarray(v) for v in expected]
        if self.op == "Pad":                     # some of its tests hold small whole numbers
            self.data[names[0]], *self.expected = (
                v.astype(np.float32) for v in (self.data[names[0]], *self.expected))
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node_of(self, op, inputs, output):
        self.nodes.append(helper.make_node(op, inputs, [output]))
        return output

    def quantisation(self, name, value, dtype=np.uint8):
        """Names of a scale and a zero point that hold a tensor and 0, and the scale."""
        info = np.iinfo(dtype)
        low, high = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
        if dtype == np.int8:                     # weights: symmetric
            scale, zero = np.float32(max(-low, high) / 127 or 1), np.int8(0)
        else:
            scale = np.float32((high - low) / 255 or 1)
            zero = dtype(np.clip(np.rint(info.min - low / scale), info.min, info.max))
        return (self.constant(f"{name}_scale", scale), self.constant(f"{name}_zero", zero)), \
            scale

    def tensor(self, name):
        """An input that stays one."""
        value = self.data[name]
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
        if value.dtype != np.float32 or self.op in _ENDS:
            return name, None
        names, scale = self.quantisation(name, value)
        self.kept = names, scale
        self.node_of("QuantizeLinear", [name, *names], f"{name}_codes")
        return self.node_of("DequantizeLinear", [f"{name}_codes", *names], f"{name}_real"), scale

    def weights(self, name):
        value = self.data[name]
        names, scale = self.quantisation(name, value, np.int8)
        codes = np.clip(np.rint(value / scale), -127, 127).astype(np.int8)
        self.constant(f"{name}_codes", codes)
        return self.node_of("DequantizeLinear", [f"{name}_codes", *names], f"{name}_real"), scale

    def bias(self, name, scale):
        codes = np.rint(self.data[name] / scale).astype(np.int32)
        self.constant(f"{name}_codes", codes)
        self.constant(f"{name}_scale", np.float32(scale))
        return self.node_of("DequantizeLinear", [f"{name}_codes", f"{name}_scale"],
                            f"{name}_real")

    def test(self):
        """The :class:`NodeTest`."""
        tensors = [name for name in self.node.input if name and self.data[name].ndim]
        given = tensors if self.op in _TENSORS else self.node.input[:1]
        scale = 1.0
        for index, name in enumerate(self.node.input):
            if not name:
                continue
            if index == 0 or self.op in _TENSORS and self.data[name].ndim:
                self.node.input[index], x_scale = self.tensor(name)
                scale = x_scale or scale
            elif self.op in _WEIGHTED and index == 1:
                self.node.input[index], w_scale = self.weights(name)
                scale = scale * w_scale
            elif self.op in _WEIGHTED and index == 2:
                self.node.input[index] = self.bias(name, scale)
            else:
                self.constant(name, self.data[name])
        self.nodes.append(self.node)
        steps = [self._end(value, expected) for value, expected in
                 zip(self.graph.output, self.expected, strict=True)]
        graph = helper.make_graph(self.nodes, self.case.name, self.inputs, self.outputs,
                                  self.constants)
        opsets = [helper.make_opsetid(o.domain, min(o.version, _OPSET) if self.op in _ENDS
                                      else o.version) for o in self.case.model.opset_import]
        model = helper.make_model(graph, opset_imports=opsets,
                                  ir_version=min(self.case.model.ir_version, 10))
        return NodeTest(self.case.name, self.op, model, {k: self.data[k] for k in given},
                        self.expected, steps)

    def _end(self, value, expected):
        """An output, quantised if it is float; returns its step."""
        name = value.name
        self.outputs.append(helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(expected.dtype), None))
        if expected.dtype != np.float32 or self.op == "DequantizeLinear" or not expected.size:
            return 0.0
        wide = expected * np.float32(1.25) if self.op in _IDLE else expected
        names, scale = self.kept if self.op in _KEEPING else self.quantisation(name, wide)
        inner = f"{name}_wide"
        self.node.output[list(self.node.output).index(name)] = inner
        self.node_of("QuantizeLinear", [inner, *names], f"{name}_codes")
        self.node_of("DequantizeLinear", [f"{name}_codes", *names], name)
        return float(scale)
