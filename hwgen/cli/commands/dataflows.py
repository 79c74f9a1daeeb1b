"""``hwgen dataflows``: the survey's dataflows on the same layers, this accelerator beside them."""

import click
from rich import box
from rich.table import Table

from ...config import resolve
from ...energy import dataflows
from ...energy.items import LEVELS
from ...energy.prices import DEFAULT
from ...errors import HwgenError
from ...files import write_json
from ...host.layer_bench import bench_layer, total_energy
from ...network.shapes import NETWORKS
from ..options import energy_table, json_report
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 120                # of the tables; a narrower terminal wraps them
_KINDS = "ifmap", "filter", "psum"
_SURVEY = ("alexnet", 256, 16, DEFAULT)     # what the published figures are of
_HERE = "hwgen"


@click.command()
@click.argument("network", metavar="NETWORK")
@click.option("--pe", default="16x16", show_default=True, metavar="RxC", help="PEs.")
@click.option("--batch", type=click.IntRange(1, 256), default=16, show_default=True, metavar="N",
              help="Images that are processed together.")
@energy_table
@json_report
def command(network, pe, batch, energies, json_file):
    """Compare the energy of dataflows on the layers of a known NETWORK.

    RS, WS, OSA, OSB, OSC and NLR have as many PEs and the same area for storage, and each its best
    mapping. Beside them stands this accelerator, which is row stationary, by what its commands move
    for one image.
    """
    console, notes = consoles(json_file, width=_WIDTH)
    if network not in NETWORKS:
        raise HwgenError(f"network {network!r} is unknown: choose among {', '.join(NETWORKS)}.")
    config = resolve(preset_name="eyeriss", path=None, pe=pe, settings=())
    pes, shapes = config.rows * config.cols, NETWORKS[network]
    found = {}
    for part, fc in (("conv", False), ("fc", True)):
        chosen = [shape for shape in shapes if shape.fc == fc]
        if not chosen:
            continue
        layers = [dataflows.Layer.of(shape, batch) for shape in chosen]
        with notes.status(f"{network}, {part} layers: mappings"):
            results = dataflows.comparison(layers, pes, energies)
            here = total_energy([bench_layer(network, shape, config, None, sparsity=0, seed=1,
                                             table=energies) for shape in chosen])
        published = dataflows.PUBLISHED[part] \
            if (network, pes, batch, energies.name) == _SURVEY else {}
        found[part] = list(_rows(results, layers, pes, published)) + [_here(here)]
        console.print(_table(f"{network}, {part.upper()} layers, {pes} PEs, {batch} images: energy "
                             f"a MAC in {energies.unit}, by {energies.name}", found[part]))
    for flow in dataflows.DATAFLOWS.values():
        console.print(f"{flow.name:<6}{flow.doc}", highlight=False)
    console.print(f"{_HERE:<6}this accelerator, {config.rows} x {config.cols} PEs: what its "
                  f"commands move, one image, 8-bit values", highlight=False)
    if json_file:
        write_json(json_file, {"network": network, "pe": pe, "batch": batch,
                               "table": energies.name, "unit": energies.unit, **found})


def _rows(results, layers, pes, published):
    """A dict for each dataflow."""
    reference = None
    for name, chosen in results.items():
        split = dataflows.per_mac(chosen)
        total = sum(split.values())
        reference = reference or total
        registers, buffer = dataflows.storage(dataflows.DATAFLOWS[name], layers, pes)
        yield {"dataflow": name, "register_bytes": registers, "buffer_bytes": buffer,
               "per_mac": total, "over_rs": total / reference, "published": published.get(name),
               **_sums(split), "layers": [{"name": one.layer.name, "mapping": one.mapping,
                                           "considered": one.considered} for one in chosen]}


def _here(energy):
    """The row of this accelerator; outputs count as psums."""
    split = {}
    for (level, kind), value in energy.split.items():
        key = level, {"ofmap": "psum"}.get(kind, kind)
        split[key] = split.get(key, 0) + value / energy.macs
    return {"dataflow": _HERE, "register_bytes": None, "buffer_bytes": None,
            "per_mac": energy.per_mac, "over_rs": None, "published": None, **_sums(split)}


def _sums(split):
    return {"by_level": {level: sum(value for (where, _), value in split.items() if where == level)
                         for level in LEVELS},
            "by_kind": {kind: sum(value for (_, what), value in split.items() if what == kind)
                        for kind in dict.fromkeys(what for _, what in split)}}


def _table(title, rows):
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("")
    for heading in ("RF B", "buffer KiB", "total", "over RS", "published", *LEVELS, *_KINDS,
                    "other"):
        table.add_column(heading, justify="right")

    def number(value, digits=2):
        return "-" if value is None else f"{value:,.{digits}f}"
    for row in rows:
        kinds = row["by_kind"]
        other = sum(value for kind, value in kinds.items() if kind not in (*_KINDS, "mac"))
        table.add_row(
            row["dataflow"], number(row["register_bytes"], 0),
            number(row["buffer_bytes"] and row["buffer_bytes"] / 1024, 0), number(row["per_mac"]),
            number(row["over_rs"]), number(row["published"]),
            *(number(row["by_level"][level]) for level in LEVELS),
            *(number(kinds.get(kind, 0)) for kind in _KINDS), number(other))
    return table
