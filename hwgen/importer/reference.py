"""ONNX Runtime as the reference: the same tensors, computed by code that is not ours."""

import numpy as np

from ..errors import HwgenError
from ..network.graph import Host
from ..network.ort_session import evaluate, optimised, session
from .macs import computes_codes
from .onnx_import import Model

__all__ = ["Deviation", "Reference", "deviations", "in_float"]


class Reference:
    """An ONNX file in ONNX Runtime, with the output of every layer readable.

    The network's outputs come from a session whose inner tensors nobody reads; those of layers from
    the graph that ONNX Runtime makes of the file. If products became exact sums of integers, all
    come from the graph with these.

    Parameters
    ----------
    model : Model or bytes or str or os.PathLike
        What ``network`` was imported from.
    network : Network
    layers : bool
        False: only the network's outputs are readable.
    """

    def __init__(self, model, network, layers=True):
        if not isinstance(model, Model):
            model = Model(model, {k: shape for k, (shape, _) in network.inputs.items()},
                          integer=bool(network.integers))
        names = dict.fromkeys(
            name for layer in (network.layers if layers else ())
            for name in (layer.outputs if isinstance(layer, Host) else [layer.y.name]))
        self._outputs, self._plain = list(network.outputs), None
        if not network.integers:
            self._plain = _or_none(model.plain)
        if self._plain:
            names = [name for name in names if name not in network.outputs]
        else:
            names.update(dict.fromkeys(self._outputs))
        self._names, self._inner = list(names), None
        if self._names:
            self._inner = session(model.graph.serialise(self._names), as_written=True)

    def run(self, inputs):
        """What :func:`hwgen.network.golden.run` returns, less the inputs, as far as readable."""
        inputs, values = dict(inputs), {}
        if self._plain:
            values.update(zip(self._outputs, self._plain.run(self._outputs, inputs), strict=True))
        if self._inner:
            values.update(zip(self._names, self._inner.run(self._names, inputs), strict=True))
        return values


def _or_none(model):
    """A session, None if ONNX Runtime does not take the model with int8 activations."""
    try:
        return session(model)
    except HwgenError:
        return None


class Deviation:
    """How far values are from others: ``differing`` of ``count``, by ``largest`` at most."""

    def __init__(self, name, value, other):
        self.name, self.count = name, int(value.size)
        if value.shape != other.shape or value.dtype.kind not in "fiub":
            self.differing = int((value != other).sum()) if value.shape == other.shape \
                else self.count
            self.largest = float("inf") if self.differing else 0.0
            return
        a, b = value.astype(np.float64), other.astype(np.float64)
        unequal = (value != other) & ~(np.isnan(a) & np.isnan(b))
        self.differing = int(unequal.sum())
        self.largest = float(np.abs(a - b)[unequal].max()) if self.differing else 0.0


def deviations(model, network, inputs, values):
    """How far tensors of a run are from what ONNX Runtime computes without any option.

    Parameters
    ----------
    model : Model
    network : Network
    inputs, values : dict of str to numpy.ndarray
        The run's inputs and tensors.

    Returns
    -------
    list of Deviation
        Of the network's outputs.
    list of Deviation
        Of the codes behind each product that became an exact sum of integers.
    """
    plain = evaluate(model.plain, dict(inputs), integers=False, precise=False)
    outputs = [Deviation(name, values[name], plain[name]) for name in network.outputs
               if isinstance(values[name], np.ndarray)]
    codes = list(dict.fromkeys(name for found in network.integers.values() for name in found))
    layers = []
    if codes:
        # Some are inside of host parts: the graph of sums gives the same as the run.
        runs = [session(made, as_written=True).run(codes, dict(inputs)) for made in
                (model.graph.serialise(codes), model.float_graph(codes))]
        layers = [Deviation(*one) for one in zip(codes, *runs, strict=True)]
    return outputs, layers


def in_float(model):
    """How many layers a session without options computes in float, of those that are integer
    layers where int8 activations stay int8."""
    made = optimised(model.plain, integers=False)
    return max(0, model.kernels - sum(computes_codes(node.op_type) for node in made.graph.node))
