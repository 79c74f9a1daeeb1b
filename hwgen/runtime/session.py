"""A whole network on an accelerator, and the comparison of every tensor with the references."""

from dataclasses import dataclass

import numpy as np

from ..model import golden
from ..model.graph import Conv, Host
from .driver import SimulationError

__all__ = ["Difference", "LayerResult", "difference", "execute", "golden_layers", "operator"]


@dataclass(frozen=True)
class Difference:
    """Where two tensors differ: how many values, the first one's index, and both values of it."""
    count: int
    index: tuple
    got: object
    expected: object

    def __str__(self):
        where = ", ".join(map(str, self.index))
        return (f"{self.count} values differ; the first at [{where}] is {self.got} and should be "
                f"{self.expected}")


def difference(got, expected):
    """The :class:`Difference` of two arrays, None if they are equal in shape, type and bits.

    Arrays of different shape or type differ in all values.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return Difference(got.size, (), f"{got.dtype} {got.shape}",
                          f"{expected.dtype} {expected.shape}")
    bits = f"u{got.dtype.itemsize}" if got.dtype.kind == "f" else got.dtype
    unequal = np.argwhere(np.atleast_1d(got).view(bits) != np.atleast_1d(expected).view(bits))
    if not len(unequal):
        return None
    index = tuple(int(i) for i in unequal[0])
    return Difference(len(unequal), index, np.atleast_1d(got)[index].item(),
                      np.atleast_1d(expected)[index].item())


@dataclass(frozen=True)
class LayerResult:
    """One layer that ran, or a convolution with the pooling that ran with it.

    Attributes
    ----------
    name : str
    op : str
        For instance ``"conv 5x5 + maxpool 2x2"``.
    tensor : str
        Name of the output.
    macs : int
    value : numpy.ndarray
        The output, in the shape of the ONNX file.
    counters : dict of str to int
        The accelerator's performance counters; None without one.
    predicted : int
        Cycles that the compiler expected; None without one.
    """
    name: str
    op: str
    tensor: str
    macs: int
    value: np.ndarray
    counters: dict = None
    predicted: int = None

    @property
    def cycles(self):
        """Cycles from start to interrupt; None without an accelerator."""
        return None if self.counters is None else self.counters["CYCLES"]

    def utilisation(self, pes):
        """MACs a cycle and PE, 0 to 1; None without an accelerator."""
        return None if self.counters is None else self.macs / (self.cycles * pes)


def operator(layers):
    """What a group of layers does, in a few words."""
    def text(layer):
        if not isinstance(layer, Conv):
            return f"maxpool {layer.kernel[0]}x{layer.kernel[1]}"
        m, c, r, s = layer.weight.shape
        if r == s == 1 and layer.x.shape[1:] == (1, 1):
            return "fully connected"
        kind = "depthwise" if layer.groups > 1 and c == 1 else "conv"
        return f"{kind} {r}x{s}"
    return " + ".join(map(text, layers))


def execute(network, program, driver, inputs, *, starting=None, progress=None):
    """Run a compiled network, layer after layer; yields a :class:`LayerResult` for each segment.

    The inputs of each layer are what the accelerator left in its memory; only tensors that come
    from the host are written by it. The generator's return value is every tensor by name, the
    network's outputs included.

    Parameters
    ----------
    network : Network
    program : Program
    driver : Driver
    inputs : dict of str to numpy.ndarray
    starting : callable
        Called with each segment before it runs.
    progress : callable
        Called without arguments every now and then while one runs.

    Raises
    ------
    SimulationError
        The accelerator stopped with an error, or broke a protocol.
    """
    driver.load(program.image)
    segments = {id(segment.layers[0]): segment for segment in program.segments}
    values, resident = dict(inputs), set()
    for layer in network.layers:
        if isinstance(layer, Host):
            values.update(golden.host(layer, values))
            continue
        segment = segments.get(id(layer))
        if segment is None:
            continue
        if starting is not None:
            starting(segment)
        if segment.x not in resident:
            place = program.tensors[segment.x]
            driver.bus.write(place.offset, place.pack(values[segment.x].reshape(place.shape)))
        try:
            outcome = driver.run(segment.offset, progress=progress)
        except SimulationError as error:
            error.layer = segment.name
            raise
        place = program.tensors[segment.y]
        array = place.unpack(driver.bus.read(place.offset, place.size))
        values[segment.y] = array.reshape(segment.layers[-1].y.onnx_shape)
        resident.update((segment.x, segment.y))
        yield LayerResult(segment.name, operator(segment.layers), segment.y, segment.macs,
                          values[segment.y], outcome.counters, segment.cycles)
    for name, (shape, _) in network.outputs.items():
        if name not in values:
            values[name] = values[network.aliases[name]].reshape(shape)
    return values


def golden_layers(network, values):
    """Yield a :class:`LayerResult` for each integer layer, from the golden model's tensors."""
    for layer in network.layers:
        if not isinstance(layer, Host):
            yield LayerResult(layer.name, operator((layer,)), layer.y.name, layer.macs,
                              values[layer.y.name])
