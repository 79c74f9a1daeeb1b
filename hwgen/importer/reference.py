"""ONNX Runtime as the reference: the same tensors, computed by code that is not ours."""

from ..network.graph import Host
from ..network.ort_session import session
from . import ort_graph

__all__ = ["Reference"]


class Reference:
    """An ONNX file in ONNX Runtime, with the output of every layer readable.

    The network's outputs come from a session whose inner tensors nobody reads; those of layers from
    the graph that ONNX Runtime makes of the file.

    Parameters
    ----------
    model : bytes or str or os.PathLike
        The file that ``network`` was imported from.
    network : Network
    layers : bool
        False: only the network's outputs are readable.
    """

    def __init__(self, model, network, layers=True):
        shapes = {k: shape for k, (shape, _) in network.inputs.items()}
        graph, plain, _ = ort_graph.read(model, shapes, integer=bool(network.integers))
        names = [name for layer in (network.layers if layers else ())
                 for name in (layer.outputs if isinstance(layer, Host) else [layer.y.name])]
        self._names = [name for name in dict.fromkeys(names) if name not in network.outputs]
        self._inner = session(graph.serialise(self._names), as_written=True)
        self._outputs, self._plain = list(network.outputs), session(plain)

    def run(self, inputs):
        """What :func:`hwgen.network.golden.run` returns, less the inputs, as far as readable."""
        inputs = dict(inputs)
        values = dict(zip(self._outputs, self._plain.run(self._outputs, inputs), strict=True))
        if self._names:
            values.update(zip(self._names, self._inner.run(self._names, inputs), strict=True))
        return values
