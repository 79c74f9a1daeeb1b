"""What travels on the two input networks, from the GLB and the filter stream to the array rows."""

import enum

from amaranth.lib import data

__all__ = ["YKind", "ymessage", "Tag", "RowProgram", "program_words", "fmessage", "FilterHead"]


class YKind(enum.IntEnum):
    """Kinds of Y-bus messages."""
    DATA = 0        # an ifmap word
    TAG = 1         # tells one array row which (channel group, filter row) pair it holds
    PROGRAM = 2     # a part of the row program, for the rows just tagged


def ymessage(config):
    """A Y-bus message.

    ``h`` is the ifmap row within the strip and ``c`` the channel group within the pass, of the word
    or, in a tag, of the pair. ``end`` marks the last word of a round, and the last part of the
    row program.
    """
    return data.StructLayout({
        "kind": 2, "end": 1, "h": 10, "c": range(max(config.rows, 2)),
        "data": 9 * config.bus_bytes})


#: Payload of a tag; ``e`` is one less than the number. ``first`` stands on the first tag of a pass
#: and in the row at the pass's top.
Tag = data.StructLayout({"row": 5, "first": 1, "u": 4, "e": 6, "depthwise": 1})


def RowProgram(config):
    """What a row needs to know for a pass; counts are one less than the number, but for
    ``active_cols`` (columns that compute) and ``copies`` (columns that take each ifmap word)."""
    window, columns = config.ifmap_spad, range(config.cols + 1)
    return data.StructLayout({
        "tap_channels": range(window), "tap_cols": range(min(window, 64)), "tap_col_stride": 7,
        "filter_reads_own_channel": 1,
        "window": range(window + 1), "col_advance": 7, "strip_advance": 7,
        "p": range(config.filter_spad),
        "psum_cols": 12, "strips": 10, "active_cols": columns, "copies": columns,
        "multicast_mask": config.cols})


def program_words(config):
    """Y-bus messages that carry a row program."""
    return -(-RowProgram(config).size // (9 * config.bus_bytes))


def FilterHead(config):
    """Head of a filter packet: the columns it is for and their number, bytes for each PE, last
    of its pass."""
    return data.StructLayout({"size": 11, "last": 1, "copies": 6, "mask": config.cols})


def fmessage(config):
    """A filter network message: the head of a packet for rows ``row`` and below, or a word of
    weights for row ``row``."""
    return data.StructLayout({
        "head": 1, "row": 5, "data": max(config.bus_bits, FilterHead(config).size)})
