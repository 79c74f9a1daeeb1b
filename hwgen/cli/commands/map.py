"""``hwgen map``: how layers are laid over the array, the memories and time, and why."""

import fnmatch
import re
from functools import reduce
from operator import add
from pathlib import Path

import click
import numpy as np
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ...compiler import compile_network
from ...compiler.map import array_picture, explain, given_mappings
from ...compiler.map.loop_nest import Nest
from ...errors import HwgenError
from ...files import check_folder, replacing, write_json
from ...host.fitting import fitted
from ...host.layer_bench import layer_network
from ...network.shapes import NETWORKS
from ...report.energy import energy_table as energy_rows
from ...report.placement import Placement, nothing
from ...report.saved import hint, stamp
from .. import reading
from ..options import accelerator, energy_table, fuse, integer, json_report, shapes
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 130                # of the tables; a narrower terminal wraps them
_MARK = "mapping.toml"


@click.command()
@click.argument("network", metavar="NETWORK|MODEL.onnx")
@accelerator
@click.option("--layers", default="*", show_default=True, metavar="PATTERN",
              help="Layers by name, with * and ?; several separated by commas.")
@click.option("--mapping", "--override", "mappings", metavar="FILE.toml|eyeriss", multiple=True,
              help="Fields of the mappings that are given; may be repeated, the last wins.")
@fuse
@integer
@shapes
@energy_table
@reading.given
@click.option("--brief", is_flag=True, help="Only the table, a line for each layer.")
@click.option("--out", metavar="DIR", help="Write the report, a picture of each layer as SVG, and "
                                           "the mappings as a file for --mapping.")
@json_report
def command(network, accelerator, layers, mappings, fuse, integer, shapes, texts, energies, brief,
            out, json_file):
    """Show the mapping of each layer of a known NETWORK, or of an ONNX model.

    For each layer: the loop nest from DRAM to the taps of a PE, what is in use of each memory and
    bus, predicted cycles with their bound, and which PE works on what.
    """
    console, notes = consoles(json_file, width=_WIDTH)
    check_folder(out, _MARK)
    config = accelerator.design().config
    read = _read(network, config, shapes, integer, texts)
    nests, placement = [], None
    with Progress(TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
                  TimeElapsedColumn(), console=notes, transient=True,
                  disable=not notes.is_terminal) as bar:
        task = bar.add_task(f"mapping {network}")

        def program(part, fixed, done=0, count=1):
            def planning(layer, index, layers):
                bar.update(task, description=f"mapping {layer.name}", total=count,
                           completed=done + index / layers)
            return compile_network(part, config, mappings=fixed, planning=planning, fuse=fuse)
        if read is None:
            name, fixed = network, given_mappings.gather(mappings, config, shapes=NETWORKS[network],
                                                   network=network)
            known, rng = _chosen(NETWORKS[network], layers, network), np.random.default_rng(1)
            for done, shape in enumerate(known):
                part = program(layer_network(shape, 0, rng)[0], fixed, done, len(known))
                nests += [Nest.of(part, segment, shape.count) for segment in part.segments]
        else:
            made, found = fitted(read, lambda part: program(
                part, given_mappings.gather(mappings, config, layers=part.layers)))
            name, placement = made.name, Placement.of(made)
            nests = [Nest.of(found, segment) for segment in found.segments]
    if not nests:
        placement.print(console)
        notes.print(nothing(made), highlight=False, soft_wrap=True)
        if json_file:
            _json(json_file, name, config, [], placement, energies)
        return 1
    chosen = _chosen(nests, layers, name)
    details = [explain.detail(nest) for nest in chosen]
    title = f"{name} on {config.name}, {config.rows} x {config.cols} PEs"
    tables = [explain.overview(title, chosen), _energy(title, chosen, energies)]
    if out:
        _write(out, name, chosen, explain.text(*details, *tables))
    if json_file:
        _json(json_file, name, config, chosen, placement, energies)
    for part in [] if brief else details:
        console.print(part, highlight=False)
    for part in tables:
        console.print(part)
    if placement:
        placement.print(console)
    if out:
        console.print(f"written to {out}", highlight=False, soft_wrap=True)
    console.print(hint(json_file), highlight=False, markup=False, soft_wrap=True)


def _energy(title, nests, table):
    """Energy of the layers, each as often as it occurs; steps of a layer are rows of their own."""
    rows = [(nest.name + (f" x {nest.count}" if nest.count > 1 else ""),
             nest.energy(table) * nest.count) for nest in nests]
    return energy_rows(title, rows, reduce(add, (energy for _, energy in rows)))


def _json(file, name, config, nests, placement, table):
    write_json(file, {**stamp("map", config), "network": name,
                      "layers": [nest.to_dict() | {"energy": nest.energy(table).to_dict()}
                                 for nest in nests],
                      "placement": placement and placement.to_dict()})


def _chosen(named, layers, network):
    """Those of layers with a name that ``--layers`` asks for."""
    chosen = [one for one in named if any(fnmatch.fnmatchcase(one.name, pattern)
                                          for pattern in layers.split(","))]
    if not chosen:
        raise HwgenError(f"--layers {layers!r} matches no layer of {network}; its layers are "
                         f"{', '.join(one.name for one in named) or 'none'}.")
    return chosen


def _read(network, config, open_shapes, integer, texts):
    """The :class:`Model` that is to be mapped, None for a known network."""
    if network in NETWORKS:
        return None
    if not Path(network).is_file():
        raise HwgenError(f"{network!r} is neither a known network nor a file: name an ONNX model "
                         f"or one of {', '.join(NETWORKS)}.")
    return reading.model(network, open_shapes, config, integer, texts)


def _write(folder, name, nests, report):
    with replacing(folder, _MARK) as new:
        (new / "report.txt").write_text(report)
        (new / _MARK).write_text(explain.toml(nests))
        for number, nest in enumerate(nests, 1):
            file = re.sub(r"[^A-Za-z0-9_.-]+", "_", nest.name).strip("._")
            (new / f"{number:02}-{file}.svg").write_text(
                array_picture.svg(f"{name}, {nest.name}", nest.pictures))
