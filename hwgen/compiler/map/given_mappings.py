"""Mappings that are given: read from a file, or the published ones of the Eyeriss chip.

A file is TOML. Each table names a layer, ``*`` and ``?`` stand for anything, and gives some or all
of the fields that a mapping chooses; the search chooses the others::

    ["CONV*"]
    e = 13
    t = 1

    [CONV2]
    q = 4
    p = 8
"""

import fnmatch

import numpy as np

from ...cost.geometry import ceildiv
from ...errors import HwgenError
from ...files import read_toml
from ...network.eyeriss import MAPPINGS

__all__ = ["FIELDS", "gather", "read", "given", "eyeriss", "check", "refused",
           "folds", "candidates", "impose", "keep"]

_MOST = ("buffers", "resident", "slots")

#: Fields of a mapping that may be given, and what each is. The others follow from them.
FIELDS = {
    "q": "channels of a PE",
    "p": "filters of a PE",
    "e": "output rows side by side",
    "t": "filter groups side by side",
    "tile_rows": "output rows of a tile",
    "tile_cols": "output columns of a tile",
    "fold_r": "filter rows of a fold",
    "fold_s": "filter columns of a fold",
    "chunk": "channel groups of a step",
    "buffers": "ifmap tiles in the GLB",
    "resident": "blocks accumulated together",
    "slots": "blocks of psums in the GLB",
}


def read(path):
    """The tables of a mapping file.

    Returns
    -------
    dict of str to dict of str to int
        Fields by layer name or pattern, in the file's order.

    Raises
    ------
    HwgenError
        The file is missing, not TOML, or holds anything but layers with fields of whole numbers.
    """
    tables = read_toml(path, "mapping")
    for layer, fields in tables.items():
        if not isinstance(fields, dict):
            raise HwgenError(f"the mapping {path} gives {layer!r} outside of a layer: write it "
                             f"below the layer's name in brackets, as in [CONV1].")
        for name, value in fields.items():
            if name not in FIELDS:
                raise HwgenError(f"the mapping {path} gives {name!r} for layer {layer!r}, which "
                                 f"cannot be given: the fields are {', '.join(FIELDS)}.")
            if type(value) is not int or value < 1:
                raise HwgenError(f"the mapping {path} gives {name} = {value!r} for layer "
                                 f"{layer!r}: a whole number, 1 or more, is needed.")
    return tables


def given(tables, names):
    """The fields given for each of the layers ``names``; a later table wins over an earlier one.

    Returns
    -------
    dict of str to dict of str to int

    Raises
    ------
    HwgenError
        A table fits no layer.
    """
    fixed = {}
    for pattern, fields in tables.items():
        layers = [name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not layers:
            raise HwgenError(f"the mapping gives layer {pattern!r}, which is not there: the layers "
                             f"are {', '.join(names)}.")
        for name in layers:
            fixed[name] = fixed.get(name, {}) | fields
    return fixed


def gather(sources, config, *, layers=(), shapes=(), network=None):
    """What files, and ``eyeriss``, give for the layers of a network.

    Parameters
    ----------
    sources : sequence of str
        Files, or ``eyeriss`` for :func:`eyeriss`; a later one wins over an earlier one.
    config : Config
    layers : iterable
        Layers of a model, with a ``name``; or
    shapes, network : iterable of LayerShape, str
        the layers of a known network, and its name.

    Returns
    -------
    dict of str to dict of str to int
        Fields by layer name.
    """
    names = [layer.name for layer in (*layers, *shapes)]
    fixed = {}
    for source in sources:
        tables = eyeriss(config, network, shapes) if source == "eyeriss" else read(source)
        for name, fields in given(tables, names).items():
            fixed[name] = fixed.get(name, {}) | fields
    return fixed


def eyeriss(config, network, shapes):
    """The published mappings of the Eyeriss chip, as near as this machine comes to them.

    A PE set of the chip is R x e PEs; r sets work on different channels, t on different filters.
    Here a set wider than the array is cut into strips, sets side by side become ``t``, and sets
    on top of one another become channel groups of one step, so that as many PEs are busy. The
    psums of m filters stay in the GLB while channels pass by; as they take 32 bits here, their
    tiles are smaller, and left to the search.

    Parameters
    ----------
    config : Config
    network : str
    shapes : iterable of LayerShape
        Layers to map; those without a published mapping are left to the search.

    Returns
    -------
    dict of str to dict of str to int
        Fields by layer name, as :func:`read` gives them.

    Raises
    ------
    HwgenError
        No mapping of the network is published, or a set does not fit the array.
    """
    if network not in MAPPINGS:
        raise HwgenError(f"--mapping eyeriss: the published mappings are those of the network "
                         f"{', '.join(MAPPINGS)}: name that, or a file.")
    return {shape.name: _eyeriss(config, shape, MAPPINGS[network][shape.name])
            for shape in shapes if shape.name in MAPPINGS[network]}


def _eyeriss(config, shape, published):
    width = published["e"]
    parts = ceildiv(width, config.cols)         # a wide set is folded into several
    e = ceildiv(width, parts)
    t = min(published["t"], config.cols // e)
    stacked = published["r"] * published["t"] * parts // t
    if stacked * shape.r > config.rows:
        raise HwgenError(f"--mapping eyeriss: {shape.name} stacks {stacked} sets of {shape.r} "
                         f"rows, but the array has {config.rows} rows: use --pe 12x14.")
    return {"q": published["q"], "p": published["p"], "e": e, "t": t, "chunk": stacked,
            "resident": max(published["m"] // (t * published["p"]), 1)}


def check(config, layer, fixed):
    """Refuse given fields that no choice of the others can make fit.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    fixed : dict of str to int

    Raises
    ------
    HwgenError
        With the limit, the value that breaks it, and what is allowed.
    """
    for text, value, limit, allowed in _limits(config, layer, fixed):
        if value > allowed:
            raise HwgenError(f"{_what(layer, fixed)} does not fit: {text} is {value}, but {limit} "
                             f"allows {allowed}: give less, or leave a field to the search.")
    if layer.depthwise and fixed.get("q", fixed.get("p")) != fixed.get("p", fixed.get("q")):
        raise HwgenError(f"{_what(layer, fixed)} does not fit: a depthwise layer has p = q: give "
                         f"one of them.")
    t = fixed.get("t", 1)
    chunk = fixed.get("chunk", t)
    if layer.depthwise and chunk % t and chunk < ceildiv(layer.channels, fixed.get("q", 1)):
        raise HwgenError(f"{_what(layer, fixed)} does not fit: a depthwise layer takes whole "
                         f"blocks of t channel groups: give chunk a multiple of {t}.")
    if layer.sets > 1 and layer.filters % fixed.get("p", 1):
        raise HwgenError(f"{_what(layer, fixed)} does not fit: p = {fixed['p']} does not divide "
                         f"the {layer.filters} filters of a group: give a divisor.")


def refused(config, layer, fixed):
    """The error for given fields beside which nothing else fits, though each of them could."""
    return HwgenError(f"{_what(layer, fixed)} does not fit a {config.rows}x{config.cols} array "
                      f"with {config.bank_depth} words in each GLB bank, whatever the others are: "
                      f"give smaller tiles or chunks, or leave a field to the search.")


def _what(layer, fixed):
    fields = ", ".join(f"{name} = {number}" for name, number in fixed.items())
    return f"the mapping given for layer {layer.conv.name!r} ({fields})"


def _limits(config, layer, fixed):
    """``(what, value, limit, allowed)`` of all that the given fields decide, with the least for the
    others."""
    dw, least = layer.depthwise, dict.fromkeys(FIELDS, 1) | fixed
    _, out_rows, out_cols = layer.y.shape
    need_rows, _ = layer.needed()
    rows, cols = layer.conv.weight.shape[2:]
    q, p, e, t = (least[name] for name in "qpet")
    if dw:
        p = q = max(q, p)
    filters = layer.channels if dw else layer.filters
    for name, allowed in (
            ("fold_r", rows), ("fold_s", cols), ("q", layer.channels), ("p", filters),
            ("tile_rows", out_rows), ("tile_cols", out_cols), ("e", need_rows),
            ("t", ceildiv(filters, p)), ("chunk", ceildiv(layer.channels, q)),
            ("resident", ceildiv(ceildiv(filters, p), t))):
        yield name, least[name], "the layer", allowed
    yield "e x t", e * t, "the array", config.cols
    yield "buffers", least["buffers"], "the machine", 2
    if "slots" in fixed:
        yield "resident", least["resident"], "slots", fixed["slots"]
    fold = layer.folds(fixed.get("fold_r", 1), fixed.get("fold_s", 1))[0]
    window = max((fold.cols.taps - 1) * fold.cols.d + 1, fold.cols.u) * q
    taps = fold.cols.taps * (1 if dw else q)
    yield "p x taps", p * taps, "filter_spad", config.filter_spad
    yield (f"a window of {window} values and a bus word", window + config.bus_bytes, "ifmap_spad",
           config.ifmap_spad)
    yield ("the channels of t filter groups", t * ceildiv(p, config.lanes) * config.lanes,
           "params_depth", config.params_depth)
    # The GLB: psums of the blocks, and ifmap tiles.
    pool = layer.pooling
    tile_rows = min((least["tile_rows"] - 1) * pool.u + 1, need_rows)
    tile_cols = (least["tile_cols"] - 1) * pool.v + 1
    strips = ceildiv(tile_rows, fixed.get("e", config.cols // t))
    psums = (max(least["slots"], least["resident"]) * strips * tile_cols
             * ceildiv(p, config.lanes))
    yield "psums in words of a GLB bank", psums, "the bank", config.bank_depth
    height = fold.rows.span(strips * e if "e" in fixed else tile_rows)
    ifmaps = (least["buffers"] * least["chunk"] * height
              * ceildiv(fold.cols.span(tile_cols) * q, config.bus_bytes))
    yield (f"ifmap tiles in GLB words of {config.bus_bytes} bytes", ifmaps,
           "the GLB beside the psums", (config.bank_depth - psums) * config.cols * config.subwords)


# Within the search: what is given takes the place of what would be tried.

def folds(sizes, fixed):
    """The sizes of folds ``(r, s)`` that the search tries, with what is given, each once."""
    return list(dict.fromkeys((fixed.get("fold_r", r), fixed.get("fold_s", s)) for r, s in sizes))


def candidates(config, layer, tuples, fixed):
    """The search's ``(q, p, t, e)``, four rows, with what is given in its place, each once."""
    tuples = tuples.copy()
    both = fixed.get("q", fixed.get("p")) if layer.depthwise else None
    for row, name in zip(tuples, "qpte", strict=True):
        row[:] = both if both and name in "qp" else fixed.get(name, row)
    q, p, t, e = tuples
    filters = layer.channels if layer.depthwise else layer.filters
    fits = (t * e <= config.cols) & ((t - 1) * p < filters)
    if layer.groups:
        fits &= np.isin(p, layer.groups)
    return np.unique(tuples[:, fits], axis=1)


def impose(layer, c, fixed):
    """The mappings ``c`` that the search tries, element by element, with what is given in place."""
    c = c | {name: np.full_like(c[name], fixed[name]) for name in fixed if name in c}
    if "chunk" in fixed:
        c["most_chunk"] = np.full_like(c["q"], fixed["chunk"])
        c["whole"] = ceildiv(layer.channels, c["q"]) <= fixed["chunk"]
    if "resident" in fixed:
        c["together"] = np.zeros_like(c["together"])
        c["slots"] = np.maximum(c["slots"], fixed["resident"])
    return c


def keep(mappings, fixed):
    """Which mappings that fit are as given, each once; ``resident`` is set in them.

    A layer that has no more tiles or blocks takes fewer than given.
    """
    if "resident" in fixed:
        mappings["resident"] = np.minimum(mappings["slots"], fixed["resident"])
    _, first = np.unique(np.stack([np.asarray(v, np.int64) for v in mappings.values()]), axis=1,
                         return_index=True)
    ok = np.zeros(len(mappings["q"]), bool)
    ok[first] = True
    for name, value in fixed.items():
        if name in mappings:
            ok &= (mappings[name] <= value) if name in _MOST else (mappings[name] == value)
    return ok
