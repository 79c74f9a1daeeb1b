"""ONNX Runtime as the reference: the same tensors, computed by code that is not ours."""

from ..network.graph import Host
from ..network.ort_session import session
from . import onnx_graph

__all__ = ["Reference"]


class Reference:
    """An ONNX file in ONNX Runtime, with the output of every layer readable.

    Parameters
    ----------
    model : bytes or str or os.PathLike
        The file that ``network`` was imported from.
    network : Network
    layers : bool
        False: only the network's outputs are readable.
    """

    def __init__(self, model, network, layers=True):
        graph = onnx_graph.read(model, {k: shape for k, (shape, _) in network.inputs.items()})
        names = [name for layer in (network.layers if layers else ())
                 for name in (layer.outputs if isinstance(layer, Host) else [layer.y.name])]
        self._names = list(dict.fromkeys([*names, *network.outputs]))
        self._session = session(graph.serialise(self._names))

    def run(self, inputs):
        """What :func:`hwgen.network.golden.run` returns, less the inputs, as far as readable."""
        values = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, values, strict=True))
