"""ONNX Runtime as the reference: the same tensors, computed by code that is not ours."""

import onnx

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
    """

    def __init__(self, model, network):
        proto = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
        names = [name for layer in network.layers
                 for name in (layer.outputs if isinstance(layer, Host) else [layer.y.name])]
        self._names = list(dict.fromkeys([*names, *network.outputs]))
        declared = {o.name for o in proto.graph.output}
        proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name)
                                  for name in self._names if name not in declared)
        self._session = session(proto.SerializeToString())

    def run(self, inputs):
        """What :func:`hwgen.model.golden.run` returns, less the inputs."""
        values = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, values, strict=True))
