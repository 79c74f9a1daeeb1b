"""The law of overlap: what of several things that go on at a time a layer takes as cycles.

On a parallel machine all resources work at a time. Three sentences say what that leaves:

* The busiest decides. The PEs and their networks wait for each other within a tile, so the busiest
  of them is taken tile by tile (:func:`busiest`); loader, drain and DRAM work ahead of them and
  behind them, so those are compared with the sum over all tiles (:func:`total`).
* What has a second buffer is hidden. What has only one comes and goes in pieces; a piece waits for
  the one before, so all is hidden but what exceeds the computing beside it (:func:`hidden_beside`).
* The first piece and the last have nothing beside them (:func:`exposed`).
"""

from functools import reduce

import numpy as np

__all__ = ["busiest", "exposed", "hidden_beside", "total"]


def busiest(*cycles):
    """Cycles of resources that work at a time, and wait for each other."""
    return reduce(np.maximum, cycles)


def exposed(transfer, computing, pieces):
    """Cycles of a ``transfer`` before, or after, a ``computing`` that begins with the first of its
    ``pieces``, or that gives it up piece by piece.

    One piece is always exposed; more of them, if the transfer takes longer than the computing.
    """
    return np.maximum(transfer // pieces, transfer - computing + computing // pieces)


def hidden_beside(computing, pieces):
    """Cycles that a transfer in ``pieces`` pieces may take unnoticed between two computings of so
    many cycles: the first gives room up piece by piece, the second begins with the first piece."""
    return 2 * computing - 2 * computing // pieces


def total(compute, serial, startup, *beside):
    """Cycles of a layer.

    Parameters
    ----------
    compute, serial, startup : int
        The array and its networks, summed over the tiles; their waiting for what is not hidden;
        what comes before the first tile and after the last.
    beside : int
        What works beside all that: loader, drain, DRAM.
    """
    return busiest(compute + serial, *beside) + startup
