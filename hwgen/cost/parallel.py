"""The cost model of the parallel machine, whose resources all work at a time.

:mod:`hwgen.cost.resources` counts the cycles of each, :mod:`hwgen.cost.overlap` puts them together.
"""

from typing import Any

import numpy as np

from .bounds import lower_bound
from .geometry import ceildiv
from .overlap import Work, busiest, exposed, hidden_beside, total
from .pieces import strip_pieces
from .resources import (
    CYCLES,
    ArrayFold,
    Commands,
    Drain,
    Loader,
    Parameters,
    TileFold,
    array,
    fed_ahead,
    filter_network,
    first_filters,
    first_window,
    refill,
    xbus,
    ybus,
)
from .tiles import Mappings

__all__ = ["COST", "estimate"]

_INNER = "array", "refill", "ybus", "xbus", "filter", "compute"
_OUTER = "fetch", "loader", "drain", "dram_read", "dram_write", "dram"


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
    first = _First(tiles)
    parameters = Parameters(x)
    cost = {name: sum(tile.kind.count * getattr(tile, name) for tile in tiles) for name in (
        "array", "refill", "ybus", "xbus", "filter", "filter_words", "compute", "load_words",
        "loads", "stores", "loader", "drain", "dram_write", "write_words")}
    stores = cost["stores"] + np.where(x.m["slots"] == 1, 0, tiles[-1].store_pieces - 1)
    commands = Commands(x, cost["loads"], stores, parameters.count)
    cost["fetch"] = commands.cycles
    cost["loader"] = cost["loader"] + parameters.cycles
    cost["dram_read"] = cost["load_words"] + cost["filter_words"] + parameters.words \
        + commands.words
    moved = (cost["dram_read"] + cost["write_words"]) * config.bus_bytes
    cost["dram"] = timing.cycles(moved)
    uneven = _Uneven(x, tiles).cycles
    serial = _serial(x, tiles) + uneven
    works = _works(x, tiles, shapes, first, parameters, commands, cost, serial, uneven)
    cycles = total(*works.values())
    startup = works["compute"].head + works["compute"].tail
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
    loads, loader, port, load_words : int
        LOADs, cycles of the loader with their beginnings, of the read port, and words from DRAM.
    stores, drain, dram_write, write_words : int
        STOREs, cycles of the output stage, and of the writing; words to DRAM.
    waits_for_loads, waits_for_unlike : int
        Cycles that a tile waits for its LOADs, if there is one buffer, and how many more if it does
        not stand like the one before: its pieces come when that has been read as a whole.
    store_exposed : int
        Cycles that a tile's blocks wait for the psums before them, if there is one slot.
    first_load, first_tile, first_piece, pieces : int
        Of a first tile's LOADs what nothing hides, all, and the first piece of so many.
    computed_first, computed_tile : int
        Computing on the first piece, and on a tile that is loaded once.
    first_window : int
        From a tile that is there to the first tap.
    computed_last : int
        Cycles of computing after a tile's last piece has come.
    first_block : int
        Computing until the first psums can leave.
    block, block_drain : int
        Of a block: computing in a step, and its psums through the output stage.
    last_block, last_drain, last_burst : int
        Of the layer's last block: what of its STOREs nothing hides, all of them, and its last burst
        to DRAM.
    store_pieces : int
        STOREs of a block that leaves in strips.
    """

    def __init__(self, x, kind, shapes):
        works = [TileFold(x, fold, kind) for fold in shapes]
        self.kind = kind
        self.array, self.refill, self.ybus, self.xbus = (
            sum(resource(x, w) for w in works) for resource in (array, refill, ybus, xbus))
        self.filter_words, self.filter = map(sum, zip(*(
            filter_network(x, w) for w in works), strict=True))
        self.compute = busiest(self.array + self.refill, self.ybus, self.xbus, self.filter)
        self.first_window = first_window(x, works[0])
        # A step's computing with a block, and a pass of that.
        chunks = 1 if x.layer.depthwise else x.chunks
        steps = x.folds * chunks * x.blocks
        self.block = block = self.compute // steps
        a_pass = block // ceildiv(works[-1].fold.passes, chunks)
        self._load(x, works, block, a_pass, block - self.filter_words // steps)
        self._store(x, works, block, a_pass)

    def _load(self, x, works, block, a_pass, free):
        """Of the tile before, the last block gives up a piece after the other; the first block
        waits for each. The first tile of all may come in strips, which its first pass waits for.
        ``free``: cycles of a block in which DRAM has no filters to read."""
        loader = Loader(x, self.kind, works, self.compute)
        begin = CYCLES.load + x.timing.latency
        self.load_words = loader.dram_words
        pieces, free = loader.pieces, np.maximum(free, 0)
        self.loads = x.tile_steps * x.layer.sources * pieces
        self.loader = self.loads * begin + loader.cycles
        # Filters come through the same port, which is idle while a LOAD begins.
        self.port = self.loads * begin + loader.dram_words + self.filter_words
        held = np.minimum(x.m["chunk"], x.channel_groups)
        each = x.layer.sources * pieces * begin
        aligned, offset = (cycles // x.tile_steps + each
                           for cycles in (loader.aligned, loader.offset))
        step_blocks = x.step_blocks
        hidden = np.where(pieces == 1, fed_ahead(x, works[-1]) - self.first_window, np.where(
            step_blocks > 1, hidden_beside(free, pieces), free))
        self.waits_for_loads = (x.tile_steps * (
            (1 - loader.shifted) * np.maximum(aligned - hidden, 0)
            + loader.shifted * np.maximum(offset - hidden, 0))).astype(np.int64)
        self.waits_for_unlike = np.maximum(
            exposed(aligned, block, pieces) - self.waits_for_loads // x.tile_steps, 0)
        _, strips = strip_pieces(works[-1].strips, works[-1].words)
        by_strips = (strips > pieces) & (x.layer.sources == 1) & (
            (x.m["buffers"] > 1) | (x.loads == 1) | (pieces == 1))
        parts = np.where(by_strips, strips, pieces)
        computing = np.where(by_strips, a_pass, block)
        self.first_tile = loader.first * held * x.chunks // (x.channel_groups * x.tile_steps) \
            + x.layer.sources * parts * begin
        self.first_load = exposed(self.first_tile, computing, parts)
        self.first_piece = self.first_tile // parts
        self.computed_tile = step_blocks * block
        self.computed_first = np.where(parts == 1, self.computed_tile, computing // parts)
        self.pieces = parts
        self.computed_last = step_blocks * block - computing + computing // parts

    def _store(self, x, works, block, a_pass):
        """A block leaves strip by strip, if there is nothing to pool: the next one in its place
        follows, the last block of all is done soon after its last pass."""
        drain = Drain(x, self.kind, works, self.ybus, self.compute)
        self.drain, self.dram_write, self.write_words = drain.cycles, drain.write, drain.write_words
        self.store_pieces, self.last_burst = drain.pieces, drain.last_burst
        self.block_drain = drain.block - (drain.pieces - 1) * CYCLES.store
        self.last_drain = drain.all
        self.stores = x.blocks * np.where(x.m["slots"] == 1, drain.pieces, 1)
        self.store_exposed = x.blocks * np.where(
            drain.pieces > 1, np.maximum(drain.block - hidden_beside(a_pass, drain.pieces), 0),
            drain.block)
        self.last_block = np.maximum(
            drain.last, drain.block - CYCLES.store - a_pass + a_pass // drain.pieces)
        steps = x.folds * (1 if x.layer.depthwise else x.chunks)
        self.first_block = ((steps - 1) * x.m["resident"] + 1) * block - np.where(
            x.m["slots"] == 1, a_pass - a_pass // drain.pieces, 0)


class _First:
    """The first tile, in the numbers of its :class:`_Tile`."""

    def __init__(self, tiles):
        for name in ("first_load", "first_tile", "first_piece", "pieces", "computed_first",
                     "computed_tile", "first_window", "first_block", "drain", "compute"):
            value: Any = 0
            for tile in reversed(tiles):
                value = np.where(tile.kind.count > 0, getattr(tile, name), value)
            setattr(self, name, value)


def _serial(x, tiles):
    """Cycles that the array waits where there is but one ifmap buffer, or one slot for psums."""
    layer, (rows, cols) = x.layer, x.tiling
    loads = sum(tile.kind.count * tile.waits_for_loads for tile in tiles)
    stores = sum(tile.kind.count * tile.store_exposed for tile in tiles)
    # A tile of another shape than the one before it waits for all of that, and so does a block.
    unlike = np.where((cols.count > 1) & (cols.whole != cols.last), 2 * rows.count * layer.sets - 1,
                      np.where((rows.count > 1) & (rows.whole != rows.last), 2 * layer.sets - 1, 0))
    loads = loads + unlike * busiest(*(
        np.where(tile.kind.count > 0, tile.waits_for_unlike, 0) for tile in tiles))
    stores = stores + unlike * busiest(*(
        np.where((tile.kind.count > 0) & (tile.store_pieces > 1), tile.last_block, 0)
        for tile in tiles))
    return np.where(x.m["buffers"] == 1, loads * (x.loads - 1) // x.loads, 0) \
        + np.where(x.m["slots"] == 1, stores * (x.total_blocks - 1) // x.total_blocks, 0)


class _Uneven:
    """Cycles that the array waits where each has two places: a tile comes while the one before is
    computed, a block leaves while the next one is. So unlike neighbours wait for each other, though
    there is time enough in the mean.

    Attributes
    ----------
    cycles : int
    """

    def __init__(self, x, tiles):
        self.x = x
        if x.layer.depthwise:   # chunks are sets, which pass over all tiles one after the other
            self.loads, self.blocks = x.tile_steps // x.chunks, x.blocks // x.chunks
        else:
            self.loads, self.blocks = x.tile_steps, x.blocks
        self.alike: dict[tuple, Any] = {}
        for tile in tiles:      # a first one that differs counts only where no other is like it
            key = tile.kind.last_row, tile.kind.last_col
            if key not in self.alike or not tile.kind.first:
                self.alike[key] = tile
        (rows, cols), last_rows = x.tiling, {row for row, _ in self.alike}
        by_rows, by_rows_ends = self._along(rows.count, lambda last: self.alike.get((last, True)))
        by_cols = [self._along(cols.count, lambda last, row=row: self.alike.get((row, last)))
                   for row in sorted(last_rows)]
        waited = np.where(cols.count == 1, by_rows, by_cols[-1][0] + (
            (rows.count - 1) * by_cols[0][0] if len(by_cols) > 1 else 0))
        ends = np.where(cols.count == 1, by_rows_ends, by_cols[-1][1])
        ends = ends // (x.chunks if x.layer.depthwise else 1)
        self.cycles = np.maximum(x.layer.sets * waited - ends, 0)

    def _waits(self, before, now, behind, first=False, last=False):
        """Of the computing of a tile: for the LOADs of this one and of the one ``behind``, unless
        it is the ``last``; for the blocks of this one and the one ``before``, unless it is the
        ``first``."""
        x, loads, blocks = self.x, self.loads, self.blocks
        computing = now.compute // loads
        loading = np.where(x.m["buffers"] > 1, sum(times * np.maximum(
            np.maximum(tile.loader, tile.port) // loads - computing, 0)
            for tile, times in ((now, loads - 1), (behind, 0 if last else 1))), 0)
        computing = (now.compute + np.where(x.m["buffers"] > 1, 0, now.waits_for_loads)) // blocks
        alternate = (x.m["slots"] == 2) & ((loads == 1) | (x.m["resident"] == 1))
        storing = np.where(alternate, sum(times * np.maximum(
            np.maximum(tile.drain, tile.dram_write) // blocks - computing, 0)
            for tile, times in ((now, np.maximum(blocks - 1 - last, 0)),
                                (before, (blocks > last) * (not first)))), 0)
        return np.maximum(loading, storing)

    def _along(self, count, tile):
        """Waiting of ``count`` tiles one after the other, and again; and what of that is not there
        before the first and behind the last. ``tile(last)`` is one of them."""
        whole, last, waits = tile(False), tile(True), self._waits
        alone = waits(last, last, last)
        alone_ends = alone - waits(last, last, last, first=True, last=True)
        if whole is None:
            return count * alone, alone_ends
        begin = np.where(count == 2, waits(last, whole, last), waits(last, whole, whole))
        end = waits(whole, last, whole)
        between = np.where(count == 2, 0, waits(whole, whole, last) + np.maximum(count - 3, 0)
                           * waits(whole, whole, whole))
        begins = np.where(count == 2, waits(last, whole, last, first=True),
                          waits(last, whole, whole, first=True))
        ends = begin - begins + end - waits(whole, last, whole, last=True)
        return (np.where(count == 1, alone, begin + end + between),
                np.where(count == 1, alone_ends, ends))


def _left(x, tiles):
    """Cycles of STOREs when the array has ended: of the last block, and of the one before it, if
    there are two slots."""
    last = tiles[-1]
    before = last.block_drain
    for tile in tiles[:-1]:
        before = np.where((tile.kind.count > 0) & (x.blocks == 1), tile.block_drain, before)
    both = np.where((x.m["slots"] == 2) & (x.total_blocks > 1),
                    before + last.last_drain - last.block, 0)
    return np.maximum(last.last_block, both)


def _works(x, tiles, shapes, first, parameters, commands, cost, serial, uneven):
    """The :class:`~.overlap.Work` of each resource.

    Commands come in the order LOAD (one for each source), PARAMS, FILTER, COMPUTE. So the array
    begins when the first piece of the first tile, the first filters and the COMPUTE are there; the
    output stage, when the first psums and the parameters are. All LOADs but that of the first piece
    come behind the parameters: the array may have to wait for them at the second piece, at the
    second tile, or when all slots for psums are full.
    """
    timing, sources, slots = x.timing, x.layer.sources, x.m["slots"]
    steps, compute = x.layer.sets * x.tiles * x.tile_steps, cost["compute"]
    filters = timing.latency + first_filters(x, shapes[0])
    early = 0
    if x.layer.idle is None:
        loading = Commands.fetch(x, 1) + CYCLES.dispatch
        filters = filters + Commands.fetch(x, sources + 2) + CYCLES.dispatch
        begins = Commands.fetch(x, sources + 3)
    else:           # behind another layer, in which commands came, and what there was time for
        loading = begins = CYCLES.dispatch
        early = np.minimum(filters, x.layer.idle + first.first_load)
        filters = filters - early
    loaded = loading + first.first_load + commands.beside(first.first_load)
    begin = busiest(busiest(loaded, begins) + first.first_window, filters)
    compute = busiest(compute - early, cost["array"] + cost["refill"], cost["ybus"], cost["xbus"])

    ready = first.first_piece + parameters.first
    ready = loading + ready + commands.beside(ready)
    piece = ready + np.where(first.pieces > 1, first.first_piece + first.first_window, 0)
    others = (cost["loader"] - parameters.cycles - first.first_tile) // np.maximum(steps - 1, 1)
    tile = np.where(steps > 1, others + first.first_window, 0)
    second = ready + first.first_tile - first.first_piece + tile
    # What the array has waited for the second tile, and for the first one's psums, already.
    waited = np.where(x.m["buffers"] > 1, np.maximum(tile - first.computed_tile, 0), 0) \
        + np.where(slots > 1, np.maximum(first.drain - np.where(
            steps == 2, compute - first.compute, first.compute), 0) // x.blocks, 0)
    computing = compute + serial - np.minimum(waited, uneven)
    rest = computing - first.computed_tile
    # Of the second tile until the first psums can leave; of the blocks that found no slot.
    block = rest // np.maximum((steps - 1) * x.step_blocks * np.where(
        slots == 1, tiles[-1].store_pieces, 1), 1)
    late = np.where(x.total_blocks > slots,
                    CYCLES.store + compute - compute * slots // x.total_blocks, 0)

    storing = np.maximum(begin + first.first_block, ready)
    written = CYCLES.finish + tiles[-1].last_burst
    end, ends = written + tiles[-1].last_block, written + _left(x, tiles)
    return {
        "compute": Work(begin, compute + serial, ends),
        "second piece": Work(piece, computing - first.computed_first, ends),
        "second tile": Work(second, rest, np.where(steps > 2, ends, end)),
        "second psums": Work(second, np.where(
            steps > 2, block + cost["drain"] - first.drain, 0), written),
        "slots": Work(ready, late, end),
        "fetch": Work(0, cost["fetch"], Commands.fetch(x, 1) + CYCLES.end),
        "loader": Work(loading, cost["loader"] + commands.beside(ready - loading)
                       - np.where(cost["loads"] > sources, 0, parameters.cycles),
                       tiles[-1].computed_last + end),
        "dram_read": Work(loading, cost["dram_read"] - early + cost["loads"] * (
            CYCLES.load + timing.latency), end),
        "dram": Work(loading, cost["dram"], CYCLES.finish),
        "drain": Work(storing, cost["drain"] - CYCLES.store, written),
        "dram_write": Work(storing, cost["dram_write"], CYCLES.finish)}


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
