"""Convolutions whose scale depends on the place: averages, whose windows hold fewer values at the
edges. They are cut where the scale changes, a job for each rectangle."""

from dataclasses import replace

import numpy as np

from ...cost.geometry import MachineLayer, Pooling
from ...network.graph import Tensor

__all__ = ["plan"]


def plan(planner, conv):
    """Plan a :class:`~hwgen.network.graph.Conv` with a scale for each output row and column."""
    source, y, place = planner.read(conv.x, (conv,)), conv.y, None
    if isinstance(source, Tensor):
        source = planner.place(source, min(source.shape[0], planner.config.bus_bytes))
    grid, = conv.scale
    rectangles = [(rows, cols) for rows in _alike(grid) for cols in _alike(grid.T)]
    # The largest one decides the groups of channels.
    for rows, cols in sorted(rectangles, key=lambda pair: pair[0][0] * pair[0][1] - np.prod(
            [stop - start for start, stop in pair])):
        (top, bottom, row, height), (left, right, column, width) = (
            _reach(span, *sizes) for span, sizes in zip(
                (rows, cols), zip(conv.weight.shape[2:], conv.stride, conv.pads[:2],
                                  conv.x.shape[1:], strict=True), strict=True))
        shape = y.shape[0], rows[1] - rows[0], cols[1] - cols[0]
        part = source.part((0, row, column), (source.shape[0], height, width))
        work = replace(conv, x=replace(conv.x, shape=part.shape), y=replace(y, shape=shape),
                       pads=(top, left, bottom, right),
                       scale=np.full(shape[0], grid[rows[0], cols[0]], np.float32))
        layer = MachineLayer(work, Pooling(), work.y, conv.groups > 1)
        found = planner.search(layer, (part,), (place.dram_channels,) if place else ())
        if place is None:
            place = planner.place(y, min(found[0].p, y.shape[0]))
        planner.add((conv,), layer, found, (part,),
                    place.part((0, rows[0], cols[0]), shape), macs=work.macs,
                    note=f"rows {rows[0]} to {rows[1] - 1}, columns {cols[0]} to {cols[1] - 1}, "
                         f"of one scale")


def _alike(grid):
    """``(start, stop)`` of neighbouring rows that are equal."""
    changes = np.flatnonzero((grid[1:] != grid[:-1]).any(axis=1)) + 1
    edges = [0, *map(int, changes), len(grid)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _reach(span, taps, stride, pad, size):
    """What the windows of outputs ``span`` read: padding before and after, first position, and
    positions."""
    first = span[0] * stride - pad
    stop = (span[1] - 1) * stride - pad + taps
    start = max(first, 0)
    return start - first, max(stop - size, 0), start, min(stop, size) - start
