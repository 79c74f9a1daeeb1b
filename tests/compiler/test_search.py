"""The mapping that the search finds, against mappings that are drawn by lot."""

import numpy as np
import pytest

from hwgen.compiler.map.search import search
from hwgen.config import resolve
from hwgen.cost.bounds import byte_weight, tile_cut
from hwgen.cost.fits import fit
from hwgen.cost.geometry import MachineLayer, Pooling
from hwgen.cost.timing import Timing
from hwgen.machines import machine_of
from tests.compiler.layers import conv, tensor
from tests.seed import SEED

#: Name of the configuration, input, filters, kernel, and what else the convolution has.
LAYERS = [
    ("eyeriss", (64, 56, 56), 64, (3, 3), dict(pads=(1, 1, 1, 1))),
    ("eyeriss", (256, 13, 13), 384, (3, 3), dict(pads=(1, 1, 1, 1))),
    ("eyeriss", (512, 7, 7), 512, (1, 1), {}),
    ("eyeriss", (3, 227, 227), 96, (11, 11), dict(stride=(4, 4))),
    ("eyeriss", (96, 28, 28), 96, (3, 3), dict(pads=(1, 1, 1, 1), groups=96)),
    ("ecp5-25f", (64, 28, 28), 64, (3, 3), dict(pads=(1, 1, 1, 1))),
    ("ecp5-25f", (48, 27, 27), 128, (5, 5), dict(pads=(2, 2, 2, 2), groups=2)),
    ("up5k", (64, 28, 28), 64, (3, 3), dict(pads=(1, 1, 1, 1))),
    ("up5k", (32, 14, 14), 32, (3, 3), dict(pads=(1, 1, 1, 1), groups=32)),
]


def machine_layer(shape, filters, kernel, options):
    rng = np.random.default_rng(SEED)
    layer = conv(rng, tensor("x", shape, rng), filters, kernel, **options)
    return MachineLayer(layer, Pooling(), layer.y, 1 < layer.groups == shape[0] == filters)


def drawn(config, layer, rng, number):
    """``number`` mappings by lot, most of which do not fit."""
    _, rows, cols = layer.y.shape

    def lot(most):          # small numbers as often as large ones
        return np.minimum(np.exp(rng.uniform(0, np.log(most + 1), number)).astype(np.int64), most)
    q = lot(min(layer.channels, 127))
    variants = np.array(machine_of(config).cost.variants)[
        rng.integers(0, len(machine_of(config).cost.variants), number)]
    slots, buffers, whole, together = variants.T
    c = {"q": q, "p": q if layer.depthwise else lot(layer.filters), "e": lot(config.cols),
         "t": lot(config.cols), "tile_rows": lot(rows), "tile_cols": lot(cols),
         "slots": slots, "buffers": buffers, "whole": whole > 0, "together": together > 0}
    filters = layer.channels if layer.depthwise else layer.filters
    ok = (c["t"] * c["e"] <= config.cols) & ((c["t"] - 1) * c["p"] < filters) \
        & (c["e"] <= layer.needed()[0])
    if layer.sets > 1:
        ok &= filters % c["p"] == 0
    return {name: value[ok] for name, value in c.items()}


def costs_of_drawn(config, layer, found, rng, wanted):
    """Mappings that fit, ``wanted`` at least, and their scores."""
    model, folds = machine_of(config).cost, layer.folds(found.fold_r, found.fold_s)
    count = 0
    while count < wanted:
        c = drawn(config, layer, rng, 200_000)
        ok, mappings = fit(config, layer, folds, None, c, model.most_row_bytes)
        mappings = {name: value[ok] for name, value in mappings.items()}
        costs = model.estimate(config, layer, folds, mappings, Timing())
        count += ok.sum()
        yield mappings, costs["cycles"] + byte_weight(config) * costs["bytes"]


def check(case, wanted):
    name, *shape = case
    config, layer = resolve(preset_name=name), machine_layer(*shape)
    found, estimate = search(config, layer, None, Timing())
    score = estimate.cycles + byte_weight(config) * estimate.bytes
    rng = np.random.default_rng(SEED)
    for mappings, scores in costs_of_drawn(config, layer, found, rng, wanted):
        best = int(np.argmin(scores))
        assert score <= scores[best], {name: int(v[best]) for name, v in mappings.items()}


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_no_mapping_by_lot_is_better(case):
    check(case, 2_000)


@pytest.mark.long
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_none_of_many_mappings_by_lot_is_better(case):
    check(case, 100_000)


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_no_mapping_undercuts_the_bound_of_its_tiles(case):
    """Which cuts the search: a mapping is left out if the bound of its tiles is above the best."""
    name, *shape = case
    config, layer = resolve(preset_name=name), machine_layer(*shape)
    found, _ = search(config, layer, None, Timing())
    model, folds = machine_of(config).cost, layer.folds(found.fold_r, found.fold_s)
    for mappings, scores in costs_of_drawn(config, layer, found, np.random.default_rng(SEED), 1):
        bounds = model.lower_bound(config, layer, folds, *(mappings[name] for name in "qpte"),
                                   tile_cut(layer, mappings))
        assert (bounds <= scores).all()
        assert (model.lower_bound(config, layer, folds, *(mappings[name] for name in "qpte"))
                <= bounds).all()
