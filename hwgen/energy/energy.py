"""Energy: counts times prices, split by level and by kind of data."""

from dataclasses import dataclass
from typing import Any

from ..config import Config
from .counts import Counts
from .items import ITEMS, KINDS, LEVELS
from .prices import Table

__all__ = ["Energy", "of_counts"]


@dataclass(frozen=True)
class Energy:
    """Energy of a layer, or of several.

    Attributes
    ----------
    table : Table
    macs : int
        Multiply-accumulates of the layer itself.
    split : dict of (str, str) to float
        By level and kind of data, in the table's unit.
    """
    table: Table
    macs: int
    split: dict[tuple[str, str], float]

    @property
    def total(self) -> float:
        return sum(self.split.values())

    @property
    def per_mac(self) -> float | None:
        """None if there are no MACs: the layer only moves data."""
        return self.total / self.macs if self.macs else None

    @property
    def by_level(self) -> dict[str, float]:
        return {level: sum(energy for (where, _), energy in self.split.items() if where == level)
                for level in LEVELS}

    @property
    def by_kind(self) -> dict[str, float]:
        return {kind: sum(energy for (_, what), energy in self.split.items() if what == kind)
                for kind in KINDS}

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(self.table, self.macs + other.macs,
                      {key: energy + other.split[key] for key, energy in self.split.items()})

    def __mul__(self, times: int) -> "Energy":
        return Energy(self.table, times * self.macs,
                      {key: times * energy for key, energy in self.split.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"table": self.table.name, "unit": self.table.unit, "total": self.total,
                "per_mac": self.per_mac, "by_level": self.by_level, "by_kind": self.by_kind,
                "split": [{"level": level, "kind": kind, "energy": energy}
                          for (level, kind), energy in self.split.items()]}


def of_counts(config: Config, counts: Counts, macs: int, table: Table) -> Energy:
    """The energy of counts of an accelerator ``config``, of a layer of so many ``macs``."""
    split = dict.fromkeys(((item.level, item.kind) for item in ITEMS.values() if item.price), 0.0)
    for name, item in ITEMS.items():
        if item.price:
            split[item.level, item.kind] += counts.items[name] * table.of(config, name)
    return Energy(table, macs, split)
