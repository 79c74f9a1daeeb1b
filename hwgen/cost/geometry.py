"""Shapes of a layer as the machine sees it: folds of the kernel, axes, tiles, pooling windows."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from ..isa.store_modes import REQUANTISE, StoreMode
from ..network.graph import Conv, Tensor

__all__ = ["Axis", "Fold", "Pooling", "MachineLayer", "Cut", "cuts", "ceildiv", "fold_shapes",
           "filter_blocks"]


def ceildiv(a, b):
    """``a / b`` rounded up; works on arrays."""
    return -(-a // b)



@dataclass(frozen=True)
class Axis:
    """One direction (rows or columns) of a convolution with taps ``first`` to ``first + taps - 1``.

    Only every ``keep_every``-th input position is ever read: the greatest common divisor of stride
    and dilation, or the stride if there is but one tap. Counting just these, from the one that the
    first tap of output 0 reads, the stride is ``u`` and the dilation ``d``.
    """
    first: int
    taps: int
    stride: int
    dilation: int
    pad: int
    size: int
    limit: int = 1 << 16        # largest keep_every

    @cached_property
    def keep_every(self):
        most = gcd(self.stride, self.dilation) if self.taps > 1 else self.stride
        return max(n for n in range(1, min(most, self.limit) + 1) if most % n == 0)

    @property
    def u(self):
        return self.stride // self.keep_every

    @property
    def d(self):
        return self.dilation // self.keep_every if self.taps > 1 else 1

    def span(self, outputs):
        """Positions that ``outputs`` neighbouring outputs read; works on arrays too."""
        return (outputs - 1) * self.u + (self.taps - 1) * self.d + 1

    def window(self, first, positions, skip=0):
        """``positions`` positions from the first tap of output ``first`` on, after the first
        ``skip`` of them: padding before, input index of the first real one, real ones, padding
        after."""
        origin = first * self.stride + self.first * self.dilation - self.pad \
            + skip * self.keep_every
        low = min(max(-(origin // self.keep_every), 0), positions)
        high = min(max((self.size - 1 - origin) // self.keep_every + 1, low), positions)
        return low, origin + low * self.keep_every, high - low, positions - high


@dataclass(frozen=True)
class Fold:
    """A rectangle of the kernel; the folds of a kernel are added up in the psums."""
    rows: Axis
    cols: Axis


@dataclass(frozen=True)
class Pooling:
    """Window of the max pooling in the STORE; the default is none."""
    r: int = 1
    s: int = 1
    u: int = 1
    v: int = 1
    top: int = 0
    left: int = 0


@dataclass(frozen=True)
class Cut:
    """A stretch of a tile: outputs ``o0`` to ``o1 - 1`` need convolution outputs ``a`` to
    ``b - 1``; the first window starts at ``a + first``."""
    o0: int
    o1: int
    a: int
    b: int
    first: int


def cuts(outputs, tile, kernel, stride, pad, size):
    """Cut ``outputs`` pooled outputs over ``size`` convolution outputs into tiles."""
    for o0 in range(0, outputs, tile):
        o1 = min(o0 + tile, outputs)
        start = o0 * stride - pad
        a = max(start, 0)
        yield Cut(o0, o1, a, min((o1 - 1) * stride - pad + kernel, size), start - a)


@dataclass(frozen=True, eq=False)
class MachineLayer:
    """A layer as the machine sees it: a convolution, the pooling behind it, and its output. It is
    what one segment computes.

    Attributes
    ----------
    conv : Conv
        Its ``x.shape`` is the shape in which the input is read from DRAM.
    pooling : Pooling
    y : Tensor
        What is stored: the convolution's output, or the pooling's.
    depthwise : bool
        Whether the PEs take a channel for each filter.
    groups : tuple of int
        Channels that a group of the output in DRAM may have; empty: any number.
    mode : StoreMode
        What the output stage does.
    sources : int
        Tensors that take turns in the rows of the input, a LOAD each.
    idle : int or None
        Cycles in which the layer before it in a program leaves the DRAM's port idle: the first
        filters come then. None: no layer is before it.
    function : bool
        The output stage looks outputs up in a function table.
    """
    conv: Conv
    pooling: Pooling
    y: Tensor
    depthwise: bool
    groups: tuple = ()
    mode: StoreMode = REQUANTISE
    sources: int = 1
    idle: int | None = None
    function: bool = False

    @cached_property
    def parts(self):
        """The weights as a sum of int8 arrays: one, or more if a value does not fit."""
        rest = self.conv.weight.astype(np.int16)
        parts: list[np.ndarray] = []
        while not parts or rest.any():
            parts.append(np.clip(rest, -128, 127).astype(np.int8))
            rest = rest - parts[-1]
        return parts

    @property
    def measures(self):
        """All that a mapping and its cost depend on: two layers with equal measures have the same
        best mapping."""
        conv = self.conv
        return (conv.x.shape, conv.y.shape, conv.weight.shape, conv.stride, conv.dilation,
                conv.pads, conv.groups, self.pooling, self.y.shape, self.depthwise, self.groups,
                self.mode, self.sources, self.idle, self.function, len(self.parts))

    @property
    def vector(self):
        """Whether the input is one vector, of which every filter reads all."""
        return self.conv.x.shape[1:] == (1, 1) and self.conv.groups == self.sources == 1

    @property
    def sets(self):
        """Groups of channels that share nothing."""
        return 1 if self.depthwise else self.conv.groups

    @property
    def channels(self):
        """Input channels of a set."""
        return self.conv.x.shape[0] // self.sets

    @property
    def filters(self):
        """Output channels of a set."""
        return self.conv.y.shape[0] // self.sets

    def needed(self):
        """Rows and columns of the convolution's output that reach a pooled output."""
        _, height, width = self.conv.y.shape
        _, rows, cols = self.y.shape
        pool = self.pooling
        return (min(height, (rows - 1) * pool.u - pool.top + pool.r),
                min(width, (cols - 1) * pool.v - pool.left + pool.s))

    @cached_property
    def mean_window(self):
        """Rows and columns of a pooling window that lie in the convolution's output, in the mean
        over all windows: what lies outside is not read."""
        (_, height, width), (_, rows, cols), pool = self.conv.y.shape, self.y.shape, self.pooling
        return (_mean_window(pool.r, pool.u, pool.top, height, rows),
                _mean_window(pool.s, pool.v, pool.left, width, cols))

    def folds(self, r, s):
        """The kernel in rectangles of at most ``r`` x ``s`` taps."""
        conv = self.conv
        _, height, width = conv.x.shape
        _, _, rows, cols = conv.weight.shape
        return [Fold(Axis(i, min(r, rows - i), conv.stride[0], conv.dilation[0], conv.pads[0],
                          height),
                     Axis(j, min(s, cols - j), conv.stride[1], conv.dilation[1], conv.pads[1],
                          width, limit=7))
                for i in range(0, rows, r) for j in range(0, cols, s)]


def _mean_window(size, stride, pad, limit, outputs):
    """Rows, or columns, of a pooling window that there are, in the mean."""
    first = np.arange(outputs) * stride - pad
    return float(np.mean(np.minimum(first + size, limit) - np.maximum(first, 0)))


def fold_shapes(folds):
    """Distinct fold shapes ``(fold, number of folds alike)``: those alike cost the same."""
    shapes: dict[tuple, list] = {}
    for fold in folds:
        key = (fold.rows.taps, fold.rows.u, fold.rows.d, fold.cols.taps, fold.cols.u, fold.cols.d)
        shapes.setdefault(key, [fold, 0])[1] += 1
    return [tuple(value) for value in shapes.values()]


def filter_blocks(layer, q, p, t):
    """Filter groups of a set of channels, and its blocks of ``t`` filter groups."""
    groups = ceildiv(layer.channels, q) if layer.depthwise else ceildiv(layer.filters, p)
    return groups, ceildiv(groups, t)
