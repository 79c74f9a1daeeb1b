"""What each command of a parallel machine moves."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ..cost.geometry import ceildiv
from ..isa.store_modes import MODES

__all__ = ["Traffic"]


class Traffic:
    """Counts of commands, by :data:`~hwgen.energy.items.ITEMS`.

    Attributes
    ----------
    dropped : int
        Commands that are fetched behind a program's last, as a rule: at most
        :data:`hwgen.isa.READ_AHEAD`, how many depends on the memory.
    """
    dropped = 2
    whole_padding = False       # columns of padding beside a contiguous row move as one

    def __init__(self, config):
        self.config = config

    def of(self, name, fields) -> Iterator[tuple[str, int]]:
        """``(item, count)`` of a command; an item may come several times."""
        method = getattr(self, f"_{name.lower()}", None)
        if method is not None:
            yield from method(fields)

    def _load(self, c):
        """LOAD: each row of each DRAM group is read in whole words and written run by run."""
        word = self.config.bus_bytes
        groups, rows = np.arange(c["groups"])[:, None], np.arange(c["rows"])
        first = (c["addr"] + groups * c["group_stride"] + rows * c["row_stride"]) % word
        yield "dram_ifmap_words", ((first + c["row_last"]) // word + 1).sum()
        phases = (c["first_channel_offset"] + groups * c["dram_channels"]) % c["q"]
        kinds, count = np.unique(np.stack([first.ravel(), (phases + 0 * first).ravel()]), axis=1,
                                 return_counts=True)
        shape = (word, c["q"], c["dram_channels"], c["cols"], c["keep_every_col"], c["lpad"],
                 c["rpad"], bool(c["row_is_contiguous"]), self.whole_padding)
        written = sum(n * _runs(*shape, int(phase), int(start))
                      for (start, phase), n in zip(kinds.T, count, strict=True))
        padding = sum(_runs(*shape, int(phase), None) for phase in phases.ravel())
        yield "glb_ifmap_writes", written + (c["tpad"] + c["bpad"]) * padding

    def _params(self, c):
        """PARAMS: eight bytes a channel."""
        yield "dram_parameter_words", c["count"] * self.config.lanes * 8 // self.config.bus_bytes

    def _filter(self, c):
        """FILTER: packets, heads included, go from DRAM to the array."""
        yield "dram_filter_words", c["words"]
        yield "filter_words", c["words"]

    def _compute(self, c):
        """COMPUTE: all that happens between the GLB and the multipliers."""
        config, cols, pairs = self.config, c["active_cols"], c["pairs"]
        passes, taps = ceildiv(pairs, config.rows), c["tap_channels"] * c["tap_cols"]
        outputs = c["strips"] * c["psum_cols"]
        psums = outputs * c["p"]                        # of a column, in a pass
        macs = pairs * cols * psums * taps
        for item in ("macs", "ifmap_spad_reads", "filter_spad_reads"):
            yield item, macs
        for item in ("filter_spad_writes", "filter_deliveries"):
            yield item, pairs * cols * self._weights(c["p"] * taps)
        bank_words = outputs * ceildiv(c["p"], config.lanes) * config.cols
        yield "glb_psum_writes", passes * bank_words
        yield "glb_psum_reads", (passes - (not c["accumulate"])) * bank_words
        yield from self._psums(c, passes, psums, taps)
        yield from self._ifmaps(c, passes)

    def _weights(self, number):
        """Weights that a PE is given, of so many."""
        return number

    def _psums(self, c, passes, psums, taps):
        """A psum's first tap adds to what the row above gives, the others to the running psum."""
        moved = c["pairs"] * c["active_cols"] * psums
        yield "psum_reads", moved * (taps - 1)
        yield "psum_writes", moved * taps
        yield "psum_moves", moved

    def _ifmaps(self, c, passes):
        """A GLB word goes down the Y-bus once for all rows of its channel group."""
        config, pairs = self.config, c["pairs"]
        words = pairs * c["strips"] * c["rounds"] * c["e"] * c["depthwise_groups"]
        copies = c["multicast_mask"].bit_count()
        writes = words * copies * (config.bus_bytes // config.xbus_bytes)
        yield "xbus_words", words
        yield "ifmap_spad_writes", writes
        yield "ifmap_deliveries", writes
        if c["depthwise"]:
            fed = passes * c["depthwise_groups"]
        else:
            fed = sum((min(first + config.rows, pairs) - 1) // c["r"] - first // c["r"] + 1
                      for first in range(0, pairs, config.rows))
        sent = fed * c["strips"] * c["rounds"] * c["strip_ifmap_rows"]
        yield "ybus_words", sent
        yield "glb_ifmap_reads", sent

    def _store(self, c):
        """STORE: each window reads its psums; each row of outputs is written in whole words."""
        psums = c["groups"] \
            * _inside(c["row0"], c["pool_u"], c["out_rows"], c["pool_r"], c["psum_rows"]) \
            * _inside(c["col0"], c["pool_v"], c["out_cols"], c["pool_s"], c["psum_cols"])
        yield from self._outputs(c, psums)
        word = self.config.bus_bytes
        first = (c["addr"] + np.arange(c["groups"])[:, None] * c["group_stride"]
                 + np.arange(c["out_rows"]) * c["row_stride"]) % word
        yield "dram_ofmap_words", ((first + c["row_bytes"] - 1) // word + 1).sum()

    def _outputs(self, c, columns):
        """Reads for the psums of so many columns, ``p`` in each."""
        yield "glb_psum_reads", columns * MODES[c["mode"]].psum_reads(self.config, c["p"])


def _inside(first, step, outputs, size, psums):
    """Psums of all windows together, in one direction."""
    at = first + step * np.arange(outputs)
    return int((np.minimum(at + size, psums) - np.maximum(at, 0)).sum())


@lru_cache(maxsize=4096)
def _runs(word, q, g, cols, keep, left, right, contiguous, whole_padding, phase, start):
    """Runs of a row of a DRAM group that are written, see :mod:`hwgen.rtl.parallel.load.runs`.

    Parameters
    ----------
    contiguous, whole_padding : bool
        The row's columns are one run on both sides; so are columns of padding beside it.
    phase : int
        The row's first channel in its channel group.
    start : int or None
        Its first byte in its bus word; None: it is padding, not in DRAM.
    """
    kept, channel = -(-cols // keep), phase + np.arange(g)
    total = 0
    for first, count, whole, real in ((0, left, contiguous and whole_padding, False),
                                      (left, kept, contiguous, start is not None),
                                      (left + kept, right, contiguous and whole_padding, False)):
        if not count:
            continue
        column = np.arange(count)[:, None]
        marks = [((first + column) * q + channel % q) // word, channel // q + 0 * column]
        if not whole:
            marks.append(column + 0 * channel)
        if real:
            marks.append((start + column * keep * g + np.arange(g)) // word)
        flat = np.stack([mark.ravel() for mark in marks])
        total += 1 + int((np.diff(flat, axis=1) != 0).any(axis=0).sum())
    return total
