"""Integer forms of functions of two codes, and of averages, that give ONNX Runtime's results.

ONNX Runtime computes some operators on 8-bit values in float. Two operands have only 65 536 pairs
of codes, an average only so many sums: a form is found from what the float computation gives, and
counts only if it gives the same for all of them.
"""

import numpy as np

__all__ = ["sum_form", "product_form", "average_scale", "requantised", "neighbours"]

_UNBOUNDED = 1 << 40
_TABLE_BITS = 24        # float32 holds every sum below 2**24
_ROUNDS = 600           # Bellman and Ford's bound for 512 table entries, and some


def requantised(acc, scale, zero, lo, hi):
    """``clip(rint(float32(acc) * scale) + zero, lo, hi)``, as int64."""
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.rint(np.asarray(acc).astype(np.float32) * np.float32(scale))
    return np.clip(scaled.astype(np.float64) + zero, lo, hi).astype(np.int64)


def neighbours(scale, ulps=4):
    """The float32 numbers around a positive one, the nearest first, positive and finite."""
    bits = int(np.float32(scale).view(np.int32))
    steps = sorted(range(-ulps, ulps + 1), key=abs)
    around = np.array([bits + step for step in steps], np.int32).view(np.float32)
    return [s for s in around if np.isfinite(s) and s >= np.finfo(np.float32).tiny]


def sum_form(wanted, zero, lo, hi, guesses):
    """Tables and a scale with ``wanted[a, b]`` from ``tables[0][a] + tables[1][b]``.

    Parameters
    ----------
    wanted : numpy.ndarray
        Output codes, shape ``(256, 256)``, indexed by the bytes as stored.
    zero, lo, hi : int
        The output's zero point and range; what lies at ``lo`` or ``hi`` may have saturated.
    guesses : tuple of numpy.ndarray
        Real values near those of the two tables, in output steps, 256 each.

    Returns
    -------
    tuple or None
        ``((ta, tb), scale)``; None if no tables with a scale of this size exist.

    Notes
    -----
    An output code bounds the sum from both sides, by half a step; a tie belongs to the even
    neighbour. These are difference constraints, which have a solution exactly if the relaxation of
    Bellman and Ford comes to rest; from the rounded guesses it does in a few rounds. A power of
    two as the scale makes the requantisation exact.
    """
    largest = sum(float(np.abs(guess).max()) for guess in guesses) + 2
    bits = min(20, int(np.floor(np.log2(2.0 ** _TABLE_BITS / largest))))
    if bits < 1:
        return None
    value, half = wanted.astype(np.int64) - zero, 1 << (bits - 1)
    odd = value & 1
    lower = np.where(wanted == lo, -_UNBOUNDED, (value << bits) - half + odd)
    upper = np.where(wanted == hi, _UNBOUNDED, (value << bits) + half - odd)
    ta, tb = (np.rint(guess * 2.0 ** bits).astype(np.int64) for guess in guesses)
    tb = -tb    # ta[a] - tb[b] <= upper,  tb[b] - ta[a] <= -lower
    for _ in range(_ROUNDS):
        next_a = np.minimum(ta, (upper + tb).min(axis=1))
        next_b = np.minimum(tb, (next_a[:, None] - lower).min(axis=0))
        if np.array_equal(next_a, ta) and np.array_equal(next_b, tb):
            break
        ta, tb = next_a, next_b
    else:
        return None
    ta, tb, scale = ta.astype(np.int32), (-tb).astype(np.int32), np.float32(2.0 ** -bits)
    acc = ta[:, None].astype(np.int64) + tb
    if np.abs(acc).max() >= 1 << _TABLE_BITS or \
            not np.array_equal(requantised(acc, scale, zero, lo, hi), wanted):
        return None
    return (ta, tb), scale


def product_form(wanted, zero, lo, hi, tables, guess):
    """The scale with ``wanted[a, b]`` from ``tables[0][a] * tables[1][b]``, or None.

    ``guess`` is a float32 number near the scale; the parameters are :func:`sum_form`'s otherwise.
    """
    acc = np.multiply.outer(*(table.astype(np.int64) for table in tables))
    for scale in neighbours(guess, 64):
        if np.array_equal(requantised(acc, scale, zero, lo, hi), wanted):
            return scale
    return None


def average_scale(sx, zx, sy, zy, count, x_dtype, y_dtype):
    """The scale of a convolution with weights of 1 that averages ``count`` values, or None.

    ONNX Runtime's float average dequantises each value, adds them up in some order, divides by
    ``count``, divides by ``sy``, adds ``zy`` and rounds. Each of these operations rounds by at most
    one part in 2**24 of its result, so the result is the same as that of the exact average wherever
    this stays further away from a boundary between two codes than all errors together reach.

    Parameters
    ----------
    sx, sy : numpy.float32
    zx, zy : int
    count : int
        Values of a window, 1 or more.
    x_dtype, y_dtype : numpy.dtype
        Of input and output codes.
    """
    info, out = np.iinfo(x_dtype), np.iinfo(y_dtype)
    acc = np.arange(count * (info.min - zx), count * (info.max - zx) + 1)
    # The largest sum of magnitudes of `count` values within -low to high whose sum is acc.
    low, high = zx - info.min, info.max - zx
    magnitude = acc + 2 * (count * high - acc) * low / (high + low)
    ratio = float(sx) / (count * float(sy))
    exact, unit = acc * ratio, 2.0 ** -24
    error = (count + 5) * unit * magnitude * ratio * (1 + 2.0 ** -12)
    error += 2 * unit * (np.abs(exact) + abs(zy) + 1)
    # Codes that saturate need no boundary beyond the outermost.
    boundary = np.clip(np.floor(exact) + 0.5, out.min - zy + 0.5, out.max - zy - 0.5)
    moderate = all(2.0 ** -60 < scale < 2.0 ** 60 for scale in (sx, sy)) and count <= 2048
    if np.any(np.abs(exact - boundary) <= error) or not moderate:
        return None
    wanted = np.clip(np.rint(exact) + zy, out.min, out.max)
    for scale in neighbours(ratio):
        if np.array_equal(requantised(acc, scale, zy, out.min, out.max), wanted):
            return scale
    return None
