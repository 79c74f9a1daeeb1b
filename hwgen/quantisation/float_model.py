"""A float model, made ready for the quantiser."""

import warnings

import onnx
from onnx import helper, numpy_helper, version_converter
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..errors import HwgenError
from ..importer import onnx_graph
from ..importer.float_models import is_quantised
from ..network.ort_session import reason
from ..network.quantiser import quiet

__all__ = ["FloatModel"]

_OPSET = 17                 # 13 is the first with a scale for each channel
_OLDEST = 13
_LARGEST = (1 << 31) - 1    # bytes of a protobuf message


class FloatModel:
    """A float ONNX model with fixed shapes.

    Parameters
    ----------
    source : path or bytes
        The model.
    shapes : dict of str to tuple
        Shapes of inputs for which the file leaves dimensions open; an open batch is 1.

    Attributes
    ----------
    name : str
    inputs : dict of str to (tuple, numpy.dtype)
        Shape and type of each input.
    size : int
        Bytes of the model with its weights.

    Raises
    ------
    HwgenError
        It cannot be read, is quantised already, or has shapes that are not known.
    """
    def __init__(self, source, shapes):
        what, proto = onnx_graph.parse(source)
        for node in proto.graph.node:
            if is_quantised(node.op_type):
                raise HwgenError(f"{what} is quantised already ({node.op_type} "
                                 f"{node.name or node.output[0]!r}): give the float model that it "
                                 f"was made from, or run it as it is.")
        self.size = proto.ByteSize()
        if self.size > _LARGEST:
            raise HwgenError(f"{what} has {self.size} bytes: ONNX Runtime's quantiser takes models "
                             f"up to {_LARGEST}.")
        onnx_graph.malformed(proto, what)
        self._what, self._proto, self.name = what, proto, proto.graph.name
        try:
            self.inputs = onnx_graph.input_shapes(proto.graph, shapes)
        except HwgenError as error:
            text = str(error)
            if "is not an input" not in text and "was given shape" not in text:
                text = text.split(": give the input's shape")[0] + \
                    ": give it with --shape NAME=1x3x224x224."
            raise HwgenError(text) from None
        self._fix_shapes()

    def _fix_shapes(self):
        """Write the inputs' shapes into the model; what it states of other values may be of open
        ones, and is inferred again."""
        graph = self._proto.graph
        constants = {tensor.name for tensor in graph.initializer}
        for value in [value for value in graph.input if value.name in constants]:
            graph.input.remove(value)       # as files of IR 3 declare weights
        self._proto.ir_version = max(self._proto.ir_version, 4)
        for value in graph.input:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in self.inputs[value.name][0]:
                shape.dim.add().dim_value = size
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")

    def serialise(self):
        """The model with its shapes fixed, and no other change."""
        return self._proto.SerializeToString()

    def prepare(self, path):
        """Write the model to ``path`` as the quantiser wants it: of a version with scales for each
        channel, with all shapes, constants folded, batch normalisations in the convolutions, and
        means over the image as pooling, which the quantiser knows."""
        proto = self._proto
        versions = {entry.domain: entry.version for entry in proto.opset_import}
        try:
            if versions.get("", _OPSET) < _OLDEST:
                proto = version_converter.convert_version(proto, _OPSET)
            onnx.save(proto, path)
            with quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quant_pre_process(path, path, skip_symbolic_shape=True)
            proto = onnx.load(path)
            _pool_means(proto.graph)
            onnx.save(proto, path)
        except OSError:
            raise
        except Exception as error:      # those of ONNX and ONNX Runtime have no common base
            raise HwgenError(f"{self._what} cannot be made ready for the quantiser: "
                             f"{reason(error)}") from None


def _pool_means(graph):
    """Turn each ReduceMean over the rows and columns of images into a GlobalAveragePool."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    ranks = {value.name: len(value.type.tensor_type.shape.dim)
             for value in (*graph.input, *graph.value_info)}
    nodes = []
    for node in graph.node:
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axes = given.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1] in constants:
            axes = numpy_helper.to_array(constants[node.input[1]]).tolist()
        if node.op_type != "ReduceMean" or ranks.get(node.input[0]) != 4 or axes is None or \
                sorted(axis % 4 for axis in axes) != [2, 3]:
            nodes.append(node)
            continue
        result, = node.output
        pooled = result if given.get("keepdims", 1) else f"{result}, pooled"
        nodes.append(helper.make_node("GlobalAveragePool", node.input[:1], [pooled],
                                      name=node.name))
        if pooled != result:
            nodes.append(helper.make_node("Flatten", [pooled], [result],
                                          name=f"{node.name or result}, flat"))
    del graph.node[:]
    graph.node.extend(nodes)
