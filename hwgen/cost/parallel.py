"""The cost model: which mappings of a layer fit, and what they cost; many at once."""

from dataclasses import dataclass

import numpy as np

from ..isa import StoreMode
from ..machines import machine_of
from .geometry import Pooling

__all__ = ["COST", "Timing", "fit", "estimate", "array_slots", "byte_weight", "lower_bound",
           "pieces", "strip_pieces", "ceildiv"]

_MAX_RESIDENT = 32          # blocks of psums at a time; the semaphores count to 63
_PROGRAM = 16               # bytes of a row program on the Y-bus
_BYTE = 21                  # cycles of a PE that a byte of DRAM is worth, at most
_PIECES = 8                 # into which a tile is cut, at most ...
_PIECE = 256                # ... and GLB words of one, at least

# Cycles, measured on the RTL.
_ENDS = 230                 # from start to the first load, and from the last output to done ...
_ANSWERS = 3                # ... and the times that DRAM's latency adds to them
_LOAD = 20                  # of a LOAD, beside data and DRAM's latency: the next waits for its end
_STORE = 20                 # of a STORE without psums
_ROW = 6                    # of an output row without psums
_WRITE = 8                  # between short rows written to DRAM
_FLIGHT, _ISSUE = 8, 16     # reads under way, and cycles of one beside DRAM's latency
_REFILL = 16                # of a row that waits for ifmaps at the start of a strip
_FIFO = 8                   # bus words that a row takes ahead of the rows below


@dataclass(frozen=True)
class Timing:
    """The DRAM that a program is made for.

    Attributes
    ----------
    latency : int
        Cycles from a read's address to its first beat.
    bytes_per_cycle : float
        Bytes that reads and writes together may move; 0: a bus word each way.
    """
    latency: int = 40
    bytes_per_cycle: float = 0

    def cycles(self, moved):
        """Cycles in which ``moved`` bytes pass, if the bandwidth is shared; else 0."""
        if not self.bytes_per_cycle:
            return 0 * moved
        return np.ceil(moved / self.bytes_per_cycle).astype(np.int64)


def ceildiv(a, b):
    """``a / b`` rounded up; works on arrays."""
    return -(-a // b)


def fold_shapes(folds):
    """Distinct fold shapes with the number of folds of each."""
    shapes = {}
    for fold in folds:
        key = (fold.rows.taps, fold.rows.u, fold.rows.d, fold.cols.taps, fold.cols.u, fold.cols.d)
        shapes.setdefault(key, [fold, 0])[1] += 1
    return [tuple(value) for value in shapes.values()]


def _passes(config, groups, r):
    """Passes of ``groups`` channel groups of ``r`` filter rows, and channel groups fed in all of
    them together."""
    passes = ceildiv(groups * r, config.rows)
    return passes, groups + passes - 1 - (passes - 1) // (r // np.gcd(r, config.rows))


def byte_weight(config):
    """Cycles that a byte moved to or from DRAM counts for."""
    return min(1 / config.bus_bytes, _BYTE / (config.rows * config.cols))


def array_slots(config, layer, folds, q, p, t, e):
    """Cycles in which the array of the mappings holds work, however they are tiled: its MAC slots,
    those of idle PEs and of filters and channels beyond the last included."""
    need_rows, need_cols = layer.needed()
    _, blocks = filter_blocks(layer, q, p, t)
    slots = 0
    for fold, count in fold_shapes(folds):
        passes, _, taps = array_passes(config, layer, fold, q)
        slots += count * blocks * passes * p * np.where(taps > 1, taps, 2) \
            * ceildiv(need_rows, e) * need_cols
    return slots * len(layer.parts) * layer.sets


def array_passes(config, layer, fold, q):
    """Passes over the array, (channel group, filter row) pairs in them, and taps of a PE."""
    r, s = fold.rows.taps, fold.cols.taps
    pairs = r if layer.depthwise else ceildiv(layer.channels, q) * r
    return ceildiv(pairs, config.rows), pairs, s if layer.depthwise else q * s


def lower_bound(config, layer, folds, q, p, t, e):
    """Cycles and DRAM traffic, weighed and added up, that no tiling of the mappings can
    undercut."""
    groups, _ = filter_blocks(layer, q, p, t)
    filters = 0
    for fold, count in fold_shapes(folds):
        _, pairs, taps = array_passes(config, layer, fold, q)
        filters += count * groups * pairs * ceildiv(p * taps, config.bus_bytes)
    _, out_rows, out_cols = layer.y.shape
    drain = groups * out_rows * out_cols * _reads(config, layer, p) \
        * layer.pooling.r * layer.pooling.s
    filters *= len(layer.parts) * layer.sets
    cycles = np.maximum(np.maximum(array_slots(config, layer, folds, q, p, t, e), filters),
                        drain * layer.sets)
    moved = filters * config.bus_bytes + least_input(layer) + int(np.prod(layer.y.shape))
    return cycles + byte_weight(config) * moved


def _reads(config, layer, p):
    """Psum words that the output stage reads for ``p`` psums, each as often as it has to."""
    if layer.mode == StoreMode.RAW:
        return ceildiv(4 * p, config.lanes)
    looked_up = layer.mode in (StoreMode.SUM, StoreMode.PRODUCT)
    return ceildiv(p, config.table_lanes if looked_up else config.lanes)


def least_input(layer):
    """Input values that no tiling can leave out."""
    conv, (need_rows, need_cols) = layer.conv, layer.needed()
    (channels, height, width), (_, _, rows, cols) = conv.x.shape, conv.weight.shape

    def read(need, taps, stride, dilation, pad, size):
        span = (need - 1) * stride + (taps - 1) * dilation + 1 - pad
        return max(min(size, span), 0)
    cols = read(need_cols, cols, conv.stride[1], conv.dilation[1], conv.pads[1], width)
    reads = read(need_rows, rows, conv.stride[0], conv.dilation[0], conv.pads[0], height)
    if conv.stride[0] > rows or conv.dilation[0] > 1:
        reads = reads // conv.stride[0]         # some rows are skipped; never mind which
    return channels * reads * cols


def filter_blocks(layer, q, p, t):
    """Filter groups and blocks of a set."""
    groups = ceildiv(layer.channels, q) if layer.depthwise else ceildiv(layer.filters, p)
    return groups, ceildiv(groups, t)


def _tiles(outputs, tile, kernel, stride, pad, size, need):
    """Tiles in a direction; convolution outputs of a whole one, the last, the smallest."""
    count = ceildiv(outputs, tile)
    last = need - np.maximum(0, (count - 1) * tile * stride - pad)
    whole = np.where(count == 1, last, np.minimum(need, (tile - 1) * stride + kernel))
    first = np.minimum(size, (tile - 1) * stride - pad + kernel)
    return count, whole, last, np.minimum(np.minimum(first, last), whole)


def cut_tiles(layer, c):
    """Tiles of both directions, see :func:`_tiles`."""
    pool = layer.pooling
    (_, height, width), (_, out_rows, out_cols) = layer.conv.y.shape, layer.y.shape
    need_rows, need_cols = layer.needed()
    return (_tiles(out_rows, c["tile_rows"], pool.r, pool.u, pool.top, height, need_rows),
            _tiles(out_cols, c["tile_cols"], pool.s, pool.v, pool.left, width, need_cols))


def shifted_tiles(layer, s, q, g, tile_cols, ncol, word):
    """Shares of the whole and of the last tiles of a row of tiles that begin at another byte of a
    bus word in DRAM than in the GLB, and whether the first tile does."""
    conv, pool = layer.conv, layer.pooling
    first = s.window(0, 1)[0] * q % word != 0
    at = (s.first * conv.dilation[1] - pool.left * conv.stride[1] - conv.pads[1]) * g
    by = tile_cols * pool.v * conv.stride[1] * g
    # Tiles 1 to before the last; those that are aligned recur after a word's bytes.
    between = np.maximum(ncol - 2, 0)
    aligned = sum(np.where((at + by * j) % word == 0, ceildiv(np.maximum(between + 1 - j, 0), word),
                           0) for j in range(1, word + 1))
    whole = (first + between - aligned) / np.maximum(ncol - 1, 1)
    last = np.where(ncol == 1, first, (at + by * (ncol - 1)) % word != 0)
    return (whole, last), first


def pieces(config, q, g, r, groups, words):
    """In how many LOADs a tile comes, and channel groups of the smallest.

    Computing begins with the first of them, and the last block that needs the tile gives it up
    piece by piece. Each is whole passes and whole groups of DRAM.

    Parameters
    ----------
    q, g : int
        Channels of a channel group, and of a group in DRAM.
    r : int
        Filter rows.
    groups, words : int
        Channel groups and GLB words of the tile.
    """
    unit = np.lcm(config.rows // np.gcd(r, config.rows), g // np.gcd(g, q))
    return np.clip(np.minimum(ceildiv(groups, unit), words // _PIECE), 1, _PIECES), unit


def strip_pieces(strips, words=None):
    """Strips of a piece of a tile or block of ``strips`` strips, and such pieces; a tile's, of
    ``words`` GLB words, are not cut too small."""
    count = np.minimum(strips, _PIECES)
    if words is not None:
        count = np.clip(np.minimum(count, words // _PIECE), 1, None)
    size = ceildiv(strips, count)
    return size, ceildiv(strips, size)


def fit(config, layer, folds, g, c):
    """Which mappings fit the machine.

    Parameters
    ----------
    config : Config
    layer : Layer
    folds : list of Fold
    g : int or None
        Channels of a group of the input in DRAM; None if that may be chosen, and is ``q``.
    c : dict of str to numpy.ndarray
        The mappings, element by element: ``q``, ``p``, ``e``, ``t``, ``tile_rows``,
        ``tile_cols``; ``slots`` and ``buffers`` wanted; ``whole`` (all channels in one step);
        ``together`` (all blocks of a set resident); ``most_chunk`` (channel groups of a step at
        most), if there is a limit.

    Returns
    -------
    (numpy.ndarray, dict of str to numpy.ndarray)
        Whether each fits, and the mappings completed: the fields of Mapping, ``g``, ``pw``.
    """
    dw, word, lanes, rows = layer.depthwise, config.bus_bytes, config.lanes, config.rows
    q, p, e, t = c["q"], c["p"], c["e"], c["t"]
    g = np.minimum(q, layer.conv.x.shape[0]) if g is None else np.full_like(q, g)
    parts, sets, nfolds = len(layer.parts), layer.sets, len(folds)
    shapes = fold_shapes(folds)

    # Tiles, in convolution outputs.
    (nrow, whole_rows, _, _), (ncol, whole_cols, _, least_cols) = cut_tiles(layer, c)
    tiles = nrow * ncol

    # Channels, filters, passes.
    ncg = ceildiv(layer.channels, q)
    _, blocks = filter_blocks(layer, q, p, t)
    taps_least, taps_most = (pick(f.cols.taps for f in folds) * (1 if dw else q)
                             for pick in (min, max))
    pairs = max(f.rows.taps for f in folds) * (1 if dw else ncg)
    several = (pairs > rows) | (nfolds * parts > 1)
    if not dw:
        several = several | ~c["whole"]

    # A word of psums must have been written when the next pass reads it.
    pw = ceildiv(p, lanes)
    words = np.maximum(2, 1 + ceildiv(4, lanes * taps_least))
    strips_least = np.where(several, ceildiv(words, least_cols * pw), 1)
    strips, steps = np.maximum(ceildiv(whole_rows, e), strips_least), whole_cols
    ok = p * taps_most <= config.filter_spad
    ok &= t * pw * lanes <= config.params_depth
    ok &= (strips <= 1023) & (steps <= 4095) & (steps * pw <= 65535) & (c["tile_cols"] <= 4095)

    # Psum slots.
    total_blocks = blocks * tiles * sets
    resident = np.where(c["together"], blocks, 1)
    slots = np.minimum(np.where(c["together"], blocks, c["slots"]), total_blocks)
    ok &= (resident <= _MAX_RESIDENT) & (~c["together"] | (blocks > 1))
    block_words = strips * steps * pw
    room = (config.bank_depth - slots * block_words) * config.cols * config.subwords
    ok &= room > 0

    # Ifmap buffers.
    group_words = np.zeros_like(q)
    for fold, _ in shapes:
        r, s = fold.rows, fold.cols
        window, adv = ((s.taps - 1) * s.d + 1) * q, s.u * q
        rounds = ceildiv((steps - 1) * adv + window, word)
        height = r.span(strips * e)
        ok &= np.maximum(window, adv) + word <= config.ifmap_spad
        ok &= (adv < 128) & (s.d * q < 128) & (rounds <= 4095) & (height <= 4095)
        ok &= (r.span(e) <= 1023) & (r.taps <= 63) & (r.u <= 15) & (r.d <= 63)
        ok &= s.span(steps) * s.step * g < machine_of(config).cost.most_row_bytes
        group_words = np.maximum(group_words, height * rounds)
    loads_once = c["whole"] & (sets * tiles * nfolds == 1)
    buffers = np.where(loads_once, 1, c["buffers"])
    limit = room // (buffers * group_words)         # channel groups that a buffer may hold
    if sets == 1:
        held = ceildiv(ceildiv(layer.channels, g) * g, q)
    else:
        held = np.where(layer.channels % g == 0, ncg,
                        ceildiv(((layer.channels + g - 2) // g + 1) * g + q - 1, q))
    unit = g // np.gcd(g, q)
    if dw:
        unit = np.lcm(unit, t)
    most = c.get("most_chunk", limit)
    if "most_chunk" in c:
        split = (sets > 1) & (layer.channels > 1) & (layer.channels % g != 0)
        spread = ceildiv(((most * q + g - 2) // g + 1) * g + q - 1, q)
        limit = np.minimum(limit, np.where((most % unit == 0) & ~split, most, spread))
    aligned = limit // unit * unit
    if sets > 1 and layer.channels > 1:
        aligned = np.where(layer.channels % g == 0, aligned, 0)
    ragged = (((limit * q - (q - 1)) // g - 1) * g + 1) // q
    if dw:
        ragged = ragged // t * t
    chunk = np.where(c["whole"], ncg, np.minimum(most, np.where(aligned > 0, aligned,
                                                                 np.maximum(ragged, 0))))
    ok &= np.where(c["whole"], held <= limit, (chunk >= 1) & (chunk < ncg))
    chunk = np.maximum(chunk, 1)
    tile_words = np.where(c["whole"], held, limit) * group_words
    if dw:
        resident = np.minimum(resident, ceildiv(np.minimum(chunk, ncg), t))
    return ok, {**c, "g": g, "pw": pw, "strips": strips_least, "chunk": chunk, "buffers": buffers,
                "resident": resident, "slots": slots, "block_words": block_words,
                "tile_words": tile_words}


def estimate(config, layer, folds, m, timing):
    """Cost of mappings that fit, as :func:`fit` completed them, with a DRAM of ``timing``.

    Returns
    -------
    dict of str to numpy.ndarray
        The numbers of Estimate.
    """
    outer = "loader", "drain", "dram_read", "dram_write", "dram"
    row_read = (timing.latency + _ISSUE) // _FLIGHT     # between short rows read from DRAM
    conv, pool, dw = layer.conv, layer.pooling, layer.depthwise
    word, lanes, rows = config.bus_bytes, config.lanes, config.rows
    q, p, e, t, g = (m[key] for key in ("q", "p", "e", "t", "g"))
    pw, chunk, resident = (m[key] for key in ("pw", "chunk", "resident"))
    parts, sets, nfolds = len(layer.parts), layer.sets, len(folds)
    shapes = fold_shapes(folds)
    _, out_rows, out_cols = layer.y.shape
    (nrow, whole_rows, last_rows, _), (ncol, whole_cols, last_cols, _) = cut_tiles(layer, m)
    tiles = nrow * ncol
    groups, blocks = filter_blocks(layer, q, p, t)
    total_blocks = blocks * tiles * sets

    # Steps.
    ncg = ceildiv(layer.channels, q)
    chunks = ceildiv(ncg, chunk)
    last_chunk = ncg - (chunks - 1) * chunk
    if dw:
        set_blocks = ceildiv(np.minimum(chunk, ncg), t)
        repeats = ceildiv(set_blocks, resident) if nfolds > 1 else np.ones_like(q)
        loads = chunks * tiles * nfolds * repeats
    else:
        repeats = np.where(nfolds * chunks > 1, ceildiv(blocks, resident), 1)
        loads = sets * tiles * nfolds * chunks * repeats

    loads = loads * layer.sources

    # Cycles and words, over whole and last tiles in both directions.
    keys = ("array", "refill", "ybus", "xbus", "filter", "filter_words", "compute", "loader",
            "load_words", "drain", "dram_write", "write_words", "serial", "waits")
    cost = {key: np.zeros(q.shape, np.int64) for key in keys}
    row_kinds = ((whole_rows, m["tile_rows"], nrow - 1),
                 (last_rows, out_rows - (nrow - 1) * m["tile_rows"], np.ones_like(nrow)))
    col_kinds = ((whole_cols, m["tile_cols"], ncol - 1, 0),
                 (last_cols, out_cols - (ncol - 1) * m["tile_cols"], np.ones_like(ncol), 1))
    dram_groups = ceildiv(layer.channels, g) if sets == 1 or layer.channels == 1 \
        else ceildiv(layer.channels + g - 1, g)
    if dw:
        # A set of channels that begins within a group reads it once more.
        dram_groups = dram_groups + (chunks - 1) - (chunks - 1) // (g // np.gcd(g, chunk * q))
    astray = (sets > 1) & (layer.channels % g != 0)     # sets begin within a group
    in_pieces = ~(dw | astray | ((chunks > 1) & (chunk * q % g != 0)))
    tile_steps = nfolds * chunks * repeats
    step_blocks = np.where(nfolds * chunks > 1, resident, blocks)
    first_load = last_block = first_filters = skew = exposed = 0
    for n_rows, pooled_rows, row_count in row_kinds:
        for n_cols, pooled_cols, col_count, kind in col_kinds:
            count = row_count * col_count * sets
            n_strips = np.maximum(ceildiv(n_rows, e), m["strips"])
            busy, cut = dict.fromkeys(keys[:6], 0), _PIECES
            aligned, offset, unpacked, first_unpacked = 0, 0, 0, 0
            for fold, folds_alike in shapes:
                r, s = fold.rows, fold.cols
                taps = s.taps * (1 if dw else q)
                window = ((s.taps - 1) * s.d + 1) * q
                rounds = ceildiv((n_cols - 1) * s.u * q + window, word)
                if dw:
                    passes = fed = ceildiv(r.taps, rows)
                    pass_pairs, streams = r.taps, t
                else:
                    tail_passes, tail_fed = _passes(config, last_chunk, r.taps)
                    full_passes, full_fed = _passes(config, chunk, r.taps)
                    passes = (chunks - 1) * full_passes + tail_passes
                    fed = (chunks - 1) * full_fed + tail_fed
                    pass_pairs, streams = ncg * r.taps, 1
                many = folds_alike * parts
                weights = p * taps
                packets = passes * (2 if word == 4 else 1) + pass_pairs * ceildiv(weights, word)
                psums = n_strips * n_cols * p
                busy["array"] += many * blocks * passes * (psums * np.where(taps > 1, taps, 2) + 1)
                # The Y-bus also carries tags and row programs, and stands still while psums are
                # read from the GLB.
                busy["ybus"] += many * blocks * (
                    fed * streams * n_strips * rounds * r.span(e) + passes * (1 + _PROGRAM // word)
                    + pass_pairs + passes * n_strips * n_cols * pw)
                # A row's words, and the end of the round for rows that do not take its last word.
                busy["xbus"] += many * blocks * passes * n_strips * rounds * (
                    streams * e * (word // config.xbus_bytes) + (r.span(e) > e))
                busy["filter_words"] += many * groups * packets
                # Both networks feed all rows together, and the rows run ``taps`` cycles behind one
                # another: what the last row cannot take yet, the first has to wait for.
                behind = np.maximum((np.minimum(rows, pass_pairs) - 1) * taps - _FIFO * word, 0)
                busy["filter"] += many * (groups * np.maximum(packets, passes * (weights + 1))
                                          + blocks * passes * behind)
                # At the end of a strip the ring holds its last window and as much of the next
                # strip as there is room for; the rest of that strip's first window is waited for.
                room = config.ifmap_spad - (rounds * word - (n_cols - 1) * s.u * q)
                missing = np.maximum(ceildiv(window, word) - np.maximum(room // word, 0), 0)
                one = streams * np.maximum(e * (word // config.xbus_bytes),
                                           ceildiv(fed * r.span(e), passes))
                # Or it finds room in the first row, but not in the last: when the first begins the
                # strip, that one is so many psums behind as there are rows between, and what it
                # has not read stands in its ring and its FIFO, with the ends of the rounds.
                reads = n_cols - (np.minimum(rows, pass_pairs) - 1) / p
                short = 0 * q if dw else np.maximum(
                    rounds + ceildiv(window, word) - reads * s.u * q / word
                    - config.ifmap_spad // word - _FIFO // (e + (r.span(e) > e)), 0)
                late = np.ceil(short * word / (s.u * q) * p * taps).astype(np.int64) + _REFILL
                # A window that leaves the ring no room for all that the next column needs: what
                # is left comes between the two.
                room = config.ifmap_spad // word - ceildiv(window, word)
                between = (np.maximum(s.u * q / word - room, 0) * one).astype(np.int64)
                busy["refill"] += many * blocks * passes * n_strips * (
                    (n_cols - 1) * between + np.where(missing > 0, missing * one + _REFILL + behind,
                                                      np.where(short > 0, late, 0)))
                # Loads: rows and columns that exist, at most the input's.
                height = r.span(n_strips * e)
                kept = s.span(n_cols)
                real_rows = np.minimum(height, ceildiv(conv.x.shape[1], r.step))
                real_cols = np.minimum(kept, ceildiv(conv.x.shape[2], s.step))
                row_words = ceildiv(real_cols * s.step * g, word) + (ncol > 1)
                words = dram_groups * real_rows * row_words
                # Runs of bytes that the loader moves; aligned rows of whole groups go by words.
                shifted, first_shifted = shifted_tiles(layer, s, q, g, m["tile_cols"], ncol, word)
                split = sum(np.where((n % word != 0) & (word % n != 0), ceildiv(g, word), 0)
                            for n in (g, q))
                runs = np.maximum(ceildiv(g, q), ceildiv(g, word)) + split + astray
                by_runs = dram_groups * height * kept * (runs + (s.step - 1) * ceildiv(g, word))
                read = np.maximum(dram_groups * real_rows * np.maximum(row_words, row_read),
                                  timing.cycles(words * word))
                by_words = [folds_alike * repeats * np.maximum(read, np.where(
                    (g == q) & (s.step == 1) & ~astray,
                    ncg * height * (rounds + extra * (rounds + 1)), by_runs)) for extra in (0, 1)]
                cost["load_words"] += count * folds_alike * repeats * words
                aligned, offset = aligned + by_words[0], offset + by_words[1]
                share = shifted[kind]
                unpacked += by_words[0] + (share * (by_words[1] - by_words[0])).astype(np.int64)
                first_unpacked += np.where(first_shifted, by_words[1], by_words[0])
                tile_words = np.minimum(chunk, ncg) * height * rounds
                step_passes = ceildiv(passes, chunks)
                parts_cut, _ = pieces(config, q, g, r.taps, np.minimum(chunk, ncg), tile_words)
                cut = np.minimum(cut, np.where(in_pieces, parts_cut, 1))
                skew = np.maximum(skew, config.rows * taps)
                at_first = t * np.minimum(pass_pairs, rows) * ceildiv(weights, word)
                first_filters = np.maximum(at_first, timing.cycles(at_first * word)) + t
            for key, value in busy.items():
                cost[key] += count * value
            compute = np.maximum.reduce([
                busy["array"] + busy["refill"], busy["ybus"], busy["xbus"], busy["filter"]])
            cost["compute"] += count * compute
            cost["loader"] += count * (
                unpacked + tile_steps * layer.sources * (_LOAD + timing.latency))
            # A step's load, in pieces, and a block's computing on it, and a pass of that: of the
            # tile before, the last block gives up a piece after the other; the first block waits
            # for each. The first tile of all may come in strips, which its first pass waits for.
            begun = layer.sources * (_LOAD + timing.latency)
            aligned, offset, first = (cycles // tile_steps + cut * begun for cycles in (
                aligned, offset, first_unpacked * np.minimum(chunk, ncg) * chunks // ncg))
            steps = nfolds * chunks * blocks
            block = compute // steps
            a_pass = block // step_passes
            free = np.maximum(block - busy["filter_words"] // steps, 0)  # of DRAM, for the load
            _, in_strips = strip_pieces(n_strips, tile_words)
            hidden = np.where(cut == 1, 0, np.where(step_blocks > 1, 2 * free - 2 * free // cut,
                                                    free))
            cost["serial"] += (count * tile_steps * (
                (1 - share) * np.maximum(aligned - hidden, 0)
                + share * np.maximum(offset - hidden, 0))).astype(np.int64)
            by_strips = (in_strips > cut) & ((m["buffers"] > 1) | (loads == 1) | (cut == 1))
            start = np.where(
                by_strips, np.maximum(first // in_strips, first - a_pass + a_pass // in_strips),
                np.maximum(first // cut, first - block + block // cut))
            first_load = np.where((count > 0) & (first_load == 0), start, first_load)
            stored = count * groups * pooled_rows
            row_words = ceildiv(pooled_cols * p * (4 if layer.mode == StoreMode.RAW else 1), word) \
                + (ncol > 1)
            drain = groups * pooled_rows * (
                pooled_cols * pool.r * pool.s * _reads(config, layer, p) + _ROW) + blocks * _STORE
            write = np.maximum(groups * pooled_rows * np.maximum(row_words, _WRITE),
                               timing.cycles(groups * pooled_rows * row_words * word))
            cost["drain"] += count * drain
            cost["write_words"] += stored * row_words
            cost["dram_write"] += count * write
            # A block leaves strip by strip, if there is nothing to pool: the next one in its
            # place follows, the last block of all is done soon after its last pass.
            drain = np.maximum(drain, write) // blocks
            _, in_strips = strip_pieces(np.where(
                (layer.pooling == Pooling()) & (ceildiv(n_rows, e) == n_strips), n_strips, 1))
            cost["waits"] += count * blocks * np.where(
                in_strips > 1, np.maximum(drain - 2 * a_pass + 2 * a_pass // in_strips, 0), drain)
            left = np.maximum(drain // in_strips, drain - a_pass + a_pass // in_strips)
            last_block = np.where(count > 0, left, last_block)
            exposed = np.maximum(exposed, np.where((count > 0) & (in_strips > 1), left, 0))
    # A block of another shape than the one before it waits for all of that.
    unlike = np.where((ncol > 1) & (whole_cols != last_cols), 2 * nrow * sets - 1,
                      np.where((nrow > 1) & (whole_rows != last_rows), 2 * sets - 1, 0))
    cost["waits"] += unlike * exposed
    several_params = ceildiv(layer.filters * sets, p) * p > config.params_depth
    params = groups * pw * sets * np.where(several_params, tiles, 1) * 2 * lanes * 4 // word
    commands = (total_blocks * 3 * parts * nfolds * (1 if dw else chunks) + loads + 4) * 64 // word
    cost["dram_read"] = cost["load_words"] + cost["filter_words"] + params + commands
    # Each LOAD leaves the port idle while it begins, and the others read the rest of the time.
    cost["loader"] = np.maximum(cost["loader"], cost["dram_read"]
                                + loads * (_LOAD + timing.latency))
    moved = (cost["dram_read"] + cost["write_words"]) * word
    cost["dram"] = timing.cycles(moved)

    # What does not overlap.
    serial = np.where(m["buffers"] == 1, cost["serial"] * (loads - 1) // loads, 0)
    serial += np.where(m["slots"] == 1, cost["waits"] * (total_blocks - 1) // total_blocks, 0)
    startup = first_load + first_filters + skew + last_block + _ENDS + _ANSWERS * timing.latency
    busiest = cost["compute"] + serial
    for key in outer:
        busiest = np.maximum(busiest, cost[key])
    return {"cycles": busiest + startup, "serial": serial, "startup": startup, "bytes": moved,
            **{key: cost[key] for key in ("array", "refill", "ybus", "xbus", "filter", "compute",
                                          *outer)}}


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
