"""Which mappings of a layer fit the machine, thousands at once; element by element."""

import numpy as np

from .geometry import ceildiv, filter_blocks, fold_shapes
from .tiles import cut_tiles

__all__ = ["fit"]

_MOST_RESIDENT = 32         # blocks of psums at a time; the semaphores count to 63

# What the fields of COMPUTE and STORE hold, see hwgen.isa.commands.
_STRIPS, _STRIP_ROWS = 1023, 1023
_COLS = _ROUNDS = _ROWS = 4095
_STRIP_WORDS = 65535
_ADVANCE = 127              # spad values from a column, or tap column, to the next
_FILTER_ROWS, _FILTER_DILATION, _FILTER_STRIDE = 63, 63, 15


def fit(config, layer, folds, g, c, most_row_bytes):
    """Which mappings fit the machine.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    folds : list of Fold
    g : int or None
        Channels of a group of the input in DRAM; None if that may be chosen, and is ``q``.
    c : dict of str to numpy.ndarray
        The mappings, element by element: ``q``, ``p``, ``e``, ``t``, ``tile_rows``,
        ``tile_cols``; ``slots`` and ``buffers`` wanted; ``whole`` (all channels in one step);
        ``together`` (all blocks of a set resident); ``most_chunk`` (channel groups of a step at
        most), if there is a limit.
    most_row_bytes : int
        Bytes of a tile's row in DRAM, skipped columns included, must be less.

    Returns
    -------
    (numpy.ndarray, dict of str to numpy.ndarray)
        Whether each fits, and the mappings completed: the fields of Mapping, ``g``,
        ``words_per_column``.
    """
    fitting = _Fitting(config, layer, folds, g, c)
    ok = (fitting.filters_fit_spads() & fitting.windows_fit_spads() & fitting.fields_hold()
          & fitting.rows_fit(most_row_bytes)
          & fitting.psums_fit_glb() & fitting.ifmaps_fit_glb())
    return ok, fitting.completed()


class _Fitting:
    """Mappings that are to be completed, and the checks that each has to pass.

    Attributes
    ----------
    g : int
        Channels of a group of the input in DRAM.
    channel_groups : int
        Of a set of channels.
    words_per_column : int
        Psum words of an output column.
    least_strips, strips : int
        Fewest strips of a tile, and those of a whole one.
    cols, least_cols : int
        Output columns of a whole tile, and of the smallest.
    slots, resident : int
        Blocks of psums in the GLB, and those that are accumulated together.
    block_words, room : int
        Bank words of a block, and ifmap words in the GLB beside all slots.
    group_words : int
        GLB words of a channel group of a tile.
    buffers, limit : int
        Ifmap tiles in the GLB, and channel groups for which each has room.
    held : int
        Channel groups that a tile with all channels takes: those of DRAM's groups, whole.
    chunk : int
        Channel groups of a step.
    """

    def __init__(self, config, layer, folds, g, c):
        self.config, self.layer, self.c, self.folds = config, layer, c, folds
        self.q, self.p, self.e, self.t = (c[name] for name in "qpet")
        self.g = np.minimum(self.q, layer.conv.x.shape[0]) if g is None \
            else np.full_like(self.q, g)
        self.shapes = fold_shapes(folds)
        rows, cols = cut_tiles(layer, c)
        self.tiles, self.cols, self.least_cols = rows.count * cols.count, cols.whole, cols.least
        self.channel_groups = ceildiv(layer.channels, self.q)
        _, self.blocks = filter_blocks(layer, self.q, self.p, self.t)
        self.words_per_column = ceildiv(self.p, config.lanes)
        self.least_strips = self._least_strips()
        self.strips = np.maximum(ceildiv(rows.whole, self.e), self.least_strips)
        self._share_glb()
        self._choose_chunk()

    def _taps(self, pick):
        """Taps of a PE, of the fold that ``pick`` (min or max) picks."""
        return pick(fold.cols.taps for fold in self.folds) * (1 if self.layer.depthwise else self.q)

    def _least_strips(self):
        """A word of psums must have been written when the next pass reads it: a tile with fewer
        psums gets strips that are not stored."""
        config, layer = self.config, self.layer
        pairs = max(fold.rows.taps for fold in self.folds) * (
            1 if layer.depthwise else self.channel_groups)
        several = (pairs > config.rows) | (len(self.folds) * len(layer.parts) > 1)
        if not layer.depthwise:
            several = several | ~self.c["whole"]
        words = np.maximum(2, 1 + ceildiv(4, config.lanes * self._taps(min)))
        return np.where(several, ceildiv(words, self.least_cols * self.words_per_column), 1)

    def _share_glb(self):
        """The GLB is shared between the slots of psums and the buffers of ifmaps."""
        config, layer, c = self.config, self.layer, self.c
        together = c["together"]
        self.slots = np.minimum(np.where(together, self.blocks, c["slots"]),
                                self.blocks * self.tiles * layer.sets)
        self.resident = np.where(together, self.blocks, 1)
        self.block_words = self.strips * self.cols * self.words_per_column
        self.room = (config.bank_depth - self.slots * self.block_words) * config.cols \
            * config.subwords
        self.group_words = np.zeros_like(self.q)
        for fold, _ in self.shapes:
            self.group_words = np.maximum(
                self.group_words, fold.rows.span(self.strips * self.e) * self._rounds(fold))
        loads_once = c["whole"] & (layer.sets * self.tiles * len(self.folds) == 1)
        self.buffers = np.where(loads_once, 1, c["buffers"])
        self.limit = self.room // (self.buffers * self.group_words)

    def _rounds(self, fold):
        """GLB words of an ifmap row of a tile, of one channel group."""
        return ceildiv((self.cols - 1) * fold.cols.u * self.q + self._window(fold),
                       self.config.bus_bytes)

    def _window(self, fold):
        """Spad values of a window."""
        return ((fold.cols.taps - 1) * fold.cols.d + 1) * self.q

    def _choose_chunk(self):
        """Channel groups of a step: all, or as many as there is room for, in whole groups of DRAM
        if that is possible."""
        layer, q, g, t, c = self.layer, self.q, self.g, self.t, self.c
        dw = layer.depthwise
        within = (layer.sets > 1) & (layer.channels > 1) & (layer.channels % g != 0)
        if layer.sets == 1:
            self.held = ceildiv(ceildiv(layer.channels, g) * g, q)
        else:
            self.held = np.where(layer.channels % g == 0, self.channel_groups, _spread(
                layer.channels, q, g))
        unit = g // np.gcd(g, q)            # channel groups that are whole groups of DRAM
        if dw:
            unit = np.lcm(unit, t)
        most = c.get("most_chunk", self.limit)
        if "most_chunk" in c:
            self.limit = np.minimum(self.limit, np.where((most % unit == 0) & ~within, most,
                                                         _spread(most * q, q, g)))
        aligned = np.where(within, 0, self.limit // unit * unit)
        ragged = (((self.limit * q - (q - 1)) // g - 1) * g + 1) // q
        if dw:
            ragged = ragged // t * t
        self.chunk = np.where(c["whole"], self.channel_groups, np.minimum(most, np.where(
            aligned > 0, aligned, np.maximum(ragged, 0))))

    # What has to fit.

    def filters_fit_spads(self):
        """Filters in the filter spads, bias and scale of a block in the parameter memory."""
        config = self.config
        return (self.p * self._taps(max) <= config.filter_spad) & (
            self.t * self.words_per_column * config.lanes <= config.params_depth)

    def windows_fit_spads(self):
        """A window, or the step to the next one, and a bus word in the ifmap spads."""
        ok = True
        for fold, _ in self.shapes:
            ok = ok & (np.maximum(self._window(fold), fold.cols.u * self.q) + self.config.bus_bytes
                       <= self.config.ifmap_spad)
        return ok

    def fields_hold(self):
        """Numbers in the fields of the commands."""
        strips, cols, q = self.strips, self.cols, self.q
        ok = (strips <= _STRIPS) & (cols <= _COLS) & (self.c["tile_cols"] <= _COLS) \
            & (cols * self.words_per_column <= _STRIP_WORDS)
        for fold, _ in self.shapes:
            r, s = fold.rows, fold.cols
            ok = ok & (s.u * q <= _ADVANCE) & (s.d * q <= _ADVANCE) \
                & (self._rounds(fold) <= _ROUNDS) & (r.span(strips * self.e) <= _ROWS) \
                & (r.span(self.e) <= _STRIP_ROWS) & (r.taps <= _FILTER_ROWS) \
                & (r.u <= _FILTER_STRIDE) & (r.d <= _FILTER_DILATION)
        return ok

    def rows_fit(self, most_bytes):
        """A tile's row in DRAM in one run that the machine can count."""
        ok = True
        for fold, _ in self.shapes:
            ok = ok & (fold.cols.span(self.cols) * fold.cols.keep_every * self.g < most_bytes)
        return ok

    def psums_fit_glb(self):
        """All slots of psums in the GLB, with room beside them."""
        together = self.c["together"]
        return (self.resident <= _MOST_RESIDENT) & (~together | (self.blocks > 1)) & (self.room > 0)

    def ifmaps_fit_glb(self):
        """An ifmap tile in each buffer."""
        return np.where(self.c["whole"], self.held <= self.limit,
                        (self.chunk >= 1) & (self.chunk < self.channel_groups))

    def completed(self):
        """The mappings, completed."""
        chunk = np.maximum(self.chunk, 1)
        resident = self.resident
        if self.layer.depthwise:
            resident = np.minimum(resident, ceildiv(np.minimum(chunk, self.channel_groups), self.t))
        return {**self.c, "g": self.g, "words_per_column": self.words_per_column,
                "strips": self.least_strips, "chunk": chunk, "buffers": self.buffers,
                "resident": resident, "slots": self.slots, "block_words": self.block_words,
                "tile_words": np.where(self.c["whole"], self.held, self.limit) * self.group_words}


def _spread(channels, q, g):
    """Channel groups that ``channels`` channels take, wherever in a group of DRAM they begin: what
    comes with them takes room, too."""
    return ceildiv(((channels + g - 2) // g + 1) * g + q - 1, q)
