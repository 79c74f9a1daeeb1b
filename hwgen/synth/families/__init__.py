"""Families of devices: their cells, and the steps of the tools that make a netlist of them.

Each module but :mod:`~hwgen.synth.families.base` has one family as ``FAMILY``, so a new family is
one more module. The devices of a family are data, in ``targets.toml``.
"""

import pkgutil
from functools import cache
from importlib import import_module

from .base import Family, by_type

__all__ = ["Family", "by_type", "families"]


@cache
def families():
    """``{name: Family}``."""
    found = (import_module(f"{__name__}.{module.name}") for module in
             pkgutil.iter_modules(__path__) if module.name != "base")
    return {module.FAMILY.name: module.FAMILY for module in found}
