"""Place and route with nextpnr: the run, the clock reached, the critical path by block."""

import json
import re

from ..errors import HwgenError
from ..tools import find_nextpnr, find_packer
from .resources import signal

__all__ = ["PLACERS", "run", "fmax", "critical_path", "utilisation", "bitstream"]

#: nextpnr's placers; the second spreads the logic evenly over the device.
PLACERS = ("heap", "static")

# With a floorplan logic may be spread thinner, timing weighed more, and the faster router ends.
_PLANNED = ("--placer-heap-beta", "0.7", "--placer-heap-timingweight", "30", "--router", "router2")

# Rounds of that router without fewer wires in double use after which it is stopped: it has no end
# of its own, and has been seen to take 30 and to end after all.
_PATIENCE = 60


def run(folder, target, clock_mhz, seed, *, placer="heap", progress=None):
    """Place and route ``netlist.json`` in ``folder``; returns nextpnr's report.

    Parameters
    ----------
    folder : pathlib.Path
        The log goes to ``nextpnr.log``, the report to ``report.json``.
    target : Target
    clock_mhz : float
        Clock to aim at; missing it is no error here.
    seed : int
        Of the placer.
    placer : str
        One of :data:`PLACERS`.
    progress : callable
        Called with what nextpnr says it does.

    Raises
    ------
    HwgenError
        nextpnr is missing, or fails, or its router gets no further.
    """
    tool = find_nextpnr(target.family.nextpnr)
    arguments = (*target.arguments, *target.family.place_arguments, "--json", "netlist.json",
                 "--freq", f"{clock_mhz:g}", "--seed", str(seed), "--placer", placer,
                 "--timing-allow-fail", "--report", "report.json")
    if target.sites:
        arguments += _PLANNED
    errors = []
    best = since = None                  # fewest wires in double use, rounds since

    def line(text):
        nonlocal best, since
        if text.startswith("ERROR: "):
            errors.append(text[7:].strip())
        found = re.match(r"Info: +(\S.{5,60})", text)
        if found and progress is not None:
            progress(found[1])
        if found := re.search(r" iter=\d+ .*overused=(\d+)", text):
            left = int(found[1])
            best, since = (left, 0) if best is None or left < best else (best, since + 1)
            if since == _PATIENCE:
                raise HwgenError(
                    f"{target.family.nextpnr} could not route the design for {target.title}: "
                    f"{best} wires stay in double use, for {_PATIENCE} rounds of its router; try "
                    "another --seed or a smaller array.")

    if tool.run(arguments, folder, "nextpnr.log", line) or errors:
        raise HwgenError(f"{target.family.nextpnr} could not place and route the design for "
                         f"{target.title}: {errors[0] if errors else 'it ended early'}")
    return json.loads((folder / "report.json").read_text())


def fmax(report):
    """The clock that the routed design reaches, in MHz."""
    return min(clock["achieved"] for clock in report["fmax"].values())


def utilisation(report):
    """``{cell: used}`` of the device's cells, as nextpnr counts them."""
    return {cell: values["used"] for cell, values in report["utilization"].items()}


def critical_path(report, places):
    """The slowest path from register to register, as a list of its stretches.

    Each is a dict: ``block`` as in the table of resources, ``path`` of the instance, ``signals``
    passed there, ``logic_ns`` and ``routing_ns`` spent on the way to and through its cells.
    """
    paths = [path["path"] for path in report["critical_paths"]
             if "async" not in path["from"] + path["to"]]
    slowest = max(paths, key=lambda path: sum(hop["delay"] for hop in path))
    stretches = []
    for hop in slowest:
        cell = hop["to"]["cell"]
        kind = "routing_ns" if hop["type"] == "routing" else "logic_ns"
        if not cell.startswith("$"):            # else nextpnr's own, on the way
            path = places.path(cell)
            if not stretches or stretches[-1]["path"] != path:
                stretches.append({"block": places.block(cell), "path": path, "signals": [],
                                  "logic_ns": 0, "routing_ns": 0})
            if signal(cell) not in stretches[-1]["signals"]:
                stretches[-1]["signals"].append(signal(cell))
        stretches[-1][kind] += hop["delay"]
    for stretch in stretches:
        stretch["logic_ns"] = round(stretch["logic_ns"], 2)
        stretch["routing_ns"] = round(stretch["routing_ns"], 2)
    return stretches


def bitstream(folder, target):
    """Make the bitstream of the routed design; returns its name in ``folder``.

    Raises :exc:`HwgenError` if the packer is missing or fails.
    """
    family, name = target.family, target.family.bitstream
    tool = find_packer(family.packer)
    lines = ["no reason is known"]
    failed = tool.run(list(family.packer_arguments(target)), folder, f"{family.packer}.log",
                      lambda text: lines.append(text.strip()))
    if failed or not (folder / name).exists():
        raise HwgenError(f"{family.packer} could not make the bitstream: {lines[-1]}.")
    return name
