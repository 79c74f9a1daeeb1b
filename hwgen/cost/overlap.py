"""The law of overlap: what of several things that go on at a time a layer takes as cycles.

On a parallel machine all resources work at a time. Three sentences say what that leaves:

* The busiest decides. The PEs and their networks wait for each other within a tile, so the busiest
  of them is taken tile by tile (:func:`busiest`); loader, drain and DRAM work ahead of them and
  behind them, so those are compared with the sum over all tiles. Each has a head, what must have
  been done before it can begin, and a tail, what must be done behind it (:func:`total`).
* What has a second buffer is hidden. What has only one comes and goes in pieces; a piece waits for
  the one before, so all is hidden but what exceeds the computing beside it (:func:`hidden_beside`).
* The first piece and the last have nothing beside them (:func:`exposed`).
"""

from functools import reduce
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Work", "busiest", "exposed", "hidden_beside", "total"]


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


class Work(NamedTuple):
    """What a resource does for a layer.

    Attributes
    ----------
    head : int
        Cycles before it can begin.
    cycles : int
        Cycles in which it works, or waits for what nothing hides.
    tail : int
        Cycles that others need after its last.
    """
    head: Any
    cycles: Any
    tail: Any


def total(*works):
    """Cycles of a layer in which all :class:`Work` is done side by side: of the longest way through
    it."""
    return busiest(*(work.head + work.cycles + work.tail for work in works))
