"""How mappings cut a layer: tiles, passes over the array, steps; many mappings at once.

Everything here is *element by element*: a number of a mapping is a NumPy array with an element for
each mapping that is looked at.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .geometry import ceildiv, filter_blocks, fold_shapes

__all__ = ["Tiling", "TileKind", "Mappings", "cut_tiles", "shifted_tiles",
           "array_passes"]


class Tiling(NamedTuple):
    """The tiles of a layer in one direction; lengths are in outputs of the convolution.

    Attributes
    ----------
    count : int
        Tiles.
    whole, last : int
        Length of a tile that is not the last, and of the last.
    first, least : int
        Length of the first, which the pads of a pooling cut, and of the shortest.
    """
    count: np.ndarray           # type: ignore[assignment]     # hides tuple.count
    whole: np.ndarray
    last: np.ndarray
    first: np.ndarray
    least: np.ndarray


def _tiling(outputs, tile, kernel, stride, pad, size, need):
    """:class:`Tiling` of ``need`` convolution outputs (of ``size``), ``tile`` of ``outputs`` pooled
    outputs in a tile."""
    count = ceildiv(outputs, tile)
    last = need - np.maximum(0, (count - 1) * tile * stride - pad)
    whole = np.where(count == 1, last, np.minimum(need, (tile - 1) * stride + kernel))
    first = np.minimum(size, (tile - 1) * stride - pad + kernel)
    first = np.minimum(np.where(count == 1, last, first), whole)
    return Tiling(count, whole, last, first, np.minimum(first, last))


def cut_tiles(layer, m):
    """The :class:`Tiling` of rows and that of columns, of mappings ``m``."""
    pool = layer.pooling
    (_, height, width), (_, out_rows, out_cols) = layer.conv.y.shape, layer.y.shape
    need_rows, need_cols = layer.needed()
    return (_tiling(out_rows, m["tile_rows"], pool.r, pool.u, pool.top, height, need_rows),
            _tiling(out_cols, m["tile_cols"], pool.s, pool.v, pool.left, width, need_cols))


class _Length(NamedTuple):
    """Tiles of one length: how many, outputs of the convolution and of the layer, whether they are
    the first or the last ones."""
    number: Any
    length: np.ndarray
    outputs: np.ndarray
    first: bool
    last: bool


def _lengths(tiling, tile, outputs, pad):
    """Yield the lengths of the tiles in one direction, ``tile`` of ``outputs`` outputs each."""
    cut = np.minimum(tiling.count - 1, 1) if pad else 0
    if pad:
        yield _Length(cut, tiling.first, tile, True, False)
    yield _Length(tiling.count - 1 - cut, tiling.whole, tile, False, False)
    yield _Length(1, tiling.last, outputs - (tiling.count - 1) * tile, False, True)


@dataclass(frozen=True, eq=False)
class TileKind:
    """Tiles that are alike. There are four kinds: a tile is the last of its column of tiles or not,
    and the last of its row of tiles or not; those that are not last are whole. Before a padded
    pooling those at the upper and left edge are kinds of their own.

    Attributes
    ----------
    count : int
        Tiles of this kind in all sets of channels; 0 where there is no other than the last.
    rows, cols : int
        Outputs of the convolution.
    out_rows, out_cols : int
        Outputs of the layer, after pooling.
    last_row, last_col : bool
        Whether these are the last tiles from top to bottom, and from left to right.
    first : bool
        Whether the pads cut these tiles, and no others.
    """
    count: np.ndarray
    rows: np.ndarray
    cols: np.ndarray
    out_rows: np.ndarray
    out_cols: np.ndarray
    last_row: bool
    last_col: bool
    first: bool


class Mappings:
    """A layer under many mappings: what follows from both, for the cost models.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    folds : list of Fold
    m : dict of str to numpy.ndarray
        The mappings, as :func:`hwgen.cost.fits.fit` completed them.
    timing : Timing

    Attributes
    ----------
    shapes : list of (Fold, int)
        Fold shapes, and how many folds have each.
    groups, blocks : int
        Filter groups, and blocks of them, of a set of channels.
    channel_groups, chunks : int
        Channel groups of a set, and the chunks that they come in. Depthwise, a chunk is a set.
    reloads : int
        How often a tile is loaded: again for all blocks that are resident at a time.
    step_blocks : int
        Blocks that are computed on a tile that is loaded once.
    tile_steps : int
        Ifmap tiles in the GLB (*steps*, see :mod:`hwgen.compiler.map.mapping`) for a tile of
        outputs.
    tiling : (Tiling, Tiling)
        Of rows and of columns.
    tiles, total_blocks, loads : int
        Tiles of a set; blocks of psums, and LOADs if no tile comes in pieces, of the layer.
    """

    def __init__(self, config, layer, folds, m, timing):
        self.config, self.layer, self.m, self.timing = config, layer, m, timing
        self.q, self.p, self.e, self.t, self.g = (m[name] for name in "qpetg")
        self.shapes, self.folds = fold_shapes(folds), len(folds)
        self.groups, self.blocks = filter_blocks(layer, self.q, self.p, self.t)
        self.channel_groups = ceildiv(layer.channels, self.q)
        self.chunks = ceildiv(self.channel_groups, m["chunk"])
        if layer.depthwise:
            set_blocks = ceildiv(np.minimum(m["chunk"], self.channel_groups), self.t)
            again = self.folds > 1
        else:
            set_blocks, again = self.blocks, self.folds * self.chunks > 1
        self.reloads = np.where(again, ceildiv(set_blocks, m["resident"]), 1)
        self.step_blocks = np.where(again, m["resident"], set_blocks)
        self.tile_steps = self.folds * self.chunks * self.reloads
        self.tiling = rows, cols = cut_tiles(layer, m)
        self.tiles = rows.count * cols.count
        self.total_blocks = self.blocks * self.tiles * layer.sets
        self.loads = layer.sets * self.tiles * self.tile_steps * layer.sources

    def tile_kinds(self):
        """The :class:`TileKind` s that at least one of the mappings has, the last one last."""
        _, out_rows, out_cols = self.layer.y.shape
        (rows, cols), m, pool = self.tiling, self.m, self.layer.pooling
        for row in _lengths(rows, m["tile_rows"], out_rows, pool.top):
            for col in _lengths(cols, m["tile_cols"], out_cols, pool.left):
                count = np.broadcast_to(row.number * col.number * self.layer.sets, self.q.shape)
                if count.any():
                    yield TileKind(count, row.length, col.length, row.outputs, col.outputs,
                                   row.last, col.last, row.first or col.first)

    def strips(self, tile):
        """Strips of a tile."""
        return np.maximum(ceildiv(tile.rows, self.e), self.m["strips"])


def shifted_tiles(layer, s, q, g, tile_cols, tiles_across, word):
    """Tiles that begin at another byte of a bus word in DRAM than in the GLB.

    Parameters
    ----------
    layer : MachineLayer
    s : Axis
        Columns of the fold.
    q, g, tile_cols, tiles_across : numpy.ndarray
        ``tiles_across``: tiles in a row of them.
    word : int
        Bytes of a bus word.

    Returns
    -------
    ((float, float), bool)
        The share of such tiles among the whole and among the last of a row of tiles; and whether
        the first is one.
    """
    conv, pool = layer.conv, layer.pooling
    first = s.window(0, 1)[0] * q % word != 0
    at = (s.first * conv.dilation[1] - pool.left * conv.stride[1] - conv.pads[1]) * g
    by = tile_cols * pool.v * conv.stride[1] * g
    # Tiles 1 to before the last; those that are aligned recur after a word's bytes.
    between = np.maximum(tiles_across - 2, 0)
    aligned = sum(np.where((at + by * j) % word == 0, ceildiv(np.maximum(between + 1 - j, 0), word),
                           0) for j in range(1, word + 1))
    whole = (first + between - aligned) / np.maximum(tiles_across - 1, 1)
    last = np.where(tiles_across == 1, first, (at + by * (tiles_across - 1)) % word != 0)
    return (whole, last), first


def array_passes(config, layer, fold, q):
    """Passes over the array, (channel group, filter row) pairs in them, and taps of a PE."""
    r, s = fold.rows.taps, fold.cols.taps
    pairs = r if layer.depthwise else ceildiv(layer.channels, q) * r
    return ceildiv(pairs, config.rows), pairs, s if layer.depthwise else q * s
