"""Elementwise layers: the array puts two values into one psum, the STORE looks them up."""

from dataclasses import replace

from ...cost.geometry import MachineLayer, Pooling
from ...errors import HwgenError
from ...isa.store_modes import PRODUCT, SUM
from ...network.graph import Elementwise, Tensor
from ..lower.encode import StoreOp
from . import functions, identity_convs

__all__ = ["plan", "wanted"]


def wanted(planner, y):
    """Channels that a group of ``y`` should have if a layer joins it with another tensor: bus
    words by a power of two, so that of two such groups one is a multiple of the other. Values in
    groups that do not agree are moved byte by byte. Empty: any number."""
    word, (channels, height, width) = planner.config.bus_bytes, y.shape
    joined = any(isinstance(layer, Elementwise) and len(layer.inputs) == 2
                 for layer in planner.consumers.get(y.name, ()))
    if not joined or height * width == 1:
        return ()
    return tuple(word << n for n in range(8) if word << n <= channels)


def plan(planner, layer, pool):
    """Plan an :class:`Elementwise` layer, and the pooling ``pool`` behind it, if any.

    A tensor in DRAM that it reads in another shape is read, and its output written, in the shape
    in which it stands there.
    """
    config, one = planner.config, len(layer.inputs) == 1
    if not (config.tables or one and config.functions):
        raise HwgenError(
            f"layer {layer.name!r} is elementwise, and the accelerator {config.name!r} is built "
            f"without its tables: set tables to true, or leave such layers to the host.")
    inputs, y = layer.inputs, layer.y
    shapes = {planner.shape(x) for x in inputs}
    if shapes != {y.shape} and len(shapes) == 1 and all(x.shape == y.shape for x in inputs):
        shape, pool = shapes.pop(), None
        inputs, y = [replace(x, shape=shape) for x in inputs], replace(y, shape=shape)
    sources = [planner.read(inputs[0], (layer,))]
    if len(inputs) == 2:
        second = planner.read(inputs[1], (layer,))
        if second.shape != y.shape:
            second = _spread(planner, layer, second)
        sources.append(second)
    make = identity_convs.merge if len(inputs) == 2 else identity_convs.identity
    conv, table = make(layer.name, y.shape), planner.fusion.tables.get(layer)
    if one and table is not None:
        conv, table = functions.behind(conv, y, table)
        op = StoreOp(function=table)
    else:
        conv = replace(conv, y=y, lo=layer.lo, hi=layer.hi)
        op = StoreOp(PRODUCT if layer.product else SUM, float(layer.scale), tuple(layer.tables),
                     table)
    planner.produce(layer, pool, conv, sources, op)


def _spread(planner, layer, source):
    """One value a channel as a tensor of the layer's shape: each is stored as often as a row has
    columns, and that row is read for every row."""
    channels, height, width = layer.y.shape
    if isinstance(source, Tensor):
        source = planner.place(source, min(channels, planner.config.bus_bytes))
    if width > 1:
        one = identity_convs.identity(layer.name, source.shape)
        row = identity_convs.tensor(layer.name, (channels, 1, width))
        spread = MachineLayer(one, Pooling(u=0, v=0), row, channels > 1)
        found = planner.search(spread, (source,))
        row = planner.scratch(layer.name, row, min(found[0].p, channels))
        planner.add((layer,), spread, found, (source,), row,
                    note=f"spreads {source.name} over a row")
        source = row
    return replace(source, shape=layer.y.shape, row_stride=0)
