"""From a design to its figures: synthesis, place and route, and what both found."""

import json
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import HwgenError
from ..machines import machine_of
from ..tools import find_nextpnr, find_yosys
from . import nextpnr, yosys
from .floorplan import floorplan
from .resources import WRAPPER, Places, Resources, load
from .targets import RESOURCES
from .wrapper import NAME, wrapper

__all__ = ["Result", "synthesise"]


@dataclass
class Result:
    """What synthesis, and place and route if asked for, found.

    Attributes
    ----------
    total, by_block : dict
        Resources, as in :class:`~hwgen.synth.resources.Resources`.
    memories : list of dict
        ``memory``, ``block``, ``count``, ``depth``, ``width`` and ``became``: the cells of each.
    fmax_mhz : float or None
        Clock after place and route.
    routed : dict of str to int
        Resources of all, wrapper included, as place and route counts them.
    path : list of dict
        See :func:`~hwgen.synth.nextpnr.critical_path`.
    seconds : float
    tools : list of str
    warnings : list of str
    files : dict of str to bytes
        Netlist, logs and, after place and route, the bitstream.
    """
    total: dict
    by_block: dict
    memories: list
    seconds: float = 0
    fmax_mhz: float = None
    routed: dict = field(default_factory=dict)
    path: list = field(default_factory=list)
    tools: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    files: dict = field(default_factory=dict)

    def fits(self, target):
        """Whether the device holds it all; None if no device is meant."""
        if target.capacity is None:
            return None
        every = {resource: sum(row[resource] for row in self.by_block.values())
                 for resource in RESOURCES}
        return self.fmax_mhz is not None or all(
            every[resource] <= target.capacity[resource] for resource in RESOURCES)


def synthesise(config, verilog, target, *, place=False, clock_mhz=None, seed=1,
               placer="heap", keep=False, progress=None):
    """Synthesise a design, and place and route it if ``place`` is true.

    Parameters
    ----------
    config : Config
    verilog : str
        Its Verilog.
    target : Target
    place : bool
        Also run nextpnr, with the pins' wrapper as the top.
    clock_mhz : float
        Clock to aim at; the configuration's by default.
    seed : int
        Of the placer.
    placer : str
        One of :data:`~hwgen.synth.nextpnr.PLACERS`.
    keep : bool
        Return the files as well.
    progress : callable
        Called with a few words about what is being done.

    Returns
    -------
    Result

    Raises
    ------
    HwgenError
        A tool is missing or fails; the netlist has latches, loops or nets with several drivers; a
        memory fell to flip-flops; what is to be placed does not fit.
    """
    began = time.perf_counter()
    progress = progress or (lambda text: None)
    tools = [find_yosys().version]
    if place:
        tools.append(find_nextpnr(target.family.nextpnr).version)
    with tempfile.TemporaryDirectory(prefix="hwgen-synth-") as name:
        folder = Path(name)
        (folder / "hwgen.v").write_text(yosys.source(verilog, config, target))
        if place:
            (folder / "wrapper.v").write_text(
                wrapper(verilog, slices=target.family.register_slices))
        top = NAME if place else yosys.TOP
        log = yosys.run(folder, yosys.script(config, target, NAME if place else None),
                        progress=lambda text: progress(f"Yosys: {text.lower()}"))
        netlist = load(folder / "netlist.json")
        target.family.pack(netlist["modules"][top], progress)
        if keep:
            (folder / "netlist.json").write_text(json.dumps(netlist))
            yosys.run(folder, yosys.VERILOG, name="verilog")
        places = Places(config, verilog, wrapped=place)
        resources = Resources(netlist, top, target, places)
        _check_limits(resources.cells, target)
        found = yosys.memories((folder / "memories.txt").read_text(), log)
        result = Result(resources.total, resources.by_block,
                        _memories(found, resources.memories, config, target,
                                 Places(config, verilog)),
                        tools=tools, warnings=yosys.complaints(log))
        if place:
            _refuse_excess(result, target)
            target.family.before_placement(netlist["modules"][top])
            floorplan(netlist["modules"][top]["cells"], target.sites)
            (folder / "netlist.json").write_text(json.dumps(netlist))
            del netlist
            report = nextpnr.run(folder, target, clock_mhz or config.clock_mhz, seed,
                                 placer=placer, progress=lambda text: progress(f"nextpnr: {text}"))
            result.fmax_mhz = round(nextpnr.fmax(report), 2)
            used = nextpnr.utilisation(report)
            result.routed = {resource: used[cell]
                             for resource, cell in target.family.placed.items()}
            result.path = nextpnr.critical_path(report, places)
            nextpnr.bitstream(folder, target)
        if keep:
            result.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    result.seconds = round(time.perf_counter() - began, 1)
    return result


def _check_limits(cells, target):
    """Refuse more of a kind of cells than the device has, unless it is one of the resources."""
    for kind, limit in target.limits.items():
        if cells[kind] > limit:
            raise HwgenError(f"the design needs {cells[kind]} {kind} and {target.title} has "
                             f"{limit}: choose a smaller GLB, or a larger device.")


def _refuse_excess(result, target):
    """Refuse to place what the device cannot hold, by what it lacks."""
    for resource in RESOURCES:
        need = sum(row[resource] for row in result.by_block.values())
        if need > target.capacity[resource]:
            raise HwgenError(f"the design needs {need} {target.family.units[resource]} (wrapper: "
                             f"{result.by_block[WRAPPER][resource]}) and {target.title} has "
                             f"{target.capacity[resource]}: choose a smaller array or device.")


def _memories(found, cells, config, target, places):
    """Each memory of the design, those of equal instances together, and what it became."""
    result, fallen = [], []
    instances = machine_of(config).synthesis.instances(config)
    for memory in found:
        prefix, count = instances.get(memory.module, ("", 1))
        path = prefix + memory.name
        if not target.family.device:
            became = "memory, not counted"
        elif memory.registers:
            became = "flip-flops"
            if not memory.wanted and memory.bits > target.family.register_bits:
                fallen.append(f"{path} ({memory.depth} x {memory.width})")
        else:
            became = " + ".join(f"{number} {kind}" for kind, number in sorted(cells[path].items()))
        result.append({"memory": re.sub(r"(_0)+(?=\.)", "", path) if prefix else path,
                       "block": places.block(path), "count": count, "depth": memory.depth,
                       "width": memory.width, "became": became})
    if fallen:
        raise HwgenError(f"memories fell to flip-flops on {target.title}: {', '.join(fallen)}; "
                         f"they must become memories of the device.")
    return sorted(result, key=lambda entry: entry["memory"])
