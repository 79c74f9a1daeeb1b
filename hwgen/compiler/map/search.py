"""The mapping search: every mapping that could be best, by the cost model.

What is made smallest is cycles plus DRAM traffic, in cycles. A bus word counts as the cycle for
which it holds the port, whether or not that cycle is hidden behind the array: its energy, 200 times
a MAC's for a byte, is not. For a large array, whose cycles cost more energy, a byte counts no more
than 21 cycles of a PE, which is the same for 12 x 14 of them and a 64-bit port.
"""

from functools import lru_cache

import numpy as np

from ...cost.bounds import array_slots, byte_weight, tile_cut
from ...cost.fits import fit
from ...cost.geometry import ceildiv
from ...errors import HwgenError
from ...machines import machine_of
from . import given_mappings
from .mapping import Estimate, Mapping

__all__ = ["search"]

_BATCH = 60_000             # elements evaluated at once, at most
_FIRST_BATCH = 2            # tuples whose tiles are evaluated first: what they take bounds the rest


def search(config, layer, g, timing, fixed=None):
    """The best mapping of ``layer``.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    g : int or None
        Channels of a group of the input in DRAM; None to leave it to the mapping.
    timing : Timing
        Of the DRAM.
    fixed : dict of str to int, optional
        Fields of the mapping that are given, see :mod:`.given_mappings`; the others are searched.

    Returns
    -------
    (Mapping, Estimate)

    Raises
    ------
    HwgenError
        If the machine is too small for the layer, however it is cut, or for what is given.
    """
    if fixed:
        given_mappings.check(config, layer, fixed)
    _, _, kernel_rows, kernel_cols = layer.conv.weight.shape
    sizes = _fold_sizes(kernel_rows, kernel_cols)
    if fixed:
        sizes = given_mappings.folds(sizes, fixed)
    for r, s in sizes:
        found = _search_folds(config, layer, g, timing, fixed, layer.folds(r, s), r, s)
        if found:
            return found
    if fixed:
        raise given_mappings.refused(config, layer, fixed)
    channels, height, width = layer.conv.x.shape
    pool = layer.pooling
    window = f" with a pooling window of {pool.r}x{pool.s}" if pool.r * pool.s > 1 else ""
    raise HwgenError(
        f"layer {layer.conv.name!r} ({channels}x{height}x{width} input, {kernel_rows}x{kernel_cols}"
        f" kernel{window}) does not fit a {config.rows}x{config.cols} array with ifmap_spad = "
        f"{config.ifmap_spad}, filter_spad = {config.filter_spad} and {config.bank_depth} words in "
        f"each GLB bank, however it is cut: raise glb_kib or the spads.")


def _halves(n):
    sizes = [n]
    while n > 1:
        n = ceildiv(n, 2)
        sizes.append(n)
    return sizes


def _fold_sizes(rows, cols):
    """Sizes of folds, fewest folds first: the whole kernel if it fits."""
    sizes = [(r, s) for r in _halves(rows) for s in _halves(cols)]
    return sorted(sizes, key=lambda rs: ceildiv(rows, rs[0]) * ceildiv(cols, rs[1]))


@lru_cache
def _distinct(n, most=None):
    """The smallest sizes that cut ``n`` into 1, 2, 3, ... pieces, largest first."""
    sizes = np.unique(ceildiv(n, np.arange(1, n + 1)))[::-1].tolist()
    if most is None or len(sizes) <= most:
        return sizes
    keep = np.unique(np.geomspace(1, len(sizes), most).astype(int)) - 1
    return [sizes[i] for i in keep]


def _array_candidates(config, layer, folds, g):
    """All ``(q, p, t, e)`` that are worth a look, as an array of four rows."""
    taps = max(fold.cols.taps for fold in folds)
    window = max((fold.cols.taps - 1) * fold.cols.d + 1 for fold in folds)
    most_q = min((config.ifmap_spad - config.bus_bytes) // window, config.filter_spad // taps, 127)
    need_rows, _ = layer.needed()
    depthwise = layer.depthwise
    if depthwise:
        qs = [q for q in range(1, min(most_q, layer.channels) + 1)
              if not layer.groups or q in layer.groups]
    else:
        qs = [q for q in _distinct(layer.channels) if q <= most_q]
        if g is not None and g <= min(most_q, layer.channels) and g not in qs:
            qs.append(g)
    columns = [(t, e) for e in _distinct_outputs(need_rows, config.cols)
               for t in range(1, config.cols // e + 1)]
    by_t = {} if depthwise else {
        t: _filters(layer, config.lanes, t, min(config.filter_spad // taps, layer.filters))
        for t in range(1, min(config.cols, layer.filters) + 1)}
    found = []
    for q in qs:
        if depthwise:
            found += [(q, q, t, e) for t, e in columns if (t - 1) * q < layer.channels]
            continue
        most_p = min(config.filter_spad // (taps * q), layer.filters)
        found += [(q, p, t, e) for t, e in columns if t in by_t for p in by_t[t] if p <= most_p]
    return np.array(found, np.int64).reshape(-1, 4).T


def _distinct_outputs(rows, cols):
    """Output rows side by side: for each number of strips the fewest, and every small one."""
    return [e for e in range(1, min(rows, cols) + 1)
            if e == 1 or ceildiv(rows, e) < ceildiv(rows, e - 1)]


def _filters(layer, lanes, t, most):
    """Numbers of filters ``p`` for ``t`` groups: for each number of blocks the fewest, also
    rounded up to whole GLB words. Filters of a grouped convolution are cut evenly, so that its
    output's groups of channels in DRAM are all alike; so are those that the layer is bound to."""
    if layer.groups or layer.sets > 1:
        return [p for p in layer.groups or range(1, most + 1) if p <= most
                and (layer.sets == 1 or layer.filters % p == 0) and (t - 1) * p < layer.filters]
    filters = layer.filters
    even = {ceildiv(n, t) for n in _distinct(filters)}
    return sorted({p for n in even for p in (n, ceildiv(n, lanes) * lanes)
                   if p <= most and (t - 1) * p < filters})


def _search_folds(config, layer, g, timing, fixed, folds, r, s):
    tuples = _array_candidates(config, layer, folds, g)
    if tuples.size == 0:
        return None
    array_bound = int(array_slots(config, layer, folds, *tuples).min())
    if fixed:
        tuples = given_mappings.candidates(config, layer, tuples, fixed)
    if tuples.size == 0:
        return None
    model = machine_of(config).cost
    bounds = model.lower_bound(config, layer, folds, *tuples)
    order = np.argsort(bounds, kind="stable")
    tuples, bounds = tuples[:, order], bounds[order]
    cuts, tile_cols = _cuts(layer.y.shape[1]), _distinct(layer.y.shape[2], 8)
    variants = np.array(model.variants)
    most = max(_BATCH // (len(cuts) * len(tile_cols) * len(variants)), 1)
    best, considered = None, 0
    weight = byte_weight(config)
    start, batch = 0, min(_FIRST_BATCH, most)
    while start < tuples.shape[1] and (best is None or bounds[start] <= best[0]):
        tiles = _tiles(layer, tuples[:, start:start + batch], cuts, tile_cols)
        start, batch = start + batch, min(4 * batch, most)
        if best is not None and not fixed:
            bound = model.lower_bound(config, layer, folds, *(tiles[name] for name in "qpte"),
                                      tile_cut(layer, tiles))
            tiles = {key: value[bound <= best[0]] for key, value in tiles.items()}
        c = _expand(tiles, variants)
        if fixed:
            c = given_mappings.impose(layer, c, fixed)
        ok, mappings = fit(config, layer, folds, g, c, model.most_row_bytes)
        ok = model.worthwhile(ok.reshape(-1, len(variants))).reshape(-1)
        if not ok.any():
            continue
        mappings = {key: value[ok] for key, value in mappings.items()}
        if fixed:
            ok = given_mappings.keep(mappings, fixed)
            mappings = {key: value[ok] for key, value in mappings.items()}
            if not ok.any():
                continue
        costs = model.estimate(config, layer, folds, mappings, timing)
        considered += len(costs["cycles"])
        score = costs["cycles"] + weight * costs["bytes"]
        i = int(np.argmin(score))
        if best is None or score[i] < best[0]:
            best = score[i], {k: int(v[i]) for k, v in {**mappings, **costs}.items()}
    if best is None:
        return None
    picked = best[1]
    mapping = Mapping(fold_r=r, fold_s=s, **{k: picked[k] for k in (
        "q", "p", "e", "t", "tile_rows", "tile_cols", "strips", "chunk", "buffers", "resident",
        "slots", "block_words", "tile_words")})
    estimate = Estimate(considered=considered, array_bound=array_bound, **{k: picked[k] for k in (
        "cycles", "array", "refill", "ybus", "xbus", "filter", "compute", "fetch", "loader",
        "drain", "dram_read", "dram_write", "dram", "serial", "startup", "bytes")})
    return mapping, estimate


def _cuts(rows):
    """Numbers of tiles into which ``rows`` outputs are cut: 1, 2, 3, ..., thinning out."""
    return sorted({1, rows} | {k for n in range(24) for k in (round(2 ** (n / 2)),) if k < rows})


def _tiles(layer, tuples, cuts, tile_cols):
    """Every combination of the tuples and tiles, flattened, each once."""
    # Tiles are cut at strips: as many outputs as a whole number of strips allows.
    (need_rows, _), (_, out_rows, _), pool = layer.needed(), layer.y.shape, layer.pooling
    e = tuples[3]
    rows = ceildiv(ceildiv(need_rows, e)[:, None], np.array(cuts)) * e[:, None]
    tile_rows = np.where(rows >= need_rows, out_rows,
                         np.maximum((rows - pool.r) // max(pool.u, 1) + 1, 1))
    tile_rows = np.minimum(tile_rows, out_rows)
    distinct = np.ones(tile_rows.shape, bool)
    distinct[:, 1:] = tile_rows[:, 1:] != tile_rows[:, :-1]
    number, cut = np.nonzero(distinct)
    widths = len(tile_cols)
    found = {name: row[number].repeat(widths) for name, row in zip("qpte", tuples, strict=True)}
    return {**found, "tile_rows": tile_rows[number, cut].repeat(widths),
            "tile_cols": np.tile(np.array(tile_cols, np.int64), len(number))}


def _expand(tiles, variants):
    """The tiles in every variant, flattened."""
    number = len(tiles["q"])
    slots, buffers, whole, together = (np.tile(variants[:, k], number) for k in range(4))
    return {**{name: value.repeat(len(variants)) for name, value in tiles.items()},
            "slots": slots, "buffers": buffers, "whole": whole.astype(bool),
            "together": together.astype(bool)}
