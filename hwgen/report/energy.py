"""Energy as a table for people."""

from rich import box
from rich.table import Table
from rich.text import Text

from ..energy.items import LEVELS

__all__ = ["energy_table", "energy_unit"]

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
_KINDS = "ifmap", "filter", "psum", "ofmap"
_OTHER = "parameters", "commands"
_JOULES = ((1, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def energy_unit(total, unit):
    """``(factor, unit)`` in which an energy ``total``, of a table's unit, has a few digits."""
    if unit == "pJ":
        scales = [(factor / 1e-12, unit) for factor, unit in _JOULES]
    else:
        scales = [(factor, f"{prefix} MAC".lstrip()) for factor, prefix in _PREFIXES]
    return next((each for each in scales if total >= each[0]), scales[-1])


def energy_table(title, rows, total):
    """Energy of each layer: by level, then the same by kind of data ("mac" is both).

    Parameters
    ----------
    title : str
    rows : iterable of (str, Energy)
        By name; ``count`` times a layer that occurs so often.
    total : Energy

    Returns
    -------
    rich.table.Table
    """
    factor, unit = energy_unit(total.total, total.table.unit)
    table = Table(title=f"{title}: energy in {unit}, by {total.table.name}", box=box.SIMPLE_HEAD,
                  pad_edge=False, collapse_padding=True)
    table.add_column("layer")
    for heading in ("total", "a MAC", *LEVELS, *_KINDS, "other"):
        table.add_column(heading, justify="right")

    def cells(energy):
        yield _short(energy.total / factor)
        yield "-" if energy.per_mac is None else f"{energy.per_mac:,.2f}"
        yield from (_short(part / factor) for part in energy.by_level.values())
        kinds = energy.by_kind
        yield from (_short(kinds[kind] / factor) for kind in _KINDS)
        yield _short(sum(kinds[kind] for kind in _OTHER) / factor)
    for name, energy in rows:
        table.add_row(Text(name, overflow="fold"), *cells(energy))
    table.add_section()
    table.add_row("total", *cells(total))
    return table


def _short(value):
    """Three digits that tell, or all before the point."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
