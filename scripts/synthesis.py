#!/usr/bin/env python
"""Writes the tables of docs/measurements and README from what ``hwgen synth --json`` wrote.

    python scripts/synthesis.py DIR [--run [NAME ...]]

Each DIR/NAME.json is a row, NAME one of the designs below. With --run the designs (those named, or
all) that have no file yet are synthesised first, placed and routed where there is a device, one
after another, in this environment.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from results import ROOT, grouped, put, rows

from hwgen.synth.resources import WRAPPER

PAGE = ROOT / "docs" / "measurements" / "synthesis.md"
# Arguments of ``hwgen synth`` by name of the design.
DESIGNS = {
    "ecp5-85f": "--target ecp5-85f --pnr",
    "12x12": "--target ecp5-85f --pe 12x12 --freq 65 --placer static --pnr",
    "12x14": "--target ecp5-85f --pe 12x14 --set glb_kib=60 --set bus_bits=32 --set lanes=1 "
             "--freq 50 --placer static --pnr",
    "ecp5-25f": "--target ecp5-25f --pnr",
    "up5k": "--target up5k --pnr",
    "xc7": "--target xc7",
    "gates": "--target gates",
}
HEADINGS = {"logic_cells": "logic cells", "ff": "flip-flops", "bram": "block RAMs", "dsp": "DSPs"}


def run(folder, name):
    """Synthesise a design, if that has not been done; a clock that is missed is a result too."""
    result = folder / f"{name}.json"
    if result.exists():
        return
    subprocess.run([sys.executable, "-m", "hwgen", "synth", *DESIGNS[name].split(), "--json",
                    result], cwd=ROOT)
    if not result.exists():
        sys.exit(f"{name} was not synthesised.")


def made(found):
    tools = sorted({tool for report in found.values() for tool in report["tools"]})
    yield f"{date.today()}; {', '.join(tools)}."


def share(report, resource):
    amount, capacity = grouped(round(report[resource])), report["capacity"]
    return f"{amount} ({100 * report[resource] / capacity[resource]:.1f} %)" if capacity else amount


def designs(found):
    def line(name, report):
        routed, clock = report["fmax_mhz"] is not None, report["clock_mhz"]
        rows_, cols = map(int, report["pe"].split("x"))
        cells = report["routed"].get("logic_cells", report["logic_cells"])
        sustained = report["gmacs_sustained"]
        return (f"`--{DESIGNS[name].removeprefix('--').removesuffix(' --pnr')}`", report["pe"],
                *(share(report, resource) for resource in HEADINGS),
                f"{report['fmax_mhz']:.1f} MHz ({clock:g})" if routed else "-",
                f"{report['gmacs_peak']:.2f}, {sustained:.2f}" if routed and sustained else "-",
                f"{1000 * rows_ * cols / cells:.2f}" if report["capacity"] else "-",
                f"{report['seconds'] / 60:.0f} min")
    return rows(("`hwgen synth`", "PEs", *HEADINGS.values(), "routed at (asked for)",
                 "GMAC/s, peak and sustained", "MACs per 1000 cells", "took"),
                (line(*each) for each in found.items()))


def brief(found):
    """README's table: the designs that were routed."""
    return rows(("design", "PEs", "logic cells", "clock", "GMAC/s"), (
        (f"`{name}`", report["pe"], share(report, "logic_cells"), f"{report['fmax_mhz']:.1f} MHz",
         f"{report['gmacs_peak']:.2f}")
        for name, report in found.items() if report["fmax_mhz"] is not None))


def blocks(found):
    names = [block for block in next(iter(found.values()))["by_block"] if block != WRAPPER]
    return rows(("logic cells", *(f"`{name}`" for name in found)), (
        (block, *(grouped(round(report["by_block"][block]["logic_cells"]))
                  for report in found.values())) for block in names))


def through(signals):
    """The signals on a path; of a long one, such as a carry chain, the first and the last."""
    shown = signals if len(signals) < 6 else [*signals[:2], "...", signals[-1]]
    return ", ".join("..." if signal == "..." else f"`{signal}`" for signal in shown)


def paths(found):
    for name, report in found.items():
        if report["critical_path"]:
            yield f"* `{name}`, {1000 / report['fmax_mhz']:.1f} ns: " + ", then ".join(
                f"{stretch['block']} (`{stretch['path']}`: {through(stretch['signals'])}), "
                f"{stretch['logic_ns']:.1f} ns of logic and {stretch['routing_ns']:.1f} of routing"
                for stretch in report["critical_path"]) + "."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", nargs="*", metavar="NAME", choices=DESIGNS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.run or DESIGNS:
            run(arguments.folder.resolve(), name)
    files = {name: arguments.folder / f"{name}.json" for name in DESIGNS}
    found = {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}
    if not found:
        sys.exit(f"{arguments.folder} holds none of {', '.join(DESIGNS)}: give --run.")
    tables = {table.__name__: list(table(found)) for table in (made, designs, blocks, paths)}
    put(PAGE, tables)
    put(ROOT / "README.md", {"synthesis": brief(found)})


if __name__ == "__main__":
    main()
