"""A whole network on an accelerator, and the comparison of every tensor with the references."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from .. import energy
from ..isa.registers import COUNTERS
from ..network import golden
from ..network.graph import Conv, Elementwise, Host, MaxPool
from .driver import SimulationError

__all__ = ["Difference", "LayerResult", "collect", "difference", "execute", "golden_layers",
           "operator", "where"]

_LOOKS, _INTERVAL = 20, 50  # looks at a program of several layers while the shortest of them is
                            # expected to run, and cycles between two looks at least


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


@dataclass(frozen=True, eq=False)
class LayerResult:
    """One layer that ran, or a layer with the pooling that ran with it.

    Attributes
    ----------
    name : str
    op : str
        For instance ``"conv 5x5 + maxpool 2x2"``.
    where : str
        ``"array"`` if its MACs are, ``"vector"`` if it is the output stage that does the work.
    tensor : str
        Name of the output.
    macs : int
    value : numpy.ndarray
        The output, in the shape of the ONNX file; with a ``table`` what the table makes of it.
    counters : dict of str to int
        The accelerator's performance counters, summed over the layer's programs (zero for a layer
        that needs none), those of the layers behind it in the same program included; None without
        an accelerator, and for those layers.
    predicted : int
        Cycles that the compiler expected of the layer; None without an accelerator.
    joined : bool
        The layer shares a program with others.
    until : int
        Of a layer that shares a program: cycles from the end of the layer before to its own, the
        first look at the counters at which all its MACs had been issued (the last layer's end is
        the program's); None if nobody looked.
    told : dict of str to int
        What the layer's commands move, by :data:`hwgen.energy.items.ITEMS`; None without an
        accelerator.
    table : tuple of int or None
        256 entries: of the output the accelerator keeps what this table makes of its bytes alone,
        for the one reader wants that. None: the output itself.
    """
    name: str
    op: str
    where: str
    tensor: str
    macs: int
    value: np.ndarray
    counters: dict[str, int] | None = None
    predicted: int | None = None
    joined: bool = False
    until: int | None = None
    told: dict[str, int] | None = None
    table: tuple[int, ...] | None = None

    @property
    def counts(self):
        """The :class:`~hwgen.energy.Counts`: measured, else those of the commands where the
        counters are of several layers; None without an accelerator."""
        if self.told is None:
            return None
        told = energy.Counts(self.told)
        if self.counters is None or self.joined:
            return told
        return energy.measured(told, self.counters)

    def expected(self, tensors):
        """What ``value`` should be where the network's tensors are ``tensors``, by name."""
        value = tensors[self.tensor]
        if self.table is None:
            return value
        table = np.array(self.table, np.uint8)
        return table[value.view(np.uint8)].view(self.value.dtype)

    @property
    def cycles(self):
        """Cycles from start to interrupt, or ``until``; those of the whole program for its first
        layer if nobody looked; None where there is nothing."""
        if self.until is not None:
            return self.until
        return None if self.counters is None else self.counters["CYCLES"]

    def utilisation(self, pes):
        """MACs a cycle and PE, 0 to 1; None where cycles were not counted for the layer."""
        alone = self.until is not None or self.counters is not None and not self.joined
        return self.macs / max(self.cycles * pes, 1) if alone else None


def operator(layers):
    """What a group of layers does, in a few words."""
    def text(layer):
        if isinstance(layer, MaxPool):
            return f"maxpool {layer.kernel[0]}x{layer.kernel[1]}"
        if isinstance(layer, Elementwise):
            return "function" if len(layer.inputs) == 1 else "mul" if layer.product else "add"
        if not isinstance(layer, Conv):
            return "concat" if len(layer.inputs) > 1 else "move"
        m, c, r, s = layer.weight.shape
        if any(layer.turned):
            return "matrix product"
        if r == s == 1 and layer.x.shape[1:] == (1, 1):
            return "fully connected"
        kind = "depthwise" if layer.groups > 1 and c == 1 else "conv"
        return f"{kind} {r}x{s}"
    return " + ".join(map(text, layers))


def where(layer):
    """``"array"``, ``"vector"`` or ``"host"``: what does a layer's work."""
    return {Conv: "array", Host: "host"}.get(type(layer), "vector")


def execute(network, program, driver, inputs, *, starting=None, progress=None, earlier=None,
            trace=None, looking=False):
    """Run a compiled network, layer after layer; yields a :class:`LayerResult` for each.

    A layer's inputs are what the accelerator left in its memory; only tensors that come from the
    host, network inputs and outputs of host layers, are written by it. A layer takes one program
    or several, or shares one with the layers before it; one that is done when its inputs are there
    takes none. A function or a pooling that is fused into the layer before it has no result of its
    own, that layer's result is its. The generator's return value is every tensor by name, the
    network's outputs included.

    Parameters
    ----------
    network : Network
    program : Program
    driver : Driver
    inputs : dict of str to numpy.ndarray
    starting : callable
        Called with the segments of each program before it runs.
    progress : callable
        Called without arguments every now and then while one runs.
    earlier : dict of str to LayerResult
        Results, by tensor, of layers that an earlier run finished: they are not run again.
    trace : Trace
        Takes samples of the counters meanwhile.
    looking : bool
        Look at the counters of a program of several layers every now and then, to tell when each of
        them ended. This costs a simulation little; software that drives hardware must poll for it.

    Raises
    ------
    SimulationError
        The accelerator stopped with an error, or broke a protocol.
    """
    segments = _by_layer(program)
    runs = {run[0].offset: run for run in program.runs}
    fused = {id(layer) for segment in program.segments for layer in segment.layers[1:]}
    ends: dict[int, int] = {}
    values, earlier = dict(network.constants), earlier or {}

    def provide(tensors):
        """Take values from the host; the accelerator gets those that it reads."""
        values.update(tensors)
        for name in tensors:
            place = program.tensors.get(name)
            if place:
                driver.bus.write(place.offset, place.pack(values[name].reshape(place.shape)))
    driver.load(program.image, program.memory_bytes)
    provide(inputs)
    for layer in network.layers:
        if isinstance(layer, Host):
            provide(golden.host(layer, values))
            continue
        if id(layer) in fused:
            continue
        counters = dict.fromkeys(COUNTERS, 0)
        steps = segments.get(id(layer), ())
        layers = steps[-1].layers if steps else (layer,)
        y = layers[-1].y
        stored = program.stored.get(steps[-1].y) if steps else None
        place = stored.place if stored else program.tensors[y.name]
        if y.name in earlier:
            value = earlier[y.name].value
            if steps:       # else it lies inside of another tensor, which is there
                driver.bus.write(place.offset, place.pack(value.reshape(place.shape)))
            if not stored:
                values[y.name] = value
            yield earlier[y.name]
            continue
        joined = any(len(runs[segment.offset]) > 1 for segment in steps)
        elsewhere = bool(steps) and all(segment.joined for segment in steps)
        for segment in steps:
            if segment.joined:
                continue
            run = runs[segment.offset]
            if starting is not None:
                starting(run)
            looks = _Looks(driver, program, run) if looking and len(run) > 1 else None
            try:
                outcome = _run(driver, run, program.limit(run),
                               looks.look(progress) if looks else progress, trace, looks)
            except SimulationError as error:
                error.layer = segment.name
                raise
            if looks:
                ends.update(looks.lengths(outcome.cycles))
            counters = {name: counters[name] + n for name, n in outcome.counters.items()}
        predicted = sum(segment.cycles for segment in steps)
        until = [ends[id(segment)] for segment in steps if id(segment) in ends]
        value = place.unpack(driver.bus.read(place.offset, place.size)).reshape(y.onnx_shape)
        if not stored:
            values[y.name] = value
        yield LayerResult(layer.name, operator(layers), where(layer), y.name,
                          sum(done.macs for done in layers), value,
                          None if elsewhere else counters, predicted, joined,
                          sum(until) if until else None, energy.of_segments(program, steps).items,
                          stored and tuple(map(int, stored.table)))
    return values | {name: values[network.aliases[name]].reshape(shape)
                     for name, (shape, _) in network.outputs.items() if name not in values}


def _by_layer(program):
    """A program's segments by the layer, its ``id``, that they begin with."""
    found: dict[int, list] = {}
    for segment in program.segments:
        found.setdefault(id(segment.layers[0]), []).append(segment)
    return found


class _Looks:
    """Looks at the counters of a program of several segments while it runs.

    Attributes
    ----------
    interval : int
        Cycles between two looks.
    """

    def __init__(self, driver, program, segments):
        self._driver, self._segments = driver, segments
        self._marks = list(accumulate(energy.of_segment(program, segment).items["macs"]
                                      for segment in segments))
        self._ends = []
        self.interval = max(min(segment.cycles for segment in segments) // _LOOKS, _INTERVAL)

    def look(self, progress):
        """A callable that looks, and then calls ``progress``."""
        def look():
            marks = self._marks[len(self._ends):-1]
            if marks:
                macs, cycles = self._driver.counter("MACS"), self._driver.counter("CYCLES")
                self._ends += [cycles] * sum(macs >= mark for mark in marks)
            if progress is not None:
                progress()
        return look

    def lengths(self, cycles):
        """Pairs of a segment's identity and the cycles from the end before to its own; the program
        took ``cycles``."""
        last = [cycles] * (len(self._segments) - len(self._ends))
        ends = [0, *(min(end, cycles) for end in self._ends), *last]
        return [(id(segment), end - begin)
                for segment, (begin, end) in zip(self._segments, pairwise(ends), strict=True)]


def _run(driver, segments, limit, progress, trace, looks):
    """Run a program, for ``limit`` cycles at most; returns its outcome."""
    if trace is None:
        slices = {"slice_cycles": looks.interval} if looks else {}
        return driver.run(segments[0].offset, limit=limit, progress=progress, **slices)

    def sample():
        trace.sample(driver)
        if progress is not None:
            progress()
    trace.begin(" to ".join(dict.fromkeys((segments[0].name, segments[-1].name))))
    interval = trace.interval(sum(segment.cycles for segment in segments))
    if looks:
        interval = min(interval, looks.interval)
    outcome = driver.run(segments[0].offset, limit=limit, progress=sample, slice_cycles=interval)
    trace.sample(driver, outcome.counters)
    return outcome


def collect(run):
    """``(layers, values)`` of an :func:`execute` that is run to its end."""
    layers = []
    while True:
        try:
            layers.append(next(run))
        except StopIteration as end:
            return layers, end.value


def golden_layers(network, values):
    """Yield a :class:`LayerResult` for each integer layer, from the golden model's tensors."""
    for layer in network.layers:
        if not isinstance(layer, Host):
            yield LayerResult(layer.name, operator((layer,)), where(layer), layer.y.name,
                              layer.macs, values[layer.y.name])
