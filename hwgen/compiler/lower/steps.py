"""The plan of a layer: channel sets, blocks, steps and tiles, and in what pieces they come and go.

Pure data: what is to be done, and where it stands. In which order the commands do it is in
:mod:`.order`, what their fields are is in :mod:`.encode`.
"""

from dataclasses import dataclass
from math import gcd

from ...cost.geometry import Cut, Fold, Pooling, ceildiv, cuts
from ...cost.pieces import load_pieces, strip_pieces
from ...isa.store_modes import TABLE_ENTRIES
from ...machines import machine_of

__all__ = ["Block", "ChannelSet", "Leaving", "LoadRows", "Plan", "Step", "Tile"]

_PAD = 63                   # most padding rows or columns of a LOAD


@dataclass(frozen=True)
class ChannelSet:
    """Channels that share nothing with others: ``filters`` outputs from ``m0``, of ``channels``
    inputs from ``c0``."""
    c0: int
    channels: int
    m0: int
    filters: int


@dataclass(frozen=True)
class Block:
    """Filters whose psums stand in the banks together.

    Attributes
    ----------
    index : int
        Counts the layer's blocks of filters; tiles share them.
    m0, t : int
        Its first filter, and its filter groups.
    channel_group : int
        Depthwise: its first channel group in the set.
    params : int
        Its first parameter word, if all of the layer's are there.
    """
    index: int
    m0: int
    t: int
    channel_group: int
    params: int


@dataclass(frozen=True)
class Step:
    """An ifmap tile in the GLB and the computing on it.

    Attributes
    ----------
    index : int
        Counts the layer's steps.
    set : ChannelSet
    rows, cols : Cut
        The outputs.
    fold, fold_index : Fold, int
        The taps, and the fold's number.
    c0, channels : int
        The channels; the first is counted in the set.
    blocks : tuple of Block
    first_psums : int
        Running number of the first block's psums; those of the others follow. Steps of a tile that
        add to the same psums have the same numbers.
    first, last : bool
        Psums start from 0; psums are complete.
    """
    index: int
    set: ChannelSet
    rows: Cut
    cols: Cut
    fold: Fold
    fold_index: int
    c0: int
    channels: int
    blocks: tuple
    first_psums: int
    first: bool
    last: bool

    @property
    def psum_cols(self):
        """Output columns of the convolution."""
        return self.cols.b - self.cols.a


@dataclass(frozen=True)
class Tile:
    """Where the ifmap tile of a step stands, and in what pieces it is loaded.

    Attributes
    ----------
    base : int
        Its first ifmap word in the GLB.
    ends : tuple of int
        For each piece the channel group after its last.
    strips : int
        It comes in pieces of so many strips instead; 0: it does not.
    rows, cols, words : int
        Ifmap rows and columns, and GLB words of a row of a channel group.
    """
    base: int
    ends: tuple
    strips: int
    rows: int
    cols: int
    words: int

    def stands_like(self, other):
        """Whether each piece takes the place of the same piece of ``other``."""
        return (self.ends, self.rows, self.cols, self.words) == (
            other.ends, other.rows, other.cols, other.words)


@dataclass(frozen=True)
class Leaving:
    """How a block of psums leaves: ``strips`` of ``psum_cols`` columns, ``size`` of them in a STORE
    (0: all)."""
    strips: int
    psum_cols: int
    size: int

    @property
    def starts(self):
        """First strip of each STORE."""
        return range(0, self.strips, self.size or self.strips)


@dataclass(frozen=True)
class LoadRows:
    """A LOAD's rows.

    Attributes
    ----------
    top : int
        Its first row in the piece of the tile.
    above, rows, below : int
        Padding rows, rows that are read, padding rows.
    source : int
        Number of the tensor that is read.
    row, row_step : int
        First row in it, and rows from one to the next.
    every : int
        Rows of the tile from one to the next.
    """
    top: int
    above: int
    rows: int
    below: int
    source: int = 0
    row: int = 0
    row_step: int = 1
    every: int = 1


class Plan:
    """What is to be done for a layer.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    mapping : Mapping
    sources : tuple of Placement
    tables : bool
        The output stage looks values up.
    function : bool
        There is a function behind it.

    Attributes
    ----------
    order : hwgen.machines.Order
        What the machine allows.
    sets : list of ChannelSet
    steps : list of Step
    tiles : list of Tile
        One for each step.
    leaving : list of Leaving
        One for each block of psums, by running number.
    words_per_column : int
        Psum words of an output column.
    tables : bool
        As given.
    parameters : int
        Parameter words of the layer.
    parameters_once : bool
        They all fit the parameter memory, and are fetched once.
    parameter_slots : int
        Else: blocks whose parameters it holds at a time.
    """

    def __init__(self, config, layer, mapping, sources, tables, function=False):
        self.function = function
        self.config, self.layer, self.mapping, self.sources = config, layer, mapping, sources
        if layer.vector and sources[0].gapless and mapping.chunk * mapping.q >= layer.channels:
            self.sources = sources[0].together,
        self.order = machine_of(config).order
        self.words_per_column = ceildiv(mapping.p, config.lanes)
        self._ifmaps = mapping.slots * mapping.block_words * config.cols * config.subwords
        assert self._ifmaps + mapping.buffers * mapping.tile_words <= config.glb_words
        self.sets = self._sets()
        blocks, words = self._blocks()
        self.steps = list(self._steps(blocks))
        self.tiles = [self._tile(step) for step in self.steps]
        psums = [step for step in self.steps if step.first for _ in step.blocks]
        self.leaving = [self._leaving(step, n == len(psums) - 1) for n, step in enumerate(psums)]
        memory = config.params_depth // config.lanes
        self.tables, self.parameters = tables, TABLE_ENTRIES if tables else words
        self.parameters_once = tables or words <= memory
        self.parameter_slots = memory // (mapping.t * self.words_per_column)

    def _sets(self):
        m, layer = self.mapping, self.layer
        if layer.depthwise:
            size = m.chunk * m.q
            return [ChannelSet(c, min(size, layer.channels - c), c, min(size, layer.channels - c))
                    for c in range(0, layer.channels, size)]
        return [ChannelSet(i * layer.channels, layer.channels, i * layer.filters, layer.filters)
                for i in range(layer.sets)]

    def _blocks(self):
        """The blocks of each set, and the parameter words of all."""
        m, index, params, found = self.mapping, 0, 0, {}
        for channels in self.sets:
            found[channels] = []
            for m0 in range(0, channels.filters, m.t * m.p):
                t = min(m.t, ceildiv(channels.filters - m0, m.p))
                found[channels].append(Block(index, channels.m0 + m0, t, m0 // m.p, params))
                index, params = index + 1, params + t * self.words_per_column
        return found, params

    def _steps(self, blocks):
        m, layer, pool = self.mapping, self.layer, self.layer.pooling
        _, rows, cols = layer.y.shape
        _, height, width = layer.conv.y.shape
        row_cuts = list(cuts(rows, m.tile_rows, pool.r, pool.u, pool.top, height))
        col_cuts = list(cuts(cols, m.tile_cols, pool.s, pool.v, pool.left, width))
        index = psums = 0
        for channels in self.sets:
            size = channels.channels if layer.depthwise else m.chunk * m.q
            parts = [(n, fold, c, min(size, channels.channels - c))
                     for n, fold in enumerate(layer.folds(m.fold_r, m.fold_s))
                     for c in range(0, channels.channels, size)]
            resident = m.resident if len(parts) > 1 else len(blocks[channels])
            for row in row_cuts:
                for col in col_cuts:
                    for b in range(0, len(blocks[channels]), resident):
                        together = tuple(blocks[channels][b:b + resident])
                        for i, (n, fold, c0, count) in enumerate(parts):
                            yield Step(index, channels, row, col, fold, n, c0, count, together,
                                       psums, i == 0, i == len(parts) - 1)
                            index += 1
                        psums += len(together)

    def strips(self, step):
        """Strips of a step's tile, those that are not stored included."""
        return max(ceildiv(step.rows.b - step.rows.a, self.mapping.e), self.mapping.strips)

    # Ifmap tiles.

    def lead(self, c0, x):
        """Where the channels from ``c0`` on stand in ``x``, and in the GLB.

        Returns
        -------
        (int, int, int)
            The DRAM group of the first; the field ``first_channel_offset`` of a LOAD from that
            group on; and the channel group of the first, for the DRAM group's channels before it go
            to channel groups of their own.
        """
        first = c0 // x.dram_channels
        lead = c0 - first * x.dram_channels
        first_channel_offset = -lead % self.mapping.q
        return first, first_channel_offset, (first_channel_offset + lead) // self.mapping.q

    def first_group(self, step):
        """Channel group of a step's first channel in its tile: where the source has it whose
        channels before it need most room."""
        return max(self.lead(step.set.c0 + step.c0, x)[2] for x in self.sources)

    def _tile(self, step):
        m, config = self.mapping, self.config
        base = self._ifmaps + step.index % m.buffers * m.tile_words
        rows = step.fold.rows.span(self.strips(step) * m.e)
        cols = step.fold.cols.span(step.psum_cols)
        words = ceildiv(cols * m.q, config.bus_bytes)
        groups = ceildiv(step.channels, m.q)
        ends, strips = (), 0
        if self.order.tile_pieces:
            ends = self._group_pieces(step, groups, groups * rows * words)
            size, count = strip_pieces(self.strips(step), groups * rows * words)
            # Strips do not come in the place of others one by one: not where channel groups do.
            alone = len(self.sources) == 1 and (m.buffers > 1 or len(self.steps) == 1 or not ends)
            if step.index == 0 and alone and count > len(ends) + 1:
                ends, strips = (), int(size)
        return Tile(base, (*ends, groups), strips, rows, cols, words)

    def _group_pieces(self, step, groups, words):
        """Ends of all pieces but the last, where a tile comes in pieces of some channel groups:
        whole passes, and whole groups in DRAM."""
        if self.layer.depthwise or len(self.sources) > 1:
            return ()
        (x,), q, start = self.sources, self.mapping.q, step.set.c0 + step.c0
        if start % x.dram_channels or start % q:
            return ()
        count, unit = load_pieces(self.config, q, x.dram_channels, step.fold.rows.taps, groups,
                                  words)
        units = ceildiv(groups, unit)
        return tuple(int(unit * (units * n // count)) for n in range(1, count))

    def pieces(self, step):
        """Number of pieces in which a step's tile comes."""
        tile = self.tiles[step.index]
        return ceildiv(self.strips(step), tile.strips) if tile.strips else len(tile.ends)

    def follower(self, step):
        """The step whose tile comes in the place of this one's, or None."""
        index = step.index + self.mapping.buffers
        return self.steps[index] if index < len(self.steps) else None

    def in_turn(self, step):
        """Whether the tile before in a step's place is given up piece by piece, and this one's
        pieces come as that one's have been read."""
        before = step.index - self.mapping.buffers
        return self.mapping.buffers == 1 and before >= 0 and \
            self.tiles[before].stands_like(self.tiles[step.index])

    def load_rows(self, step, piece):
        """The LOADs of a piece of a step's tile: first ifmap row of the piece, and the
        :class:`LoadRows` of each."""
        tile, axis, e = self.tiles[step.index], step.fold.rows, self.mapping.e
        above, below = 0, tile.rows
        if tile.strips:
            above, below = (axis.span(n * tile.strips * e) if n else 0 for n in (piece, piece + 1))
            below = min(below, tile.rows)
        before, row, rows, after = axis.window(step.rows.a, below - above, above)
        if step.fold.cols.window(step.cols.a, tile.cols)[2] == 0:       # nothing but padding
            before, rows, after = below - above, 0, 0
        return above, list(_load_rows(len(self.sources), before, row, rows, after,
                                      axis.keep_every))

    # Blocks of psums.

    def _leaving(self, step, last):
        """A block leaves in strips if another waits for its slot, or if it is the ``last``."""
        strips = self.strips(step)
        if not self.order.strips_leave_early or self.layer.pooling != Pooling() \
                or (self.mapping.slots > 1 and not last) \
                or strips != ceildiv(step.rows.b - step.rows.a, self.mapping.e):
            return Leaving(strips, step.psum_cols, 0)
        size, count = strip_pieces(strips)
        return Leaving(strips, step.psum_cols, int(size) if count > 1 else 0)

    def wait_strips(self, psums):
        """Strips for which the block with the running number ``psums`` waits at a time (0: all): it
        comes where another was that leaves in the same pieces, in the same places."""
        before = self.leaving[psums - self.mapping.slots]
        return before.size if before == self.leaving[psums] else 0


def _load_rows(sources, before, row, rows, after, row_step):
    """Cut a piece into LOADs: ``rows`` rows from ``row`` on, every ``row_step``-th, of ``sources``
    tensors that take turns in the rows, with padding rows ``before`` and ``after``."""
    read = sources // gcd(sources, row_step)        # tensors that the tile reads
    if read == 1:
        for top, above, count, below in _padded(before, rows, after):
            yield LoadRows(top, above, count, below, row % sources, row // sources,
                           row_step // sources)
        return
    for top, above, _, _ in _padded(before, 0, 0):
        yield LoadRows(top, above, 0, 0)
    for n in range(min(read, rows)):
        at = row + n * row_step
        yield LoadRows(before + n, 0, ceildiv(rows - n, read), 0, at % sources, at // sources,
                       row_step * read // sources, read)
    for top, _, _, below in _padded(0, 0, after):
        yield LoadRows(before + rows + top, 0, 0, below)


def _padded(before, rows, after):
    """Cut rows into LOADs, whose fields hold so much padding: first row, padding above, rows,
    padding below."""
    top = 0
    while before > _PAD:
        yield top, _PAD, 0, 0
        top, before = top + _PAD, before - _PAD
    take = min(after, _PAD)
    if before or rows or take:
        yield top, before, rows, take
    top, after = top + before + rows + take, after - take
    while after:
        take = min(after, _PAD)
        yield top, take, 0, 0
        top, after = top + take, after - take
