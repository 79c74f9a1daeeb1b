"""What no tiling can undercut: bounds that order the search, and end it."""

import numpy as np

from .geometry import ceildiv, filter_blocks, fold_shapes
from .tiles import array_passes

__all__ = ["array_slots", "byte_weight", "least_input", "lower_bound"]

_BYTE = 21                  # cycles of a PE that a byte of DRAM is worth, at most


def byte_weight(config):
    """Cycles that a byte moved to or from DRAM counts for."""
    return min(1 / config.bus_bytes, _BYTE / (config.rows * config.cols))


def array_slots(config, layer, folds, q, p, t, e):
    """Cycles in which the array of the mappings holds work, however they are tiled: its MAC slots,
    those of idle PEs and of filters and channels beyond the last included."""
    need_rows, need_cols = layer.needed()
    _, blocks = filter_blocks(layer, q, p, t)
    slots = 0
    for fold, alike in fold_shapes(folds):
        passes, _, taps = array_passes(config, layer, fold, q)
        slots += alike * blocks * passes * p * np.where(taps > 1, taps, 2) \
            * ceildiv(need_rows, e) * need_cols
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


def lower_bound(config, layer, folds, q, p, t, e):
    """Cycles and DRAM traffic, weighed and added up, that no tiling of the mappings undercuts on a
    parallel machine: of array, filter network and output stage the busiest."""
    groups, _ = filter_blocks(layer, q, p, t)
    filters = 0
    for fold, alike in fold_shapes(folds):
        _, pairs, taps = array_passes(config, layer, fold, q)
        filters += alike * groups * pairs * ceildiv(p * taps, config.bus_bytes)
    _, out_rows, out_cols = layer.y.shape
    drain = groups * out_rows * out_cols * layer.mode.psum_reads(config, p) \
        * layer.pooling.r * layer.pooling.s
    filters *= len(layer.parts) * layer.sets
    waited = filters
    if layer.idle is not None:      # a pass's filters may be there before
        waited = filters - t * (config.rows * ceildiv(p * layer.conv.weight.shape[3] * q,
                                                      config.bus_bytes) + 1)
    cycles = np.maximum(np.maximum(array_slots(config, layer, folds, q, p, t, e), waited),
                        drain * layer.sets)
    moved = filters * config.bus_bytes + least_input(layer) + int(np.prod(layer.y.shape))
    return cycles + byte_weight(config) * moved
