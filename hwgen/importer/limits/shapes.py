"""Shapes that the rewritings look at."""

__all__ = ["Rows", "usual"]


def usual(graph, name, ranks=(3, 4)):
    """The shape of a value if it is known, of one of these ranks, and not empty; or None."""
    shape = graph.values[name][0]
    return shape if shape is not None and len(shape) in ranks and min(shape) > 0 else None


class Rows:
    """What :func:`~hwgen.importer.operators.conv.window` asks of a tensor: its shape as channels,
    rows, columns."""

    def __init__(self, shape):
        self.shape = (shape[1], *(1,) * (4 - len(shape)), *shape[2:])
