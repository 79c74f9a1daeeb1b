"""Operators beyond what the accelerator's commands hold, written as several within."""

from .large_pools import pooled
from .matrices import gemm, matrices
from .pads import padded
from .spread import joined, spread
from .volumes import planes

__all__ = ["within_limits"]

_REWRITINGS = (padded, planes, pooled, matrices, gemm, spread, joined)


def within_limits(graph):
    """Rewrite nodes of a graph in place; whether there were any. What comes of it may need to be
    rewritten in turn.

    A convolution with wide pads gets a Pad of its own, filled with the input's zero point; one of
    volumes becomes one of planes for each output plane. A large window is pooled in steps, on
    codes: the largest value of the largest values. A product with a vector, or with a stack of
    matrices, becomes products with matrices. Operands of pointwise operators are stretched.
    """
    nodes, changed = [], False
    for node in graph.nodes:
        made = next(filter(None, (rewrite(graph, node) for rewrite in _REWRITINGS)), None)
        nodes += made or [node]
        changed |= made is not None
    if changed:
        graph.replace(nodes)
    return changed
