"""The fields of a layer's commands, its filter streams and its parameters."""

from dataclasses import dataclass

import numpy as np

from ... import isa
from ...cost.geometry import ceildiv
from ...isa.store_modes import REQUANTISE
from ..layout.filter_packets import filter_stream, function_words, parameters, table_words
from . import order

__all__ = ["Encoder", "StoreOp"]


@dataclass(frozen=True, eq=False)
class StoreOp:
    """How the STOREs of a layer make outputs of psums.

    Attributes
    ----------
    mode : hwgen.isa.StoreMode
    scale : float
        Of sums and products.
    tables : tuple of numpy.ndarray
        Of sums and products: int32, 256 entries, one or two, indexed by the byte as stored.
    function : numpy.ndarray or None
        uint8, 256 entries: what is stored in place of each byte; None: the byte itself.
    """
    mode: isa.StoreMode = REQUANTISE
    scale: float = 0.0
    tables: tuple = ()
    function: np.ndarray | None = None


class Encoder:
    """Gives commands their fields; collects the data that they refer to.

    Parameters
    ----------
    plan : Plan
    y : Placement
    store_op : StoreOp
    place : Place

    Attributes
    ----------
    data : bytearray
        Parameters and the function table, then filter streams as they are first used.
    """

    def __init__(self, plan, y, store_op, place):
        self.plan, self.config, self.layer = plan, plan.config, plan.layer
        self.place = place
        self.mapping, self.y, self.store_op = plan.mapping, y, store_op
        self.streams = {}       # offset and size of the filter packets that exist already
        self.data = bytearray(self._parameters())
        self.function, self.function_at = 0, len(self.data)
        if store_op.function is not None:
            self.function = place.functions.start
            self.data += function_words(self.config, store_op.function)

    def fields(self, command):
        """``(name, source, fields)`` of a command of :mod:`.order`, as in
        :class:`~.lower.LayerCode`."""
        name = type(command).__name__.upper()
        source = command.rows.source if isinstance(command, order.Load) else None
        return name, source, getattr(self, f"_{name.lower()}")(command)

    def _glb(self, word):
        """The address, or a difference of addresses, of so many ifmap words."""
        return isa.glb_address(self.config, word)

    def _ifmap(self, word):
        """The address of a word that counts from the layer's first."""
        config = self.config
        return self._glb(self.place.banks.start * config.cols * config.subwords + word)

    def _load(self, command):
        plan, m, step, part = self.plan, self.mapping, command.step, command.rows
        tile, x, axis = plan.tiles[step.index], plan.sources[part.source], step.fold.cols
        word = self.config.bus_bytes
        # The piece's channels, and where the first of them goes.
        begin, c0, c1 = 0, step.set.c0 + step.c0, step.set.c0 + step.c0 + step.channels
        if not tile.strips:
            begin = tile.ends[command.piece - 1] if command.piece else 0
            c0, c1 = c0 + begin * m.q, min(c0 + tile.ends[command.piece] * m.q, c1)
        first, first_channel_offset, lead = plan.lead(c0, x)
        groups = ceildiv(c1, x.dram_channels) - first
        group = begin + plan.first_group(step) - lead
        assert (group + ceildiv(first_channel_offset + groups * x.dram_channels, m.q)) \
            * tile.rows * tile.words <= m.tile_words
        dst = tile.base + (group * tile.rows + command.top + part.top) * tile.words
        lpad, col, cols, rpad = axis.window(step.cols.a, tile.cols)
        if part.rows:
            read = {"addr": first * x.group_stride + part.row * x.row_stride + col * x.pixel,
                    "keep_every_col": axis.keep_every,
                    "cols": (cols - 1) * axis.keep_every + 1, "lpad": lpad, "rpad": rpad}
        else:
            read = {"addr": 0, "keep_every_col": 1, "cols": tile.cols}
        return {
            "wait": command.wait, "signal": command.signal, **read,
            "dst": self._ifmap(dst), "start": self._ifmap(dst + first_channel_offset // word),
            "glb_col_stride": self._glb(m.q // word),
            "glb_row_stride": self._glb(tile.words * part.every),
            "glb_cg_stride": self._glb(tile.rows * tile.words),
            "pad": self.layer.conv.x.zero_point & 255,
            "dram_channels": x.dram_channels, "groups": groups, "q": m.q,
            "first_channel_offset": first_channel_offset,
            "row_stride": x.row_stride * part.row_step, "group_stride": x.group_stride,
            "rows": part.rows, "tpad": part.above, "bpad": part.below}

    def _params(self, command):
        block, words = command.block, self.plan.words_per_column
        fields = {"wait": command.wait, "signal": command.signal}
        if command.function:
            count, number = self.config.function_words, self.function % self.config.functions
            return fields | {"dst": isa.FUNCTION_DST + number * count, "count": count,
                             "addr": self.function_at}
        if block is None and self.store_op.mode.needs_tables:
            return fields | {"dst": isa.TABLE_DST, "count": self.config.table_words, "addr": 0}
        if block is None:
            return fields | {"dst": self.place.parameters.start, "count": self.plan.parameters,
                             "addr": 0}
        return fields | {"dst": self._parameter_word(block, command.psums),
                         "count": block.t * words,
                         "addr": block.params * 8 * self.config.lanes}

    def _filter(self, command):
        """Tiles share the packets."""
        step, block, part = command.step, command.block, command.part
        key = block.index, step.fold_index, step.c0, part
        if key not in self.streams:
            stream = filter_stream(self.config, self._weights(step, block, part), self.mapping.e)
            self.streams[key] = len(self.data), len(stream)
            self.data += stream
        addr, size = self.streams[key]
        return {"addr": addr, "words": size // self.config.bus_bytes}

    def _compute(self, command):
        plan, m, conv = self.plan, self.mapping, self.layer.conv
        step, block, depthwise = command.step, command.block, self.layer.depthwise
        tile, r, s = plan.tiles[step.index], step.fold.rows, step.fold.cols
        first_group = plan.first_group(step) + command.begin + depthwise * block.channel_group
        advance = s.u * m.q
        return {
            # Semaphores.
            **{name: getattr(command, name) for name in (
                "feed_wait", "feed_signal", "psum_wait", "psum_signal", "feed_step", "wait_step",
                "signal_step")},
            # Ifmap words.
            "ifmap": self._ifmap(tile.base + first_group * tile.rows * tile.words),
            "row_stride": self._glb(tile.words), "cg_stride": self._glb(tile.rows * tile.words),
            "strip_stride": self._glb(m.e * r.u * tile.words), "rounds": tile.words,
            "strip_ifmap_rows": r.span(m.e), "u": r.u, "dil": r.d,
            "xsigned": conv.x.dtype == np.int8, "zx": conv.x.zero_point & 255,
            # The array.
            "pairs": r.taps * (1 if depthwise else command.end - command.begin), "r": r.taps,
            "e": m.e, "active_cols": block.t * m.e, "depthwise": depthwise,
            "depthwise_groups": block.t if depthwise else 1,
            "multicast_mask": 1 if depthwise else sum(1 << tg * m.e for tg in range(block.t)),
            # A PE.
            "p": m.p, "tap_channels": 1 if depthwise else m.q, "tap_cols": s.taps,
            "tap_col_stride": s.d * m.q, "filter_reads_own_channel": depthwise,
            "window": ((s.taps - 1) * s.d + 1) * m.q, "col_advance": advance,
            "strip_advance": tile.words * self.config.bus_bytes - (step.psum_cols - 1) * advance,
            # Psums.
            "psum": self._psum(command.psums), "psum_cols": step.psum_cols,
            "strips": plan.strips(step), "accumulate": command.accumulate}

    def _store(self, command):
        plan, m, y, layer = self.plan, self.mapping, self.y, self.layer
        step, block, conv, pool = command.step, command.block, layer.conv, layer.pooling
        size, above = plan.leaving[command.psums].size, command.strip * m.e
        strip_words = step.psum_cols * plan.words_per_column
        psum_rows, out_rows = step.rows.b - step.rows.a, step.rows.o1 - step.rows.o0
        if size:
            psum_rows = out_rows = min(size * m.e, psum_rows - above)
        return {
            "wait": command.wait, "signal": command.signal,
            # Psums and their parameters.
            "psum": self._psum(command.psums) + command.strip * strip_words, "bank": 0,
            "groups": block.t, "e": m.e, "words_per_column": plan.words_per_column,
            "psum_cols": step.psum_cols, "psum_rows": psum_rows, "strip_words": strip_words,
            "params": self._parameter_word(block, command.psums),
            "param_stride": 0 if self.store_op.mode.needs_tables else plan.words_per_column,
            # What is made of them.
            "mode": self.store_op.mode.number, "function": self.function,
            "scale": int(np.float32(self.store_op.scale).view(np.uint32)),
            "zy": conv.y.zero_point & 255, "ysigned": conv.y.dtype == np.int8,
            "lo": conv.lo & 255, "hi": conv.hi & 255,
            "pool_r": pool.r, "pool_s": pool.s, "pool_u": pool.u, "pool_v": pool.v,
            "row0": step.rows.first, "col0": step.cols.first,
            # Outputs.
            "addr": block.m0 // y.dram_channels * y.group_stride
            + (step.rows.o0 + above) * y.row_stride + step.cols.o0 * y.pixel,
            "row_stride": y.row_stride, "group_stride": y.group_stride, "p": y.dram_channels,
            "out_rows": out_rows, "out_cols": step.cols.o1 - step.cols.o0}

    def _psum(self, psums):
        """First bank word of the block with a running number."""
        return self.place.banks.start + psums % self.mapping.slots * self.mapping.block_words

    def _parameter_word(self, block, psums):
        """First parameter word of a block."""
        plan, first = self.plan, self.place.parameters.start
        if plan.tables:
            return 0
        if plan.parameters_once:
            return first + block.params
        return first + psums % plan.parameter_slots * self.mapping.t * plan.words_per_column

    # Data.

    def _parameters(self):
        """Tables, or bias and scale of all filters."""
        if self.store_op.mode.needs_tables:
            return table_words(self.config, self.store_op.tables)
        conv, m = self.layer.conv, self.mapping
        filters = (slice(s.m0, s.m0 + s.filters) for s in self.plan.sets)
        return b"".join(parameters(self.config, conv.bias[part], conv.scale[part], m.p,
                                   self.plan.words_per_column) for part in filters)

    def _weights(self, step, block, part):
        """int8 ``(t, pairs, size)``: a PE's weights in the order ``[p][S][q]``."""
        m, rows, cols = self.mapping, step.fold.rows, step.fold.cols
        stop = min(block.m0 + block.t * m.p, step.set.m0 + step.set.filters)
        channels = slice(None) if self.layer.depthwise else slice(step.c0,
                                                                  step.c0 + step.channels)
        w = self.layer.parts[part][block.m0:stop, channels, rows.first:rows.first + rows.taps,
                                   cols.first:cols.first + cols.taps]
        filters, depth, r, s = w.shape
        groups, q = (1, 1) if self.layer.depthwise else (ceildiv(depth, m.q), m.q)
        full = np.zeros((block.t * m.p, groups * q, r, s), np.int8)
        full[:filters, :depth] = w
        packed = full.reshape(block.t, m.p, groups, q, r, s).transpose(0, 2, 4, 1, 5, 3)
        return np.ascontiguousarray(packed).reshape(block.t, groups * r, m.p * s * q)
