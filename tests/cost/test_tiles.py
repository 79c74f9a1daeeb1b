"""Tiles of many mappings at once, against tiles that are cut one by one."""

from collections import Counter

import numpy as np
import pytest

from hwgen.config import Config
from hwgen.cost.fits import fit
from hwgen.cost.geometry import MachineLayer, Pooling, cuts
from hwgen.cost.tiles import Mappings, cut_tiles
from hwgen.cost.timing import Timing
from tests.seed import SEED

from ..compiler.layers import random_conv, random_pool, tensor


def random_layer(rng):
    conv = random_conv(rng, tensor("x", tuple(int(n) for n in rng.integers(2, 30, 3)), rng))
    depthwise = 1 < conv.groups == conv.x.shape[0] == conv.y.shape[0]
    if rng.random() < 0.5 and min(conv.y.shape[1:]) > 3:
        pool = random_pool(rng, conv.y)
        window = Pooling(*pool.kernel, *pool.stride, *pool.pads[:2])
        return MachineLayer(conv, window, pool.y, depthwise)
    return MachineLayer(conv, Pooling(), conv.y, depthwise)


@pytest.mark.parametrize("number", range(30))
def test_kinds_are_all_tiles(number):
    """The four kinds, each as often as it occurs, are the tiles that the compiler cuts; so are the
    shortest tiles."""
    rng = np.random.default_rng((SEED, number))
    layer = random_layer(rng)
    pool, (_, rows, cols), (_, height, width) = layer.pooling, layer.y.shape, layer.conv.y.shape
    m = {"tile_rows": rng.integers(1, rows + 1, 20), "tile_cols": rng.integers(1, cols + 1, 20)}
    ones = np.ones(20, np.int64)
    c = {**dict.fromkeys("qpet", ones), **m, "slots": ones, "buffers": ones,
         "whole": ones > 0, "together": ones < 0}
    folds = layer.folds(*layer.conv.weight.shape[2:])
    _, completed = fit(Config(), layer, folds, None, c, 1 << 24)
    kinds = list(Mappings(Config(), layer, folds, completed, Timing()).tile_kinds())
    tilings = cut_tiles(layer, m)
    for i in range(20):
        row_cuts = list(cuts(rows, int(m["tile_rows"][i]), pool.r, pool.u, pool.top, height))
        col_cuts = list(cuts(cols, int(m["tile_cols"][i]), pool.s, pool.v, pool.left, width))
        found = Counter()
        for kind in kinds:
            found[tuple(int(np.broadcast_to(value, 20)[i]) for value in (
                kind.out_rows, kind.out_cols))] += int(kind.count[i])
        assert +found == Counter((row.o1 - row.o0, col.o1 - col.o0) for row in row_cuts
                                 for col in col_cuts for _ in range(layer.sets))
        for tiling, made in zip(tilings, (row_cuts, col_cuts), strict=True):
            lengths = [cut.b - cut.a for cut in made]
            assert tiling.count[i] == len(made) and tiling.last[i] == lengths[-1]
            assert tiling.least[i] == min(lengths)
            assert tiling.whole[i] >= max(lengths[:-1], default=0)      # pads may cut the first
