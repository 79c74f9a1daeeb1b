"""Planning: a network's layers as jobs for the machine, and a place for every tensor."""

from dataclasses import dataclass, replace
from itertools import accumulate
from math import lcm

import numpy as np

from ...cost.geometry import MachineLayer, Pooling
from ...errors import HwgenError, LayerError
from ...isa.store_modes import RAW
from ...machines import machine_of
from ...network.graph import Conv, Elementwise, Host, MaxPool, Move, Tensor
from ..layout.dram import Placement
from ..lower.encode import StoreOp
from ..map.mapping import Estimate, Mapping
from ..map.search import search
from . import edge_averages, elementwise, functions, moves, standalone_pooling

__all__ = ["Job", "Planner"]

_REQUANTISE = StoreOp()

_RUN = 128                  # most channels of a matrix that are read in one run, where rows ...
_RUNS = (8, 16, 32, 64)     # ... are long; shorter ones may be faster
_IDLE, _IDLE_STEP = 4096, 2048  # idle cycles of the port that count, and in what steps
_GAIN = 0.02                # of two layers' cycles: what better groups between them are tried for
_START = 400                # cycles that a program more costs before and after its work


@dataclass(frozen=True, eq=False)
class Job:
    """A program to be: a layer as the machine sees it, its mapping, what it reads and writes.

    Attributes
    ----------
    layers : tuple
        The network's layers that it works for; the last job of a layer completes it.
    layer : MachineLayer
    sources : tuple of Placement
    y : Placement
    mapping : Mapping
    estimate : Estimate
    store_op : StoreOp
    macs : int
    """
    layers: tuple
    layer: MachineLayer
    sources: tuple
    y: Placement
    mapping: Mapping
    estimate: Estimate
    store_op: StoreOp
    macs: int


class Planner:
    """Plans a network, layer after layer.

    Parameters
    ----------
    network : Network
    config : Config
    mappings : dict of str to dict of str to int
        Fields of the mapping that are given, by layer name.
    timing : Timing
        Of the DRAM.
    joined : bool
        Layers that no host part stands between share a program.
    fuse : bool
        Functions go behind the layer before them.

    Attributes
    ----------
    fusion : Fusion
        Its layers are what is planned.
    jobs : list of Job
        In the order in which they are to run.
    places : dict of str to Placement
        Tensors in DRAM by name, their offsets counted from the start of their root.
    roots : dict of str to Placement
        What takes memory of its own: tensors, and what layers leave for themselves.
    programs : dict of Layer to int
        Layers with equal numbers have no host part between them.
    """

    def __init__(self, network, config, mappings, timing, joined=False, fuse=True):
        self.network, self.config, self.joined = network, config, joined
        self.mappings, self.timing = mappings, timing
        self.jobs, self.places, self.roots = [], {}, {}
        self.searched = {}      # mapping and estimate, by all that they depend on
        self.fused = set()      # poolings that a layer before them takes care of
        self.fusion = functions.fuse(network, config, fuse)
        self.layers = [layer for layer in self.fusion.layers if not isinstance(layer, Host)]
        hosts = accumulate(isinstance(layer, Host) for layer in network.layers)
        self.programs = dict(zip(network.layers, hosts, strict=True))
        self.programs |= {layer: self.programs[members[0]]
                          for layer, members in self.fusion.members.items()}
        self.producers = {layer.y.name: layer for layer in self.layers}
        self.consumers = functions.readers(network, self.fusion.layers)
        self.pieces = {layer: tuple(moves.woven(layer)) for layer in self.layers
                       if isinstance(layer, Move)}
        self.units = moves.units(self.pieces)
        self.concat_parts = moves.concat_parts(self)

    def run(self, planning=None):
        """Plan every layer; ``planning`` is called with each, its index and their number."""
        for index, layer in enumerate(self.layers):
            if planning:
                planning(layer, index, len(self.layers))
            if layer in self.fused:
                continue
            self.planned = layer
            try:
                self._plan(layer)
            except HwgenError as error:
                if layer.name in self.mappings:
                    raise    # what is given may be what does not fit
                raise LayerError(str(error), self._members(layer)[-1].y.name) from None

    def _plan(self, layer):
        if isinstance(layer, Move):
            moves.plan(self, layer)
        elif isinstance(layer, MaxPool):
            standalone_pooling.plan(self, layer, "its input is not a convolution's alone")
        elif isinstance(layer, Elementwise):
            elementwise.plan(self, layer, self._only_pool(layer))
        else:
            self._convolve(layer, self._only_pool(layer))

    def _members(self, layer):
        """The network's layers that one that is planned stands for."""
        return self.fusion.members.get(layer, (layer,))

    def _only_pool(self, layer):
        """The pooling that alone reads a layer's output and can be fused into it, or None."""
        readers = self.consumers.get(layer.y.name, [])
        pool = readers[0] if len(readers) == 1 else None
        if isinstance(pool, MaxPool) and pool.x.shape == layer.y.shape and \
                pool.dilation == (1, 1) and layer.y.dtype != np.int32 and pool.table is None:
            return pool
        return None

    # Tensors.

    def place(self, tensor, g):
        """Give a tensor memory of its own, in groups of ``g`` channels."""
        place = Placement.place(tensor, g, 0, self.config.bus_bytes)
        self.places[tensor.name] = self.roots[tensor.name] = place
        return place

    def scratch(self, name, tensor, g=None):
        """Memory for a tensor that a layer leaves for itself: in groups of ``g`` channels, or
        without gaps."""
        name = f"{name}:{len(self.roots)}"
        if g is None:
            place = Placement.planar(tensor, name)
        else:
            place = Placement.place(replace(tensor, name=name), g, 0, self.config.bus_bytes)
        self.roots[name] = place
        return place

    def shape(self, x):
        """Shape of a tensor in DRAM: as placed, or the widest in which it is read."""
        if x.name in self.places:
            return self.places[x.name].shape
        shapes = [t.shape for layer in self.layers for t in layer.inputs if t.name == x.name]
        return max(shapes, key=lambda shape: shape[1] * shape[2])

    def source(self, x):
        """The placement of a tensor, or the tensor itself if its groups may still be chosen."""
        if x.name in self.places:
            return self.places[x.name]
        stored = replace(x, shape=self.shape(x))
        if self.units.get(x.name):
            most = min(x.shape[0], self.config.bus_bytes)
            return self.place(stored, max(moves.divisors(self.units[x.name], most)))
        return stored

    def read(self, x, layers):
        """The placement of a tensor in the shape of ``x``, or the tensor if its groups may still be
        chosen. A tensor that stands in another shape is copied once more, without gaps."""
        source = self.source(x)
        if source.shape == x.shape:
            return source
        if isinstance(source, Tensor):
            source = self.place(source, min(source.shape[0], self.config.bus_bytes))
        return self._planar(source, x, layers)

    def gapless(self, x, layers):
        """The placement of a tensor in the shape of ``x``, without gaps; copied if it has some."""
        source = self.source(x)
        if isinstance(source, Tensor):
            source = self.places[x.name] = self.roots[x.name] = Placement.planar(source, x.name)
        return self._planar(source, x, layers)

    def _planar(self, source, x, layers):
        if source.gapless:
            return source.reshaped(x.shape)
        name = f"{x.name}:planar"
        if name not in self.roots:
            self.roots[name] = Placement.planar(replace(x, shape=source.shape), name)
            moves.copy(self, layers, source, self.roots[name], f"reshapes {x.name}")
        return self.roots[name].reshaped(x.shape)

    # Jobs.

    def _idle(self, before, layer, estimate):
        """Cycles in which a job of the layer ``before`` leaves the DRAM's port idle for one of
        ``layer`` behind it; None if that is in another program."""
        if not self.joined or machine_of(self.config).in_order or \
                self.programs[before] != self.programs[layer]:
            return None
        idle = min(estimate.compute + estimate.serial - estimate.dram_read, _IDLE)
        return max(idle // _IDLE_STEP * _IDLE_STEP, 0)

    def search(self, layer, sources, groups=(), fixed=None, behind=None):
        """Mapping and estimate of a layer that reads ``sources``, with ``groups`` allowed for the
        output and the ``fixed`` fields of the mapping given. It stands ``behind`` the last job, or
        one of a layer with such an estimate."""
        _check(layer)
        idle = None
        if behind or self.jobs:
            last = behind or (self.jobs[-1].layers[0], self.planned, self.jobs[-1].estimate)
            idle = self._idle(*last)
        placed = [source.dram_channels for source in sources if isinstance(source, Placement)]
        layer = replace(layer, groups=groups, sources=len(sources), idle=idle)
        g = lcm(*placed) if placed else None
        if fixed:
            return search(self.config, layer, g, self.timing, fixed)
        key = layer.measures, g
        if key not in self.searched:
            self.searched[key] = search(self.config, layer, g, self.timing)
        return self.searched[key]

    def best(self, layer, sources, y):
        """Mapping and estimate of a layer that makes the tensor ``y``: the fastest one, or one
        with such groups that ``y`` need not be copied, or is read as fast as what is added to it,
        if that would cost more."""
        fixed = self.mappings.get(layer.conv.name)
        found = self.search(layer, sources, fixed=fixed)
        # A copy, or half of what that costs.
        values = int(np.prod(y.shape))
        spare = _START + machine_of(self.config).cost.copy_cycles(self.config, values)
        groups = moves.wanted(self, y)
        if not groups:
            groups, spare = elementwise.wanted(self, y), spare // 2
        if not groups and not fixed:
            return self._suiting(layer, sources, y, found)
        if not groups or min(found[0].p, y.shape[0]) in groups:
            return found
        try:
            wanted = self.search(layer, sources, groups, fixed)
        except HwgenError:
            return found
        return wanted if wanted[1].cycles <= found[1].cycles + spare else found

    def _suiting(self, layer, sources, y, found):
        """Mapping and estimate of a layer that makes ``y``, with such groups that it and the layer
        that alone reads them take the fewest cycles: those that the one or the other likes best."""
        reader = self._reader(y)
        if reader is None:
            return found

        def reading(x, made):
            return self.search(reader, (x,), behind=(self.planned, reader.conv, made[1]))

        def both(made):
            place = Placement.place(y, min(made[0].p, y.shape[0]), 0, self.config.bus_bytes)
            return made[1].cycles + reading(place, made)[1].cycles
        try:
            now, liked = both(found), reading(y, found)
            if now * (1 - _GAIN) < found[1].cycles + liked[1].cycles:
                return found
            return min(found, self.search(layer, sources, (liked[0].q,)), key=both)
        except HwgenError:
            return found

    def _reader(self, y):
        """The convolution that alone reads a tensor, as the machine sees it, or None."""
        readers = self.consumers.get(y.name, [])
        conv = readers[0] if len(readers) == 1 else None
        if not isinstance(conv, Conv) or any(conv.turned) or conv.scale.ndim > 1 or \
                conv.x.shape != y.shape or conv.name in self.mappings:
            return None
        store_op = self._store_op(conv)
        return MachineLayer(conv, Pooling(), conv.y, _depthwise(conv), mode=store_op.mode,
                            function=store_op.function is not None)

    def add(self, layers, layer, found, sources, y, *, store_op=_REQUANTISE, macs=0, fused="",
            note=""):
        """Add a job.

        Parameters
        ----------
        layers : tuple
        layer : MachineLayer
        found : (Mapping, Estimate)
        sources : tuple of Placement or Tensor
            Tensors are placed as the mapping likes them best.
        y : Placement or Tensor
            A tensor is placed as the mapping makes it.
        store_op : StoreOp
        macs : int
        fused, note : str
            ``pooling`` and ``note`` of the estimate.
        """
        mapping, estimate = found
        placed = []
        for source in sources:
            if isinstance(source, Tensor):
                source = self.places.get(source.name) or \
                    self.place(source, min(mapping.q, source.shape[0]))
            placed.append(source)
        if isinstance(y, Tensor):
            g = min(mapping.p, y.shape[0])
            y = moves.concat_place(self, y, g) or self.place(y, g)
        behind = () if store_op.function is None else self._behind(layers, y)
        self.jobs.append(Job(
            tuple(member for one in layers for member in self._members(one)), layer, tuple(placed),
            y, mapping, replace(estimate, pooling=fused, note="; ".join(
                filter(None, (*_note(layer, mapping), *behind, note)))), store_op, macs))

    def _behind(self, layers, y):
        """What the function table of a job is for, in words."""
        _, *behind = self._members(layers[0])
        if behind:
            yield "its STOREs look up " + ", ".join(layer.name for layer in behind)
        if y.name in self.fusion.stored:
            yield "its STOREs look up the scale of " + y.root

    def produce(self, head, pool, conv, sources, store_op=_REQUANTISE):
        """Add the job of a convolution or elementwise layer, and what the pooling behind it takes.

        Parameters
        ----------
        head : Conv or Elementwise
        pool : MaxPool or None
            Fused if that is possible and not slower.
        conv : Conv
            What the array computes.
        sources : list of Placement or Tensor
        store_op : StoreOp
        """
        depthwise, function = _depthwise(conv), store_op.function is not None
        macs = sum(member.macs for member in self._members(head))
        layer = MachineLayer(conv, Pooling(), conv.y, depthwise, mode=store_op.mode,
                             function=function)
        if pool is None:
            found = self.best(layer, sources, conv.y)
            self.add((head,), layer, found, sources, conv.y, store_op=store_op, macs=macs)
            return
        self.fused.add(pool)
        apart = self.search(layer, sources, fixed=self.mappings.get(head.name))
        between = Placement.place(conv.y, min(apart[0].p, conv.y.shape[0]), 0,
                                  self.config.bus_bytes)
        behind = standalone_pooling.search(self, pool, between)
        total = apart[1].cycles + sum(estimate.cycles for _, (_, estimate) in behind)
        window = MachineLayer(conv, standalone_pooling.windows(pool), pool.y, depthwise,
                              mode=store_op.mode, function=function)
        try:
            together = self.best(window, sources, pool.y)
            note = f"{together[1].cycles} cycles"
        except HwgenError:
            together, note = None, "a tile that holds the windows does not fit"
        if together and together[1].cycles <= total:
            self.add((head, pool), window, together, sources, pool.y, store_op=store_op,
                     macs=macs, fused="fused", note=f"{total} cycles if apart")
            return
        self.add((head,), layer, apart, sources, conv.y, store_op=store_op, macs=macs)
        standalone_pooling.plan(self, pool, f"fused {note}, apart {total}")

    def _convolve(self, conv, pool):
        if any(conv.turned):
            self._multiply(conv)
            return
        if conv.scale.ndim > 1:
            edge_averages.plan(self, conv)
            return
        source = self.source(conv.x)
        lowered = _reshaped(conv, source.shape)
        if lowered is None:
            lowered, source = conv, self.read(conv.x, (conv,))
        self.produce(conv, pool, lowered, [source], self._store_op(conv))

    def _multiply(self, conv):
        """A matrix product of several rows: they stand in DRAM without gaps, and a vector can be
        read in groups of any size that divides it, so nothing has to be turned."""
        filters, depth, _, _ = conv.weight.shape
        rows = conv.x.shape[0 if conv.turned[0] else 2]
        if conv.turned[0]:
            source = self.gapless(conv.x, (conv,))
            sizes = moves.divisors(depth, _RUN)
            sources = [source.turned(g) for g in sizes if g == sizes[-1] or g in _RUNS]
        else:
            source = self.read(conv.x, (conv,))
            if isinstance(source, Tensor):
                source = self.place(source, min(depth, self.config.bus_bytes))
            if not source.stacked:
                source = self.gapless(conv.x, (conv,))
            sources = [replace(source.upright(), shape=(depth, rows, 1))]
        y = self.places[conv.y.name] = self.roots[conv.y.name] = \
            Placement.planar(conv.y, conv.y.name)
        lowered = replace(conv, x=replace(conv.x, shape=(depth, rows, 1)), turned=(False, False),
                          y=replace(conv.y, shape=(filters, rows, 1)))
        store_op = self._store_op(conv)
        layer = MachineLayer(lowered, Pooling(), lowered.y, False, mode=store_op.mode,
                             function=store_op.function is not None)
        groups, fixed = moves.divisors(filters, filters), self.mappings.get(conv.name)
        found, source = min(((self.search(layer, (source,), groups, fixed), source)
                             for source in sources), key=lambda pair: pair[0][1].cycles)
        self.add((conv,), layer, found, (source,), y.turned(found[0].p), store_op=store_op,
                 macs=sum(member.macs for member in self._members(conv)))


    def _store_op(self, conv):
        return StoreOp(RAW) if conv.y.dtype == np.int32 else \
            StoreOp(function=self.fusion.tables.get(conv))


def _depthwise(conv):
    """Whether each filter of a convolution reads a channel of its own."""
    return 1 < conv.groups == conv.x.shape[0] == conv.y.shape[0]


def _reshaped(conv, shape):
    """``conv`` reading its input in the ``shape`` in which it stands in DRAM, None if it cannot.

    A fully connected layer over a flattened tensor is a convolution with one window, the whole
    tensor.
    """
    x = conv.x
    if shape == x.shape:
        return conv
    if (shape[1] * shape[2] == 1 or x.shape != (int(np.prod(shape)), 1, 1) or conv.groups != 1
            or any(conv.pads) or conv.weight.shape[2:] != (1, 1)):
        return None
    filters = conv.weight.shape[0]
    return replace(conv, x=replace(x, shape=shape), weight=conv.weight.reshape(filters, *shape),
                   stride=(1, 1), dilation=(1, 1))


def _check(layer):
    """Refuse what no mapping can help."""
    conv, pool = layer.conv, layer.pooling
    _, left, _, right = conv.pads
    if max(left, right) > 63:
        raise HwgenError(f"layer {conv.name!r} has pads of {max(left, right)} columns; at most 63 "
                         f"are supported: pad the tensor before.")
    if max(pool.r, pool.s, pool.u, pool.v) > 31:
        raise HwgenError(f"layer {conv.name!r} pools windows of {pool.r}x{pool.s} with strides "
                         f"{pool.u}x{pool.v}; at most 31 are supported: pool in two steps.")


def _note(layer, mapping):
    """What is out of the ordinary in a convolution's mapping."""
    _, _, rows, cols = layer.conv.weight.shape
    notes = []
    if (mapping.fold_r, mapping.fold_s) != (rows, cols):
        notes.append(f"kernel folded to {mapping.fold_r}x{mapping.fold_s}, which fits the spads")
    if len(layer.parts) > 1:
        notes.append(f"weights beyond int8 taken as a sum of {len(layer.parts)}")
    return notes
