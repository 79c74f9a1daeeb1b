"""The cost model of a compact accelerator, whose engine does one thing after the other.

Its firmware is its timing: an instruction a cycle, see :mod:`hwgen.rtl.compact.firmware`. So the
cycles of a layer are the sum of what its commands take. Two things run at a time only while a block
is computed: the array works on what stands in the ifmap spads while the engine feeds them, and
while it loads the weights of the next pass.
"""

import numpy as np

from ..isa import COMMAND_BYTES, StoreMode
from .cost import (
    array_passes,
    byte_weight,
    ceildiv,
    cut_tiles,
    filter_blocks,
    fold_shapes,
    least_input,
    shifted_tiles,
)

__all__ = ["estimate", "lower_bound"]

# Cycles, measured on the RTL; those of DRAM come on top, its latency once for each burst.
_BURST = 2                  # from a burst's last word to the next one's address
_ENDS = 170                 # BEGIN and END

# A command, from its fetching on.
_LOAD = 620
_PARAMS = 200
_FILTER = 152
_COMPUTE = 745
_STORE = 890

# LOAD: of a DRAM group, a row read, one of padding; of a column that is regrouped, each further
# channel group in it, and a column that is skipped.
_GROUP, _HOP = 24, 8
_ROW, _PAD_ROW = 61, 23
_COLUMN, _PIECE, _SKIP = 34, 16, 12

# COMPUTE: of a pass; of a packet, which is read in two bursts, and of a word of it.
_PASS = 50
_PACKET, _WEIGHTS = 86, 4
# Ifmap words: of a strip, and for each array row in it; of a round; of an array row in a round,
# with idle ones possible or not; of a word, and of each further group of columns.
_STRIP, _STRIP_ROW = 14, 4
_ROUND, _FED, _TEST, _IDLE = 5, 13, 3, 5
_WORD, _STREAM = 5, 8
_SHORT = 3                  # the last array row waits for the idle one before it

# STORE: of a filter group, an output row, an output column; of a psum that is stored, and of an
# output of pooled ones, each of their rows and each of them.
_FILTERS, _OUT_ROW, _OUT_COLUMN = 27, 90, 19
_PSUM = 26
_RAW = 20
_POOLED, _POOLED_COLUMN, _POOLED_ROW, _POOLED_PSUM = 20, 18, 16, 18


def _interval(config, taps, accumulate):
    """Cycles from a psum of ``taps`` taps to the next: all columns' have to leave in them."""
    columns = max(config.cols, 2)
    return np.maximum(taps, 2 * columns + 2 if accumulate else columns + 3)


def _round(config, active, e, streams):
    """Cycles in which the engine feeds a GLB word of each stream to ``active`` array rows, the
    others being idle."""
    rows = config.rows
    return (_ROUND + (rows - 1) * _TEST + active * (_FED + _WORD * e)
            + active * (streams - 1) * (_STREAM + _WORD * e) + (rows - active) * _IDLE
            + np.where(active < rows, _SHORT, 0))


def _read(config, timing, words, each):
    """Cycles of ``words`` words from DRAM that are taken ``each`` cycles one after the other."""
    if timing.bytes_per_cycle:
        each = np.maximum(each, config.bus_bytes / timing.bytes_per_cycle)
    return words * each + (ceildiv(words, config.burst) - 1) * (timing.latency + _BURST - each + 1)


def _outputs(layer, p):
    """Cycles of a filter group's outputs of one column."""
    pool = layer.pooling
    if layer.mode == StoreMode.RAW:
        return _RAW * p
    if pool.r * pool.s == 1:
        return _PSUM * p
    return _POOLED_COLUMN + p * (_POOLED + pool.r * (_POOLED_ROW + pool.s * _POOLED_PSUM))


def lower_bound(config, layer, folds, q, p, t, e):
    """As :func:`.cost.lower_bound`, for a compact accelerator."""
    groups, blocks = filter_blocks(layer, q, p, t)
    need_rows, need_cols = layer.needed()
    _, out_rows, out_cols = layer.y.shape
    strips, many = ceildiv(need_rows, e), len(layer.parts) * layer.sets
    array = engine = filters = 0
    for fold, alike in fold_shapes(folds):
        passes, pairs, taps = array_passes(config, layer, fold, q)
        s, streams = fold.cols, groups / blocks if layer.depthwise else 1
        rounds = need_cols * q * min(s.u, (s.taps - 1) * s.d + 1) / config.bus_bytes
        words = ceildiv(p * taps, config.bus_bytes)
        array += alike * blocks * passes * strips * need_cols * p * _interval(config, taps, False)
        engine += alike * (groups * (passes * _PACKET + pairs * words * _WEIGHTS)
                           + blocks * strips * rounds * passes
                           * _round(config, pairs / passes, e, streams))
        filters += alike * groups * pairs * words
    moved = many * filters * config.bus_bytes + least_input(layer) + int(np.prod(layer.y.shape))
    return many * np.maximum(array, engine) + layer.sets * groups * out_rows * out_cols \
        * _outputs(layer, p) + least_input(layer) / config.bus_bytes + byte_weight(config) * moved


def estimate(config, layer, folds, m, timing):
    """As :func:`.cost.estimate`, for a compact accelerator."""
    return _Estimate(config, layer, folds, m, timing).run()


class _Estimate:
    """Cycles and words of mappings, added up tile by tile, element by element."""

    def __init__(self, config, layer, folds, m, timing):
        self.config, self.layer, self.m, self.timing = config, layer, m, timing
        self.q, self.p, self.t = m["q"], m["p"], m["t"]
        self.groups, self.blocks = filter_blocks(layer, self.q, self.p, self.t)
        self.shapes, self.nfolds = fold_shapes(folds), len(folds)
        self.channel_groups = ceildiv(layer.channels, self.q)
        self.chunks = ceildiv(self.channel_groups, m["chunk"])
        # How often a tile is loaded.
        if layer.depthwise:
            held = ceildiv(np.minimum(m["chunk"], self.channel_groups), self.t)
            self.repeats = ceildiv(held, m["resident"]) if self.nfolds > 1 else 1
        else:
            self.repeats = np.where(self.nfolds * self.chunks > 1,
                                    ceildiv(self.blocks, m["resident"]), 1)
        self.cost = dict.fromkeys(("array", "refill", "ybus", "xbus", "filter", "compute", "loader",
                                   "drain", "dram_read", "dram_write", "serial"), 0)

    def add(self, name, value):
        self.cost[name] = self.cost[name] + value

    def commands(self, number, cycles):
        """So many commands, which take ``cycles`` cycles each and DRAM's latency."""
        self.add("serial", number * (cycles + self.timing.latency))
        self.add("dram_read", number * (COMMAND_BYTES // self.config.bus_bytes))

    def run(self):
        layer, m = self.layer, self.m
        pool, sets = layer.pooling, layer.sets
        _, out_rows, out_cols = layer.y.shape
        (nrow, whole_rows, last_rows, _), (ncol, whole_cols, last_cols, _) = cut_tiles(layer, m)
        row_kinds = ((whole_rows, m["tile_rows"], nrow - 1, False),
                     (last_rows, out_rows - (nrow - 1) * m["tile_rows"], 1, True))
        col_kinds = ((whole_cols, m["tile_cols"], ncol - 1, False),
                     (last_cols, out_cols - (ncol - 1) * m["tile_cols"], 1, True))
        tiles = nrow * ncol
        for rows, pooled_rows, row_count, last_row in row_kinds:
            strips = np.maximum(ceildiv(rows, m["e"]), m["strips"])
            for cols, pooled_cols, col_count, last_col in col_kinds:
                count = row_count * col_count * sets
                for n, (fold, alike) in enumerate(self.shapes):
                    self.compute(count, alike, fold, strips, cols, n == 0)
                    self.load(count * alike, fold, strips, cols,
                              _real(fold.rows, "tile_rows", nrow, last_row, fold.rows.span(
                                  strips * m["e"]), m, pool.u, pool.top),
                              _real(fold.cols, "tile_cols", ncol, last_col, fold.cols.span(cols),
                                    m, pool.v, pool.left), (ncol, last_col))
                self.store(count, pooled_rows, pooled_cols)
        return self.total(tiles)

    def compute(self, count, alike, fold, strips, steps, first):
        """FILTER and COMPUTE of all blocks of ``count`` tiles, on folds alike."""
        config, layer, timing = self.config, self.layer, self.timing
        q, p, e, rows, word = self.q, self.p, self.m["e"], config.rows, config.bus_bytes
        r, s = fold.rows, fold.cols
        taps = s.taps * (1 if layer.depthwise else q)
        window, adv = ((s.taps - 1) * s.d + 1) * q, s.u * q
        rounds = ceildiv((steps - 1) * adv + window, word)
        groups = self.groups / self.blocks          # of a block
        streams = groups if layer.depthwise else 1
        # Passes with all rows, and with idle ones; commands that end with the latter.
        if layer.depthwise:
            commands, pairs = 1, r.taps
            full, ended = pairs // rows, int(pairs % rows > 0)
        else:
            commands, pairs = self.chunks, self.channel_groups * r.taps
            chunk = self.m["chunk"] * r.taps
            rest = pairs - (commands - 1) * chunk
            full = (commands - 1) * (chunk // rows) + rest // rows
            ended = (commands - 1) * (chunk % rows > 0) + (rest % rows > 0)
        active = (pairs - full * rows) / np.maximum(ended, 1)
        # The ring holds the last columns of a strip, and of the next one's first window as much as
        # there is room for; or too little for the next column.
        ring, strip_adv = config.ifmap_spad, rounds * word - (steps - 1) * adv
        missing = np.maximum(ceildiv(window, word) - np.maximum((ring - strip_adv) // word, 0), 0)
        between = np.maximum(window + adv - ring, 0) / word
        left = np.minimum(1 + np.maximum((ring - strip_adv) // adv, 0), strips * steps)
        many = count * alike * len(layer.parts) * self.blocks
        self.commands(many * commands, _FILTER)
        self.commands(many * commands, _COMPUTE)
        for number, ends, of_rows in ((full, commands - ended, rows), (ended, ended, active)):
            words = groups * of_rows * ceildiv(p * taps, word)
            weights = groups * (_PACKET + 2 * timing.latency + _read(
                config, timing, words / groups, _WEIGHTS)) + _PASS
            psum = _interval(config, taps, True)
            array = strips * steps * p * psum
            a_round = _round(config, of_rows, e, streams)
            start = _STRIP + rows * _STRIP_ROW + ceildiv(window, word) * a_round
            fed = strips * rounds * of_rows * e * streams
            feed = strips * (rounds * a_round + _STRIP + rows * _STRIP_ROW)
            # Psums go to the GLB before ifmap words come from it.
            feed = feed + fed * strips * steps * p / np.maximum(feed, array) \
                * config.cols * (2 * config.cols + 1)
            refill = a_round * ((strips - 1) * missing + strips * (steps - 1) * between)
            tail = left * p * psum
            busy = np.maximum(weights + feed, array + refill
                              + np.maximum(weights + start - tail, 0))
            end = np.maximum(weights + feed + p * psum, array + refill + weights + start) - busy
            self.add("array", many * number * array)
            self.add("refill", many * number * (refill + start))
            self.add("ybus", many * number * feed)
            self.add("xbus", many * number * fed * word)
            self.add("filter", many * number * weights)
            self.add("compute", many * (number * busy + ends * end))
            self.add("dram_read", many * number * (words + 2 * groups))

    def load(self, count, fold, strips, steps, real_rows, real_cols, cols):
        """LOADs of ``count`` tiles."""
        config, layer, timing, m = self.config, self.layer, self.timing, self.m
        word, q, g, r, s = config.bus_bytes, self.q, m["g"], fold.rows, fold.cols
        ncol, last = cols
        sets = layer.sets
        height, kept = r.span(strips * m["e"]), s.span(steps)
        rounds = ceildiv(((steps - 1) * s.u + (s.taps - 1) * s.d + 1) * q, word)
        groups = ceildiv(layer.channels, g) if sets == 1 or layer.channels == 1 \
            else ceildiv(layer.channels + g - 1, g)
        # Steps that begin within a group read it once more.
        groups = groups + (self.chunks - 1) - (self.chunks - 1) // (g // np.gcd(g, m["chunk"] * q))
        astray = (sets > 1) & (layer.channels % g != 0)
        (whole, last_share), _ = shifted_tiles(layer, s, q, g, m["tile_cols"], ncol, word)
        shifted = last_share if last else whole
        row_words = ceildiv(((real_cols - 1) * s.step + 1) * g, word)
        words = _read(config, timing, row_words, 1)
        by_words = (timing.latency + _ROW + words + rounds - row_words + shifted * row_words,
                    _PAD_ROW + rounds)
        column = _COLUMN + _PIECE * (np.maximum(ceildiv(g, q), 1) + astray - 1)
        by_columns = (timing.latency + _ROW + words - row_words + kept * column
                      + real_cols * (s.step - 1) * (_SKIP + g / word), _PAD_ROW + kept * column)
        row, padding = (np.where((g == q) & (s.step == 1) & ~astray, *both)
                        for both in zip(by_words, by_columns, strict=True))
        many = count * self.repeats
        self.add("loader", many * (
            groups * (_GROUP + real_rows * row + (height - real_rows) * padding)
            + self.channel_groups * _HOP))
        self.commands(many * self.chunks * layer.sources, _LOAD)
        self.add("dram_read", many * groups * real_rows * row_words)

    def store(self, count, rows, cols):
        """STOREs of all blocks of ``count`` tiles."""
        layer, p = self.layer, self.p
        self.commands(count * self.blocks, _STORE)
        self.add("drain", count * self.groups * (_FILTERS + rows * (
            _OUT_ROW + cols * (_OUT_COLUMN + _outputs(layer, p)))))
        values = cols * p * (4 if layer.mode == StoreMode.RAW else 1)
        self.add("dram_write", count * self.groups * rows * ceildiv(values, self.config.bus_bytes))

    def total(self, tiles):
        """What Estimate wants."""
        config, layer, timing, cost = self.config, self.layer, self.timing, self.cost
        several = ceildiv(layer.filters * layer.sets, self.p) * self.p > config.params_depth
        times = np.where(several, tiles * self.blocks * layer.sets, 1)
        words = 2 * self.p * np.where(several, self.groups / self.blocks,
                                      self.groups * layer.sets)
        self.commands(times, _PARAMS)
        self.add("loader", times * (timing.latency + _read(config, timing, words, 1)))
        self.add("dram_read", times * words)
        found = {name: np.broadcast_to(np.ceil(value).astype(np.int64), self.q.shape)
                 for name, value in cost.items()}
        startup = np.full_like(self.q, _ENDS + 2 * timing.latency)
        moved = (found["dram_read"] + found["dram_write"]) * config.bus_bytes
        return {"cycles": startup + sum(found[name] for name in ("compute", "loader", "drain",
                                                                 "serial")),
                "startup": startup, "bytes": moved, "dram": timing.cycles(moved), **found}


def _real(axis, tile, count, last, positions, m, stride, pad):
    """Of the ``positions`` of a tile those that exist: of the last tile, or of the others in the
    mean."""
    def real(index):
        first = np.maximum(index * m[tile] * stride - pad, 0)
        origin = first * axis.stride + axis.first * axis.dilation - axis.pad
        low = np.clip(ceildiv(-origin, axis.step), 0, positions)
        return np.clip((axis.size - 1 - origin) // axis.step + 1, low, positions) - low
    if last:
        return real(count - 1)
    return (real(0) + np.maximum(count - 2, 0) * real(1)) / np.maximum(count - 1, 1)
