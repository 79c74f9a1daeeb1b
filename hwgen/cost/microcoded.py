"""The cost model of the microcoded machine, whose engine does one thing after the other.

Its firmware is its timing: an instruction a cycle, see :mod:`hwgen.rtl.microcoded.firmware`. So the
law of overlap is a sum: a layer takes what its commands take, one after the other. Two things run
at a time only while a block is computed: the array works on what stands in the ifmap spads while
the engine feeds them, and while it loads the weights of the next pass (:class:`_Pass`).

Numbers are element by element, an element a mapping, see :mod:`hwgen.cost.tiles`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..isa import COMMAND_BYTES
from .bounds import byte_weight, least_cut, least_input
from .geometry import ceildiv, filter_blocks, fold_shapes
from .tiles import Mappings, array_passes, shifted_tiles

__all__ = ["COST", "CYCLES", "MicrocodedCycles", "estimate", "lower_bound"]

_ROUNDS = 20                # in which words and psums meet often enough to tell
_EXPONENT = 126             # of a float32 between a half and 1


@dataclass(frozen=True)
class MicrocodedCycles:
    """Cycles of a microcoded machine: instructions of its firmware, measured on the RTL. Where DRAM
    is read, its latency comes on top.

    Attributes
    ----------
    burst : int
        From a burst's last word to the next one's address.
    ends : int
        START, BEGIN and END.
    load_command, params_command, filter_command, compute_command, store_command : int
        Of a command, from its fetching on.
    load_group : int
        LOAD: of a DRAM group.
    load_channel_group : int
        LOAD: of each channel group that it goes to.
    load_row, load_padding_row : int
        LOAD: of a row that is read, and of one of padding.
    load_regrouped_row : int
        LOAD, where columns are regrouped: of a row, which waits for DRAM less;
    load_column, load_read, load_piece, load_skip : int
        of a column, of one that is read, of each further channel group in it, of one that is
        skipped.
    filter_pass, filter_pass_row : int
        Weights: of a pass, and for each array row in it.
    packet, packet_row : int
        Weights: of a packet, which is read in two runs, and for each array row in it.
    weight_word : int
        Weights: of a word.
    strip, strip_row : int
        Ifmap words: of a strip, and for each array row.
    round, fed_row, idle_row, test_row : int
        Ifmap words: of a round, and for each array row that takes part, or does not, or might not.
    ifmap_word, ifmap_stream : int
        Ifmap words: of a word in each array row, and of each further group of columns.
    out_group, out_row, out_column : int
        STORE: of a filter group, an output row, an output column.
    raw, requantised : int
        STORE: of a psum that is stored as it is, or beside requantising.
    pooled_column : int
        STORE: of a column of pooled outputs.
    pooled, pooled_row, pooled_psum : (int, int)
        STORE: of a pooled output, each further row of its window and each further psum of a row,
        the least and beside requantising.
    copied_value : int
        Of a value that is copied from one place in DRAM to another, about.
    """
    burst: int = 2
    ends: int = 240
    load_command: int = 705
    params_command: int = 273
    filter_command: int = 151
    compute_command: int = 996
    store_command: int = 971
    load_group: int = 24
    load_channel_group: int = 8
    load_row: int = 63
    load_padding_row: int = 23
    load_regrouped_row: int = 34
    load_column: int = 27
    load_read: int = 6
    load_piece: int = 16
    load_skip: int = 12
    filter_pass: int = 22
    filter_pass_row: int = 13
    packet: int = 76
    packet_row: int = 5
    weight_word: int = 4
    strip: int = 15
    strip_row: int = 1
    round: int = 5
    fed_row: int = 13
    idle_row: int = 9
    test_row: int = 3
    ifmap_word: int = 5
    ifmap_stream: int = 8
    out_group: int = 21
    out_row: int = 84
    out_column: int = 18
    raw: int = 19
    requantised: int = 9
    pooled_column: int = 18
    pooled: tuple = (30, 17)
    pooled_row: tuple = (22, 3)
    pooled_psum: tuple = (8, 3)
    copied_value: int = 30


CYCLES = MicrocodedCycles()


def lower_bound(config, layer, folds, q, p, t, e, cut=None):
    """As :func:`.bounds.lower_bound`: the busier of array and engine, and the outputs."""
    groups, blocks = filter_blocks(layer, q, p, t)
    cut = cut or least_cut(layer, e)
    _, out_rows, out_cols = layer.y.shape
    repeats = len(layer.parts) * layer.sets
    array = engine = filters = 0
    for fold, alike in fold_shapes(folds):
        passes, pairs, taps = array_passes(config, layer, fold, q)
        s, streams = fold.cols, groups / blocks if layer.depthwise else 1
        rounds = cut.strip_cols * q * min(s.u, (s.taps - 1) * s.d + 1) / config.bus_bytes
        words = ceildiv(p * taps, config.bus_bytes)
        array += alike * blocks * passes * cut.strip_cols * p * _interval(config, taps, False)
        engine += alike * (cut.tiles * groups * (
            passes * CYCLES.packet + pairs * words * CYCLES.weight_word)
            + blocks * rounds * passes * _round(config, pairs / passes, e, streams))
        filters += alike * cut.tiles * groups * pairs * words
    moved = repeats * filters * config.bus_bytes + least_input(layer) + int(np.prod(layer.y.shape))
    return repeats * np.maximum(array, engine) + layer.sets * groups * out_rows * out_cols \
        * _outputs(layer, p) + least_input(layer) / config.bus_bytes + byte_weight(config) * moved


def estimate(config, layer, folds, m, timing):
    """As :func:`.parallel.estimate`."""
    x = Mappings(config, layer, folds, m, timing)
    cost = _Sums()
    for tile in x.tile_kinds():
        for n, (fold, alike) in enumerate(x.shapes):
            _compute(cost, x, tile, fold, alike, n == 0)
            _load(cost, x, tile, fold, alike)
        _store(cost, x, tile)
    _params(cost, x)
    found = {name: np.broadcast_to(np.ceil(value).astype(np.int64), x.q.shape)
             for name, value in cost.items()}
    startup = np.full_like(x.q, CYCLES.ends + 2 * timing.latency)
    moved = (found["dram_read"] + found["dram_write"]) * config.bus_bytes
    one_after_the_other = sum(found[name] for name in ("compute", "loader", "drain", "serial"))
    return {"cycles": startup + one_after_the_other, "startup": startup, "bytes": moved,
            "fetch": 0 * startup, "dram": timing.cycles(moved), **found}


class _Sums(dict):
    """Cycles, and words to and from DRAM, by name, added up."""

    def __init__(self):
        super().__init__(dict.fromkeys((
            "array", "refill", "ybus", "xbus", "filter", "compute", "loader", "drain", "dram_read",
            "dram_write", "serial"), 0))

    def add(self, times, **values):
        for name, value in values.items():
            self[name] = self[name] + times * value

    def commands(self, x, number, cycles):
        """So many commands, which take ``cycles`` cycles each and DRAM's latency."""
        self.add(number, serial=cycles + x.timing.latency,
                 dram_read=COMMAND_BYTES // x.config.bus_bytes)


# FILTER and COMPUTE: array, feeding, weights.

def _compute(cost, x, tile, fold, alike, first):
    """FILTER and COMPUTE of all blocks of the tiles, on folds alike; ``first``: among them is the
    one whose psums start from 0."""
    rows, layer = x.config.rows, x.layer
    # Passes with all rows, and with idle ones; commands that end with the latter.
    if layer.depthwise:
        commands, pairs = 1, fold.rows.taps
        full, ended = pairs // rows, int(pairs % rows > 0)
    else:
        commands, pairs = x.chunks, x.channel_groups * fold.rows.taps
        chunk = x.m["chunk"] * fold.rows.taps
        rest = pairs - (commands - 1) * chunk
        full = (commands - 1) * (chunk // rows) + rest // rows
        ended = (commands - 1) * (chunk % rows > 0) + (rest % rows > 0)
    active = (pairs - full * rows) / np.maximum(ended, 1)
    repeats = tile.count * alike * len(layer.parts) * x.blocks
    cost.commands(x, repeats * commands, CYCLES.filter_command)
    cost.commands(x, repeats * commands, CYCLES.compute_command)
    without = first / (alike * len(layer.parts) * (full + ended))
    work = _FoldWork(x, tile, fold, without)
    for number, ends, of_rows in ((full, commands - ended, rows), (ended, ended, active)):
        one = _Pass(x, work, of_rows)
        cost.add(repeats * number, array=one.array, refill=one.refill + one.start, ybus=one.feed,
                 xbus=one.fed * x.config.bus_bytes, filter=one.weights,
                 dram_read=one.weight_words + 2 * work.groups)
        cost.add(repeats, compute=number * one.cycles + ends * one.end)


class _FoldWork:
    """A fold over a tile, for a block.

    Attributes
    ----------
    groups, streams : float
        Filter groups of a block in the mean, and streams of ifmap words.
    strips, cols, rounds : int
        Strips, their output columns, and GLB words of an ifmap row.
    window_words : int
        GLB words of a window.
    missing, between : float
        GLB words for which the ring has no room: of the next strip's first window at the end of a
        strip; and of the next column's.
    psum : float
        Cycles from a psum to the next.
    ahead : int
        Columns that the ring holds: so far the engine is ahead of the array at the end of a pass.
    waits : float
        Cycles that an ifmap word waits for the GLB's port.
    """

    def __init__(self, x, tile, fold, without):
        """``without``: share of the passes that add nothing to their psums."""
        config, s, word = x.config, fold.cols, x.config.bus_bytes
        self.p, self.e, self.cols, self.strips = x.p, x.e, tile.cols, x.strips(tile)
        self.taps = s.taps * (1 if x.layer.depthwise else x.q)
        window, advance = ((s.taps - 1) * s.d + 1) * x.q, s.u * x.q
        self.window_words = ceildiv(window, word)
        self.rounds = ceildiv((self.cols - 1) * advance + window, word)
        self.groups = x.groups / x.blocks
        self.streams = self.groups if x.layer.depthwise else 1
        ring, strip_advance = config.ifmap_spad, self.rounds * word - (self.cols - 1) * advance
        self.missing = np.maximum(self.window_words - np.maximum((ring - strip_advance) // word, 0),
                                  0)
        self.between = np.maximum(window + advance - ring, 0) / word
        added = _interval(config, self.taps, True)
        self.psum = added - (added - _interval(config, self.taps, False)) * without
        strips_held, rest = ring // (self.rounds * word), ring % (self.rounds * word)
        self.ahead = strips_held * self.cols + np.where(rest < strip_advance, 0,
                                                        1 + (rest - strip_advance) // advance)
        self.waits = _waits(config, added, x.e, ceildiv(x.groups, x.blocks)
                            if x.layer.depthwise else 1)


class _Pass:
    """A pass in which ``rows`` array rows take part: the one place where things overlap.

    Attributes
    ----------
    array : float
        Array: psums of a column of PEs.
    refill, start : float
        Array, waiting for the engine: at the start of strips and between columns; for the first
        window.
    feed, fed : float
        Engine, feeding ifmap words, and how many it feeds. They wait for psums as long as the array
        works.
    weights, weight_words : float
        Engine, loading weights.
    cycles : float
        Of the pass, the next one's weights and first window being loaded during it.
    end : float
        Cycles more, if no pass follows.
    """

    def __init__(self, x, w, rows):
        config, latency = x.config, x.timing.latency
        strip = CYCLES.strip + config.rows * CYCLES.strip_row
        self.weight_words = w.groups * rows * ceildiv(x.p * w.taps, config.bus_bytes)
        self.weights = w.groups * (
            CYCLES.packet + CYCLES.packet_row * rows + 2 * latency
            + _read(config, x.timing, self.weight_words / w.groups, CYCLES.weight_word)
        ) + CYCLES.filter_pass + CYCLES.filter_pass_row * rows
        self.array = w.strips * w.cols * x.p * w.psum
        a_round = _round(config, rows, x.e, w.streams)
        self.start = strip + w.window_words * a_round
        self.fed = w.strips * w.rounds * rows * x.e * w.streams
        feed = w.strips * (w.rounds * a_round + strip)
        waiting = self.fed * w.waits
        self.feed = feed = feed + waiting * np.minimum(self.array / (feed + waiting), 1)
        self.refill = a_round * ((w.strips - 1) * w.missing + w.strips * (w.cols - 1) * w.between)
        # The engine is ahead by what the ring holds; it may begin to feed a strip when the one
        # before it has begun.
        tail = np.minimum(
            np.minimum(w.ahead, w.strips * w.cols) * x.p * w.psum - a_round,
            np.where(w.strips > 2, 2 * self.array / w.strips - feed / w.strips, self.array))
        engine, work = self.weights + feed, self.array + self.refill
        self.cycles = np.maximum(engine, work + np.maximum(self.weights + self.start - tail, 0))
        self.end = np.maximum(engine + x.p * w.psum, work + self.weights + self.start) - self.cycles


def _interval(config, taps, accumulate):
    """Cycles from a psum of ``taps`` taps to the next: all columns' have to leave in them."""
    columns = max(config.cols, 2)
    return np.maximum(taps, 2 * columns + 2 if accumulate else columns + 3)


def _round(config, active, e, streams):
    """Cycles in which the engine feeds a GLB word of each stream to ``active`` array rows, the
    others being idle."""
    rows, word = config.rows, CYCLES.ifmap_word
    return (CYCLES.round + (rows - 1) * CYCLES.test_row + active * (CYCLES.fed_row + word * e)
            + active * (streams - 1) * (CYCLES.ifmap_stream + word * e)
            + (rows - active) * CYCLES.idle_row)


@cache
def _wait(rows, cols, psum, e, streams):
    """Cycles that an ifmap word waits for the GLB's port, in the mean, which psums have to
    themselves for a while every ``psum`` cycles: words come as regularly, and may meet them each
    time."""
    word = CYCLES.ifmap_word
    others = [word] * (e - 1)
    row = [CYCLES.fed_row + CYCLES.test_row + word, *others] \
        + [CYCLES.ifmap_stream + word, *others] * (streams - 1)
    gaps = ([row[0] + CYCLES.round, *row[1:]] + row * (rows - 1)) * _ROUNDS
    now = waited = 0
    for gap in gaps:
        now += gap
        wait = max(2 * cols - now % psum, 0)
        now, waited = now + wait, waited + wait
    return waited / len(gaps)


def _waits(config, psum, e, streams):
    """:func:`_wait`, element by element."""
    _, first, where = np.unique((psum * 64 + e) * 64 + streams, return_index=True,
                                    return_inverse=True)
    psum, e, streams = (np.broadcast_to(values, where.shape)[first].tolist()
                        for values in (psum, e, streams))
    return np.array([_wait(config.rows, config.cols, *kind)
                     for kind in zip(psum, e, streams, strict=True)])[where]


# DRAM, LOAD and PARAMS.

def _read(config, timing, words, each):
    """Cycles of ``words`` words from DRAM that are taken ``each`` cycles one after the other, from
    the first one's coming on."""
    if timing.bytes_per_cycle:
        each = np.maximum(each, config.bus_bytes / timing.bytes_per_cycle)
    burst = np.maximum(timing.latency + CYCLES.burst + 1 - each, 0)
    return words * each + (ceildiv(words, config.burst) - 1) * burst


def _load(cost, x, tile, fold, alike):
    """LOADs of the tiles, of folds alike."""
    config, layer, timing, m, pool = x.config, x.layer, x.timing, x.m, x.layer.pooling
    word, q, g, r, s = config.bus_bytes, x.q, x.g, fold.rows, fold.cols
    rows, cols = x.tiling
    height, width = r.span(x.strips(tile) * x.e), s.span(tile.cols)
    real_rows = _real(r, height, rows.count, tile.last_row, m["tile_rows"] * pool.u, pool.top)
    real_cols = _real(s, width, cols.count, tile.last_col, m["tile_cols"] * pool.v, pool.left)
    rounds = ceildiv(((tile.cols - 1) * s.u + (s.taps - 1) * s.d + 1) * q, word)
    shifted = shifted_tiles(layer, s, q, g, m["tile_cols"], cols.count, word)[0][tile.last_col]
    words = np.maximum(ceildiv(((real_cols - 1) * s.keep_every + 1) * g, word), 1)
    skipped = np.maximum(real_cols - 1, 0) * (s.keep_every - 1) \
        * (CYCLES.load_skip + ceildiv(g, word))
    # Sets that begin at a group, and those that begin within one. Steps that do read it again.
    starts = g // np.gcd(layer.channels, g)
    misaligned_sets = 1 - ceildiv(layer.sets, starts) / layer.sets
    groups = ceildiv(layer.channels, g)
    within = (layer.channels + g - g // starts) / g         # of all sets, in the mean
    within = (starts * within - groups) / np.maximum(starts - 1, 1)
    again = x.chunks - 1
    aligned = again // (g // np.gcd(g, m["chunk"] * q))
    repeats = tile.count * alike * x.reloads
    for share, dram_groups, pieces, by_words in (
            (1 - misaligned_sets, groups + again - aligned, ceildiv(g, q),
             (g == q) & (s.keep_every == 1)),
            (misaligned_sets, within + again, ceildiv(g, q) + 1, False)):
        columns = width * (CYCLES.load_column + CYCLES.load_piece * (pieces - 1)) \
            + real_cols * CYCLES.load_read
        row = timing.latency + np.where(by_words, CYCLES.load_row, CYCLES.load_regrouped_row) \
            + _read(config, timing, words,
                    np.where(by_words, rounds + shifted * words, columns + skipped) / words)
        padding = CYCLES.load_padding_row + np.where(by_words, rounds, columns)
        cost.add(repeats * share * dram_groups,
                 loader=CYCLES.load_group + real_rows * row + (height - real_rows) * padding)
        cost.add(repeats * share * dram_groups * real_rows, dram_read=words)
    cost.add(repeats * x.channel_groups, loader=CYCLES.load_channel_group)
    cost.commands(x, repeats * x.chunks * layer.sources, CYCLES.load_command)


def _real(axis, positions, tiles, last, stride, pad):
    """Of the ``positions`` of a tile those that exist: of the last tile, or of the others in the
    mean."""
    def real(index):
        first = np.maximum(index * stride - pad, 0)
        origin = first * axis.stride + axis.first * axis.dilation - axis.pad
        low = np.clip(ceildiv(-origin, axis.keep_every), 0, positions)
        return np.clip((axis.size - 1 - origin) // axis.keep_every + 1, low, positions) - low
    if last:
        return real(tiles - 1)
    return (real(0) + np.maximum(tiles - 2, 0) * real(1)) / np.maximum(tiles - 1, 1)


def _params(cost, x):
    """PARAMS: once if all are there, else for each block."""
    layer = x.layer
    several = ceildiv(layer.filters * layer.sets, x.p) * x.p > x.config.params_depth
    times = np.where(several, x.tiles * x.blocks * layer.sets, 1)
    words = 2 * x.p * np.where(several, x.groups / x.blocks, x.groups * layer.sets)
    cost.commands(x, times, CYCLES.params_command)
    cost.add(times, loader=x.timing.latency + _read(x.config, x.timing, words, 1),
             dram_read=words)


# STORE.

def _store(cost, x, tile):
    """STOREs of all blocks of the tiles."""
    layer = x.layer
    cost.commands(x, tile.count * x.blocks, CYCLES.store_command)
    cost.add(tile.count * x.groups, drain=CYCLES.out_group + tile.out_rows * (
        CYCLES.out_row + tile.out_cols * (CYCLES.out_column + _outputs(layer, x.p))))
    values = tile.out_cols * x.p * layer.mode.bytes_per_output
    cost.add(tile.count * x.groups * tile.out_rows,
             dram_write=ceildiv(values, x.config.bus_bytes))


def _outputs(layer, p):
    """Cycles of a filter group's outputs of one column."""
    pool = layer.pooling
    if layer.mode.raw:
        return CYCLES.raw * p
    busy = _requantising(layer.conv)
    if pool.r * pool.s == 1:
        return (CYCLES.requantised + busy) * p
    r, s = layer.mean_window
    output, row, psum = (max(least, busy + more) for least, more in (
        CYCLES.pooled, CYCLES.pooled_row, CYCLES.pooled_psum))
    return CYCLES.pooled_column + p * (output + (r - 1) * row + r * (s - 1) * psum)


def _requantising(conv):
    """Cycles of the output unit in the mean: the smaller the scale, the more. Layers of equal
    measures take those of the first, which are off by a cycle or two at most."""
    exponents = np.frexp(conv.scale)[1] + _EXPONENT
    return float(np.mean(np.maximum(68 - exponents // 2, 0))) + 4


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
        return CYCLES.copied_value * values


COST = _Cost()
