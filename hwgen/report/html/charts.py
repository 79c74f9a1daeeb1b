"""The report's charts, made with Plotly."""

import math
from typing import Any

import plotly.graph_objects as go

from ...energy.items import LEVELS
from ...host.trace import UNITS

__all__ = ["CONFIG", "charts", "overview"]

#: How Plotly shows a chart in the page.
CONFIG = {"responsive": True, "displaylogo": False}

_COLOURS = {
    # Energy by level, and DRAM by kind of data.
    "mac": "#7f7f7f", "spad": "#59a14f", "noc": "#edc948", "glb": "#f28e2b", "dram": "#4e79a7",
    "ifmap": "#4e79a7", "filter": "#f28e2b", "psum": "#59a14f", "ofmap": "#76b7b2",
    "parameters": "#b07aa1", "commands": "#9c755f",
    # Cycles by cause.
    "busy": "#59a14f", "start": "#bab0ac", "output": "#76b7b2", "idle": "#d4d4d4",
    "finish": "#8c8c8c",
}
_CAUSES = {"dram": "#4e79a7", "ifmap": "#a0cbe8", "filter": "#f28e2b", "psum": "#e15759"}


def _figure(title, x, y, **layout):
    # The title stands in the page; the figure has it for pictures that are saved.
    return go.Figure(layout={
        "template": "plotly_white", "title": title, "xaxis": {"title": x, "automargin": True},
        "yaxis": {"title": y, "automargin": True}, "legend": {"orientation": "h", "y": -0.25},
        "margin": {"l": 60, "r": 20, "t": 50, "b": 60}, "height": 440, **layout})


def _stack(title, y, labels, parts, colours):
    """Bars of parts on top of each other: ``parts`` is ``{name: numbers}``."""
    figure = _figure(title, "", y, barmode="stack", xaxis={"type": "category", "automargin": True})
    for name, numbers in parts.items():
        figure.add_bar(name=name, x=labels, y=numbers, marker_color=colours.get(name))
    return figure


def overview(runs) -> dict[str, go.Figure]:
    """Charts of several runs side by side."""
    labels = [f"{run.number + 1}: {run.title}" for run in runs]

    def parts(names, value):
        return {name: [run.total(lambda layer, name=name: value(layer, name)) for run in runs]
                for name in names}
    cycles = _figure("Cycles", "", "cycles", barmode="group",
                     xaxis={"type": "category", "automargin": True})
    for name, value in (("here", lambda layer: layer.cycles),
                        ("bound of the array", lambda layer: layer.bound)):
        cycles.add_bar(name=name, x=labels, y=[run.total(value) for run in runs])
    kinds = list(dict.fromkeys(kind for run in runs for layer in run.layers for kind in layer.dram))
    units = sorted({layer.energy["unit"] for run in runs for layer in run.layers})
    return {
        "cycles": cycles,
        "energy": _stack("Energy by level", ", ".join(units), labels, parts(
            LEVELS, lambda layer, name: layer.energy["by_level"][name]), _COLOURS),
        "dram": _stack("DRAM traffic by kind of data", "bytes", labels, parts(
            kinds, lambda layer, name: layer.dram.get(name, 0)), _COLOURS),
    }


def charts(run) -> dict[str, go.Figure]:
    """Charts of a run, by what they show; only those that it has data for."""
    found = {"energy": _energy(run), "dram": _dram(run), "roofline": _roofline(run)}
    if any(layer.causes for layer in run.layers):
        found["causes"] = _causes(run)
    if run.measured:
        found["predicted"] = _predicted(run)
    if run.timeline:
        found["timeline"] = _timeline(run)
    order = ("causes", "energy", "dram", "predicted", "roofline", "timeline")
    return {name: found[name] for name in order if name in found}


def _causes(run):
    layers = [layer for layer in run.layers if layer.causes]
    names = [name for name in layers[0].causes if any(layer.causes[name] for layer in layers)]
    return _stack("Cycles by what the array did in them", "cycles",
                  [layer.label for layer in layers],
                  {name: [layer.count * layer.causes[name] for layer in layers] for name in names},
                  _COLOURS | _CAUSES)


def _energy(run):
    unit = run.layers[0].energy["unit"]
    return _stack("Energy by level", unit, [layer.label for layer in run.layers],
                  {level: [layer.count * layer.energy["by_level"][level] for layer in run.layers]
                   for level in LEVELS}, _COLOURS)


def _dram(run):
    kinds = list(run.layers[0].dram)
    return _stack("DRAM traffic by kind of data", "bytes", [layer.label for layer in run.layers],
                  {kind: [layer.count * layer.dram[kind] for layer in run.layers]
                   for kind in kinds}, _COLOURS)


def _predicted(run):
    layers = [layer for layer in run.layers if layer.cycles and layer.predicted]
    figure = _figure("Predicted against measured cycles", "measured cycles", "predicted cycles",
                     xaxis={"type": "log", "title": "measured cycles"},
                     yaxis={"type": "log", "title": "predicted cycles"})
    ends = [f(value for layer in layers for value in (layer.cycles, layer.predicted))
            for f in (min, max)]
    figure.add_scatter(x=ends, y=ends, mode="lines", name="equal", line={"color": "#bbbbbb"})
    figure.add_scatter(
        x=[layer.cycles for layer in layers], y=[layer.predicted for layer in layers],
        mode="markers", name="layers", text=[
            f"{layer.name}: {100 * (layer.predicted / layer.cycles - 1):+.2f} %"
            for layer in layers])
    return figure


def _roofline(run):
    layers = [layer for layer in run.layers if layer.macs and layer.cycles and layer.bytes]
    figure = _figure("Roofline", "MAC a byte of DRAM traffic", "MAC a cycle",
                     xaxis={"type": "log", "title": "MAC a byte of DRAM traffic"},
                     yaxis={"type": "log", "title": "MAC a cycle"})
    points = [layer.macs / layer.bytes for layer in layers]
    low, high = min([0.5, *points]) / 2, max([2 * run.pes / run.bandwidth, *points]) * 2
    roof = [low, run.pes / run.bandwidth, high]
    figure.add_scatter(
        x=roof, y=[min(run.pes, run.bandwidth * x) for x in roof], mode="lines",
        name=f"{run.pes} PEs, DRAM {run.bandwidth:g} bytes a cycle", line={"color": "#888888"})
    figure.add_scatter(
        x=points, y=[layer.macs / layer.cycles for layer in layers], mode="markers", name="layers",
        text=[f"{layer.name}: {100 * layer.macs / layer.cycles / run.pes:.1f} % of the PEs"
              for layer in layers],
        marker={"size": [8 + 4 * math.log10(max(layer.cycles / 1000, 1)) for layer in layers]})
    return figure


def _timeline(run) -> Any:
    """Share of the cycles that each unit worked, over time; a line where a layer begins."""
    units = list(UNITS)
    starts = [sample["begin"] for sample in run.timeline]
    ends = [sample["end"] for sample in run.timeline]
    figure = _figure("Units over time", "cycle", "", height=120 + 48 * len(units),
                     yaxis={"autorange": "reversed", "automargin": True})
    figure.add_heatmap(
        x=[*starts, ends[-1]], y=units, colorscale="Blues", zmin=0, zmax=1,
        z=[[sample[unit] for sample in run.timeline] for unit in units],
        colorbar={"title": "share", "thickness": 12},
        text=[[f"{sample['layer']}: the array mostly {sample['doing']}" for sample in run.timeline]
              for _ in units],
        hovertemplate="%{y}, cycle %{x}: %{z:.0%}<br>%{text}<extra></extra>")
    before = None
    for sample in run.timeline:
        if sample["layer"] != before:
            figure.add_vline(x=sample["begin"], line={"width": 1, "color": "#d62728"})
            before = sample["layer"]
    return figure
