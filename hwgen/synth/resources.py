"""What a mapped netlist consists of: cells by resource and block, memories by what they became."""

import json
import re
from collections import Counter, defaultdict

from ..machines import machine_of
from ..verilog.netlist import refs
from ..verilog.reader import parse
from .targets import RESOURCES
from .yosys import TOP, WORDS

__all__ = ["BLOCKS", "WRAPPER", "Places", "Resources", "load", "signal"]

#: The wrapper of the pins, apart from the accelerator.
WRAPPER = "wrapper of the pins"

_REST = "wiring"

#: Every block, in the order of the tables.
BLOCKS = ("PEs", "array rows", "NoC", "GLB", "output stage", "loader", "DMA", "controller", "CSRs",
          _REST, WRAPPER)


def signal(name):
    """The wire or register after which Yosys named a cell, without its path."""
    return re.split(r"_(?:TRELLIS|LUT|CCU2C|SB_|DFF|ALU|MUX|MULT|DP16KD|FD|CARRY|\$)",
                    name.rpartition(".")[2])[0]


class Places:
    """Blocks of cells by their names in the flat netlist.

    A cell is named after a wire that it drives. A wire between two blocks belongs to the one that
    drives it, which the Verilog tells.

    Parameters
    ----------
    config : Config
        Its machine tells the blocks.
    verilog : str
    wrapped : bool
        The accelerator is an instance in the wrapper of the pins.
    """
    def __init__(self, config, verilog, wrapped=False):
        self._wrapped = wrapped
        self._paths = machine_of(config).synthesis.blocks
        self._drivers = {}
        modules = parse(verilog)
        for top, path in ((TOP, ""), ("core", "core.")):
            for instance in modules[top].instances if top in modules else ():
                nets = modules[instance.module].nets
                for pin, value in instance.pins.items():
                    if nets[pin].direction == "output":
                        for wire in refs(value):
                            self._drivers[path + wire] = f"{path}{instance.name}."

    def path(self, name):
        """The path of a cell's instance: ``core.array.row_3``; empty for the top."""
        name = name.removeprefix(f"{TOP}.")
        path = name.rpartition(".")[0]
        wire = f"{path}.{signal(name)}".lstrip(".")
        return self._drivers.get(wire, f"{path}.").rstrip(".")

    def block(self, name):
        """The block of a cell, one of :data:`BLOCKS`."""
        if self._wrapped and not name.startswith(f"{TOP}."):
            return WRAPPER
        inside = f"{self.path(name)}.{signal(name)}".lstrip(".")
        return next((label for label, pattern in self._paths if re.match(pattern, inside)), _REST)


def load(path):
    """The modules of a netlist that Yosys wrote as JSON."""
    with open(path) as file:
        return json.load(file)


class Resources:
    """Resources of the top module of a netlist.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it, flat.
    top : str
    target : Target
    places : Places

    Attributes
    ----------
    by_block : dict of str to dict
        Amount of each of :data:`~hwgen.synth.targets.RESOURCES`, for each block that has cells.
    total : dict of str to int
        Their sums without the wrapper.
    cells : Counter
        Cells by type.
    memories : dict of str to Counter
        Cells that a memory became, by the memory's path; equal instances apart.

    Raises
    ------
    HwgenError
        The family cannot count a cell: a gate has no known area.
    """
    def __init__(self, netlist, top, target, places):
        cells = netlist["modules"][top]["cells"]
        amounts = defaultdict(Counter)
        self.cells = Counter()
        self.memories = defaultdict(Counter)
        for name, cell in cells.items():
            kind = cell["type"]
            if kind.startswith("$scopeinfo"):
                continue
            self.cells[kind] += 1
            resource, amount = target.family.cells.get(kind, (None, 0))
            if resource:
                amounts[places.block(name)][resource] += amount
            if kind in target.family.memories:
                path = re.sub(r"(\$\d+)?(\.\d+)+$", "", name.removeprefix(f"{TOP}."))
                self.memories[path.removesuffix(WORDS)][kind] += 1
        for name, resource, amount in target.family.further(cells):
            amounts[places.block(name)][resource] += amount
        self.by_block = {
            name: {resource: _whole(amounts[name][resource]) for resource in RESOURCES}
            for name in BLOCKS if name in amounts}
        self.total = {resource: sum(row[resource] for name, row in self.by_block.items()
                                    if name != WRAPPER) for resource in RESOURCES}


def _whole(amount):
    return int(amount + 0.5)
