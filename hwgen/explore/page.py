"""The report of an exploration: one HTML file that needs nothing else."""

from importlib import resources

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from .. import __version__
from ..report.html.charts import CONFIG

__all__ = ["importance", "page"]

_POINTS = 5000              # that charts show: more make a browser slow
_ROWS = 200                 # of the table: the front first
_LAYOUT = {"template": "plotly_white", "legend": {"orientation": "h", "y": -0.25}, "height": 480,
           "margin": {"l": 60, "r": 20, "t": 50, "b": 60}}


def page(exploration, space, goals, layers):
    """The report.

    Parameters
    ----------
    exploration : Exploration
    space : Space
    goals : dict of str to bool
    layers : callable
        From a point's key to the lines of its layers, see :meth:`Store.layers`.

    Returns
    -------
    str
        HTML with its style, scripts and charts inside; the same text for the same results.
    """
    front = [name for _, _, name in exploration.front()]
    allowed = dict(exploration.allowed())
    names = [*front, *(name for name in allowed if name not in front)]
    shown = names[:_POINTS]
    rows = [(exploration.point(name), allowed[name]) for name in shown]
    charts = {"front": _front(rows, len(front), goals)}
    if len(space.parameters) + len(goals) > 2:
        charts["coordinates"] = _parallel(rows, goals)
    charts["importance"] = _importance(space, rows, goals)
    files = resources.files("hwgen.report.html")
    environment = Environment(loader=PackageLoader("hwgen.explore", "."), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    metrics = [*goals, *(name for name in (rows[0][1] if rows else ()) if name not in goals)]
    return environment.get_template("page.html.jinja").render(
        version=__version__, plotly=get_plotlyjs(), looked_at=exploration.looked_at,
        complete=exploration.complete, front=len(front), allowed=len(allowed),
        refusals=exploration.refusals(), networks=[w.network for w in space.workloads],
        target=space.target.title, base=space.base.name, objectives=list(goals),
        headings=[*space.parameters, *metrics],
        rows=[_row(number, name, number < len(front), exploration.point(name), allowed[name],
                   metrics, layers(name)) for number, name in enumerate(names[:_ROWS])],
        charts={name: figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG,
                                     div_id=f"explore-{name}") for name, figure in charts.items()},
        **{name: (files / file).read_text() for name, file in (
            ("css", "report.css"), ("js", "report.js"),
            ("sortable", "sortable_tablesort/sortable.js"))})


def _number(value):
    if isinstance(value, float) and abs(value) < 1000:
        return f"{value:,.3f}"
    return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)


def _row(number, name, on_front, point, metrics, shown, layers):
    return {"number": number + 1, "id": f"point-{number + 1}", "front": on_front,
            "cells": [(_number(value), value) for value in
                      (*point.values(), *(metrics[metric] for metric in shown))],
            "settings": ", ".join(f"{key} = {value}" for key, value in point.items()),
            "layers": [{"network": line["network"], "name": line["layer"], "count": line["count"],
                        "cycles": _number(line["cycles"]), "bound": line["bound"],
                        "energy": _number(line["energy"]), "bytes": _number(line["dram_bytes"]),
                        "mapping": line["mapping"]} for line in layers]}


def _label(point):
    return "<br>".join(f"{name} = {value}" for name, value in point.items())


def _front(rows, best, goals):
    """The first two objectives, the front in front."""
    names = list(goals)
    x, y = (names * 2)[:2]
    figure = go.Figure(layout={**_LAYOUT, "title": "Points", "xaxis": {"title": x},
                               "yaxis": {"title": y}})
    for text, part, style in (
            ("others", rows[best:], {"color": "#bab0ac", "size": 6}),
            ("on the front", rows[:best], {"color": "#0b6e69", "size": 9})):
        figure.add_scatter(name=text, mode="markers", marker=style,
                           x=[metrics[x] for _, metrics in part],
                           y=[metrics[y] for _, metrics in part],
                           text=[_label(point) for point, _ in part])
    return figure


def _parallel(rows, goals):
    """A line a point over parameters and objectives."""
    def axis(name, values):
        if all(isinstance(value, (int, float)) for value in values):
            return {"label": name, "values": values}
        kinds = sorted(set(values), key=str)
        return {"label": name, "values": [kinds.index(value) for value in values],
                "tickvals": list(range(len(kinds))), "ticktext": [str(kind) for kind in kinds]}
    columns = {name: [point[name] for point, _ in rows] for name in (rows[0][0] if rows else ())}
    columns |= {name: [metrics[name] for _, metrics in rows] for name in goals}
    first = columns.get(next(iter(goals)), [])
    return go.Figure(go.Parcoords(
        line={"color": first, "colorscale": "Viridis"},
        dimensions=[axis(name, values) for name, values in columns.items()]),
        layout={**_LAYOUT, "title": "Parameters and objectives; drag along an axis to choose",
                "margin": {"l": 80, "r": 60, "t": 90, "b": 30}})


def importance(rows, parameter, metric):
    """Share of a metric's variance that a parameter alone explains, 0 to 1: that of the metric's
    means by the parameter's value (eta squared).

    Parameters
    ----------
    rows : list of (dict, dict)
        Points and their metrics.
    """
    values = np.array([metrics[metric] for _, metrics in rows], float)
    if len(values) < 2 or not values.var():
        return 0.0
    groups = {}
    for (point, _), value in zip(rows, values, strict=True):
        groups.setdefault(point[parameter], []).append(value)
    between = sum(len(group) * (np.mean(group) - values.mean()) ** 2 for group in groups.values())
    return float(between / (len(values) * values.var()))


def _importance(space, rows, goals):
    figure = go.Figure(layout={**_LAYOUT, "barmode": "group", "yaxis": {"title": "share"},
                               "title": "Which parameter matters: share of the variance that each "
                                        "alone explains"})
    for metric in goals:
        figure.add_bar(name=metric, x=list(space.parameters),
                       y=[importance(rows, name, metric) for name in space.parameters])
    return figure
