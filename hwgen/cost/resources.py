"""The resources of a parallel machine, one by one: how many cycles each has to work.

Each function or class speaks of one resource alone, as if all others were infinitely fast; how they
overlap is in :mod:`hwgen.cost.overlap`. Numbers are element by element, an element a mapping, see
:mod:`hwgen.cost.tiles`.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..isa import COMMAND_BYTES, FUNCTION_WRITES
from ..isa.store_modes import TABLE_ENTRIES
from .geometry import Pooling, ceildiv
from .pieces import load_pieces, strip_pieces
from .tiles import shifted_tiles

__all__ = ["CYCLES", "ParallelCycles", "ArrayFold", "TileFold", "array", "refill", "ybus", "xbus",
           "fed_ahead", "filter_network", "first_filters", "first_window", "Loader", "Parameters",
           "Drain", "Commands"]


@dataclass(frozen=True)
class ParallelCycles:
    """Cycles of a parallel machine that no count of words tells: they follow from the pipelines of
    its RTL, and were measured there.

    Attributes
    ----------
    fetch, fetched_together : int
        Of a read of commands, beside DRAM's latency; and how many commands are under way at a time.
    commands_ahead : int
        Commands that the queues take before the first of them is done, about.
    decode : int
        Of a command, from its last word to its queue.
    dispatch : int
        From a command's arrival to the unit that runs it.
    load, params, store : int
        Of a LOAD or a PARAMS, beside its data and DRAM's latency, and of a STORE, beside its psums:
        from the end of the command before to the first word, and from the last one to the end.
    fill, filled : int
        From a tile to the first tap, through feed, Y-bus and row program, beside the words; and
        from the last weight.
    finish : int
        From the last tap to done, beside the psums of the last STORE: through the output stage, the
        write DMA and the memory.
    end : int
        From the last command that is fetched, those behind END included, to done.
    busy_feed, met_by_busy_feed : float, int
        Share of the cycles from which on the Y-bus counts as never resting, and how often the drain
        then meets the feed in a bank where that stays, for once elsewhere.
    window_row : int
        Of an output row, beside its words: the write DMA begins a segment.
    short_burst : int
        Between two bursts written, at least.
    burst_issue : int
        Between two bursts read, at least.
    read_issue : int
        Of a burst that is read, beside its words and DRAM's latency.
    reads_in_flight, words_in_flight : int
        Bursts under way at a time, and words that a client's FIFO has room for, if bursts are not
        longer than half of it.
    refill : int
        Of an array row that waits for ifmaps at the start of a strip.
    fifo_words : int
        Bus words that an array row takes ahead of the rows below.
    program_bytes : int
        Of the row program that each row gets over the Y-bus before a pass.
    """
    fetch: int = 18
    fetched_together: int = 2
    commands_ahead: int = 24
    decode: int = 11
    dispatch: int = 25
    load: int = 20
    params: int = 15
    store: int = 26
    fill: int = 28
    filled: int = 11
    finish: int = 60
    end: int = 7
    busy_feed: float = 0.9
    met_by_busy_feed: int = 3
    window_row: int = 1
    short_burst: int = 2
    burst_issue: int = 3
    read_issue: int = 6
    reads_in_flight: int = 8
    words_in_flight: int = 128
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
    first : bool
        The first of the folds is one of them: its psums begin with 0.
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
        self.first = fold is x.shapes[0][0]
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
    block_passes, clears : int
        Passes over the array, of all blocks and repeats; those that begin with psums of 0.
    psums : int
        Psums of a column of PEs in a pass.
    words : int
        GLB words of the tile.
    round_cycles : int
        Cycles in which a GLB word of each stream comes to the PEs: over the Y-bus and the X-bus,
        whichever takes longer.
    """

    def __init__(self, x, fold, tile):
        self.fold, self.cols, self.strips = fold, tile.cols, x.strips(tile)
        self.rounds = ceildiv((self.cols - 1) * fold.col_advance + fold.window, x.config.bus_bytes)
        self.strip_rows, self.rows = fold.r.span(x.e), fold.r.span(self.strips * x.e)
        self.block_passes = fold.repeats * x.blocks * fold.passes
        self.clears = x.blocks if fold.first else 0
        self.psums = self.strips * self.cols * x.p
        self.words = np.minimum(x.m["chunk"], x.channel_groups) * self.rows * self.rounds
        self.round_cycles = fold.streams * np.maximum(
            x.e * (x.config.bus_bytes // x.config.xbus_bytes),
            ceildiv(fold.fed * self.strip_rows, fold.passes))


def array(x, w):
    """Array: a tap of each PE is a cycle, but a psum takes two at least, for it is read and
    written; a pass begins a cycle after the one before."""
    return w.block_passes * (w.psums * np.maximum(w.fold.taps, 2) + 1)


def strip_start(x, w):
    """Cycles that the array waits for ifmaps at the start of a strip.

    At the end of a strip the ring (the ifmap spad) holds the strip's last window, and as much of
    the next strip as there is room for. There are two ways to wait:

    * what is missing of the next strip's first window comes, and all rows wait for it;
    * or there is room in the first row, but not in the last, which runs a psum behind for each row
      between. What it has not read yet still fills its ring and FIFO, so the strip starts late.
    """
    config, fold, word = x.config, w.fold, x.config.bus_bytes
    window_words, ring_words = ceildiv(fold.window, word), config.ifmap_spad // word
    both = fold.r.span(x.e) > x.e           # rounds have an end of their own
    room = config.ifmap_spad - (w.rounds * word - (w.cols - 1) * fold.col_advance)
    missing = np.maximum(window_words - np.maximum(room // word, 0), 0)
    columns_read = w.cols - (fold.active_rows - 1) / x.p
    behind = 0 * x.q if x.layer.depthwise else np.maximum(
        w.rounds + window_words - columns_read * fold.s.u * x.q / word
        - ring_words - CYCLES.fifo_words // (x.e + both), 0)
    late = np.ceil(behind * word / fold.col_advance * x.p * fold.taps).astype(np.int64) \
        + CYCLES.refill
    return np.where(missing > 0, missing * w.round_cycles + CYCLES.refill + fold.row_skew,
                    np.where(behind > 0, late, 0))


def refill(x, w):
    """Array, waiting for ifmaps at the start of strips and within them, where a window leaves the
    ring no room for all that the next column needs: what is left comes between the two columns."""
    fold, word = w.fold, x.config.bus_bytes
    room = x.config.ifmap_spad // word - ceildiv(fold.window, word)
    between = (np.maximum(fold.s.u * x.q / word - room, 0) * w.round_cycles).astype(np.int64)
    return w.block_passes * w.strips * ((w.cols - 1) * between + strip_start(x, w))


def ybus(x, w):
    """Y-bus: a word of an ifmap row's stream is a cycle. It also carries tags and row programs,
    and stands still while psums are read from the GLB."""
    fold = w.fold
    return fold.repeats * x.blocks * (
        fold.fed * fold.streams * w.strips * w.rounds * w.strip_rows
        + fold.passes * (1 + CYCLES.program_bytes // x.config.bus_bytes) + fold.pairs) \
        + (w.block_passes - w.clears) * w.strips * w.cols * x.m["words_per_column"]


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


def first_window(x, w):
    """Cycles from a tile that is there to the bottom row's first tap: its window comes over the
    Y-bus and the X-bus, and the rows begin one after the other. What the start of each strip takes
    is not counted again."""
    fold = w.fold
    window = ceildiv(fold.window, x.config.bus_bytes) * w.round_cycles
    return np.maximum(window - strip_start(x, w), 0) + (fold.active_rows - 1) * fold.taps \
        + CYCLES.fill


def fed_ahead(x, w):
    """Cycles that the array goes on after its last ifmap word has been read from the GLB: for the
    columns that its rings and FIFOs hold."""
    fold, config = w.fold, x.config
    held = config.ifmap_spad - fold.window + CYCLES.fifo_words * config.bus_bytes
    return np.minimum(held // fold.col_advance, w.cols) * x.p * np.maximum(fold.taps, 2)


def first_filters(x, fold):
    """Cycles from the first pass's filters' first word to the bottom row's first tap: a packet for
    each filter group, whose weights a PE takes one by one; and the rows begin one after the other.
    """
    words = fold.active_rows * ceildiv(fold.weights, x.config.bus_bytes) + 1
    return np.maximum(x.t * np.maximum(words, fold.weights + 1),
                      x.timing.cycles(x.t * words * x.config.bus_bytes)) \
        + (fold.active_rows - 1) * fold.taps + CYCLES.filled


def _row_words(x, size, column):
    """Bus words of a row of ``size`` bytes in DRAM, with columns of ``column`` bytes: in the mean,
    if tiles begin anywhere in a word."""
    word = x.config.bus_bytes
    anywhere = (x.tiling[1].count > 1) & (column % word > 0)
    return np.where(anywhere, (size - 1) / word + 1, ceildiv(size, word))


def _run_cycles(x, words):
    """Cycles of a run of ``words`` words in DRAM, other runs before and behind it: as many bursts
    are under way as the read DMA counts, or as the client's FIFO has room for."""
    longest = x.config.burst
    bursts = np.maximum(ceildiv(words, longest), 1)
    length = words / bursts
    room = max(CYCLES.words_in_flight, 2 * longest) - longest
    under_way = np.minimum(CYCLES.reads_in_flight, room // np.maximum(length, 1) + 1)
    waiting = bursts * (x.timing.latency + CYCLES.read_issue + length) // under_way
    return np.maximum(np.maximum(words, bursts * CYCLES.burst_issue), waiting.astype(np.int64))


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

    def __init__(self, x, tile, works, computing):
        """``computing``: cycles of the array and its networks with the tile."""
        config, layer, word, chunk = x.config, x.layer, x.config.bus_bytes, x.m["chunk"]
        q, g, conv = x.q, _read_together(x), x.layer.conv
        misaligned_sets = (layer.sets > 1) & (layer.channels % g != 0)  # they begin within a group
        dram_groups = _dram_groups(x, g)
        in_pieces = ~(layer.depthwise | misaligned_sets | (layer.sources > 1)
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
            row_words = _row_words(x, real_cols * s.keep_every * g, g)
            words = (dram_groups * real_rows * row_words).astype(np.int64)
            read = np.maximum(dram_groups * real_rows * _run_cycles(x, row_words),
                              x.timing.cycles(words * word)).astype(np.int64)
            split = sum(np.where((n % word != 0) & (word % n != 0), ceildiv(g, word), 0)
                        for n in (g, q))
            runs = np.maximum(ceildiv(g, q), ceildiv(g, word)) + split + misaligned_sets
            by_runs = dram_groups * w.rows * cols * (runs + (s.keep_every - 1) * ceildiv(g, word))
            by_words = (g == q) & (s.keep_every == 1) & ~misaligned_sets
            times = w.fold.alike * x.reloads
            moves = [times * np.where(by_words, x.channel_groups * w.rows * n, by_runs)
                     for n in (w.rounds, 2 * w.rounds + 1)]
            # The first tile; the others, whose writes to the GLB give way to those of psums.
            first = [np.maximum(times * read, move) for move in moves]
            psums = w.block_passes * w.strips * w.cols * x.m["words_per_column"]
            aligned, offset = (np.maximum(times * read, move + np.minimum(
                psums, move * psums // computing)) for move in moves)
            share, first_shifted = w.fold.shifted
            self.shifted = share[tile.last_col]
            self.dram_words += times * words
            self.aligned, self.offset = self.aligned + aligned, self.offset + offset
            self.cycles += aligned + (self.shifted * (offset - aligned)).astype(np.int64)
            self.first += np.where(first_shifted, first[1], first[0])


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


class Parameters:
    """What the output stage needs before it can begin: biases and scales, or tables. The loader
    brings them.

    Attributes
    ----------
    count : int
        PARAMS: one, if the parameter memory holds what the whole layer needs, or one a block.
    words : int
        Words from DRAM, all of them.
    cycles, first : int
        Of all, and of the first.
    """

    def __init__(self, x):
        layer, config = x.layer, x.config
        of_layer = layer.sets * x.groups * x.m["words_per_column"]
        once = of_layer * config.lanes <= config.params_depth
        bus_words = 8 * config.lanes // config.bus_bytes        # of a word, a bias and a scale each
        if layer.mode.needs_tables:
            of_layer, once, bus_words = TABLE_ENTRIES, x.q > 0, max(64 // config.bus_bits, 1)
        self.count = np.where(once, 1, x.total_blocks)
        self.words = np.where(once, 1, x.tiles) * of_layer * bus_words
        begin = CYCLES.params + x.timing.latency
        read = np.maximum(_run_cycles(x, self.words),
                          x.timing.cycles(self.words * config.bus_bytes))
        # A function table comes with a PARAMS of its own, before the others.
        function = layer.function * (begin + FUNCTION_WRITES)
        self.cycles = self.count * begin + read + function
        self.first = begin + read // self.count + function
        self.count, self.words = (self.count + layer.function,
                                  self.words + FUNCTION_WRITES * layer.function)


class Drain:
    """Drain: psums of a tile through the output stage, and rows of outputs to DRAM.

    Attributes
    ----------
    cycles : int
        Of the output stage, which reads a psum word a cycle, and hands outputs to the write DMA.
    write : int
        Of writing to DRAM, a word a cycle, but some cycles for each short row.
    write_words : int
        Words written.
    block : int
        The longer of both, for a block.
    pieces : int
        In how many STOREs a block leaves: strip by strip, unless it is pooled.
    last, all, last_burst : int
        Of the last STORE of the layer's last block, beside its beginning; of all of them; and of
        the burst that is written when the last word has come.
    """

    def __init__(self, x, tile, works, fed, computing):
        """``fed``, ``computing``: cycles of the Y-bus, and of the array and all its networks."""
        layer, word, config = x.layer, x.config.bus_bytes, x.config
        pool, rows = layer.pooling, x.groups * tile.out_rows
        row_bytes = tile.out_cols * x.p * layer.mode.bytes_per_output
        row_words = _row_words(x, row_bytes, x.p * layer.mode.bytes_per_output)
        self.write_words = (rows * row_words).astype(np.int64)
        window_rows, window_cols = layer.mean_window
        reads = tile.out_cols * layer.mode.psum_reads(config, x.p) * window_rows * window_cols
        handed = tile.out_cols * ceildiv(x.p * layer.mode.bytes_per_output,
                                         min(config.lanes, word)) + CYCLES.window_row
        row = np.maximum(np.maximum(reads, handed), pool.u + 1)
        self.cycles = (rows * row).astype(np.int64)
        self.write = np.maximum(rows * np.maximum(row_words, CYCLES.short_burst),
                                x.timing.cycles(rows * row_words * word)).astype(np.int64)
        block = np.maximum(self.cycles, self.write) // x.blocks
        strips = x.strips(tile)
        whole_strips = (pool == Pooling()) & (ceildiv(tile.rows, x.e) == strips)
        size, self.pieces = strip_pieces(np.where(whole_strips, strips, 1))
        self.block = block + self.pieces * CYCLES.store
        last_rows = np.where(self.pieces > 1, tile.rows - (self.pieces - 1) * size * x.e, tile.rows)
        last_groups = x.groups - (x.blocks - 1) * x.t
        whole = block * last_groups * x.blocks // x.groups
        self.last = whole * last_rows // tile.rows
        self.all = whole + self.pieces * CYCLES.store
        self.last_burst = np.minimum(row_words, config.burst).astype(np.int64)
        self.cycles = self.cycles + self._met(x, works, fed, computing) \
            + x.blocks * CYCLES.store * np.where(x.m["slots"] == 1, self.pieces, 1)

    def _met(self, x, works, fed, computing):
        """Cycles in which the drain gives way to the feed, which wants the same bank: one in as
        many words as there are banks. They meet more often where the feed stays in one bank, since
        the rows of a stream begin in the same one: if it never rests, or if the drain goes from
        bank to bank, since its windows have several rows."""
        pool, banks = x.layer.pooling, x.config.cols
        stays = reduce(np.logical_and, (w.rounds % banks == 0 for w in works))
        wanted = np.where(stays, np.clip(np.where(
            fed >= CYCLES.busy_feed * computing, CYCLES.met_by_busy_feed, pool.r // pool.s),
            1, x.e), 1)
        return fed * wanted // banks * np.minimum(self.cycles, computing) // computing


class Commands:
    """Commands of a program: the controller fetches them, some ahead, whatever the units do.

    Attributes
    ----------
    words : int
        Words from DRAM.
    cycles : int
        Until the last of them is there.
    """

    def __init__(self, x, loads, stores, parameters):
        """``loads``, ``stores``: LOADs and STOREs, in all pieces; those of tiles are COMPUTEs,
        too."""
        parts = len(x.layer.parts)
        blocks = x.total_blocks * parts * x.folds * (1 if x.layer.depthwise else x.chunks)
        self._count = 2 + loads + parameters + 2 * blocks + np.maximum(loads - x.loads, 0) + stores
        self._each = COMMAND_BYTES // x.config.bus_bytes
        self.words = self._count * self._each
        self._pair = self.fetch(x, 1)
        self.cycles = ceildiv(self._count, CYCLES.fetched_together) * self._pair

    def beside(self, words):
        """Words of the commands that come while ``words`` others are read: those that the queues
        take meanwhile. A fetch waits for all words that were asked for before it."""
        together = CYCLES.fetched_together
        fetched = words // np.maximum(CYCLES.words_in_flight, self._pair) * together
        return self._each * np.minimum(fetched, np.clip(
            self._count, 2 * together, CYCLES.commands_ahead) - 2 * together)

    @staticmethod
    def fetch(x, number):
        """Cycles until command ``number`` (BEGIN is 0) is there."""
        together = CYCLES.fetched_together
        return (number // together + 1) * max(
            x.timing.latency + CYCLES.fetch, together * CYCLES.decode,
            int(x.timing.cycles(together * COMMAND_BYTES)))
