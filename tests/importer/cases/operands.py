"""Pointwise operators whose operands have other shapes, or are constants."""

import numpy as np

from .builder import Graph, image

__all__ = ["channels_of_rows", "constant_operands", "gates", "means_of_channels",
           "stretched_operands"]


def _end(g, value, name):
    g.op("Identity", [value], name)
    g.output(name)


def stretched_operands():
    """Sums and products of two tensors, one of which is stretched over rows, columns, channels or a
    batch; or both."""
    g = Graph(np.random.default_rng(7))
    shapes = dict(x=[2, 4, 6, 5], batch=[1, 4, 6, 5], row=[2, 4, 1, 5], column=[4, 6, 1],
                  plane=[2, 1, 6, 5], line=[1, 1, 1, 5], few=[5])
    x, batch, row, column, plane, line, few = (
        g.qdq(g.input(name, shape), 0.02, 120) for name, shape in shapes.items())
    for k, (op, a, b) in enumerate((
        ("Add", x, batch), ("Mul", row, x), ("Add", x, column), ("Mul", x, plane),
        ("Sub", few, x), ("Add", column, line), ("Max", x, row),
    )):
        _end(g, g.qdq(g.op(op, [a, b]), 0.05, 128), f"y{k}")
    return g.model(), {name: image(*shape, seed=k)
                       for k, (name, shape) in enumerate(shapes.items())}


def constant_operands():
    """Quantised constants for each column, row, image, place; among what is joined."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [2, 4, 6, 5]), 0.02, 120)
    for k, shape in enumerate(((5,), (6, 1), (4, 6, 5), (2, 1, 1, 1), (2, 4, 6, 5), (1, 4, 6, 1))):
        c = g.dq(g.init(g.rng.integers(0, 256, shape).astype(np.uint8)), 0.01, 100)
        x = g.qdq(g.op("Mul" if k % 2 else "Add", [c, x] if k > 3 else [x, c]), 0.04, 120)
    c = g.dq(g.init(g.rng.integers(0, 256, (2, 3, 6, 5)).astype(np.uint8)), 0.04, 120)
    x = g.qdq(g.op("Concat", [x, c, x], axis=1), 0.04, 120)
    _end(g, g.conv(x, 0.04, 11, 3, 3, 0.5, 100), "y")
    return g.model(), dict(x=image(2, 4, 6, 5))


def channels_of_rows():
    """BatchNormalization, and constants of one value a channel, for a batch of vectors."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [3, 6]), 0.02, 120)
    given = (g.init(g.rng.uniform(low, high, 6).astype(np.float32)) for low, high in (
        (0.5, 1.5), (-0.1, 0.1), (-0.1, 0.1), (0.5, 2)))
    x = g.qdq(g.op("BatchNormalization", [x, *given]), 0.03, 110)
    x = g.qdq(g.op("Add", [x, g.init(g.rng.normal(0, 1, 6).astype(np.float32))]), 0.04, 110)
    x = g.qdq(g.op("PRelu", [x, g.init(g.rng.normal(0, 1, (1, 6)).astype(np.float32))]), 0.03, 90)
    w, _ = g.weights((6, 4), 128, "u8", per_channel=False)
    _end(g, g.qdq(g.op("MatMul", [x, w]), 0.05, 128), "y")
    return g.model(), dict(x=image(3, 6))


def means_of_channels():
    """A gate by the mean over channels: a sum of float values, whose order is that of the layout
    that ONNX Runtime gives a convolutional network."""
    g = Graph(np.random.default_rng(7))
    x = g.qdq(g.input("x", [1, 4, 40, 40]), 0.02, 128)
    y = g.conv(x, 0.02, 4, 4, 3, 0.05, 100)
    mean = g.qdq(g.op("ReduceMean", [y], axes=[1]), 0.05, 100)
    y = g.qdq(g.op("Mul", [y, g.qdq(g.op("Sigmoid", [mean]), 1 / 256, 0)]), 0.04, 100)
    _end(g, g.conv(y, 0.04, 4, 3, 3, 0.1, 100), "y")
    return g.model(), dict(x=image(1, 4, 40, 40))


def gates(seed=14):
    """A sum with one value a channel: the kernel rounds in an order that depends on the layout."""
    g = Graph(np.random.default_rng(seed))
    x = g.qdq(g.input("x", [1, 4, 40, 40]), 0.02, 128)
    scales, zeros = g.rng.integers(1, 9, 3) / 100, g.rng.integers(100, 150, 3)
    y = g.conv(x, 0.02, 4, 20, 3, scales[0], zeros[0])
    p = g.qdq(g.input("p", [20, 1, 1]), scales[1], zeros[1])
    y = g.qdq(g.op("Add", [p, y]), scales[2], zeros[2])
    _end(g, g.conv(y, scales[2], 20, 5, 3, 0.5, 100), "y")
    return g.model(), dict(x=image(1, 4, 40, 40), p=image(20, 1, 1))
