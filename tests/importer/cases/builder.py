"""A builder of small quantised graphs."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["TYPES", "Graph", "image"]

TYPES = {"u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16, "i32": np.int32}


def image(*shape, lo=-2, hi=2, seed=1):
    """Random float32 values."""
    return np.random.default_rng(seed).uniform(lo, hi, shape).astype(np.float32)


class Graph:
    """Collects nodes and initialisers; methods return the names of what they add."""

    def __init__(self, rng, opset=17, ir=8):
        self.rng, self.opset, self.ir = rng, opset, ir
        self.nodes, self.inits, self.inputs, self.outputs, self.count = [], [], [], [], 0

    def name(self, prefix="t"):
        self.count += 1
        return f"{prefix}{self.count}"

    def init(self, value, name=None):
        name = name or self.name("c")
        self.inits.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, op, inputs, out=None, nout=1, **attributes):
        outputs = [out] if out else [self.name(op.lower() + "_") for _ in range(nout)]
        self.nodes.append(
            helper.make_node(op, inputs, outputs, name=f"{outputs[0]}_node", **attributes)
        )
        return outputs[0] if nout == 1 else outputs

    def input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, shape=None, ty=TensorProto.FLOAT, rank=None):
        """With ``rank`` its dimensions have names."""
        shape = [f"{name}_d{i}" for i in range(rank)] if rank else shape
        self.outputs.append(helper.make_tensor_value_info(name, ty, shape))
        return name

    def q(self, x, scale, zero, kind="u8", out=None, **attributes):
        inputs = [x, self.init(np.float32(scale))]
        if zero is not None:
            inputs.append(self.init(np.asarray(zero, TYPES[kind])))
        return self.op("QuantizeLinear", inputs, out, **attributes)

    def dq(self, x, scale, zero, kind="u8", out=None, **attributes):
        inputs = [x, self.init(np.asarray(scale, np.float32))]
        if zero is not None:
            inputs.append(self.init(np.asarray(zero, TYPES[kind])))
        return self.op("DequantizeLinear", inputs, out, **attributes)

    def qdq(self, x, scale, zero, kind="u8"):
        return self.dq(self.q(x, scale, zero, kind), scale, zero, kind)

    def weights(self, shape, zero=0, t="i8", axis=0, per_channel=True):
        """Random weights behind a DequantizeLinear: their name, and their scales."""
        low, high = (-127, 128) if t == "i8" else (0, 256)
        codes = self.rng.integers(low, high, shape).astype(TYPES[t])
        if not per_channel:
            return self.dq(self.init(codes), 0.01, zero, t), np.float32(0.01)
        scales = self.rng.uniform(0.002, 0.02, shape[axis]).astype(np.float32)
        zeros = np.full(shape[axis], zero, TYPES[t])
        return self.dq(self.init(codes), scales, zeros, t, axis=axis), scales

    def bias(self, n, x_scale, w_scale):
        """A random int32 bias with the product of the scales."""
        codes = self.rng.integers(-2000, 2000, n).astype(np.int32)
        scale = (np.float32(x_scale) * np.asarray(w_scale, np.float32)).astype(np.float32)
        if scale.ndim == 0:
            return self.dq(self.init(codes), scale, np.int32(0), "i32")
        return self.dq(self.init(codes), scale, np.zeros(n, np.int32), "i32", axis=0)

    def conv(
        self,
        x,
        x_scale,
        channels,
        filters,
        kernel,
        scale,
        zero=0,
        t="u8",
        group=1,
        per_channel=True,
        relu=False,
        **attributes,
    ):
        """A convolution with a bias, quantised."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
        w, w_scale = self.weights((filters, channels // group, *kernel), per_channel=per_channel)
        y = self.op("Conv", [x, w, self.bias(filters, x_scale, w_scale)], group=group, **attributes)
        if relu:
            y = self.op("Relu", [y])
        return self.qdq(y, scale, zero, t)

    def model(self):
        """The bytes of the model."""
        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        graph = helper.make_graph(self.nodes, "case", self.inputs, self.outputs, self.inits)
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=self.ir
        ).SerializeToString()

    def float_model(self):
        """The model, for the quantiser."""
        return onnx.load_from_string(self.model())
