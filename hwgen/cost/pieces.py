"""In how many pieces ifmap tiles are loaded and blocks of psums are stored.

The compiler cuts them so, and the cost model predicts what that hides; both ask here.
"""

import numpy as np

from .geometry import ceildiv

__all__ = ["load_pieces", "strip_pieces"]

_MOST = 8                   # pieces of a tile or block
_WORDS = 256                # GLB words of a piece of a tile at least: a LOAD costs DRAM's latency
_STRIPS = 63                # of a piece at most: what feed_step, wait_step and signal_step hold


def load_pieces(config, q, g, r, groups, words):
    """In how many LOADs of some channel groups each a tile comes.

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

    Returns
    -------
    (int, int)
        Pieces, and channel groups of the smallest piece there can be. Arrays, if these are given.
    """
    unit = np.lcm(config.rows // np.gcd(r, config.rows), g // np.gcd(g, q))
    return np.clip(np.minimum(ceildiv(groups, unit), words // _WORDS), 1, _MOST), unit


def strip_pieces(strips, words=None):
    """Into how many pieces of whole strips a tile or block of ``strips`` strips is cut: one, if
    there are more strips to a piece than the commands can count.

    Parameters
    ----------
    strips : int
    words : int or None
        GLB words of a tile, which is not cut too small; None: a block of psums.

    Returns
    -------
    (int, int)
        Strips of a piece, and pieces. Arrays, if these are given.
    """
    count = np.minimum(strips, _MOST)
    if words is not None:
        count = np.clip(np.minimum(count, words // _WORDS), 1, None)
    size = ceildiv(strips, count)
    size = np.where(size > _STRIPS, strips, size)
    return size, ceildiv(strips, size)
