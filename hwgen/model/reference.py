"""ONNX Runtime as the reference: the same tensors, computed by code that is not ours."""

import numpy as np
import onnx

from . import onnx_graph
from .graph import Host
from .session import session

__all__ = ["Reference"]


class Reference:
    """An ONNX file in ONNX Runtime, with the output of every layer readable.

    Parameters
    ----------
    model : bytes or str or os.PathLike
        The file that ``network`` was imported from.
    network : Network

    Notes
    -----
    ONNX Runtime computes a layer of an int8 model in float if the result of its QuantizeLinear is
    itself an output. Such results are read through a DequantizeLinear, which is undone exactly.
    """

    def __init__(self, model, network):
        shapes = {name: shape for name, (shape, _) in network.inputs.items()}
        graph = onnx_graph.read(model, shapes)
        proto = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
        declared = {o.name for o in proto.graph.output}
        names = [name for layer in network.layers
                 for name in (layer.outputs if isinstance(layer, Host) else [layer.y.name])]
        self._undo, self._reads = {}, {}
        for name in dict.fromkeys([*names, *network.outputs]):
            self._reads[name] = name
            if name in declared:
                continue
            node = graph.producer[name]
            if node.op == "QuantizeLinear":
                self._reads[name] = f"{name}__read"
                zero = graph.constants[node.input(2)] if node.input(2) else np.uint8(0)
                self._undo[name] = graph.constants[node.input(1)], zero
                proto.graph.node.append(onnx.helper.make_node(
                    "DequantizeLinear", [name, *node.inputs[1:]], [self._reads[name]],
                    domain=node.proto.domain))
            proto.graph.output.append(
                onnx.helper.make_empty_tensor_value_info(self._reads[name]))
        self._session = session(proto.SerializeToString())

    def run(self, inputs):
        """What :func:`hwgen.model.golden.run` returns, less the inputs."""
        values = dict(zip(self._reads, self._session.run(list(self._reads.values()), dict(inputs)),
                          strict=True))
        for name, (scale, zero) in self._undo.items():
            codes = np.rint(values[name] / scale.astype(np.float64)) + zero
            values[name] = codes.astype(zero.dtype)
        return values
