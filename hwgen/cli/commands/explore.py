"""``hwgen explore``: the design space, on this machine or on a cluster."""

import re
import time
from contextlib import ExitStack
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ...errors import HwgenError
from ...files import replacing, write_json, write_whole
from ..options import json_report
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 140                # of the tables; a narrower terminal wraps them
_BUDGET = 1000
_LINES = 20                 # of the front's table; --json and the folder have all
_REASONS = 5
_SHOWN = ("cycles", "utilisation", "energy_per_mac", "cells", "mhz")    # with the objectives
_FRONT = "front.json"
_UNITS = {"s": 1, "min": 60, "h": 3600}


def _budget(context, parameter, text):
    """``(points, seconds)`` of ``500`` or ``20min``."""
    if text is None:
        return _BUDGET, None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)?", text)
    if not match or not float(match[1]) or not match[2] and "." in match[1]:
        raise HwgenError(f"--budget {text!r} is neither a number of points, as 500, nor a time, as "
                         f"90s, 20min or 2h.")
    if match[2]:
        return 10 ** 9, float(match[1]) * _UNITS[match[2]]
    return int(match[1]), None


@click.command()
@click.argument("space", required=False, metavar="SPACE.toml")
@click.option("--example", is_flag=True, help="Print a commented SPACE.toml, and end.")
@click.option("--networks", multiple=True, metavar="NAME|MODEL.onnx",
              help="In place of the space's; may be given several times.")
@click.option("--objective", default="cycles,cells", show_default=True, metavar="METRIC,...",
              help="What the front is made of.")
@click.option("--constraint", "constraints", multiple=True, metavar="'METRIC<=N'|fits=DEVICE",
              help="What its points must meet; may be given several times.")
@click.option("--budget", callback=_budget, metavar="N|TIME",
              help=f"Points to look at, or time, as 90s, 20min, 2h. A space with more points is "
                   f"searched by NSGA-II.  [default: {_BUDGET}]")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the search.")
@click.option("--scheduler", metavar="ADDRESS",
              help="A Dask scheduler, whose workers do the work.  [default: workers here]")
@click.option("--workers", type=click.IntRange(1), metavar="N",
              help="Workers to start here.  [default: one a core]")
@click.option("--verify", type=click.IntRange(1), metavar="N",
              help="Run N points of the front on the RTL, and synthesise the first.")
@click.option("--out", default="build/explore", show_default=True, metavar="DIR",
              help="Results, and the front's configurations.")
@click.option("--resume", is_flag=True, help="Go on with the results in --out.")
@json_report
def command(space, example, networks, objective, constraints, budget, seed, scheduler, workers,
            verify, out, resume, json_file):
    """Search the design space of SPACE.toml, and show the points that no other beats.

    Every point is judged by the cost model over all layers of all networks, and by the model of its
    area. Results are written as they come: any stop can be resumed.
    """
    try:
        from ...explore import goals as judge
        from ...explore import proof
        from ...explore.engine import engine
        from ...explore.evaluate import load
        from ...explore.exploration import Exploration
        from ...explore.space import Space
        from ...explore.space import example as example_space
        from ...explore.store import Store
    except ModuleNotFoundError as error:
        raise HwgenError(f"'hwgen explore' needs the Python package {error.name}: pip install "
                         f"'hwgen[explore]'.") from None
    console, notes = consoles(json_file, width=_WIDTH)
    if example:
        click.echo(example_space(), nl=False)
        return
    if space is None:
        raise HwgenError("a SPACE.toml is missing: 'hwgen explore --example' prints one.")
    if scheduler and workers:
        raise HwgenError("--workers starts workers here, and --scheduler has its own: give one.")
    read = Space.read(space, networks)
    goals = judge.objectives(objective)
    rules = [judge.constraint(text) for text in constraints]
    with notes.status("reading the networks"):
        job = load(read)
    points, seconds = budget
    began = time.monotonic()
    with ExitStack() as stack:
        store = stack.enter_context(Store(out, read, resume))
        exploration = Exploration(job, store, goals, rules, points, seconds, seed)
        with notes.status("starting workers"):
            work = stack.enter_context(engine(scheduler, workers))
        with _bar(notes) as bar:
            task = bar.add_task("exploring", total=exploration.wanted, front="")

            def progress():
                bar.update(task, completed=exploration.looked_at, total=exploration.wanted,
                           front=f"front {len(exploration.front())}")
            exploration.run(work, progress)
        front = exploration.front()
        _write_report(Path(out) / "report.html", exploration, read, goals, store, notes)
        measured = synthesis = None
        if verify and front:
            points = proof.spread(front, goals, verify)
            with notes.status(f"running {len(points)} points on the RTL"):
                measured = _measured(work, job, points, exploration, proof.measure)
            with notes.status("synthesising the first") as status:
                synthesis = proof.synthesised(front[0][0], read.target, status.update)
    _write_front(Path(out), front, goals)
    report = {"space": str(space), "points": read.size, "looked_at": exploration.looked_at,
              "complete": exploration.complete, "objectives": list(goals),
              "constraints": list(constraints), "allowed": len(exploration.allowed()),
              "refused": [{"reason": reason, "points": count}
                          for reason, count in exploration.refusals()],
              "seconds": time.monotonic() - began,
              "front": [{"config": config.to_dict(), "metrics": metrics}
                        for config, metrics, _ in front],
              "measured": measured,
              "synthesis": synthesis and dict(zip(("estimated_cells", "cells"), synthesis,
                                                  strict=True))}
    if json_file:
        write_json(json_file, report)
    console.print(_table(front, read, goals))
    if measured:
        console.print(_measured_table(measured, read))
    for line in _lines(report, out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    wrong = any(run["mismatches"] or run["failed"] for run in measured or ())
    return 1 if wrong or not front else 0


def _measured(work, job, points, exploration, measure):
    """What the RTL took for points of the front, in their order."""
    by_key = {job.space.key(result["point"]): result for result in work.run(
        measure, job, [exploration.point(name) for _, _, name in points])}
    found = []
    for _, metrics, name in points:
        result = by_key[name]
        layers = result.get("layers", [])
        weights = {workload.network: workload.weight for workload in job.space.workloads}
        cycles = sum(weights[line["network"]] * line["count"] * line["cycles"] for line in layers)
        found.append({"point": result["point"], "predicted": metrics["cycles"], "cycles": cycles,
                      "mismatches": sum(line["mismatches"] for line in layers),
                      "failed": result.get("failed"), "layers": layers})
    return found


def _measured_table(measured, space):
    table = Table(title="on the RTL")
    for name in (*space.parameters, "predicted", "measured", "error %", "≠ golden"):
        table.add_column(name, justify="right")
    for run in measured:
        values = [str(run["point"][name]) for name in space.parameters]
        if run["failed"]:
            table.add_row(*values, f"{run['predicted']:,.0f}", run["failed"])
            continue
        error = 100 * (run["predicted"] / run["cycles"] - 1)
        table.add_row(*values, f"{run['predicted']:,.0f}", f"{run['cycles']:,.0f}",
                      f"{error:.2f}", f"{run['mismatches']:,}")
    return table


def _write_report(path, exploration, space, goals, store, notes):
    try:
        from ...explore.page import page
    except ModuleNotFoundError as error:
        notes.print(f"no report.html: it needs {error.name}, pip install 'hwgen[report]'",
                    highlight=False)
        return
    text = page(exploration, space, goals, store.layers).encode()
    write_whole(path, lambda file: file.write(text))


def _bar(notes):
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TextColumn("{task.fields[front]}"), TimeRemainingColumn(), console=notes,
                    transient=True)


def _table(front, space, goals):
    """The front, a row a point: what was searched, objectives, and what else matters most."""
    table = Table(title="points that no other beats")
    names = [*space.parameters, *space.derived]
    metrics = [*goals, *(name for name in _SHOWN if name not in goals)]
    for name in (*names, *metrics):
        table.add_column(name, justify="right", overflow="fold")
    for config, values, _ in front[:_LINES]:
        table.add_row(*(str(getattr(config, name)) for name in names),
                      *(_number(values[name]) for name in metrics))
    return table


def _number(value):
    return f"{value:,.3f}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


def _lines(report, out):
    if len(report["front"]) > _LINES:
        yield f"and {len(report['front']) - _LINES} more, in {out}/{_FRONT}"
    refused = sum(entry["points"] for entry in report["refused"])
    how = "all that the relations leave" if report["complete"] else "chosen by NSGA-II"
    yield (f"{report['looked_at']:,} points of {report['points']:,} combinations ({how}) in "
           f"{report['seconds']:.1f} s; {refused:,} refused, {report['allowed']:,} meet every "
           f"constraint, {len(report['front'])} on the front")
    for entry in report["refused"][:_REASONS]:
        yield f"  refused {entry['points']:,} times: {entry['reason']}"
    if len(report["refused"]) > _REASONS:
        yield f"  and for {len(report['refused']) - _REASONS} other reasons"
    if report["synthesis"]:
        cells, estimated = report["synthesis"]["cells"], report["synthesis"]["estimated_cells"]
        yield (f"the first of the front synthesised: {cells:,} logic cells, {estimated:,} "
               f"estimated ({100 * (estimated / cells - 1):+.1f} %)")
    if report["front"]:
        yield (f"results in {out}; build the best with 'python -m hwgen build --config "
               f"{out}/front/01.toml'")


def _write_front(folder, front, goals):
    """The front as configurations, ``front/01.toml`` the best in the first objective."""
    with replacing(folder / "front", _FRONT) as new:
        digits = max(len(str(len(front))), 2)
        entries = []
        for number, (config, metrics, _) in enumerate(front, 1):
            name = f"{number:0{digits}}"
            (new / f"{name}.toml").write_text(config.replace(name=f"point-{name}").to_toml())
            entries.append({"file": f"{name}.toml", "metrics": metrics})
        write_json(new / _FRONT, {"objectives": list(goals), "points": entries})
