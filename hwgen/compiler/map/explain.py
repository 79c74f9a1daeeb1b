"""Mappings for people: tables, text, and the file from which they can be given again."""

import io
import json
from collections import Counter

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import array_picture
from .given_mappings import FIELDS

__all__ = ["detail", "overview", "text", "toml"]

_WIDTH = 120                # of text in a file


def _table(*columns, **options):
    """A table; columns whose heading starts with ``>`` are set flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, **options)
    for heading in columns:
        table.add_column(heading.lstrip(">"), justify="right" if heading[:1] == ">" else "left")
    return table


def detail(nest):
    """All of one layer: loop nest, storage, bandwidth, reasons, pictures.

    Parameters
    ----------
    nest : Nest

    Returns
    -------
    rich.console.Group
    """
    loops = _table("level", ">turns", "over", "each turn")
    for loop in nest.loops:
        loops.add_row(loop.level, f"{loop.turns:,}", loop.over, loop.does)
    storage = _table("storage", ">in use", ">of", ">%", "for")
    for place, (used, capacity, what) in nest.storage.items():
        storage.add_row(place, f"{used:,}", f"{capacity:,}", f"{100 * used / capacity:.0f}", what)
    bandwidth = _table("bytes a cycle", ">mean", ">at most", ">%")
    for level, (mean, peak) in nest.bandwidth.items():
        bandwidth.add_row(level, f"{mean:.2f}", f"{peak:,}", f"{100 * mean / peak:.0f}")
    passes = [part for one in nest.pictures for part in (
        Text(f"pass {one.index + 1} of {nest.passes}: {one.active} PEs compute"),
        array_picture.text(one), Text())]
    reasons = [Text(reason) for reason in nest.reasons]
    heading = Text.assemble((nest.name, "bold"), f"  {nest.shape}, {nest.macs / 1e6:,.1f} M MACs")
    return Group(heading, Padding(Group(
        *reasons, loops, storage, bandwidth, *passes), (0, 0, 0, 2)))


def overview(title, nests):
    """A line for each layer, and the sum of all, each as often as it occurs.

    Parameters
    ----------
    title : str
    nests : list of Nest

    Returns
    -------
    rich.table.Table
    """
    table = _table("layer", ">x", ">q", ">p", ">e", ">t", ">tile", ">chunk", ">PEs", ">cycles",
                   ">util %", ">bound %", "bound by", ">DRAM kB", ">of", title=title,
                   show_footer=True)
    for nest in nests:
        m, cost = nest.mapping, nest.estimate
        table.add_row(
            Text(nest.name, overflow="fold"), str(nest.count),
            *(str(getattr(m, field)) for field in "qpet"),
            f"{m.tile_rows}x{m.tile_cols}", str(m.chunk), str(nest.pictures[0].active),
            f"{cost.cycles:,}", f"{100 * nest.share(cost.cycles):.1f}",
            f"{100 * nest.share(cost.array_bound):.1f}", cost.bound,
            f"{cost.bytes / 1e3:,.1f}", f"{cost.considered:,}")
    cycles = sum(nest.count * nest.estimate.cycles for nest in nests)
    macs = sum(nest.count * nest.macs for nest in nests)
    moved = sum(nest.count * nest.estimate.bytes for nest in nests)
    pes = nests[0].config.rows * nests[0].config.cols
    for column, value in ((0, "total"), (9, f"{cycles:,}"),
                          (10, f"{100 * macs / cycles / pes:.1f}"), (13, f"{moved / 1e3:,.1f}")):
        table.columns[column].footer = value
    return table


def text(*parts):
    """What :func:`detail` and :func:`overview` give, as plain text for a file."""
    file = io.StringIO()
    console = Console(file=file, width=_WIDTH, no_color=True, highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def toml(nests):
    """A file that gives these mappings again, see :func:`.given_mappings.read`. A layer that takes
    several programs has no one mapping, and is left to the search."""
    times = Counter(nest.name for nest in nests)
    lines = ["# Fields of each layer's mapping; those left out are searched."]
    for nest in nests:
        if times[nest.name] > 1:
            continue
        lines += ["", f"[{json.dumps(nest.name, ensure_ascii=False)}]"]
        lines += [f"{field:<10} = {getattr(nest.mapping, field):<6} # {what}"
                  for field, what in FIELDS.items()]
    return "\n".join(lines) + "\n"
