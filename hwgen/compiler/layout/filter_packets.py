"""Filter packets and parameters, as they lie in DRAM."""

import numpy as np

from ... import isa
from ...isa.store_modes import TABLE_ENTRIES

__all__ = ["filter_stream", "function_words", "parameters", "table_words"]


def filter_stream(config, weights, e):
    """The packets of one COMPUTE.

    Parameters
    ----------
    config : Config
    weights : numpy.ndarray
        int8, shape ``(t, pairs, size)``: for each filter group and (channel group, filter row)
        pair the ``size`` weights of a PE, in the order in which it uses them.
    e : int
        Columns of a filter group.

    Returns
    -------
    bytes
        For each pass and filter group one packet; a multiple of the bus word.
    """
    t, pairs, size = weights.shape
    word, rows = config.bus_bytes, config.rows
    words = -(-size // word)
    padded = np.zeros((t, pairs, words * word), np.uint8)
    padded[:, :, :size] = weights.view(np.uint8)

    def passes(part):
        """The packets of passes that are ``part.shape[2]`` pairs long each."""
        count, active = part.shape[1:3]
        packets = np.empty((count, t, max(8, word) + words * active * word), np.uint8)
        for tg in range(t):
            header = isa.filter_header(mask=((1 << e) - 1) << tg * e, size=size,
                                       row0=rows - active, last=tg == t - 1)
            packets[:, tg, :max(8, word)] = np.frombuffer(header.ljust(word, b"\0"), np.uint8)
        body = part.reshape(t, count, active, words, word).transpose(1, 0, 3, 2, 4)
        packets[:, :, max(8, word):] = body.reshape(count, t, -1)
        return packets.tobytes()

    full = pairs // rows
    stream = passes(padded[:, :full * rows].reshape(t, full, rows, -1)) if full else b""
    if pairs % rows:
        stream += passes(padded[:, full * rows:].reshape(t, 1, pairs % rows, -1))
    return stream


def parameters(config, bias, scale, p, words_per_column):
    """Parameter words of filter groups: ``words_per_column`` words of ``lanes`` channels for each.

    ``bias`` and ``scale`` are those of all the channels, ``p`` to a filter group. Channels that
    only fill up a group have bias 0 and scale 1.
    """
    groups = -(-len(bias) // p)
    words = np.zeros((groups * p, 2), "<i4")
    words[:, 1] = np.float32(1).view(np.int32)
    words[:len(bias), 0] = bias
    words[:len(scale), 1] = scale.astype("<f4").view("<i4")
    padded = np.zeros((groups, words_per_column * config.lanes, 2), "<i4")
    padded[:, :, 1] = np.float32(1).view(np.int32)
    padded[:, :p] = words.reshape(groups, p, 2)
    return padded.tobytes()


def function_words(config, table):
    """A function table, ``table``, uint8 of 256 entries: four of them in each bus word."""
    words = np.zeros((isa.FUNCTION_WRITES, config.bus_bytes), np.uint8)
    words[:, :4] = table.reshape(-1, 4)
    return words.tobytes()


def table_words(config, tables):
    """The tables of an elementwise operator, entry by entry, for all lanes.

    ``tables`` are int32, one or two, indexed by the byte as stored. A psum is ``a - 256 * b``: its
    low byte is ``a``, its next one ``-b``, so the second table stands in that order.
    """
    words = np.zeros((TABLE_ENTRIES, max(config.bus_bytes, 8) // 4), "<i4")
    words[:, 0] = tables[0]
    if len(tables) == 2:
        words[:, 1] = tables[1][-np.arange(TABLE_ENTRIES) % TABLE_ENTRIES]
    return words.tobytes()
