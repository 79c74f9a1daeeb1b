"""Functions with constants of one value a channel: BatchNormalization, PRelu, Add and Mul."""

import math

import numpy as np

from ...network.graph import Conv, Move, Piece, Tensor
from .. import proof
from .conv import OnHost, planes

__all__ = ["by_channel", "channel_layer"]

_PIECES = 256           # functions of a layer, at most
_WEIGHTS = (1, *range(127, 15, -1))
_LANES = 64             # no kernel treats values in larger groups


def by_channel(fragment, code):
    """Whether constants of a fragment of pointwise operators hold a value for each channel of what
    it reads, and no others more than one value."""
    found = list(_constants(fragment, code.shape))
    return bool(found) and all(found)


def _constants(fragment, whole):
    """For each constant of more than one value, whether these lie along axis 1 of ``whole``."""
    for node in fragment.nodes:
        for name in node.inputs:
            value = fragment.graph.constants.get(name)
            if value is not None and value.size > 1:
                shape = (value.size, *(1,) * (len(whole) - 2)) \
                    if node.op == "BatchNormalization" else value.shape
                aligned = (*(1,) * (len(whole) - len(shape)), *shape)
                yield len(whole) > 1 and aligned == (1, whole[1], *(1,) * (len(whole) - 2))


def channel_layer(fragment, code, y_quant, tables):
    """The layer of a fragment with constants of one value a channel.

    A function that is one multiplication and one addition is a depthwise convolution of one tap;
    any other one a table for each channel, or for neighbours of the same.

    Raises
    ------
    OnHost
        It needs tables, and there are none (``tables``), or too many; or results depend on a
        value's place.
    """
    shape, dtype = fragment.graph.values[fragment.y]
    if code.shape != shape:
        raise OnHost(f"{fragment.name} makes {shape} of {code.shape}")
    wanted = _functions(fragment, code, shape)
    zero, scale = (int(y_quant.zero.item()), float(y_quant.scale.item())) if y_quant else (0, 1.0)
    y = Tensor(fragment.y, planes(fragment.name, shape), dtype, zero, scale, shape)
    x_quant = fragment.reading(fragment.leaves[0]) if y_quant else None
    x, name = code.spatial(fragment.name, x_quant), fragment.inner[0].name
    wanted = np.tile(wanted, (shape[0], 1))
    layer = _affine(name, x, y, wanted)
    if layer:
        return layer
    if not tables:
        raise OnHost(f"{fragment.name} has functions that need tables, and the accelerator is "
                     f"built without")
    return _pieces(fragment, name, x, y, wanted)


def _functions(fragment, code, shape):
    """Output codes for all bytes, shape ``(C, 256)``, each tried at several places."""
    rank, channels = len(shape), shape[1]
    tail = math.prod(shape[2:]) % _LANES
    row = np.arange(256 + tail) & 255
    rng, found = np.random.default_rng(1), None
    across = 0 if rank == 2 else rank - 1
    whole = [1] * rank
    whole[1], whole[across] = channels, row.size
    run = fragment.runner([tuple(whole)])
    for order in (row, rng.permutation(row)):
        given = np.broadcast_to(order.astype(np.uint8).reshape(
            [row.size if n == across else 1 for n in range(rank)]), whole).copy()
        y = np.moveaxis(run(given.view(code.dtype)), (1, across), (0, 1))
        y = y.reshape(channels, row.size)
        if found is None:
            found = np.empty((channels, 256), y.dtype)
            found[:, order] = y
        if not np.array_equal(found[:, order], y):
            raise OnHost(f"{fragment.name} gives results in ONNX Runtime that depend on where "
                         f"a value stands")
    return found


def _affine(name, x, y, wanted):
    """The functions as a convolution of one tap, or None."""
    codes = np.arange(256, dtype=np.uint8).view(x.dtype).astype(np.int64) - x.zero_point
    order = np.argsort(codes)
    lo, hi = int(wanted.min()), int(wanted.max())
    weights, biases, scales, known = [], [], [], {}
    for row in wanted:
        key = row.tobytes()
        if key not in known:
            known[key] = _line(codes[order], row[order].astype(np.int64), y.zero_point, lo, hi)
        if known[key] is None:
            return None
        for values, value in zip((weights, biases, scales), known[key], strict=True):
            values.append(value)
    return Conv(name, x, y, np.array(weights, np.int16).reshape(-1, 1, 1, 1),
                np.array(biases, np.int32), np.array(scales, np.float32), groups=len(weights),
                lo=lo, hi=hi)


def _line(codes, wanted, zero, lo, hi):
    """``(weight, bias, scale)`` with ``wanted = clip(rint((code * weight + bias) * scale) + zero)``
    for all codes, which ascend; or None.

    An output code bounds the sum from both sides, as in :func:`~hwgen.importer.proof.sum_form`.
    """
    inside = (wanted > lo) & (wanted < hi)
    if np.all(wanted == wanted[0]):
        return 0, int(wanted[0]) - zero, np.float32(1)
    slopes = _slopes(codes, wanted, inside)
    for weight in _WEIGHTS:
        for slope in slopes:
            scale = np.float32(abs(slope) / weight)
            if scale < np.finfo(np.float32).tiny:
                continue
            factor = weight if slope > 0 else -weight
            value = wanted - zero
            lower = np.where(wanted == lo, -np.inf, (value - 0.5) / float(scale)) - codes * factor
            upper = np.where(wanted == hi, np.inf, (value + 0.5) / float(scale)) - codes * factor
            least, most = np.ceil(lower.max()), np.floor(upper.min())
            if not np.isfinite(least + most) or abs(least) > 1 << 23 or least > most:
                continue
            bias = int((least + most) // 2)
            made = proof.requantised(codes * factor + bias, scale, zero, lo, hi)
            if np.array_equal(made, wanted):
                return factor, bias, scale
    return None


def _slopes(codes, wanted, inside):
    """Slopes of lines through the codes' steps: the middle of what is possible, and around it."""
    at = np.flatnonzero(inside)
    if at.size < 2:
        at = np.arange(codes.size)
    x, y = codes[at].astype(np.float64), wanted[at].astype(np.float64)
    # The slope is bounded by every pair of codes; far ones bound it best.
    least, most = -np.inf, np.inf
    for k in range(0, x.size, max(1, x.size // 64)):
        run = x - x[k]
        with np.errstate(divide="ignore", invalid="ignore"):
            small, large = (y - y[k] - 1) / run, (y - y[k] + 1) / run
        ahead = run > 0
        if ahead.any():
            least, most = max(least, small[ahead].max()), min(most, large[ahead].min())
    if not least < most:
        return []
    return [s for s in least + (most - least) * np.array([.5, .4, .6, .3, .7, .2, .8]) if s]


def _pieces(fragment, name, x, y, wanted):
    stored = wanted.view(np.uint8)
    starts = [0, *(1 + np.flatnonzero(np.any(stored[1:] != stored[:-1], axis=1))), len(stored)]
    if len(starts) - 1 > _PIECES:
        raise OnHost(f"{fragment.name} has {len(starts) - 1} different functions for its channels; "
                     f"the accelerator takes {_PIECES}")
    pieces = [Piece(0, (int(a), 0, 0), (1, 1, 1), (int(b - a), *y.shape[1:]), (int(a), 0, 0),
                    (1, 1, 1), stored[a].copy())
              for a, b in zip(starts, starts[1:], strict=False)]
    return Move(name, (x,), y, tuple(pieces))
