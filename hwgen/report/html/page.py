"""The page: one HTML file that needs nothing else."""

from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from ... import __version__
from ...compiler.map import array_picture
from ...compiler.map.loop_nest import Pass
from ..energy import energy_unit
from ..runs import Run, runs
from . import charts

__all__ = ["page"]

_ORIGINS = {
    ("bench", True): "Each layer measured on the RTL with random data, and compared with the "
                     "golden model.",
    ("bench", False): "Predicted by the cost model; counts are those of the commands.",
    ("run", True): "The network ran on the RTL, every layer compared with the golden model and "
                   "ONNX Runtime.",
    ("map", False): "Predicted by the cost model; counts are those of the commands."}


def page(results: list[dict[str, Any]]) -> str:
    """The report of results that :func:`hwgen.report.saved.read` gave.

    Returns
    -------
    str
        HTML with its style, scripts, charts and pictures inside; the same text for the same
        results.
    """
    found = runs(results)
    files = resources.files(__package__)
    environment = Environment(loader=PackageLoader("hwgen.report.html", "."), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    title = found[0].title if len(found) == 1 else f"{len(found)} runs: " + ", ".join(
        dict.fromkeys(run.network for run in found))
    return environment.get_template("report.html.jinja").render(
        title=title, version=__version__, plotly=get_plotlyjs(),
        overview=_drawn("overview", charts.overview(found)) if len(found) > 1 else {},
        parts=[_part(run) for run in found],
        **{name: (files / file).read_text() for name, file in (
            ("css", "report.css"), ("js", "report.js"),
            ("sortable", "sortable_tablesort/sortable.js"))})


def _drawn(prefix, figures):
    return {name: figure.to_html(full_html=False, include_plotlyjs=False, config=charts.CONFIG,
                                 div_id=f"{prefix}-{name}") for name, figure in figures.items()}


def _part(run):
    chip = all(layer.chip for layer in run.layers)
    rows = [_row(run, layer) for layer in run.layers]
    return {"run": run, "origin": _ORIGINS[run.kind, run.measured], "chip": chip,
            "figures": list(_figures(run)), "notes": _notes(run, chip),
            "headings": [heading for heading, _ in _COLUMNS], "rows": rows,
            "total": _total(run), "charts": _drawn(f"run-{run.number}", charts.charts(run))}


# Head figures.

def _figures(run: Run):
    """Each figure beside its bound and the chip's, as texts."""
    mhz, pes = run.parameters["clock_mhz"], run.pes
    macs, cycles = run.total(lambda layer: layer.macs), run.total(lambda layer: layer.cycles)
    bound, moved = run.total(lambda layer: layer.bound), run.total(lambda layer: layer.bytes)
    chip = run.total(lambda layer: layer.chip and layer.chip["cycles"])
    energy, spent = run.total(lambda layer: layer.energy["total"]), run.layers[0].energy
    factor, unit = energy_unit(energy, spent["unit"])

    def row(name, here, bound="-", chip="-"):
        return {"name": name, "here": here, "bound": bound, "chip": chip}

    def share(cycles):
        return f"{100 * macs / (cycles * pes):.1f} %" if cycles else "-"
    yield row("MACs", f"{macs:,}")
    yield row("cycles" if run.measured else "cycles, predicted", _number(cycles), _number(bound),
              _number(chip))
    yield row(f"time at {mhz:g} MHz", *(f"{n / mhz / 1e3:,.3f} ms" if n else "-"
                                       for n in (cycles, bound, chip)))
    yield row("utilisation of the PEs", share(cycles), share(bound), share(chip))
    yield row(f"energy, by {spent['table']}", f"{energy / factor:,.2f} {unit}")
    yield row("energy a MAC", f"{energy / macs:.2f} {spent['unit']}" if macs else "-")
    compulsory = run.total(lambda layer: layer.compulsory)
    theirs = run.total(lambda layer: layer.chip and layer.chip["dram_bytes"])
    yield row("DRAM traffic", *(f"{n / 1e6:,.3f} MB" if n else "-"
                                for n in (moved, compulsory, theirs)))
    wrong = run.total(lambda layer: layer.mismatches)
    yield row("outputs that differ", "not run" if wrong is None else _number(wrong),
              "0")


def _notes(run, chip):
    text = ("Bounds: cycles in which the array holds work in the mapping with the fewest, were all "
            "else free")
    if run.kind == "bench":
        text += "; weights, input and output of each layer once"
    if chip:
        text += ("; the chip: processing only, DRAM hidden, 16-bit values, feature maps "
                 "compressed")
    return text + "."


# Layers.

def _number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratio(value, of, factor=100.0):
    return factor * value / of if value is not None and of else None


#: Heading, and ``(value, decimals)`` of a layer; the total is made of sums, see :func:`_total`.
_COLUMNS = (
    ("layer", None),
    ("x", lambda run, layer: (layer.count, 0)),
    ("MMAC", lambda run, layer: (layer.macs / 1e6, 2)),
    ("cycles", lambda run, layer: (layer.cycles, 0)),
    ("predicted", lambda run, layer: (layer.predicted, 0)),
    ("error %", lambda run, layer: (
        run.measured and layer.cycles and _ratio(layer.predicted - layer.cycles, layer.cycles)
        if layer.predicted is not None else None, 2)),
    ("util %", lambda run, layer: (_ratio(layer.macs, (layer.cycles or 0) * run.pes), 1)),
    ("of bound %", lambda run, layer: (_ratio(layer.bound, layer.cycles), 1)),
    ("DRAM kB", lambda run, layer: (layer.bytes / 1e3, 1)),
    ("MAC a byte", lambda run, layer: (_ratio(layer.macs, layer.bytes, 1), 1)),
    ("energy a MAC", lambda run, layer: (layer.energy["per_mac"], 2)),
    ("differ", lambda run, layer: (layer.mismatches, 0)),
)


def _row(run, layer):
    cells = []
    for _, value in _COLUMNS[1:]:
        number, digits = value(run, layer)
        number = None if number is False else number
        cells.append((_number(number, digits), "" if number is None else number))
    return {"number": layer.number, "id": f"layer-{run.number}-{layer.number}",
            "name": layer.name, "cells": cells,
            "nests": [{**nest, "picture": _picture(layer, nest)} for nest in layer.nests]}


def _picture(layer, nest):
    passes = [Pass(one["index"], tuple(one["rows"]), tuple(one["cols"])) for one in nest["passes"]]
    drawn = array_picture.svg(layer.name, passes)
    return drawn[drawn.index("<svg"):]


def _total(run):
    macs, cycles, predicted, bound, moved, energy, wrong = (run.total(value) for value in (
        lambda layer: layer.macs, lambda layer: layer.cycles, lambda layer: layer.predicted,
        lambda layer: layer.bound, lambda layer: layer.bytes,
        lambda layer: layer.energy["total"], lambda layer: layer.mismatches))
    error = _ratio(predicted - cycles, cycles) if run.measured and cycles and predicted else None
    return [str(sum(layer.count for layer in run.layers)), _number(macs / 1e6, 2), _number(cycles),
            _number(predicted), _number(error, 2),
            _number(_ratio(macs, (cycles or 0) * run.pes), 1), _number(_ratio(bound, cycles), 1),
            _number(moved / 1e3, 1), _number(_ratio(macs, moved, 1), 1),
            _number(_ratio(energy, macs, 1), 2), _number(wrong)]
