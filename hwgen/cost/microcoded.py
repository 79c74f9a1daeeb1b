"""The cost model of the microcoded machine, whose engine does one thing after the other.

Its firmware is its timing: an instruction a cycle, see :mod:`hwgen.rtl.microcoded.firmware`. So the
cycles of a layer are the sum of what its commands take. Two things run at a time only while a block
is computed: the array works on what stands in the ifmap spads while the engine feeds them, and
while it loads the weights of the next pass.
"""

from functools import cache

import numpy as np

from ..isa import COMMAND_BYTES, StoreMode
from .parallel import (
    array_passes,
    byte_weight,
    ceildiv,
    cut_tiles,
    filter_blocks,
    fold_shapes,
    least_input,
    shifted_tiles,
)

__all__ = ["COST", "estimate", "lower_bound"]

# Cycles, measured on the RTL; where DRAM is read, its latency comes on top.
_BURST = 2                  # from a burst's last word to the next one's address
_ENDS = 240                 # START, BEGIN and END

# A command, from its fetching on.
_LOAD, _PARAMS, _FILTER, _COMPUTE, _STORE = 705, 273, 151, 996, 971

# LOAD: of a DRAM group; of each channel group that it goes to; of a row read, one of padding.
_GROUP, _HOP, _ROW, _PAD_ROW = 24, 8, 63, 23
# Where columns are regrouped: of a row, which waits for DRAM less; of a column, of one read, of
# each further channel group in it, of one that is skipped.
_REGROUPED, _COLUMN, _READ, _PIECE, _SKIP = 34, 27, 6, 16, 12

# Weights: of a pass, and for each array row in it; of a packet, which is read in two runs, and for
# each array row in it; of a word.
_PASS, _PASS_ROW = 22, 13
_PACKET, _PACKET_ROW, _WEIGHTS = 76, 5, 4

# Ifmap words: of a strip, and for each array row; of a round, and for each array row that takes
# part, or does not, or might not; of a word in each row, and of each further group of columns.
_STRIP, _STRIP_ROW = 15, 1
_ROUND, _FED, _IDLE, _TEST = 5, 13, 9, 3
_WORD, _STREAM = 5, 8

_COPY = 30                  # of a value that is copied to another layout

_ROUNDS = 20                # in which words and psums meet often enough to tell

# STORE: of a filter group, an output row, an output column; of a psum that is stored, as it is or
# requantised; of a column of pooled outputs; of a pooled output, each further row of its window and
# each further psum of a row, the least and beside requantising.
_FILTERS, _OUT_ROW, _OUT_COLUMN = 21, 84, 18
_RAW, _PSUM = 19, 9
_POOLED_COLUMN = 18
_POOLED, _POOLED_ROW, _POOLED_PSUM = (30, 17), (22, 3), (8, 3)
_EXPONENT = 126             # of a float32 between a half and 1


def _interval(config, taps, accumulate):
    """Cycles from a psum of ``taps`` taps to the next: all columns' have to leave in them."""
    columns = max(config.cols, 2)
    return np.maximum(taps, 2 * columns + 2 if accumulate else columns + 3)


def _round(config, active, e, streams):
    """Cycles in which the engine feeds a GLB word of each stream to ``active`` array rows, the
    others being idle."""
    rows = config.rows
    return (_ROUND + (rows - 1) * _TEST + active * (_FED + _WORD * e)
            + active * (streams - 1) * (_STREAM + _WORD * e) + (rows - active) * _IDLE)


@cache
def _wait(rows, cols, psum, e, streams):
    """Cycles that an ifmap word waits for the GLB's port, in the mean, which psums have to
    themselves for a while every ``psum`` cycles: words come as regularly, and may meet them each
    time."""
    others = [_WORD] * (e - 1)
    row = [_FED + _TEST + _WORD, *others] + [_STREAM + _WORD, *others] * (streams - 1)
    gaps = ([row[0] + _ROUND, *row[1:]] + row * (rows - 1)) * _ROUNDS
    now = waited = 0
    for gap in gaps:
        now += gap
        wait = max(2 * cols - now % psum, 0)
        now, waited = now + wait, waited + wait
    return waited / len(gaps)


def _waits(config, psum, e, streams):
    """:func:`_wait`, element by element."""
    kinds, where = np.unique(np.stack(np.broadcast_arrays(psum, e, streams)), axis=1,
                             return_inverse=True)
    found = np.array([_wait(config.rows, config.cols, *kind) for kind in kinds.T.tolist()])
    return found[where.reshape(-1)]


def _read(config, timing, words, each):
    """Cycles of ``words`` words from DRAM that are taken ``each`` cycles one after the other, from
    the first one's coming on."""
    if timing.bytes_per_cycle:
        each = np.maximum(each, config.bus_bytes / timing.bytes_per_cycle)
    burst = np.maximum(timing.latency + _BURST + 1 - each, 0)
    return words * each + (ceildiv(words, config.burst) - 1) * burst


def _requantising(conv):
    """Cycles of the output unit in the mean: the smaller the scale, the more. Layers of equal
    measures take those of the first, which are off by a cycle or two at most."""
    exponents = np.frexp(conv.scale)[1] + _EXPONENT
    return float(np.mean(np.maximum(68 - exponents // 2, 0))) + 4


def _window(size, stride, pad, limit, outputs):
    """Rows, or columns, of a pooling window that there are, in the mean."""
    first = np.arange(outputs) * stride - pad
    return float(np.mean(np.minimum(first + size, limit) - np.maximum(first, 0)))


def _outputs(layer, p):
    """Cycles of a filter group's outputs of one column."""
    pool = layer.pooling
    if layer.mode == StoreMode.RAW:
        return _RAW * p
    busy = _requantising(layer.conv)
    if pool.r * pool.s == 1:
        return (_PSUM + busy) * p
    (_, height, width), (_, rows, cols) = layer.conv.y.shape, layer.y.shape
    r = _window(pool.r, pool.u, pool.top, height, rows)
    s = _window(pool.s, pool.v, pool.left, width, cols)
    output, row, psum = (max(least, busy + more) for least, more in (
        _POOLED, _POOLED_ROW, _POOLED_PSUM))
    return _POOLED_COLUMN + p * (output + (r - 1) * row + r * (s - 1) * psum)


def lower_bound(config, layer, folds, q, p, t, e):
    """As :func:`.cost.lower_bound`, for the microcoded machine."""
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
    """As :func:`.cost.estimate`, for the microcoded machine."""
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
                    real_rows = _real(fold.rows, fold.rows.span(strips * m["e"]), nrow, last_row,
                                      m["tile_rows"] * pool.u, pool.top)
                    real_cols = _real(fold.cols, fold.cols.span(cols), ncol, last_col,
                                      m["tile_cols"] * pool.v, pool.left)
                    self.load(count * alike, fold, strips, cols, real_rows, real_cols,
                              (ncol, last_col))
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
        # The first pass of a block adds nothing.
        added = _interval(config, taps, True)
        psum = added - (added - _interval(config, taps, False)) * first \
            / (alike * len(layer.parts) * (full + ended))
        held, rest = ring // (rounds * word), ring % (rounds * word)
        left = held * steps + np.where(rest < strip_adv, 0, 1 + (rest - strip_adv) // adv)
        waits = _waits(config, added, e, ceildiv(self.groups, self.blocks)
                       if layer.depthwise else 1)
        many = count * alike * len(layer.parts) * self.blocks
        self.commands(many * commands, _FILTER)
        self.commands(many * commands, _COMPUTE)
        for number, ends, of_rows in ((full, commands - ended, rows), (ended, ended, active)):
            words = groups * of_rows * ceildiv(p * taps, word)
            weights = groups * (_PACKET + _PACKET_ROW * of_rows + 2 * timing.latency + _read(
                config, timing, words / groups, _WEIGHTS)) + _PASS + _PASS_ROW * of_rows
            array = strips * steps * p * psum
            a_round = _round(config, of_rows, e, streams)
            start = _STRIP + rows * _STRIP_ROW + ceildiv(window, word) * a_round
            fed = strips * rounds * of_rows * e * streams
            feed = strips * (rounds * a_round + _STRIP + rows * _STRIP_ROW)
            # Words wait for psums as long as the array works.
            feed = feed + fed * waits * np.minimum(array / (feed + fed * waits), 1)
            refill = a_round * ((strips - 1) * missing + strips * (steps - 1) * between)
            # The engine is ahead by what the ring holds; it may begin to feed a strip when the
            # one before it has begun.
            tail = np.minimum(np.minimum(left, strips * steps) * p * psum - a_round, np.where(
                strips > 2, 2 * array / strips - feed / strips, array))
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

    def load(self, count, fold, strips, steps, real_rows, real_cols, tiles):
        """LOADs of ``count`` tiles; ``tiles``: how many there are side by side, and whether these
        are the last of them."""
        config, layer, timing, m = self.config, self.layer, self.timing, self.m
        word, q, g, r, s = config.bus_bytes, self.q, m["g"], fold.rows, fold.cols
        sets, (ncol, last) = layer.sets, tiles
        height, kept = r.span(strips * m["e"]), s.span(steps)
        rounds = ceildiv(((steps - 1) * s.u + (s.taps - 1) * s.d + 1) * q, word)
        shifted = shifted_tiles(layer, s, q, g, m["tile_cols"], ncol, word)[0][last]
        words = np.maximum(ceildiv(((real_cols - 1) * s.step + 1) * g, word), 1)
        skipped = np.maximum(real_cols - 1, 0) * (s.step - 1) * (_SKIP + ceildiv(g, word))
        # Sets that begin at a group, and those that begin within one. Steps that do read it again.
        starts = g // np.gcd(layer.channels, g)
        astray = 1 - ceildiv(sets, starts) / sets
        groups = ceildiv(layer.channels, g)
        within = (layer.channels + g - g // starts) / g         # of all sets, in the mean
        within = (starts * within - groups) / np.maximum(starts - 1, 1)
        again = self.chunks - 1
        aligned = again // (g // np.gcd(g, m["chunk"] * q))
        many = count * self.repeats
        for share, begun, pieces, whole in (
                (1 - astray, groups + again - aligned, ceildiv(g, q), (g == q) & (s.step == 1)),
                (astray, within + again, ceildiv(g, q) + 1, False)):
            columns = kept * (_COLUMN + _PIECE * (pieces - 1)) + real_cols * _READ
            row = timing.latency + np.where(whole, _ROW, _REGROUPED) + _read(
                config, timing, words, np.where(whole, rounds + shifted * words,
                                                columns + skipped) / words)
            padding = _PAD_ROW + np.where(whole, rounds, columns)
            self.add("loader", many * share * begun * (
                _GROUP + real_rows * row + (height - real_rows) * padding))
            self.add("dram_read", many * share * begun * real_rows * words)
        self.add("loader", many * self.channel_groups * _HOP)
        self.commands(many * self.chunks * layer.sources, _LOAD)

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


def _real(axis, positions, tiles, last, stride, pad):
    """Of the ``positions`` of a tile those that exist: of the last tile, or of the others in the
    mean."""
    def real(index):
        first = np.maximum(index * stride - pad, 0)
        origin = first * axis.stride + axis.first * axis.dilation - axis.pad
        low = np.clip(ceildiv(-origin, axis.step), 0, positions)
        return np.clip((axis.size - 1 - origin) // axis.step + 1, low, positions) - low
    if last:
        return real(tiles - 1)
    return (real(0) + np.maximum(tiles - 2, 0) * real(1)) / np.maximum(tiles - 1, 1)


class _Cost:
    """The microcoded machine's :class:`~hwgen.machines.base.CostModel`."""
    # Where nothing overlaps, more slots and buffers gain nothing.
    variants = ((1, 1, 1, 0), (1, 1, 0, 0), (1, 1, 0, 1), (1, 1, 1, 1))
    most_row_bytes = 1 << 18            # a row in DRAM is one run of words, which 16 bits count
    lower_bound = staticmethod(lower_bound)
    estimate = staticmethod(estimate)

    def worthwhile(self, fits):
        return fits

    def copy_cycles(self, config, values):
        return _COPY * values


COST = _Cost()
