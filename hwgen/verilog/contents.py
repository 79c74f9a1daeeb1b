"""What a built design consists of: memories, multipliers and ports, counted in its Verilog.

Reads the Verilog that :mod:`hwgen.rtl.block` writes, one declaration or statement a line.
"""

import re
from collections import Counter
from dataclasses import dataclass

__all__ = ["Memory", "Netlist"]


# A product of two variables; one with a constant is a sum of shifts.
_MULTIPLIER = r"^  assign .* \* (?!\d+'h)"


@dataclass(frozen=True)
class Memory:
    """A memory of a module: ``count`` instances of ``depth`` words of ``width`` bits."""
    module: str
    name: str
    count: int
    depth: int
    width: int

    @property
    def bits(self):
        """All bits of all instances."""
        return self.count * self.depth * self.width


class Netlist:
    """The modules of a Verilog text, and how often each of them is there.

    Parameters
    ----------
    text : str
        Every module of the design.
    top : str
        The module that instantiates, in the end, all others.

    Attributes
    ----------
    counts : dict of str to int
        Instances of each module.
    memories : list of Memory
    multipliers : dict of str to int
        Multipliers of two variables in all instances of each module that has any.
    ports : list of dict
        Of the top: ``name``, ``direction`` (``input`` or ``output``) and ``width`` in bits.
    """

    def __init__(self, text, top="hwgen"):
        modules = {name: body for name, body in
                   re.findall(r"^module (\w+)(.*?)^endmodule", text, re.M | re.S)}
        self.counts = Counter()
        self._count(modules, top, Counter())
        self.memories = [
            Memory(module, name.split("$")[0], self.counts[module], int(depth) + 1,
                   int(width or 0) + 1)
            for module, body in modules.items() if self.counts[module]
            for width, name, depth in
            re.findall(r"^  reg (?:\[(\d+):0\] )?\\?(\S+) +\[(\d+):0\];", body, re.M)]
        self.multipliers = {
            module: self.counts[module] * found for module, body in modules.items()
            if self.counts[module] and (found := len(re.findall(_MULTIPLIER, body, re.M)))}
        ports = {name: (direction, int(width or 0) + 1) for direction, width, name in
                 re.findall(r"^  (input|output) (?:reg )?(?:\[(\d+):0\] )?(\w+);", modules[top],
                            re.M)}
        header = re.match(r"\(([^;]*)\);", modules[top])[1]
        self.ports = [{"name": name, "direction": ports[name][0], "width": ports[name][1]}
                      for name in re.split(r",\s+", header)]

    def _count(self, modules, name, inside):
        own = inside.get(name)
        if own is None:
            own = Counter({name: 1})
            for child in re.findall(r"^  (\w+) \S+ +\($", modules[name], re.M):
                own.update(self._count(modules, child, inside))
            inside[name] = own
        self.counts = own
        return own
