"""Lowering: a layer and its mapping to commands, filter streams and parameters."""

from dataclasses import dataclass
from math import gcd

import numpy as np

from ... import isa
from ...cost.geometry import Cut, Fold, Pooling, ceildiv, cuts
from ...cost.pieces import load_pieces, strip_pieces
from ...machines import machine_of
from ..layout.filter_packets import TABLE_WORDS, filter_stream, parameters, table_words

__all__ = ["lower", "Code", "Store"]

# What each semaphore counts.
LOADED, BUFFER, COMPLETE, SLOT, PARAMS, PARAMS_FREE, WRITTEN = (1 << n for n in range(7))

_PAD = 63                   # most padding rows or columns of a LOAD


@dataclass(frozen=True)
class Store:
    """How the STOREs of a layer make outputs of psums.

    Attributes
    ----------
    mode : hwgen.isa.StoreMode
    scale : float
        Of sums and products.
    tables : tuple of numpy.ndarray
        Of sums and products: int32, 256 entries, one or two, indexed by the byte as stored.
    """
    mode: isa.StoreMode = isa.store_modes.REQUANTISE
    scale: float = 0.0
    tables: tuple = ()


@dataclass
class Code:
    """A layer's commands before its data and tensors have addresses.

    Attributes
    ----------
    commands : list of (str, int or None, dict)
        Name, source and fields. ``addr`` counts from the start of the source with that number
        (LOAD), of the output tensor (STORE) or of ``data`` (FILTER, PARAMS).
    data : bytes
        Filter streams and parameters; a multiple of the bus word.
    """
    commands: list
    data: bytes

    def join(self, following):
        """Let the commands of ``following`` stand behind these in one program. What it loads waits
        until these outputs are in DRAM; its filters come during this layer's last pass."""
        last = max(i for i, (name, *_) in enumerate(self.commands) if name == "STORE")
        first = min(i for i, (name, *_) in enumerate(following.commands)
                    if name in ("LOAD", "PARAMS"))
        for commands, i, field in ((self.commands, last, "signal_written"),
                                   (following.commands, first, "wait")):
            name, source, fields = commands[i]
            commands[i] = name, source, {**fields, field: fields.get(field, 0) | WRITTEN}

    def assemble(self, sources, y, data):
        """The commands' bytes, with the sources at the offsets ``sources``, the output at ``y``,
        the data at ``data``."""
        base = {"STORE": y, "FILTER": data, "PARAMS": data}
        for name, source, fields in self.commands:
            if "addr" in fields:
                start = base[name] if source is None else sources[source]
                fields = {**fields, "addr": fields["addr"] + start}
            yield isa.pack(name, **fields)


@dataclass(frozen=True)
class _Set:
    """Channels that share nothing with others: ``filters`` outputs from ``m0``, of ``channels``
    inputs from ``c0``."""
    c0: int
    channels: int
    m0: int
    filters: int


@dataclass(frozen=True)
class _Block:
    """``t`` filter groups; ``index`` counts the layer's blocks of filters, ``params`` is their
    first parameter word, ``m0`` their first filter, ``cg`` (depthwise) their first channel group
    in the set."""
    index: int
    m0: int
    t: int
    cg: int
    params: int


@dataclass(frozen=True)
class _Step:
    """An ifmap tile in the GLB and the computing on it."""
    set: _Set
    rows: Cut
    cols: Cut
    fold: Fold
    fold_index: int
    c0: int                 # first channel, counted in the set
    channels: int
    blocks: tuple
    first: bool             # psums start from 0
    last: bool              # psums are complete


@dataclass(frozen=True)
class _Tile:
    """Where the ifmap tile of a step stands: its first ifmap word, and for each piece in which it
    is loaded the channel group after its last. ``strips``: it comes in pieces of so many strips
    instead."""
    step: _Step
    base: int
    ends: tuple
    strips: int = 0


def lower(config, layer, mapping, sources, y_place, store):
    """Commands and data of ``layer``.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    mapping : Mapping
    sources : tuple of Placement
        The input as the layer reads it. One: its ``shape`` is the convolution's ``x.shape``.
        Several: they take turns in the rows, row ``h`` of the convolution's input is row
        ``h // n`` of source ``h % n``.
    y_place : Placement
        The output.
    store : Store

    Returns
    -------
    Code
    """
    return _Lowering(config, layer, mapping, sources, y_place, store).run()


class _Lowering:
    def __init__(self, config, layer, mapping, sources, y_place, store):
        self.config, self.layer, self.mapping = config, layer, mapping
        self.conv = layer.conv
        self.order = machine_of(config).order
        self.sources, self.y, self.how = sources, y_place, store
        self.words_per_column = ceildiv(mapping.p, config.lanes)
        self.folds = layer.folds(mapping.fold_r, mapping.fold_s)
        self.base = mapping.slots * mapping.block_words * config.cols * config.subwords
        assert self.base + mapping.buffers * mapping.tile_words <= config.glb_words
        self.commands = []
        self.data = bytearray()
        self.streams = {}       # offset and size of the filter packets that exist already
        self.number = {}        # running number of a block of psums

    # The plan: sets, blocks, steps.

    def sets(self):
        m, layer = self.mapping, self.layer
        if layer.depthwise:
            size = m.chunk * m.q
            return [_Set(c, min(size, layer.channels - c), c, min(size, layer.channels - c))
                    for c in range(0, layer.channels, size)]
        return [_Set(i * layer.channels, layer.channels, i * layer.filters, layer.filters)
                for i in range(layer.sets)]

    def blocks(self, sets):
        m, index, params, found = self.mapping, 0, 0, {}
        for s in sets:
            found[s] = []
            for m0 in range(0, s.filters, m.t * m.p):
                t = min(m.t, ceildiv(s.filters - m0, m.p))
                found[s].append(_Block(index, s.m0 + m0, t, m0 // m.p, params))
                index, params = index + 1, params + t * self.words_per_column
        return found, params

    def steps(self, sets, blocks):
        m, layer, pool = self.mapping, self.layer, self.layer.pooling
        _, rows, cols = layer.y.shape
        _, height, width = self.conv.y.shape
        row_cuts = list(cuts(rows, m.tile_rows, pool.r, pool.u, pool.top, height))
        col_cuts = list(cuts(cols, m.tile_cols, pool.s, pool.v, pool.left, width))
        for s in sets:
            size = s.channels if layer.depthwise else m.chunk * m.q
            parts = [(n, fold, c, min(size, s.channels - c)) for n, fold in enumerate(self.folds)
                     for c in range(0, s.channels, size)]
            resident = m.resident if len(parts) > 1 else len(blocks[s])
            for row in row_cuts:
                for col in col_cuts:
                    for b in range(0, len(blocks[s]), resident):
                        for i, (n, fold, c0, channels) in enumerate(parts):
                            yield _Step(s, row, col, fold, n, c0, channels,
                                        tuple(blocks[s][b:b + resident]), i == 0,
                                        i == len(parts) - 1)

    # The order of the commands is one that no order of dispatch can lock up. For a machine that
    # runs them in order it is one in which each can run to its end before the next starts.

    def run(self):
        m, config = self.mapping, self.config
        sets = self.sets()
        blocks, params = self.blocks(sets)
        steps = list(self.steps(sets, blocks))
        self.param_words = config.params_depth // config.lanes
        self.param_addr = self.add_data(self.parameters())
        self.params_once = bool(self.how.tables) or params <= self.param_words
        if self.how.tables:
            params = TABLE_WORDS
        self.param_slots = self.param_words // (m.t * self.words_per_column)
        self.stores = sum(len(step.blocks) for step in steps if step.last)
        self.stored = self.opened = self.fetched = 0
        opening = [step for step in steps if step.first for _ in step.blocks]
        self.leaves = [self.leaving(step, n == len(opening) - 1)
                       for n, step in enumerate(opening)]
        self.tiles = [self.tile_of(step, i, len(steps) == 1) for i, step in enumerate(steps)]
        self.begun = 0
        self.later = []             # LOADs that would fill their queue, and hold up all others
        self.begin(1)
        if self.params_once:
            self.emit("PARAMS", signal=PARAMS, dst=0, count=params, addr=self.param_addr)
        for i, step in enumerate(steps):
            self.fetch_params(step, 0)
            self.step(step, i)
        return Code(self.commands, bytes(self.data))

    def emit(self, name, source=None, **fields):
        self.commands.append((name, source, fields))

    def add_data(self, data):
        offset = len(self.data)
        self.data += data
        return offset

    def parameters(self):
        if self.how.tables:
            return table_words(self.config, self.how.tables)
        return b"".join(parameters(self.config, self.conv.bias[s.m0:s.m0 + s.filters],
                                   self.conv.scale[s.m0:s.m0 + s.filters], self.mapping.p,
                                   self.words_per_column)
                        for s in self.sets())

    def glb(self, word):
        return isa.glb_address(self.config, word)

    # LOAD

    def lead(self, c0, x):
        """First DRAM group of the channels from ``c0`` on in ``x``, ``first_channel_offset`` and
        the channel group of the first channel: the DRAM group's channels before it go to channel
        groups of their own."""
        first = c0 // x.dram_channels
        lead = c0 - first * x.dram_channels
        first_channel_offset = -lead % self.mapping.q
        return first, first_channel_offset, (first_channel_offset + lead) // self.mapping.q

    def first_group(self, step):
        """Channel group of a step's first channel in its tile: where the source has it whose
        channels before it need most room."""
        return max(self.lead(step.set.c0 + step.c0, x)[2] for x in self.sources)

    def strips(self, step):
        return max(ceildiv(step.rows.b - step.rows.a, self.mapping.e), self.mapping.strips)

    def shape(self, step):
        """Ifmap rows, columns and words of a stream, of a step's tile."""
        rows = step.fold.rows.span(self.strips(step) * self.mapping.e)
        cols = step.fold.cols.span(step.cols.b - step.cols.a)
        return rows, cols, ceildiv(cols * self.mapping.q, self.config.bus_bytes)

    def tile_of(self, step, index, only):
        m = self.mapping
        base = self.base + index % m.buffers * m.tile_words
        height, _, words = self.shape(step)
        groups, ends = ceildiv(step.channels, m.q), []
        if not self.order.tile_pieces:
            return _Tile(step, base, (groups,))
        if not self.layer.depthwise and len(self.sources) == 1:
            x, = self.sources
            start = step.set.c0 + step.c0
            if start % x.dram_channels == 0 == start % m.q:
                count, unit = load_pieces(self.config, m.q, x.dram_channels,
                                          step.fold.rows.taps, groups, groups * height * words)
                units = ceildiv(groups, unit)
                ends = [int(unit * (units * n // count)) for n in range(1, count)]
        size, count = strip_pieces(self.strips(step), groups * height * words)
        # Strips do not come in the place of others one by one: not where channel groups do.
        alone = len(self.sources) == 1 and (m.buffers > 1 or only or not ends)
        if index == 0 and alone and count > len(ends) + 1:
            return _Tile(step, base, (groups,), int(size))
        return _Tile(step, base, (*ends, groups))

    def gives_pieces(self, index):
        """Whether the step in whose place step ``index`` comes gives up its tile piece by piece."""
        before = self.tiles[index - self.mapping.buffers]
        after = self.tiles[index]
        return self.mapping.buffers == 1 and before.ends == after.ends and \
            self.shape(before.step) == self.shape(after.step)

    def loads(self, index):
        """Number of pieces in which a step's tile comes."""
        tile = self.tiles[index]
        if tile.strips:
            return ceildiv(self.strips(tile.step), tile.strips)
        return len(tile.ends)

    def begin(self, pieces):
        """Load the first ``pieces`` pieces of the first tile, as far as it has them and they are
        not loaded yet: all, before a piece of the next tile gives the semaphore that they give."""
        for piece in range(self.begun, min(pieces, self.loads(0))):
            self.load(0, piece)
            self.begun = piece + 1

    def load(self, index, piece):
        """Load a piece of a step's tile."""
        m, tile = self.mapping, self.tiles[index]
        step = tile.step
        height, width, words = self.shape(step)
        begin, above, below = 0, 0, height          # channel group, ifmap rows
        c0, c1 = step.c0, step.c0 + step.channels
        if tile.strips:
            above, below = (step.fold.rows.span(n * tile.strips * m.e) if n else 0
                            for n in (piece, piece + 1))
            below = min(below, height)
        else:
            begin = tile.ends[piece - 1] if piece else 0
            c0, c1 = c0 + begin * m.q, min(c0 + tile.ends[piece] * m.q, c1)
        tpad, row, rows, bpad = step.fold.rows.window(step.rows.a, below - above, above)
        lpad, col, cols, rpad = step.fold.cols.window(step.cols.a, width)
        keep_every_col = step.fold.cols.step
        if cols == 0:
            tpad, rows, bpad = below - above, 0, 0
        turns = list(_turns(len(self.sources), tpad, row, rows, bpad, step.fold.rows.step))
        for n, turn in enumerate(turns):
            x = self.sources[turn.source]
            first, first_channel_offset, lead = self.lead(step.set.c0 + c0, x)
            last = ceildiv(step.set.c0 + c1, x.dram_channels)
            shift = begin + self.first_group(step) - lead
            assert (shift + ceildiv(first_channel_offset + (last - first) * x.dram_channels,
                                    m.q)) * height * words \
                <= m.tile_words
            fields = {}
            if n == 0 and index >= m.buffers and (piece == 0 or self.gives_pieces(index)):
                fields["wait"] = BUFFER
            if n == len(turns) - 1:
                fields["signal"] = LOADED
            if turn.rows:
                fields |= {"addr": first * x.group_stride + turn.row * x.row_stride + col * x.pixel,
                           "keep_every_col": keep_every_col,
                           "cols": (cols - 1) * keep_every_col + 1, "lpad": lpad,
                           "rpad": rpad}
            else:
                fields |= {"addr": 0, "keep_every_col": 1, "cols": width}
            dst = tile.base + (shift * height + above + turn.top) * words
            word = self.config.bus_bytes
            self.emit("LOAD", turn.source, dst=self.glb(dst),
                      start=self.glb(dst + first_channel_offset // word),
                      glb_col_stride=self.glb(m.q // word),
                      pad=self.conv.x.zero_point & 255, dram_channels=x.dram_channels,
                      groups=last - first,
                      row_stride=x.row_stride * turn.row_step, group_stride=x.group_stride,
                      rows=turn.rows, tpad=turn.above, bpad=turn.below,
                      glb_row_stride=self.glb(words * turn.every),
                      glb_cg_stride=self.glb(height * words), q=m.q,
                      first_channel_offset=first_channel_offset, **fields)

    # COMPUTE and STORE

    def step(self, step, index):
        """Compute on a step's tile, and load what follows it."""
        m, tile = self.mapping, self.tiles[index]
        following = index + m.buffers       # the step that comes in this one's place
        reused = following < len(self.tiles)
        in_turn = reused and self.gives_pieces(following)
        parts, every = range(len(self.layer.parts)), range(len(tile.ends))
        for n, block in enumerate(step.blocks):
            if step.first:
                self.number[block] = self.opened
                self.opened += 1
            if n:
                self.fetch_params(step, n)
            for part in parts:
                entering = part == 0 and n == 0
                leaving = part == parts[-1] and block is step.blocks[-1]
                addr, size = self.stream(step, block, part)
                self.emit("FILTER", addr=addr, size=size)
                cuts = every if entering or (leaving and in_turn) else every[-1:]
                for piece in cuts:
                    opening = index == 0 and entering
                    if opening:
                        self.begin(piece + 2)
                    first, last = piece == cuts[0], piece == cuts[-1]
                    wait = SLOT if (part == 0 and first and step.first
                                    and self.number[block] >= m.slots) else 0
                    done = part == parts[-1] and last and step.last
                    gives = leaving and (last or in_turn) and reused
                    self.compute(
                        tile, block, 0 if first else tile.ends[piece - 1], tile.ends[piece],
                        accumulate=not (step.first and part == 0 and first),
                        feed_wait=LOADED if entering else 0, feed_signal=BUFFER if gives else 0,
                        psum_wait=wait, psum_signal=COMPLETE if done else 0,
                        feed_step=tile.strips if entering else 0,
                        wait_step=self.follows(self.number[block]) if wait else 0,
                        signal_step=self.leaves[self.number[block]][2] if done else 0)
                    if self.later:
                        self.commands.append(self.later.pop(0))
                    if opening and (tile.strips or gives):
                        self.begin(self.loads(0))
                    if gives and in_turn:
                        self.load(following, piece)
                if index == 0 and entering:
                    for other in range(1, min(m.buffers, len(self.tiles))):
                        self.load_all(other)
            if step.last:
                self.store(step, block)
        self.commands += self.later
        self.later = []
        if reused and not in_turn:
            begin = len(self.commands)
            self.load_all(following)
            if self.order.lookahead is not None:
                self.later = self.commands[begin + self.order.lookahead:]
                del self.commands[begin + self.order.lookahead:]

    def load_all(self, index):
        for piece in range(self.loads(index)):
            self.load(index, piece)

    def leaving(self, step, last):
        """How a block leaves: its strips, their columns, and the strips of a STORE (0: all)."""
        strips, psum_cols = self.strips(step), step.cols.b - step.cols.a
        pooled = self.layer.pooling != Pooling()
        if (self.mapping.slots > 1 and not last) or pooled or not self.order.strips_leave_early \
                or strips != ceildiv(step.rows.b - step.rows.a, self.mapping.e):
            return strips, psum_cols, 0
        size, count = strip_pieces(strips)
        return strips, psum_cols, int(size) if count > 1 else 0

    def follows(self, number):
        """Strips for which block ``number`` waits at a time (0: all): it comes where another was
        that leaves in the same pieces, in the same places."""
        before = self.leaves[number - self.mapping.slots]
        return before[2] if before == self.leaves[number] else 0

    def fetch_params(self, step, n):
        """Fetch the parameters of a step's block ``n``, about to be complete, unless there."""
        if self.params_once or not step.last:
            return
        block = step.blocks[n]
        reuse = self.fetched >= self.param_slots
        self.emit("PARAMS", wait=PARAMS_FREE if reuse else 0, signal=PARAMS,
                  dst=self.fetched % self.param_slots * self.mapping.t * self.words_per_column,
                  count=block.t * self.words_per_column,
                  addr=self.param_addr + block.params * 8 * self.config.lanes)
        self.fetched += 1

    def param_word(self, block):
        if self.how.tables:
            return 0
        if self.params_once:
            return block.params
        return self.stored % self.param_slots * self.mapping.t * self.words_per_column

    def psum(self, block):
        """First bank word of a block."""
        return self.number[block] % self.mapping.slots * self.mapping.block_words

    def compute(self, tile, block, begin, end, **fields):
        """Compute a block on the channel groups from ``begin`` to before ``end`` of a tile."""
        m, conv, config, step = self.mapping, self.conv, self.config, tile.step
        height, _, words = self.shape(step)
        rows, cols = step.fold.rows, step.fold.cols
        psum_cols = step.cols.b - step.cols.a
        cg = self.first_group(step) + begin
        dw = self.layer.depthwise
        advance = cols.u * m.q
        self.emit(
            "COMPUTE", ifmap=self.glb(tile.base + (cg + dw * block.cg) * height * words),
            row_stride=self.glb(words), cg_stride=self.glb(height * words), rounds=words,
            strip_stride=self.glb(m.e * rows.u * words),
            pairs=rows.taps * (1 if dw else end - begin), r=rows.taps,
            strip_ifmap_rows=rows.span(m.e), e=m.e,
            multicast_mask=1 if dw else sum(1 << tg * m.e for tg in range(block.t)), u=rows.u,
            dil=rows.d,
            depthwise=dw, depthwise_groups=block.t if dw else 1, active_cols=block.t * m.e,
            tap_channels=1 if dw else m.q,
            tap_cols=cols.taps, tap_col_stride=cols.d * m.q, filter_reads_own_channel=dw,
            window=((cols.taps - 1) * cols.d + 1) * m.q,
            col_advance=advance, strip_advance=words * config.bus_bytes - (psum_cols - 1) * advance,
            xsigned=conv.x.dtype == np.int8, zx=conv.x.zero_point & 255, p=m.p, psum_cols=psum_cols,
            strips=self.strips(step), psum=self.psum(block), **fields)

    def stream(self, step, block, part):
        """Offset in ``data`` and size of the filter packets; tiles share them."""
        key = block.index, step.fold_index, step.c0, part
        if key not in self.streams:
            data = filter_stream(self.config, self.weights(step, block, part), self.mapping.e)
            self.streams[key] = self.add_data(data), len(data)
        return self.streams[key]

    def weights(self, step, block, part):
        """int8 ``(t, pairs, size)``: a PE's weights in the order ``[p][S][q]``."""
        m, s = self.mapping, step.set
        rows, cols = step.fold.rows, step.fold.cols
        stop = min(block.m0 + block.t * m.p, s.m0 + s.filters)
        channels = slice(None) if self.layer.depthwise else slice(step.c0,
                                                                  step.c0 + step.channels)
        w = self.layer.parts[part][block.m0:stop, channels, rows.first:rows.first + rows.taps,
                                   cols.first:cols.first + cols.taps]
        filters, depth, r, ns = w.shape
        groups, nc = (1, 1) if self.layer.depthwise else (ceildiv(depth, m.q), m.q)
        full = np.zeros((block.t * m.p, groups * nc, r, ns), np.int8)
        full[:filters, :depth] = w
        packed = np.zeros((block.t, groups, r, m.p, ns, nc), np.int8)
        packed[:, :, :, :m.p] = full.reshape(block.t, m.p, groups, nc, r, ns) \
            .transpose(0, 2, 4, 1, 5, 3)
        return packed.reshape(block.t, groups * r, m.p * ns * nc)

    def store(self, step, block):
        m, number = self.mapping, self.number[block]
        strips, _, size = self.leaves[number]
        starts = range(0, strips, size or strips)
        for strip in starts:
            wait, signal, last = COMPLETE, 0, strip == starts[-1]
            if strip == 0 and (not self.params_once or self.stored == 0):
                wait |= PARAMS
            if self.stored + m.slots < self.stores and (last or self.follows(number + m.slots)):
                signal |= SLOT
            if last and not self.params_once and self.stored + self.param_slots < self.stores:
                signal |= PARAMS_FREE
            self.store_strips(step, block, strip, size, wait, signal)
        self.stored += 1

    def store_strips(self, step, block, strip, size, wait, signal):
        """Store ``size`` strips of a block from ``strip`` on (0: all)."""
        m, y, pool, conv = self.mapping, self.y, self.layer.pooling, self.conv
        psum_cols = step.cols.b - step.cols.a
        above = strip * m.e
        psum_rows, out_rows = step.rows.b - step.rows.a, step.rows.o1 - step.rows.o0
        if size:
            psum_rows = out_rows = min(size * m.e, psum_rows - above)
        self.emit(
            "STORE", wait=wait, signal=signal,
            psum=self.psum(block) + strip * psum_cols * self.words_per_column,
            params=self.param_word(block),
            addr=block.m0 // y.dram_channels * y.group_stride + (step.rows.o0 + above)
            * y.row_stride
            + step.cols.o0 * y.pixel,
            row_stride=y.row_stride, group_stride=y.group_stride, bank=0, groups=block.t, e=m.e,
            p=y.dram_channels, words_per_column=self.words_per_column, psum_cols=psum_cols,
            psum_rows=psum_rows,
            zy=conv.y.zero_point & 255, ysigned=conv.y.dtype == np.int8, lo=conv.lo & 255,
            hi=conv.hi & 255, out_rows=out_rows,
            out_cols=step.cols.o1 - step.cols.o0, row0=step.rows.first, col0=step.cols.first,
            pool_r=pool.r, pool_s=pool.s, pool_u=pool.u, pool_v=pool.v,
            strip_words=psum_cols * self.words_per_column,
            param_stride=0 if self.how.tables else self.words_per_column,
            mode=self.how.mode.number, scale=int(np.float32(self.how.scale).view(np.uint32)))


@dataclass(frozen=True)
class _Turn:
    """A LOAD's rows: ``rows`` rows of a source from ``row`` on, every ``row_step``-th, with
    padding around them, to every ``every``-th row of the tile from ``top`` on."""
    top: int
    above: int
    rows: int
    below: int
    source: int = 0
    row: int = 0
    row_step: int = 1
    every: int = 1


def _turns(sources, tpad, row, rows, bpad, row_step):
    """Cut a tile's rows into LOADs: ``rows`` rows from ``row`` on of sources that take turns."""
    turns = sources // gcd(sources, row_step)       # sources that the tile reads, one by one
    if turns == 1:
        for top, above, count, below in _row_pieces(tpad, rows, bpad):
            yield _Turn(top, above, count, below, row % sources, row // sources,
                        row_step // sources)
        return
    for top, above, _, _ in _row_pieces(tpad, 0, 0):
        yield _Turn(top, above, 0, 0)
    for n in range(min(turns, rows)):
        at = row + n * row_step
        yield _Turn(tpad + n, 0, ceildiv(rows - n, turns), 0, at % sources, at // sources,
                    row_step * turns // sources, turns)
    for top, _, _, below in _row_pieces(0, 0, bpad):
        yield _Turn(tpad + rows + top, 0, 0, below)


def _row_pieces(tpad, rows, bpad):
    """Cut a tile's rows into LOADs: first row in the tile, padding above, rows, padding below."""
    top = 0
    while tpad > _PAD:
        take = min(tpad, _PAD)
        yield top, take, 0, 0
        top, tpad = top + take, tpad - take
    take = min(bpad, _PAD)
    if tpad or rows or take:
        yield top, tpad, rows, take
    top, bpad = top + tpad + rows + take, bpad - take
    while bpad:
        take = min(bpad, _PAD)
        yield top, take, 0, 0
        top, bpad = top + take, bpad - take
