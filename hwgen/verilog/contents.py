"""What a built design consists of: memories, multipliers and ports, counted in its Verilog."""

from collections import Counter
from dataclasses import dataclass

from .netlist import Const, Op, parse

__all__ = ["Memory", "Netlist"]


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
        modules = parse(text)
        self.counts = _count(modules, top, {})
        self.memories = [
            Memory(name, memory.name, self.counts[name], memory.depth, memory.width)
            for name, module in modules.items() if self.counts[name]
            for memory in module.memories.values()]
        self.multipliers = {
            name: self.counts[name] * found for name, module in modules.items()
            if self.counts[name] and (found := sum(map(_multipliers, module.values())))}
        nets = modules[top].nets
        self.ports = [{"name": name, "direction": nets[name].direction, "width": nets[name].width}
                      for name in modules[top].ports]


def _count(modules, name, inside):
    """How often each module is in one instance of a module, itself among them."""
    if name not in inside:
        inside[name] = Counter({name: 1})
        for instance in modules[name].instances:
            inside[name].update(_count(modules, instance.module, inside))
    return inside[name]


def _multipliers(value):
    """Products of two variables in an expression; one with a constant is a sum of shifts."""
    if not isinstance(value, Op):
        return 0
    found = sum(map(_multipliers, value.args))
    return found + (value.op == "*" and not any(isinstance(part, Const) for part in value.args))
