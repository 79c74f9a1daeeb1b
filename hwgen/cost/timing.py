"""The DRAM that a program is made for."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Timing"]


@dataclass(frozen=True)
class Timing:
    """The DRAM that a program is made for.

    Attributes
    ----------
    latency : int
        Cycles from a read's address to its first beat.
    bytes_per_cycle : float
        Bytes that reads and writes together may move; 0: a bus word each way.
    """
    latency: int = 40
    bytes_per_cycle: float = 0

    def cycles(self, moved):
        """Cycles in which ``moved`` bytes pass, if the bandwidth is shared; else 0."""
        if not self.bytes_per_cycle:
            return 0 * moved
        return np.ceil(moved / self.bytes_per_cycle).astype(np.int64)
