"""The cost model of the parallel machine, whose resources all work at a time.

:mod:`hwgen.cost.resources` counts the cycles of each, :mod:`hwgen.cost.overlap` puts them together.
"""

from typing import Any

import numpy as np

from .bounds import lower_bound
from .geometry import ceildiv
from .overlap import busiest, exposed, hidden_beside, total
from .pieces import strip_pieces
from .resources import (
    CYCLES,
    ArrayFold,
    Drain,
    Loader,
    TileFold,
    array,
    dram_reads,
    filter_network,
    refill,
    xbus,
    ybus,
)
from .tiles import Mappings

__all__ = ["COST", "estimate"]

_INNER = "array", "refill", "ybus", "xbus", "filter", "compute"
_OUTER = "loader", "drain", "dram_read", "dram_write", "dram"


def estimate(config, layer, folds, m, timing):
    """What mappings cost.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    folds : list of Fold
    m : dict of str to numpy.ndarray
        Mappings that fit, as :func:`hwgen.cost.fits.fit` completed them.
    timing : Timing

    Returns
    -------
    dict of str to numpy.ndarray
        The numbers of :class:`~hwgen.compiler.map.mapping.Estimate`.
    """
    x = Mappings(config, layer, folds, m, timing)
    shapes = [ArrayFold(x, fold, alike) for fold, alike in x.shapes]
    tiles = [_Tile(x, tile, shapes) for tile in x.tile_kinds()]
    cost = {name: sum(tile.kind.count * getattr(tile, name) for tile in tiles) for name in (
        "array", "refill", "ybus", "xbus", "filter", "filter_words", "compute", "load_words",
        "drain", "dram_write", "write_words")}
    cost["dram_read"] = dram_reads(x, cost["load_words"], cost["filter_words"])
    serial, startup = _serial(x, tiles), _startup(x, tiles, shapes)
    # Behind another layer the first filters come while the port is idle, there and in the startup.
    first_filters, early = _first_filters(x, shapes[-1]), 0
    if layer.idle is not None:
        early = np.minimum(first_filters, layer.idle + startup)
    # Each LOAD leaves the port idle while it begins, and the others read the rest of the time.
    cost["loader"] = np.maximum(
        sum(tile.kind.count * tile.loader for tile in tiles),
        cost["dram_read"] - early + x.loads * (CYCLES.load + timing.latency))
    moved = (cost["dram_read"] + cost["write_words"]) * config.bus_bytes
    cost["dram"] = timing.cycles(moved)
    startup = startup + first_filters - early
    others = busiest(cost["array"] + cost["refill"], cost["ybus"], cost["xbus"])
    cycles = total(busiest(cost["compute"] - early, others), serial, startup,
                   *(cost[name] - early * (name == "dram_read") for name in _OUTER))
    return {"cycles": cycles, "serial": serial, "startup": startup, "bytes": moved,
            **{name: cost[name] for name in (*_INNER, *_OUTER)}}


class _Tile:
    """Tiles of one kind: cycles of each resource for one tile, and what does not overlap there.

    Attributes
    ----------
    kind : TileKind
    array, refill, ybus, xbus, filter, filter_words : int
        Cycles of the resources, and words of the filter network.
    compute : int
        Of the busiest of these.
    loader, load_words : int
        Cycles of the loader with its LOADs' beginnings, and words from DRAM.
    drain, dram_write, write_words : int
        Cycles of the output stage, and of the writing; words to DRAM.
    load_exposed : int
        Cycles that all tiles of the kind wait for their LOADs, if there is one buffer.
    store_exposed : int
        Cycles that a tile's blocks wait for the psums before them, if there is one slot.
    first_load, last_block : int
        What of a first tile's LOADs nothing hides, and what of a last block's STOREs.
    leaves_in_strips : bool
    """

    def __init__(self, x, kind, shapes):
        works = [TileFold(x, fold, kind) for fold in shapes]
        self.kind = kind
        self.array, self.refill, self.ybus, self.xbus = (
            sum(resource(x, w) for w in works) for resource in (array, refill, ybus, xbus))
        self.filter_words, self.filter = map(sum, zip(*(
            filter_network(x, w) for w in works), strict=True))
        self.compute = busiest(self.array + self.refill, self.ybus, self.xbus, self.filter)
        # A step's computing with a block, and a pass of that.
        steps = x.folds * x.chunks * x.blocks
        block = self.compute // steps
        a_pass = block // ceildiv(works[-1].fold.passes, x.chunks)
        self._load(x, works, block, a_pass, block - self.filter_words // steps)
        self._store(x, a_pass)

    def _load(self, x, works, block, a_pass, free):
        """Of the tile before, the last block gives up a piece after the other; the first block
        waits for each. The first tile of all may come in strips, which its first pass waits for.
        ``free``: cycles of a block in which DRAM has no filters to read."""
        loader, begin = Loader(x, self.kind, works), x.layer.sources * (CYCLES.load
                                                                        + x.timing.latency)
        self.load_words = loader.dram_words
        self.loader = loader.cycles + x.tile_steps * begin
        pieces, free = loader.pieces, np.maximum(free, 0)
        held = np.minimum(x.m["chunk"], x.channel_groups)
        aligned, offset, first = (cycles // x.tile_steps + pieces * begin for cycles in (
            loader.aligned, loader.offset, loader.first * held * x.chunks // x.channel_groups))
        step_blocks = np.where(x.folds * x.chunks > 1, x.m["resident"], x.blocks)
        hidden = np.where(pieces == 1, 0, np.where(step_blocks > 1, hidden_beside(free, pieces),
                                                   free))
        self.load_exposed = (self.kind.count * x.tile_steps * (
            (1 - loader.shifted) * np.maximum(aligned - hidden, 0)
            + loader.shifted * np.maximum(offset - hidden, 0))).astype(np.int64)
        _, strips = strip_pieces(works[-1].strips, works[-1].words)
        by_strips = (strips > pieces) & ((x.m["buffers"] > 1) | (x.loads == 1) | (pieces == 1))
        self.first_load = np.where(by_strips, exposed(first, a_pass, strips),
                                   exposed(first, block, pieces))

    def _store(self, x, a_pass):
        """A block leaves strip by strip, if there is nothing to pool: the next one in its place
        follows, the last block of all is done soon after its last pass."""
        drain = Drain(x, self.kind)
        self.drain, self.dram_write, self.write_words = drain.cycles, drain.write, drain.write_words
        self.leaves_in_strips = drain.pieces > 1
        self.store_exposed = x.blocks * np.where(
            self.leaves_in_strips,
            np.maximum(drain.block - hidden_beside(a_pass, drain.pieces), 0), drain.block)
        self.last_block = exposed(drain.block, a_pass, drain.pieces)


def _serial(x, tiles):
    """Cycles that the array waits where there is but one ifmap buffer, or one slot for psums."""
    layer, (rows, cols) = x.layer, x.tiling
    loads = sum(tile.load_exposed for tile in tiles)
    stores = sum(tile.kind.count * tile.store_exposed for tile in tiles)
    # A block of another shape than the one before it waits for all of that.
    unlike = np.where((cols.count > 1) & (cols.whole != cols.last), 2 * rows.count * layer.sets - 1,
                      np.where((rows.count > 1) & (rows.whole != rows.last), 2 * layer.sets - 1, 0))
    stores = stores + unlike * busiest(*(
        np.where((tile.kind.count > 0) & tile.leaves_in_strips, tile.last_block, 0)
        for tile in tiles))
    return np.where(x.m["buffers"] == 1, loads * (x.loads - 1) // x.loads, 0) \
        + np.where(x.m["slots"] == 1, stores * (x.total_blocks - 1) // x.total_blocks, 0)


def _startup(x, tiles, shapes):
    """Cycles before the first tile and after the last, without the first filters: its first piece,
    the rows' following one another, the last block's last piece, the program's ends."""
    config, timing = x.config, x.timing
    first_load: Any = 0
    last_block: Any = 0
    for tile in tiles:
        first_load = np.where((tile.kind.count > 0) & (first_load == 0), tile.first_load,
                              first_load)
        last_block = np.where(tile.kind.count > 0, tile.last_block, last_block)
    skew = busiest(*(config.rows * shape.taps for shape in shapes))
    return first_load + skew + last_block + CYCLES.ends + CYCLES.end_latencies * timing.latency


def _first_filters(x, fold):
    """Cycles in which the filters of a first pass come, which nothing hides."""
    words = x.t * fold.active_rows * ceildiv(fold.weights, x.config.bus_bytes)
    return np.maximum(words, x.timing.cycles(words * x.config.bus_bytes)) + x.t


class _Cost:
    """The parallel machine's :class:`~hwgen.machines.base.CostModel`."""
    variants = ((2, 2, 1, 0), (1, 2, 1, 0), (2, 1, 1, 0), (1, 1, 1, 0), (2, 2, 0, 0), (1, 2, 0, 0),
                (1, 1, 0, 0), (1, 2, 0, 1), (1, 2, 1, 1))
    most_row_bytes = 1 << 24            # what LOAD's row_last counts
    lower_bound = staticmethod(lower_bound)
    estimate = staticmethod(estimate)

    def worthwhile(self, fits):
        """Fewer slots or buffers gain nothing where there is room for more."""
        fits = fits.copy()
        fits[:, 1:4] &= ~fits[:, :1]
        return fits

    def copy_cycles(self, config, values):
        return values // min(config.lanes, config.bus_bytes)


COST = _Cost()
