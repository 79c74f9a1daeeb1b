"""The kinds of accelerators that hwgen builds, each in a module of its own.

A *machine* is one way to run the command stream. Whatever depends on it asks the
:class:`~hwgen.machines.base.Machine` of the configuration; nothing outside of this package asks
which machine that is. Each module but :mod:`~hwgen.machines.base` has one as ``MACHINE``, so a new
machine is one more module (and its RTL and cost model).
"""

import pkgutil
from functools import cache
from importlib import import_module

from .base import Bandwidths, CostModel, Machine, Order, Synthesis

__all__ = ["Bandwidths", "CostModel", "Machine", "Order", "Synthesis", "machine_of", "machines"]


@cache
def machines():
    """``{name: Machine}``, sorted by name."""
    found = (import_module(f"{__name__}.{module.name}").MACHINE
             for module in pkgutil.iter_modules(__path__) if module.name != "base")
    return {machine.name: machine for machine in sorted(found, key=lambda machine: machine.name)}


def machine_of(config):
    """The :class:`~hwgen.machines.base.Machine` of a :class:`~hwgen.config.Config`."""
    return machines()[config.machine]
