"""Small float networks, single layers and the quantiser, for the tests of the importer."""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

TYPES = {np.dtype(t): helper.np_dtype_to_tensor_dtype(np.dtype(t))
         for t in (np.uint8, np.int8, np.int32, np.float32)}


class Builder:
    """Collects nodes and initialisers; every method returns the name of what it made."""

    def __init__(self, name="net"):
        self.name, self.nodes, self.constants, self.inputs, self.outputs = name, [], {}, [], []

    def constant(self, name, value):
        self.constants[name] = np.asarray(value)
        return name

    def input(self, name, shape, dtype=np.float32):
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape))
        return name

    def output(self, name, dtype=np.float32, shape=None):
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape))
        return name

    def node(self, op, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], f"n_{output}", domain=domain,
                                           **attributes))
        return output

    def quantised(self, op, value, output, scale, zero, **attributes):
        """A QuantizeLinear or DequantizeLinear with constants named after its output."""
        return self.node(op, [value, self.constant(f"{output}_s", scale),
                              self.constant(f"{output}_z", zero)], output, **attributes)

    def model(self, opset=17):
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs, self.outputs,
            [numpy_helper.from_array(v, k) for k, v in self.constants.items()])
        return helper.make_model(
            graph, ir_version=9, opset_imports=[helper.make_opsetid("", opset),
                                                helper.make_opsetid("com.microsoft", 1)])

    def bytes(self, opset=17):
        return self.model(opset).SerializeToString()


def float_network(rng, relu="Relu"):
    """A float network with every supported operator; input ``x`` of shape (1, 3, 14, 14)."""
    b = Builder()
    x = b.input("x", ["batch", 3, 14, 14])

    def weights(name, *shape):
        return b.constant(name, rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32))

    def activation(value, output):
        if relu == "Relu":
            return b.node("Relu", [value], output)
        b.constant("zero", np.float32(0))
        return b.node("Clip", [value, "zero", b.constant("six", np.float32(0.6))], output)
    x = b.node("Conv", [x, weights("w1", 8, 3, 3, 3), weights("b1", 8)], "c1",
               auto_pad="SAME_UPPER", strides=[1, 1])
    x = activation(x, "a1")
    x = b.node("MaxPool", [x], "p1", kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Conv", [x, weights("w2", 8, 1, 3, 3), weights("b2", 8)], "c2", group=8,
               pads=[1, 1, 1, 1])
    x = activation(x, "a2")
    x = b.node("Conv", [x, weights("w3", 12, 8, 1, 1)], "c3")
    x = b.node("MaxPool", [x], "p3", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = b.node("Flatten", [x], "f")
    x = b.node("Gemm", [x, weights("w4", 20, 192), weights("b4", 20)], "g4", transB=1)
    x = activation(x, "a4")
    x = b.node("Reshape", [x, b.constant("to", np.int64([1, -1]))], "r")
    x = b.node("MatMul", [x, weights("w5", 20, 10)], "m5")
    b.output(b.node("Softmax", [x], "y"))
    return onnx.shape_inference.infer_shapes(b.model())


class Batches(CalibrationDataReader):
    def __init__(self, name, arrays):
        self.name, self.arrays = name, iter(arrays)

    def get_next(self):
        array = next(self.arrays, None)
        return None if array is None else {self.name: array}


def quantise(model, folder, rng, **options):
    """The bytes of a model that onnxruntime.quantization made of a float one."""
    onnx.save(model, folder / "float.onnx")
    data = [rng.normal(0, 1, (1, 3, 14, 14)).astype(np.float32) for _ in range(4)]
    quantize_static(folder / "float.onnx", folder / "quantised.onnx", Batches("x", data), **options)
    return (folder / "quantised.onnx").read_bytes()
