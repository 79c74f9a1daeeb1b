"""The resources of a parallel machine, one by one: how many cycles each has to work.

Each function or class speaks of one resource alone, as if all others were infinitely fast; how they
overlap is in :mod:`hwgen.cost.overlap`. Numbers are element by element, an element a mapping, see
:mod:`hwgen.cost.tiles`.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..isa import FUNCTION_WRITES
from .geometry import Pooling, ceildiv
from .pieces import load_pieces, strip_pieces
from .tiles import shifted_tiles

__all__ = ["CYCLES", "ParallelCycles", "ArrayFold", "TileFold", "array", "refill", "ybus", "xbus",
           "filter_network", "Loader", "Drain", "dram_reads"]


@dataclass(frozen=True)
class ParallelCycles:
    """Cycles of a parallel machine that no count of words tells: measured on its RTL.

    Attributes
    ----------
    ends : int
        From START to the first LOAD, and from the last output to done ...
    end_latencies : int
        ... and how often DRAM's latency adds to them.
    load : int
        Of a LOAD, beside its data and DRAM's latency: the next one waits for its end.
    store : int
        Of a STORE, beside its psums.
    output_row : int
        Of an output row, beside its psums.
    write : int
        Between the starts of short rows written to DRAM, at least.
    reads_in_flight, read_issue : int
        Reads of rows under way at a time, and cycles of one beside DRAM's latency: together what
        is at least between short rows read from DRAM.
    refill : int
        Of an array row that waits for ifmaps at the start of a strip.
    fifo_words : int
        Bus words that an array row takes ahead of the rows below.
    program_bytes : int
        Of the row program that each row gets over the Y-bus before a pass.
    """
    ends: int = 230
    end_latencies: int = 3
    load: int = 20
    store: int = 20
    output_row: int = 6
    write: int = 8
    reads_in_flight: int = 8
    read_issue: int = 16
    refill: int = 16
    fifo_words: int = 8
    program_bytes: int = 16


CYCLES = ParallelCycles()


class ArrayFold:
    """Folds of one shape on the array: what is the same for every tile.

    Attributes
    ----------
    r, s : Axis
        Filter rows and columns.
    repeats : int
        How often a block passes over it: folds alike, times the int8 parts of the weights.
    taps, window, col_advance : int
        Of a PE: taps of a window; ifmap values of a window, and from a window to the next.
    passes, pairs : int
        Passes of a block, and (channel group, filter row) pairs in all of them.
    fed, streams : int
        Channel groups that the Y-bus brings in all passes, each with ``streams`` streams
        (depthwise: one for each filter group).
    weights, packets : int
        Weights of a PE in a pass; bus words of filter packets for a filter group, all passes.
    row_skew : int
        Cycles that the first array row waits for the last. Rows run ``taps`` cycles behind one
        another, but the networks feed them together: what the last row cannot take yet, beyond its
        FIFO, the first has to wait for.
    shifted : ((float, float), bool)
        See :func:`.tiles.shifted_tiles`.
    """

    def __init__(self, x, fold, alike):
        """``alike`` folds as ``fold``, of the :class:`.tiles.Mappings` ``x``."""
        config, layer, word = x.config, x.layer, x.config.bus_bytes
        self.r, self.s, self.alike = fold.rows, fold.cols, alike
        self.repeats = alike * len(layer.parts)
        self.taps = self.s.taps * (1 if layer.depthwise else x.q)
        self.window = ((self.s.taps - 1) * self.s.d + 1) * x.q
        self.col_advance = self.s.u * x.q
        if layer.depthwise:
            self.passes = self.fed = ceildiv(self.r.taps, config.rows)
            self.pairs, self.streams = self.r.taps, x.t
        else:
            chunk = x.m["chunk"]
            last_chunk = x.channel_groups - (x.chunks - 1) * chunk
            full_passes, full_fed = _passes(config, chunk, self.r.taps)
            last_passes, last_fed = _passes(config, last_chunk, self.r.taps)
            self.passes = (x.chunks - 1) * full_passes + last_passes
            self.fed = (x.chunks - 1) * full_fed + last_fed
            self.pairs, self.streams = x.channel_groups * self.r.taps, 1
        self.weights = x.p * self.taps
        self.packets = self.passes * (2 if word == 4 else 1) + self.pairs * ceildiv(
            self.weights, word)
        self.active_rows = np.minimum(config.rows, self.pairs)
        self.row_skew = np.maximum((self.active_rows - 1) * self.taps - CYCLES.fifo_words * word, 0)
        self.shifted = shifted_tiles(layer, self.s, x.q, x.g, x.m["tile_cols"],
                                     x.tiling[1].count, word)


def _passes(config, groups, r):
    """Passes of ``groups`` channel groups of ``r`` filter rows, and channel groups fed in all of
    them together."""
    passes = ceildiv(groups * r, config.rows)
    return passes, groups + passes - 1 - (passes - 1) // (r // np.gcd(r, config.rows))


class TileFold:
    """Folds of one shape over a tile.

    Attributes
    ----------
    fold : ArrayFold
    strips, cols : int
        Strips of ``e`` output rows, and output columns of each.
    rounds : int
        GLB words of a stream: an ifmap row of a strip, and of a channel group.
    strip_rows, rows : int
        Ifmap rows of a strip, and of the tile.
    block_passes : int
        Passes over the array, of all blocks and repeats.
    psums : int
        Psums of a column of PEs in a pass.
    words : int
        GLB words of the tile.
    """

    def __init__(self, x, fold, tile):
        self.fold, self.cols, self.strips = fold, tile.cols, x.strips(tile)
        self.rounds = ceildiv((self.cols - 1) * fold.col_advance + fold.window, x.config.bus_bytes)
        self.strip_rows, self.rows = fold.r.span(x.e), fold.r.span(self.strips * x.e)
        self.block_passes = fold.repeats * x.blocks * fold.passes
        self.psums = self.strips * self.cols * x.p
        self.words = np.minimum(x.m["chunk"], x.channel_groups) * self.rows * self.rounds


def array(x, w):
    """Array: a tap of each PE is a cycle, but a psum takes two at least, for it is read and
    written; a pass begins a cycle after the one before."""
    return w.block_passes * (w.psums * np.maximum(w.fold.taps, 2) + 1)


def refill(x, w):
    """Array, waiting for ifmaps at the start of strips and within them.

    At the end of a strip the ring (the ifmap spad) holds the strip's last window, and as much of
    the next strip as there is room for. There are three ways to wait:

    * what is missing of the next strip's first window comes, and all rows wait for it;
    * or there is room in the first row, but not in the last, which runs a psum behind for each row
      between. What it has not read yet still fills its ring and FIFO, so the strip starts late;
    * a window leaves the ring no room for all that the next column needs: what is left comes
      between the two columns.
    """
    config, fold, word = x.config, w.fold, x.config.bus_bytes
    window_words, ring_words = ceildiv(fold.window, word), config.ifmap_spad // word
    both = fold.r.span(x.e) > x.e           # rounds have an end of their own
    room = config.ifmap_spad - (w.rounds * word - (w.cols - 1) * fold.col_advance)
    missing = np.maximum(window_words - np.maximum(room // word, 0), 0)
    a_word = fold.streams * np.maximum(x.e * (word // config.xbus_bytes),
                                       ceildiv(fold.fed * w.strip_rows, fold.passes))
    columns_read = w.cols - (fold.active_rows - 1) / x.p
    behind = 0 * x.q if x.layer.depthwise else np.maximum(
        w.rounds + window_words - columns_read * fold.s.u * x.q / word
        - ring_words - CYCLES.fifo_words // (x.e + both), 0)
    late = np.ceil(behind * word / fold.col_advance * x.p * fold.taps).astype(np.int64) \
        + CYCLES.refill
    starts = np.where(missing > 0, missing * a_word + CYCLES.refill + fold.row_skew,
                      np.where(behind > 0, late, 0))
    room = ring_words - window_words
    between = (np.maximum(fold.s.u * x.q / word - room, 0) * a_word).astype(np.int64)
    return w.block_passes * w.strips * ((w.cols - 1) * between + starts)


def ybus(x, w):
    """Y-bus: a word of an ifmap row's stream is a cycle. It also carries tags and row programs,
    and stands still while psums are read from the GLB."""
    fold = w.fold
    return fold.repeats * x.blocks * (
        fold.fed * fold.streams * w.strips * w.rounds * w.strip_rows
        + fold.passes * (1 + CYCLES.program_bytes // x.config.bus_bytes) + fold.pairs
        + fold.passes * w.strips * w.cols * x.m["words_per_column"])


def xbus(x, w):
    """X-bus of the busiest array row: its words, ``xbus_bytes`` a cycle, and the end of the round
    for rows that do not take its last word."""
    each = w.fold.streams * x.e * (x.config.bus_bytes // x.config.xbus_bytes)
    return w.block_passes * w.strips * w.rounds * (each + (w.strip_rows > x.e))


def filter_network(x, w):
    """Filter network: words of filter packets, and cycles. A PE takes a weight a cycle, so a pass
    takes as many as it has weights, if not the words more; and it waits for the last row."""
    fold = w.fold
    words = fold.repeats * x.groups * fold.packets
    cycles = fold.repeats * (
        x.groups * np.maximum(fold.packets, fold.passes * (fold.weights + 1))
        + x.blocks * fold.passes * fold.row_skew)
    return words, cycles


class Loader:
    """Loader: reading a tile from DRAM, and writing it into the GLB, whichever takes longer.

    A row whose channel groups are the same in DRAM and in the GLB goes by words, and in two runs if
    it begins at another byte of the word; any other goes by *runs* of bytes that stay together.

    Attributes
    ----------
    dram_words : int
        Words read from DRAM for a tile, all steps.
    aligned, offset : int
        Cycles of a tile, if its rows begin at the same byte of a word in DRAM and GLB, or not.
    shifted : float
        Share of the tiles whose rows do not.
    cycles : int
        Cycles of a tile, in the mean.
    first : int
        Cycles of the layer's first tile.
    pieces : int
        Into how many LOADs of some channel groups each a tile is cut.
    """

    def __init__(self, x, tile, works):
        config, layer, word, chunk = x.config, x.layer, x.config.bus_bytes, x.m["chunk"]
        q, g, conv = x.q, _read_together(x), x.layer.conv
        row_read = (x.timing.latency + CYCLES.read_issue) // CYCLES.reads_in_flight
        misaligned_sets = (layer.sets > 1) & (layer.channels % g != 0)  # they begin within a group
        dram_groups = _dram_groups(x, g)
        in_pieces = ~(layer.depthwise | misaligned_sets
                      | ((x.chunks > 1) & (chunk * q % g != 0)))
        self.dram_words = self.aligned = self.offset = self.cycles = self.first = 0
        self.pieces = np.where(in_pieces, reduce(np.minimum, (
            load_pieces(config, q, g, w.fold.r.taps, np.minimum(chunk, x.channel_groups),
                        w.words)[0] for w in works)), 1)
        for w in works:
            s = w.fold.s
            # Rows and columns that exist, at most the input's.
            cols = s.span(w.cols)
            real_rows = np.minimum(w.rows, ceildiv(conv.x.shape[1], w.fold.r.keep_every))
            real_cols = np.minimum(cols, ceildiv(conv.x.shape[2], s.keep_every))
            row_words = ceildiv(real_cols * s.keep_every * g, word) + (x.tiling[1].count > 1)
            words = dram_groups * real_rows * row_words
            read = np.maximum(dram_groups * real_rows * np.maximum(row_words, row_read),
                              x.timing.cycles(words * word))
            split = sum(np.where((n % word != 0) & (word % n != 0), ceildiv(g, word), 0)
                        for n in (g, q))
            runs = np.maximum(ceildiv(g, q), ceildiv(g, word)) + split + misaligned_sets
            by_runs = dram_groups * w.rows * cols * (runs + (s.keep_every - 1) * ceildiv(g, word))
            by_words = (g == q) & (s.keep_every == 1) & ~misaligned_sets
            times = w.fold.alike * x.reloads
            aligned, offset = (times * np.maximum(read, np.where(
                by_words, x.channel_groups * w.rows * n, by_runs))
                for n in (w.rounds, 2 * w.rounds + 1))
            share, first_shifted = w.fold.shifted
            self.shifted = share[tile.last_col]
            self.dram_words += times * words
            self.aligned, self.offset = self.aligned + aligned, self.offset + offset
            self.cycles += aligned + (self.shifted * (offset - aligned)).astype(np.int64)
            self.first += np.where(first_shifted, offset, aligned)


def _read_together(x):
    """Channels of a group in DRAM; of a vector all, for they stand side by side."""
    if x.layer.vector:
        return np.where(x.chunks == 1, x.layer.channels, x.g)
    return x.g


def _dram_groups(x, g):
    """DRAM groups of channels that are read for a tile; those that two sets share count twice."""
    layer = x.layer
    if layer.sets == 1 or layer.channels == 1:
        groups = ceildiv(layer.channels, g)
    else:
        groups = ceildiv(layer.channels + g - 1, g)
    if layer.depthwise:
        # A set of channels that begins within a group reads it once more.
        return groups + (x.chunks - 1) - (x.chunks - 1) // (g // np.gcd(g, x.m["chunk"] * x.q))
    return groups


class Drain:
    """Drain: psums of a tile through the output stage, and rows of outputs to DRAM.

    Attributes
    ----------
    cycles : int
        Of the output stage, which reads a psum word a cycle.
    write : int
        Of writing to DRAM, a word a cycle, but some cycles for each short row.
    write_words : int
        Words written.
    block : int
        The longer of both, for a block.
    pieces : int
        In how many STOREs a block leaves: strip by strip, unless it is pooled.
    """

    def __init__(self, x, tile):
        layer, word = x.layer, x.config.bus_bytes
        pool, rows = layer.pooling, x.groups * tile.out_rows
        row_bytes = tile.out_cols * x.p * layer.mode.bytes_per_output
        row_words = ceildiv(row_bytes, word) + (x.tiling[1].count > 1)
        self.write_words = rows * row_words
        self.cycles = rows * (tile.out_cols * pool.r * pool.s * layer.mode.psum_reads(x.config, x.p)
                              + CYCLES.output_row) + x.blocks * CYCLES.store
        self.write = np.maximum(rows * np.maximum(row_words, CYCLES.write),
                                x.timing.cycles(rows * row_words * word))
        self.block = np.maximum(self.cycles, self.write) // x.blocks
        strips = x.strips(tile)
        whole_strips = (pool == Pooling()) & (ceildiv(tile.rows, x.e) == strips)
        _, self.pieces = strip_pieces(np.where(whole_strips, strips, 1))


def dram_reads(x, load_words, filter_words):
    """DRAM: words read in all, parameters and commands included."""
    layer, config, word = x.layer, x.config, x.config.bus_bytes
    reloaded = ceildiv(layer.filters * layer.sets, x.p) * x.p > config.params_depth
    parameters = x.groups * x.m["words_per_column"] * layer.sets \
        * np.where(reloaded, x.tiles, 1) * 2 * config.lanes * 4 // word \
        + FUNCTION_WRITES * layer.function
    chunks = 1 if layer.depthwise else x.chunks
    commands = (x.total_blocks * 3 * len(layer.parts) * x.folds * chunks + x.loads + 4) * 64 // word
    return load_words + filter_words + parameters + commands
