"""What a file of this package registers: which operators become a kind of layer, and how."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Kind", "kinds"]


@dataclass(frozen=True)
class Kind:
    """A kind of layer between codes, as ``KIND`` of a file of this package.

    Attributes
    ----------
    order : int
        Kinds are asked in ascending order whether they take a part of a graph.
    between : frozenset of str
        Float operators that may stand between DequantizeLinear and QuantizeLinear; they may work on
        codes as well.
    direct : frozenset of str
        Operators with codes in and out alone.
    takes : callable
        From the operators of a :class:`~hwgen.importer.fragment.Fragment` that compute, a list of
        nodes, to whether they are of this kind.
    layer : callable
        From ``(fragment, codes, tables)`` to a layer, or a :class:`.conv.Code` if it changes
        nothing; ``codes`` are those of the leaves, ``tables`` whether the accelerator has tables.
        Raises :exc:`.conv.OnHost`.
    """
    order: int
    between: frozenset
    direct: frozenset
    takes: Callable
    layer: Callable


def kinds():
    """The kinds of all files of this package, in their order."""
    package = __name__.rpartition(".")[0]
    names = [info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    found = [importlib.import_module(f"{package}.{name}") for name in names]
    return sorted((module.KIND for module in found if hasattr(module, "KIND")),
                  key=lambda kind: kind.order)
