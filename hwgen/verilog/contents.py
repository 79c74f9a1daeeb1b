"""What a built design consists of: memories, multipliers and ports, counted in its Verilog."""

from collections import Counter
from dataclasses import dataclass

from .netlist import Const, Op
from .reader import elaborate

__all__ = ["Memory", "Netlist"]


@dataclass(frozen=True)
class Memory:
    """A memory, an instance ``name`` in a module: ``count`` of ``depth`` words of ``width`` bits.
    """
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
        Instances of each module; of one with parameters, of all their values together.
    memories : list of Memory
    multipliers : dict of str to int
        Multipliers of two variables in all instances of each module that has any.
    ports : list of dict
        Of the top: ``name``, ``direction`` (``input`` or ``output``) and ``width`` in bits.
    """

    def __init__(self, text, top="hwgen"):
        modules = elaborate(text, top)
        counts = _count(modules, top, {})
        self.counts = Counter()
        for name, count in counts.items():
            self.counts[_base(name)] += count
        # Each memory is a module of its own.
        self.memories = [
            Memory(_base(name), instance.name, counts[name], memory.depth, memory.width)
            for name, module in modules.items() for instance in module.instances
            for memory in modules[instance.module].memories.values()]
        self.multipliers = {
            _base(name): counts[name] * found for name, module in modules.items()
            if (found := sum(map(_multipliers, module.values())))}
        nets = modules[top].nets
        self.ports = [{"name": name, "direction": nets[name].direction, "width": nets[name].width}
                      for name in modules[top].ports]


def _base(name):
    """The name of a module without its parameters."""
    return name.partition(" ")[0]


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
