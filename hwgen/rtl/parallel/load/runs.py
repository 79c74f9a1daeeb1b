"""Runs: what travels between the parts of the loader's unpacking side.

A *run* is a piece of a DRAM row that moves in one cycle: bytes that lie in one source word, go to
one GLB word, and belong to one column and one channel group.

Some names that all parts use, by an example. A LOAD reads two *DRAM groups* of 3 channels each
(``dram_channels``, g) and writes *channel groups* of 2 (``q``); the channel of the first byte
within channel group 0 (``first_channel_offset``) is 0. Letters are channels, numbers are columns::

    DRAM, one row of each DRAM group          GLB, one stream for each channel group
                                                         column 0  column 1  column 2
    group 0   a0 b0 c0 a1 b1 c1 a2 b2 c2      stream 0    a0 b0     a1 b1     a2 b2
    group 1   d0 e0 f0 d1 e1 f1 d2 e2 f2      stream 1    c0 d0     c1 d1     c2 d2
                                              stream 2    e0 f0     e1 f1     e2 f2

    runs of group 0   a0 b0 | c0 | a1 b1 | c1 | a2 b2 | c2
    runs of group 1   d0 | e0 f0 | d1 | e1 f1 | d2 | e2 f2

Two positions are tracked for the running column, both in bytes of a stream:

* *start*: where the first channel of the DRAM group goes, ``d0`` in column 0 of group 1;
* *base*: where channel 0 of its channel group goes, ``c0`` there.

When a column crosses into the next channel group, writing goes on there at the base: after ``d0``
comes ``e0``, below ``c0``. The next column's start and base are ``q`` bytes after this one's.

A position has two halves, kept in two places: its *lane*, the byte within the GLB word
(``walk_lanes``), and the GLB address of that word (``loader_addresses``). What passes from the one
to the other is a :data:`STEP`, with the carries from byte to word.
"""

from amaranth import signed
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import Out
from amaranth.utils import exact_log2

from ..glb.glb_address import GLB_ADDRESS

__all__ = ["Part", "Level", "STEP", "plan", "run", "RowState", "ColumnState", "PlannedRun",
           "LaneState"]


class Part(enum.Enum, shape=2):
    """Part of the rows, or of a row's columns: padding, DRAM, padding."""
    BEFORE = 0
    DATA = 1
    AFTER = 2


class Level(enum.Enum, shape=2):
    """What ends with a run, and so what the next address is counted from."""
    GROUP = 0
    ROW = 1
    COLUMN = 2
    RUN = 3


#: Whether a run is written, and the step from its GLB word to the next run's: it counts from the
#: address of its level. ``next_channel_group`` goes on to the next channel group, from the base.
#: The carries are those of start and base, from byte to word. ``first_column`` marks the group's
#: first column, where the next group's start is found.
STEP = data.StructLayout({"write": 1, "level": Level, "next_channel_group": 1, "carry_start": 1,
                          "carry_base": 1, "first_column": 1})


def plan(config):
    """A run before it moves.

    ``rotation``: bytes by which the source word is turned left. ``lane``: byte of the GLB word at
    which the run begins. ``last``: its length less one. ``pops_source``: the source word is used
    up, or the row ends. ``step``: to the next run's GLB word.
    """
    word_bits = exact_log2(config.bus_bytes)
    return data.StructLayout({"step": STEP, "rotation": word_bits, "lane": word_bits,
                              "last": word_bits, "padding": 1, "pops_source": 1})


def run(config):
    """A run of bytes in place in its GLB word, and the step that follows, with its stride."""
    return data.StructLayout({"data": config.bus_bits, "mask": config.bus_bytes, "step": STEP,
                              "stride": GLB_ADDRESS})


#: Where the walk is among groups and rows. ``between_groups``: no row runs, this cycle turns to the
#: next group or ends the LOAD. ``group_ends``: the running row is its group's last; between groups:
#: no group follows. ``last_of_part``: the row is the last of its padding or data rows.
#: ``next_is_padding``: so is the next row.
RowState = wiring.Signature({"between_groups": Out(1, init=1), "group_ends": Out(1),
                             "last_of_part": Out(1), "next_is_padding": Out(1)})

#: The running column. ``written``: it is, or else it is skipped (``keep_every_col``). ``padding``:
#: it is made of the padding value; so is what stands between groups. ``first``: the group's first.
#: ``data_ends``: the last of its row that comes from DRAM. ``row_ends``: the last of its row.
ColumnState = wiring.Signature({"written": Out(1), "padding": Out(1, init=1), "first": Out(1),
                                "data_ends": Out(1), "row_ends": Out(1)})


def PlannedRun(config):
    """The run that is planned in this cycle, by which all counters move on.

    ``valid``: there is one. ``begins_column``: another column begins behind it. ``neg_length``: its
    length, negated, so that no sum needs a carry in. ``word_ends``, ``channel_group_ends``,
    ``column_ends``: it reaches the end of the GLB word, of the column's channels of the channel
    group, of the column.
    """
    word_bits = exact_log2(config.bus_bytes)
    return wiring.Signature({
        "valid": Out(1), "begins_column": Out(1), "neg_length": Out(signed(word_bits + 1)),
        "word_ends": Out(1), "channel_group_ends": Out(1), "column_ends": Out(1)})


def LaneState(config):
    """Where the next run goes: its ``lane``, the bytes of the column that the channel group still
    takes, less one (``left``, of which the lowest bits), whether those are no more than a word
    (``fits_word``), and the ``step`` to the run after it."""
    word_bits = exact_log2(config.bus_bytes)
    return wiring.Signature({"lane": Out(word_bits), "left": Out(word_bits), "fits_word": Out(1),
                             "step": Out(STEP)})
