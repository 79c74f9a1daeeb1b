"""What no mapping can undercut: bounds that order the search, cut it, and end it."""

from typing import Any, NamedTuple

import numpy as np

from .geometry import ceildiv, filter_blocks, fold_shapes
from .tiles import array_passes, cut_tiles

__all__ = ["TileCut", "array_slots", "byte_weight", "least_cut", "least_input", "lower_bound",
           "tile_cut"]

_BYTE = 21                  # cycles of a PE that a byte of DRAM is worth, at most


def byte_weight(config):
    """Cycles that a byte moved to or from DRAM counts for."""
    return min(1 / config.bus_bytes, _BYTE / (config.rows * config.cols))


class TileCut(NamedTuple):
    """How a layer is cut, as far as it is known.

    Attributes
    ----------
    tiles : int
        Of a set of channels.
    strip_cols : int
        Output columns of all strips of a set's tiles.
    """
    tiles: Any
    strip_cols: Any


def tile_cut(layer, m):
    """The :class:`TileCut` of mappings of which ``e``, ``tile_rows`` and ``tile_cols`` are known.
    """
    (rows, cols), e = cut_tiles(layer, m), m["e"]

    def all_of(tiling, size):
        between = np.maximum(tiling.count - 2, 0)
        return np.where(tiling.count > 1, size(tiling.first), 0) + between * size(tiling.whole) \
            + size(tiling.last)
    return TileCut(rows.count * cols.count, all_of(rows, lambda length: ceildiv(length, e))
                   * all_of(cols, lambda length: length))


def least_cut(layer, e):
    """The :class:`TileCut` that none undercuts: one tile."""
    need_rows, need_cols = layer.needed()
    return TileCut(1, ceildiv(need_rows, e) * need_cols)


def array_slots(config, layer, folds, q, p, t, e, cut=None):
    """Cycles in which the array of the mappings holds work: its MAC slots, those of idle PEs and of
    filters and channels beyond the last included. However the layer is tiled, or with a
    :class:`TileCut`."""
    _, blocks = filter_blocks(layer, q, p, t)
    cut = cut or least_cut(layer, e)
    slots = 0
    for fold, alike in fold_shapes(folds):
        passes, _, taps = array_passes(config, layer, fold, q)
        slots += alike * blocks * passes * p * np.where(taps > 1, taps, 2) * cut.strip_cols
    return slots * len(layer.parts) * layer.sets


def least_input(layer):
    """Input values that no tiling can leave out."""
    conv, (need_rows, need_cols) = layer.conv, layer.needed()
    (channels, height, width), (_, _, rows, cols) = conv.x.shape, conv.weight.shape

    def read(need, taps, stride, dilation, pad, size):
        span = (need - 1) * stride + (taps - 1) * dilation + 1 - pad
        return max(min(size, span), 0)
    cols = read(need_cols, cols, conv.stride[1], conv.dilation[1], conv.pads[1], width)
    reads = read(need_rows, rows, conv.stride[0], conv.dilation[0], conv.pads[0], height)
    if conv.stride[0] > rows or conv.dilation[0] > 1:
        reads = reads // conv.stride[0]         # some rows are skipped; never mind which
    return channels * reads * cols


def lower_bound(config, layer, folds, q, p, t, e, cut=None):
    """Cycles and DRAM traffic, weighed and added up, that no mapping undercuts on a parallel
    machine, however it is tiled, or with a :class:`TileCut`: of array, filter network and output
    stage the busiest."""
    groups, _ = filter_blocks(layer, q, p, t)
    cut = cut or least_cut(layer, e)
    filters = 0
    for fold, alike in fold_shapes(folds):
        _, pairs, taps = array_passes(config, layer, fold, q)
        filters += alike * groups * pairs * ceildiv(p * taps, config.bus_bytes)
    _, out_rows, out_cols = layer.y.shape
    rows, cols = layer.mean_window
    drain = groups * out_rows * out_cols * layer.mode.psum_reads(config, p) * (rows * cols)
    filters = waited = filters * cut.tiles * len(layer.parts) * layer.sets
    if layer.idle is not None:      # a pass's filters may be there before
        waited = filters - t * (config.rows * ceildiv(p * layer.conv.weight.shape[3] * q,
                                                      config.bus_bytes) + 1)
    cycles = np.maximum(np.maximum(array_slots(config, layer, folds, q, p, t, e, cut), waited),
                        drain * layer.sets)
    moved = filters * config.bus_bytes + least_input(layer) + int(np.prod(layer.y.shape))
    return cycles + byte_weight(config) * moved
