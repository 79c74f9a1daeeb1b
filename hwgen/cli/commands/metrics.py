"""``hwgen metrics``: the survey's table of metrics for what was run."""

import click
from rich import box
from rich.table import Table

from ...energy.accelergy import action_counts
from ...errors import HwgenError
from ...files import check_target, write_json, write_whole
from ...report import saved
from ...report.metrics import METRICS_TARGET, metrics
from ...report.runs import runs
from ...synth.targets import TARGETS
from ..options import json_report
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 120                # of the table; a narrower terminal wraps it


@click.command()
@click.argument("results", nargs=-1, required=True, metavar="RUN.json...")
@click.option("--target", default=METRICS_TARGET, show_default=True, metavar="NAME",
              help="What the area is estimated for, as of 'hwgen synth'.")
@click.option("--accelergy", metavar="FILE.yaml",
              callback=lambda context, parameter, path: check_target("--accelergy", path) or path,
              help="Write the counts as a file of action counts for Accelergy.")
@json_report
def command(results, target, accelergy, json_file):
    """Show the metrics of what the --json of bench, run or map holds.

    They are those of the survey's table V, each with how it was obtained: area, throughput,
    utilisation, DRAM traffic, energy.
    """
    console, _ = consoles(json_file, width=_WIDTH)
    if target not in TARGETS:
        raise HwgenError(f"--target {target!r} is unknown: choose among {', '.join(TARGETS)}.")
    found = [(run, metrics(run, TARGETS[target])) for run in runs(
        [result for path in results for result in saved.read(path)])]
    if accelergy and len(found) > 1:
        raise HwgenError(f"--accelergy writes the counts of one result, and there are "
                         f"{len(found)}: give one.")
    for run, rows in found:
        table = Table(title=run.title, box=box.SIMPLE_HEAD, pad_edge=False)
        for heading, justify in (("metric", "left"), ("value", "right"), ("unit", "left"),
                                 ("from", "left")):
            table.add_column(heading, justify=justify)
        for row in rows:
            table.add_row(row["metric"], _text(row["value"]), row["unit"], row["how"])
        console.print(table)
    if accelergy:
        text = action_counts(found[0][0].counts()).encode()
        write_whole(accelergy, lambda file: file.write(text))
    if json_file:
        write_json(json_file, [{"run": run.title, "metrics": rows} for run, rows in found])


def _text(value):
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.10g}"
