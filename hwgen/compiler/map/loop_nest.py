"""A mapping in the field's terms: loop nest, storage, bandwidth, bound; and who works on what."""

from dataclasses import asdict, dataclass, fields
from functools import cached_property

from ...config import Config
from ...cost.geometry import MachineLayer, ceildiv, cuts
from ...energy import Counts, of_counts, of_segment
from ...machines import machine_of
from .mapping import Estimate, Mapping

__all__ = ["Nest", "Loop", "Pass"]


@dataclass(frozen=True)
class Loop:
    """One loop of the nest.

    Attributes
    ----------
    level : str
        What the loop walks over: ``DRAM``, ``GLB``, ``array`` (side by side) or ``PE``.
    over : str
        What a turn is.
    turns : int
        Turns; of tiles, blocks or passes that are cut short at the end, the short one counts.
    does : str
        What happens once a turn, if anything.
    """
    level: str
    over: str
    turns: int
    does: str = ""


@dataclass(frozen=True)
class Pass:
    """Who works on what in one pass of the array.

    Attributes
    ----------
    index : int
    rows : tuple
        For each array row from the top ``(first channel, channels, filter row)``; None if idle.
        Depthwise: ``(None, None, filter row)``.
    cols : tuple
        For each array column ``(output row of the strip, first filter, filters)``; None if idle.
        Depthwise: the filters are the channels.
    """
    index: int
    rows: tuple
    cols: tuple

    @property
    def active(self):
        """PEs that compute."""
        return sum(row is not None for row in self.rows) * sum(col is not None
                                                               for col in self.cols)


@dataclass(frozen=True, eq=False)
class Nest:
    """A layer, how it is mapped, and what follows from that.

    Attributes
    ----------
    name : str
    config : Config
    layer : MachineLayer
    mapping : Mapping
    estimate : Estimate
    macs : int
        Multiply-accumulates of the network that it does; data movement and pooling do none.
    counts : Counts
        What its commands move.
    count : int
        How often such a layer occurs in its network.
    """
    name: str
    config: Config
    layer: MachineLayer
    mapping: Mapping
    estimate: Estimate
    macs: int
    counts: Counts
    count: int = 1

    @classmethod
    def of(cls, program, segment, count=1):
        """The nest of a program's segment."""
        return cls(segment.name, program.config, segment.layer, segment.mapping, segment.estimate,
                   segment.macs, of_segment(program, segment), count)

    def energy(self, table):
        """The :class:`~hwgen.energy.Energy` by a :class:`~hwgen.energy.Table`."""
        return of_counts(self.config, self.counts, self.macs, table)

    @property
    def shape(self):
        """The layer in the field's letters."""
        conv = self.layer.conv
        (c, h, w), (m, e, f) = conv.x.shape, conv.y.shape
        _, _, r, s = conv.weight.shape
        text = f"M{m} C{c} H{h} W{w} R{r} S{s} E{e} F{f}"
        for letter, values, usual in (("U", conv.stride, 1), ("D", conv.dilation, 1)):
            if max(values) > usual:
                text += f" {letter}{'x'.join(str(v) for v in dict.fromkeys(values))}"
        if any(conv.pads):
            text += f" P{'/'.join(str(v) for v in dict.fromkeys(conv.pads))}"
        return text + (f" G{conv.groups}" if conv.groups > 1 else "")

    # Counts.

    @cached_property
    def folds(self):
        return self.layer.folds(self.mapping.fold_r, self.mapping.fold_s)

    @property
    def channel_groups(self):
        """Channel groups of a step: what one LOAD brings."""
        groups = ceildiv(self.layer.channels, self.mapping.q)
        return min(self.mapping.chunk, groups)

    @property
    def blocks(self):
        """Blocks of filters of a set of channels."""
        layer, m = self.layer, self.mapping
        groups = self.channel_groups if layer.depthwise else ceildiv(layer.filters, m.p)
        return ceildiv(groups, m.t)

    @property
    def tile(self):
        """Convolution output rows and columns of the largest tile."""
        pool, m = self.layer.pooling, self.mapping
        (_, height, width), (_, rows, cols) = self.layer.conv.y.shape, self.layer.y.shape
        return (max(cut.b - cut.a for cut in cuts(rows, m.tile_rows, pool.r, pool.u, pool.top,
                                                  height)),
                max(cut.b - cut.a for cut in cuts(cols, m.tile_cols, pool.s, pool.v, pool.left,
                                                  width)))

    @property
    def pairs(self):
        """(Channel group, filter row) pairs of a COMPUTE over the largest fold."""
        taps = max(fold.rows.taps for fold in self.folds)
        return taps * (1 if self.layer.depthwise else self.channel_groups)

    @property
    def taps(self):
        """Taps of a window in a PE."""
        return max(fold.cols.taps for fold in self.folds) * (
            1 if self.layer.depthwise else self.mapping.q)

    @property
    def passes(self):
        return ceildiv(self.pairs, self.config.rows)

    @cached_property
    def loops(self):
        """The nest, outermost loop first; the two of level ``array`` run side by side."""
        layer, m, config = self.layer, self.mapping, self.config
        dw = layer.depthwise
        _, rows, cols = layer.y.shape
        tile_rows, tile_cols = self.tile
        groups = ceildiv(layer.channels, m.q)
        chunks = 1 if dw else ceildiv(groups, m.chunk)
        sets = ceildiv(groups, m.chunk) if dw else layer.sets
        resident = m.resident if chunks * len(self.folds) > 1 else self.blocks
        held = f"{self.channel_groups * m.q if dw else min(m.chunk * m.q, layer.channels)}"
        found = [
            Loop("DRAM", f"sets of {self.channel_groups * m.q} channels" if dw else
                 "convolution groups", sets),
            Loop("DRAM", f"tiles of {min(m.tile_rows, rows)} x {min(m.tile_cols, cols)} outputs",
                 ceildiv(rows, m.tile_rows) * ceildiv(cols, m.tile_cols)),
            Loop("DRAM", f"{resident} resident block{'s' * (resident > 1)}",
                 ceildiv(self.blocks, resident)),
            Loop("DRAM", f"folds of {m.fold_r} x {m.fold_s} filter taps", len(self.folds)),
            Loop("DRAM", f"chunks of {held} channels", chunks, "LOAD: an ifmap tile into the GLB"),
            Loop("GLB", f"blocks of {m.t} x {m.p} {'channels' if dw else 'filters'}", resident,
                 "FILTER, COMPUTE; STORE after the last step"),
            Loop("GLB", "int8 parts of the weights", len(layer.parts)),
            Loop("GLB", f"passes over {self.pairs} {'filter rows' if dw else 'pairs'}",
                 self.passes, "weights into the spads"),
            Loop("array", "rows: filter rows" if dw else
                 "rows: (channel group, filter row) pairs", min(self.pairs, config.rows)),
            Loop("array", f"columns: output rows x {'channel' if dw else 'filter'} groups",
                 m.e * m.t),
            Loop("GLB", f"strips of {m.e} output rows",
                 max(ceildiv(tile_rows, m.e), m.strips)),
            Loop("PE", "output columns", tile_cols, "the window moves on"),
            Loop("PE", "filters p", m.p, "a psum leaves for the row below"),
            Loop("PE", f"taps: {max(fold.cols.taps for fold in self.folds)} filter columns"
                 + ("" if dw else f" x {m.q} channels"), self.taps, "a MAC"),
        ]
        return tuple(loop for loop in found if loop.turns > 1 or loop.does)

    # Storage and bandwidth.

    @property
    def storage(self):
        """Bytes in use and there, ``{place: (used, capacity, what)}``."""
        config, m = self.config, self.mapping
        window, advance = max((((fold.cols.taps - 1) * fold.cols.d + 1) * m.q, fold.cols.u * m.q)
                              for fold in self.folds)
        bank = config.bank_bits // 8
        psums = m.slots * m.block_words * config.cols * bank
        ifmaps = m.buffers * m.tile_words * config.bus_bytes
        glb = config.bank_depth * config.cols * bank
        return {
            "filter spad": (m.p * self.taps, config.filter_spad,
                            f"{m.p} filters x {self.taps} taps, in each of two halves"),
            "ifmap spad": (max(window, advance) + config.bus_bytes, config.ifmap_spad,
                           f"a window of {window} or a step of {advance}, and a bus word"),
            "GLB, psums": (psums, glb, f"{m.slots} block{'s' * (m.slots > 1)} of {m.block_words} "
                                       f"words in each of {config.cols} banks"),
            "GLB, ifmaps": (ifmaps, glb, f"{m.buffers} tile{'s' * (m.buffers > 1)} of "
                                         f"{m.tile_words} words"),
        }

    @property
    def weight_bytes(self):
        """Bytes of filter packets that the layer streams, headers not counted."""
        layer, m, word = self.layer, self.mapping, self.config.bus_bytes
        dw = layer.depthwise
        _, rows, cols = layer.y.shape
        tiles = ceildiv(rows, m.tile_rows) * ceildiv(cols, m.tile_cols)
        groups = ceildiv(layer.channels, m.q) if dw else ceildiv(layer.filters, m.p)
        each = sum(fold.rows.taps * (1 if dw else ceildiv(layer.channels, m.q))
                   * ceildiv(m.p * fold.cols.taps * (1 if dw else m.q), word) * word
                   for fold in self.folds)
        return each * groups * tiles * layer.sets * len(layer.parts)

    @property
    def bandwidth(self):
        """Bytes a cycle, the predicted mean and what the hardware allows, ``{level: (mean,
        peak)}``."""
        config, cost, word = self.config, self.estimate, self.config.bus_bytes
        read = cost.dram_read * word
        columns = self.mapping.e * self.mapping.t
        most = machine_of(config).bandwidths(config)
        ybus = getattr(cost, most.ybus_cycles)
        return {
            "DRAM, read": (read / cost.cycles, word),
            "DRAM, write": (max(cost.bytes - read, 0) / cost.cycles, word),
            "filter network": (self.weight_bytes / cost.cycles, most.filters),
            "Y-bus": (most.ybus * ybus / cost.cycles, most.ybus),
            "X-bus of a row": (config.xbus_bytes * cost.xbus / cost.cycles, config.xbus_bytes),
            "psums, GLB": (8 * columns / max(self.taps, 2) * cost.array / cost.cycles,
                           most.glb_psums),
            "spads": (2 * self.layer.conv.macs / cost.cycles, 2 * config.rows * config.cols),
        }

    # The bound, and why.

    def share(self, cycles):
        """MACs a cycle of all PEs, in ``cycles`` cycles."""
        return self.macs / (cycles * self.config.rows * self.config.cols)

    @property
    def reasons(self):
        """Sentences: what limits the layer, what the rest is lost to, how it was chosen."""
        cost, pes = self.estimate, self.config.rows * self.config.cols
        yield (f"{cost.cycles:,} cycles predicted, {100 * self.share(cost.cycles):.1f} % of "
               f"{pes} PEs; the slots of the array allow {cost.array_bound:,} "
               f"({100 * self.share(cost.array_bound):.1f} %), those of this mapping "
               f"{cost.array:,}")
        busy = sorted(((getattr(cost, name), name) for name in _RESOURCES),
                      reverse=True)
        yield f"bound by {cost.bound}; " + ", ".join(
            f"{name} {cycles:,}" for cycles, name in busy if cycles)
        yield f"best of {cost.considered:,} mappings that fit, by predicted cycles and DRAM traffic"
        if cost.pooling:
            yield f"pooling {cost.pooling}"
        if cost.note:
            yield cost.note

    # Who works on what.

    @property
    def pictures(self):
        """The first pass of the first block, and the last if it is another."""
        last = self.passes - 1
        return [self._pass(index) for index in ((0, last) if last else (0,))]

    def _pass(self, index):
        config, m, dw = self.config, self.mapping, self.layer.depthwise
        r = max(fold.rows.taps for fold in self.folds)
        first = index * config.rows
        active = min(self.pairs - first, config.rows)
        rows = []
        for pair in range(first, first + active):
            group, row = (None, pair) if dw else divmod(pair, r)
            channel = None if dw else group * m.q
            rows.append((channel, None if dw else min(m.q, self.layer.channels - channel), row))
        cols, filters = [], self.layer.channels if dw else self.layer.filters
        for column in range(config.cols):
            group, row = divmod(column, m.e)
            there = group < m.t and group * m.p < filters
            cols.append((row, group * m.p, min(m.p, filters - group * m.p)) if there else None)
        return Pass(index, (None,) * (config.rows - active) + tuple(rows), tuple(cols))

    def to_dict(self):
        """Plain data, ready for JSON."""
        conv = self.layer.conv
        return {
            "name": self.name, "count": self.count, "shape": self.shape, "macs": self.macs,
            "groups": conv.groups, "depthwise": self.layer.depthwise,
            "mapping": asdict(self.mapping), "estimate": asdict(self.estimate),
            "counts": self.counts.to_dict(),
            "predicted_cycles": self.estimate.cycles,
            "utilisation": self.share(self.estimate.cycles), "bound_by": self.estimate.bound,
            "array_bound_cycles": self.estimate.array_bound,
            "array_bound_utilisation": self.share(self.estimate.array_bound),
            "loops": [asdict(loop) for loop in self.loops],
            "storage": {place: {"used": used, "capacity": capacity, "what": what}
                        for place, (used, capacity, what) in self.storage.items()},
            "bytes_per_cycle": {level: {"mean": mean, "peak": peak}
                                for level, (mean, peak) in self.bandwidth.items()},
            "reasons": list(self.reasons),
            "passes": [{"index": each.index, "rows": each.rows, "cols": each.cols,
                        "active_pes": each.active} for each in self.pictures],
        }


_RESOURCES = [field.name for field in fields(Estimate) if field.type is int and field.name not in
              ("cycles", "bytes", "considered", "array_bound")]
