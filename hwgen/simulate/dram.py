"""The memory that the simulated accelerators work on: its timing and its faults."""

from dataclasses import dataclass

from ..errors import HwgenError

__all__ = ["Dram"]


@dataclass(frozen=True, kw_only=True)
class Dram:
    """The memory behind the AXI4 master, as the simulators model it.

    Attributes
    ----------
    base : int
        Address of the first byte, a multiple of 4096.
    read_latency : int
        Cycles from a read's address to its first beat.
    write_latency : int
        Cycles from a write's last beat to its response.
    read_bytes, write_bytes, total_bytes : float
        Bytes a cycle that reads, writes, and both together (in turns) may move; 0 is no limit,
        which leaves one beat a cycle each way.
    outstanding : int
        Bursts accepted ahead, 1 to 16, for reads and for writes; served in order.
    stall : float
        Chance that a channel (of AXI4 and of AXI4-Lite) stands still in a cycle, 0 to 0.9.
    seed : int
        Of the stalls.
    fail_read, fail_write : int or None
        An address; reading, or writing, the bus word that holds it answers SLVERR.
    flip_last : int or None
        An address; when the bus word that holds it is read, RLAST is the opposite of what it
        should be.
    """
    base: int = 0
    read_latency: int = 40
    write_latency: int = 10
    read_bytes: float = 0
    write_bytes: float = 0
    total_bytes: float = 0
    outstanding: int = 8
    stall: float = 0
    seed: int = 1
    fail_read: int | None = None
    fail_write: int | None = None
    flip_last: int | None = None

    def __post_init__(self) -> None:
        def check(name: str, good: bool, allowed: str) -> None:
            if not good:
                raise HwgenError(f"{name} = {getattr(self, name)} is not allowed for the simulated "
                                 f"memory: {allowed}.")
        check("base", self.base >= 0 and self.base % 4096 == 0, "a multiple of 4096 is wanted")
        check("outstanding", 1 <= self.outstanding <= 16, "1 to 16 are allowed")
        check("stall", 0 <= self.stall <= 0.9, "0 to 0.9 are allowed")
        for name in ("read_latency", "write_latency"):
            check(name, 0 <= getattr(self, name) < 1 << 20, "0 to 1048575 cycles are allowed")
        for name in ("read_bytes", "write_bytes", "total_bytes"):
            rate = getattr(self, name)
            check(name, rate == 0 or 0.01 <= rate <= 1024,
                  "0 (no limit) or 0.01 to 1024 bytes a cycle are allowed")
