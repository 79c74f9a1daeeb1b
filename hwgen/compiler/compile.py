"""From a network to a program: choose mappings, place tensors, lower, lay out memory."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import HwgenError
from ..isa import COMMAND_BYTES, READ_AHEAD
from ..model.graph import Conv, Host, MaxPool
from .cost import Timing
from .geometry import Layer, Pooling
from .layout import Placement, align
from .lower import lower
from .mapping import Estimate, Mapping
from .program import Program, Segment
from .search import search

__all__ = ["compile_network"]

_MEMORY = 1 << 32           # addresses are 32-bit offsets


@dataclass(frozen=True, eq=False)
class _Plan:
    """A segment to be: a layer with its mapping, and the network's layers that it stands for."""
    layer: Layer
    layers: tuple
    mapping: Mapping
    estimate: Estimate

    @property
    def x(self):
        return self.layers[0].x.name

    @property
    def y(self):
        return self.layer.y


def compile_network(network, config, mappings=None, timing=Timing()):
    """Compile ``network`` for the accelerator ``config``.

    Host layers are left to the host: their outputs, and the network's own quantised inputs, are
    tensors that the caller writes.

    Parameters
    ----------
    network : hwgen.model.graph.Network
    config : Config
    mappings : dict of str to dict of str to int, optional
        Fields of the mapping that are given, by layer name; see :mod:`.override`.
    timing : Timing
        What the mappings and the predicted cycles assume of DRAM.

    Returns
    -------
    Program

    Raises
    ------
    HwgenError
        If a layer does not fit the machine, or its tensors the 4 GiB that a program can address.
    """
    plans, groups = _Planner(network, config, mappings or {}, timing).run()
    tensors = {}
    for plan in plans:
        x, y = plan.layers[0].x, plan.y
        for tensor in (replace(x, shape=groups[x.name][1]), y):
            tensors.setdefault(tensor.name, Placement.place(tensor, groups[tensor.name][0], 0,
                                                            config.bus_bytes))
    _check_memory(network, sum(placement.size for placement in tensors.values()))
    codes = [lower(config, plan.layer, plan.mapping,
                   _view(tensors[plan.x], plan.layer.conv.x.shape), tensors[plan.y.name])
             for plan in plans]

    # Memory: code, then filters and parameters, then tensors.
    cursor, code_at, data_at = 0, [], []
    for code in codes:
        code_at.append(cursor)
        cursor += code.size
    readable = cursor + READ_AHEAD * COMMAND_BYTES
    for code in codes:
        cursor = align(cursor, 64)
        data_at.append(cursor)
        cursor += len(code.data)
    image_bytes = align(cursor, 64)
    cursor = image_bytes
    for name, placement in tensors.items():
        tensors[name] = replace(placement, offset=cursor)
        cursor = align(cursor + placement.size, 64)
    cursor = max(cursor, readable)
    _check_memory(network, cursor)

    image = bytearray(image_bytes)
    segments = []
    for plan, code, at, data in zip(plans, codes, code_at, data_at, strict=True):
        program = code.assemble(config, tensors[plan.x].offset, tensors[plan.y.name].offset, data)
        image[at:at + len(program)] = program
        image[data:data + len(code.data)] = code.data
        segments.append(Segment(
            plan.layers[0].name, plan.layers, plan.x, plan.y.name, at, len(program),
            sum(layer.macs for layer in plan.layers), plan.layer, plan.mapping, plan.estimate))
    return Program(config, bytes(image), cursor, tuple(segments), tensors)


def _check_memory(network, size):
    if size > _MEMORY:
        raise HwgenError(f"network {network.name!r} needs {size} bytes of DRAM or more; a program "
                         f"can address {_MEMORY}: use a smaller input or fewer layers.")


def _view(placement, shape):
    """A placement as a layer reads it. Only a vector can take another shape: it has no gaps."""
    if placement.shape == shape:
        return placement
    _, height, width = shape
    return replace(placement, shape=shape, g=1, row_stride=width, group_stride=height * width)


class _Planner:
    """Chooses pooling, mappings and the channel groups of every tensor."""

    def __init__(self, network, config, mappings, timing):
        self.network, self.config = network, config
        self.mappings, self.timing = mappings, timing
        self.layers = [layer for layer in network.layers if not isinstance(layer, Host)]
        self.consumers = self._consumers()
        self.groups = {}        # tensor name to (g, shape) in DRAM

    def _resolve(self, name):
        while name in self.network.aliases:
            name = self.network.aliases[name]
        return name

    def _consumers(self):
        """Tensor name to the layers that read it; the network's outputs are read by None."""
        consumers = {}
        for layer in self.network.layers:
            names = layer.inputs if isinstance(layer, Host) else (layer.x.name,)
            for name in names:
                consumers.setdefault(self._resolve(name), []).append(layer)
        for name in self.network.outputs:
            consumers.setdefault(self._resolve(name), []).append(None)
        return consumers

    def run(self):
        """The plans in order, and ``{tensor name: (g, stored shape)}``."""
        plans, fused = [], set()
        for layer in self.layers:
            if layer in fused:
                continue
            if isinstance(layer, MaxPool):
                plans.append(self._standalone(layer, "its input is not a convolution's alone"))
            else:
                pool = self._only_pool(layer)
                found = self._pooled(layer, pool) if pool else [self._convolve(layer)]
                plans += found
                if pool:
                    fused.add(pool)
            for plan in plans[-2:]:
                self._settle(plan)
        return plans, self.groups

    def _settle(self, plan):
        """Note the channel groups of the tensors that a plan reads and writes."""
        x, y = plan.layers[0].x, plan.y
        self.groups.setdefault(x.name, (min(plan.mapping.q, plan.layer.conv.x.shape[0]),
                                        plan.layer.conv.x.shape))
        self.groups.setdefault(y.name, (min(plan.mapping.p, y.shape[0]), y.shape))

    def _only_pool(self, conv):
        """The pooling that alone reads a convolution's output, or None."""
        readers = self.consumers.get(conv.y.name, [])
        pool = readers[0] if len(readers) == 1 else None
        if isinstance(pool, MaxPool) and pool.x.shape == conv.y.shape:
            return pool
        return None

    def _pooled(self, conv, pool):
        """A convolution and its pooling, fused if that is possible and not slower."""
        apart = self._convolve(conv)
        pooling = self._standalone(pool, "", (min(apart.mapping.p, conv.y.shape[0]), conv.y.shape))
        total = apart.estimate.cycles + pooling.estimate.cycles
        try:
            together = self._convolve(conv, pool)
            note = f"{together.estimate.cycles} cycles"
        except HwgenError:
            together, note = None, "a tile that holds the windows does not fit"
        if together and together.estimate.cycles <= total:
            notes = (together.estimate.note, f"{total} cycles if apart")
            estimate = replace(together.estimate, note="; ".join(filter(None, notes)))
            return [replace(together, estimate=estimate)]
        estimate = replace(pooling.estimate, note=f"fused {note}, apart {total}")
        return [apart, replace(pooling, estimate=estimate)]

    def _convolve(self, conv, pool=None):
        """The plan of a convolution, and of ``pool`` fused into it."""
        g, shape = self._source(conv.x)
        lowered = _reshaped(conv, shape)
        depthwise = 1 < conv.groups == conv.x.shape[0] == conv.y.shape[0]
        layer = Layer(lowered, _pooling(pool), pool.y if pool else conv.y, depthwise)
        mapping, estimate = self._search(layer, g)
        estimate = replace(estimate, pooling="fused" if pool else "", note=_note(layer, mapping))
        return _Plan(layer, (conv, pool) if pool else (conv,), mapping, estimate)

    def _standalone(self, pool, why, source=None):
        """The plan of a pooling on its own: a depthwise convolution that changes nothing, with
        the pooling behind it. ``source``: group and shape of its input, if not settled yet."""
        g, shape = source or self._source(pool.x)
        channels = pool.x.shape[0]
        if shape != pool.x.shape:
            raise _reshape_error(pool, shape)
        limits = np.iinfo(pool.x.dtype)
        same = Conv(pool.name, pool.x, pool.x, np.ones((channels, 1, 1, 1), np.int16),
                    np.zeros(channels, np.int32), np.ones(channels, np.float32), groups=channels,
                    lo=int(limits.min), hi=int(limits.max))
        layer = Layer(same, _pooling(pool), pool.y, channels > 1)
        mapping, estimate = self._search(layer, g)
        return _Plan(layer, (pool,), mapping, replace(estimate, pooling="standalone", note=why))

    def _source(self, x):
        """Channels of a group of ``x`` in DRAM (None if still free) and its shape there."""
        if x.name in self.groups:
            return self.groups[x.name]
        shapes = [layer.x.shape for layer in self.layers if layer.x.name == x.name]
        return None, max(shapes, key=lambda shape: shape[1] * shape[2])

    def _search(self, layer, g):
        """The mapping of a layer and its estimate."""
        x = layer.conv.x
        if self.groups.get(x.name, (g, x.shape))[1] != x.shape:
            g = 1           # a vector that is given a shape
        _check(layer)
        return search(self.config, layer, g, self.timing, self.mappings.get(layer.conv.name))


def _pooling(pool):
    if pool is None:
        return Pooling()
    return Pooling(*pool.kernel, *pool.stride, *pool.pads[:2])


def _reshaped(conv, shape):
    """``conv`` reading its input in the shape in which it stands in DRAM.

    A fully connected layer over a flattened tensor is a convolution with one window, the whole
    tensor. A vector in DRAM can be read in any shape.
    """
    x = conv.x
    if shape == x.shape or shape[1] * shape[2] == 1:
        return conv
    if (x.shape != (int(np.prod(shape)), 1, 1) or conv.groups != 1 or any(conv.pads)
            or conv.weight.shape[2:] != (1, 1)):
        raise _reshape_error(conv, shape)
    filters = conv.weight.shape[0]
    return replace(conv, x=replace(x, shape=shape), weight=conv.weight.reshape(filters, *shape),
                   stride=(1, 1), dilation=(1, 1))


def _reshape_error(layer, shape):
    return HwgenError(
        f"layer {layer.name!r} reads {layer.x.name!r}, which has shape {shape}, as "
        f"{layer.x.shape}: only flattening for a fully connected layer, or giving a vector a "
        f"shape, is supported; remove the reshape.")


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
    return "; ".join(notes)
