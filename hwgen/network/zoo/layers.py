"""Float networks as lists of layers: operators, shapes and attributes, but no weights."""

from dataclasses import dataclass, field

import numpy as np

from ..shapes import same_pads

__all__ = ["INPUT", "Layer", "Value", "Architecture"]

INPUT = "image"
"""Name of every network's input."""


@dataclass(frozen=True)
class Value:
    """An activation by name; ``shape`` is ``(C, H, W)``, or ``(C,)`` of a vector."""
    name: str
    shape: tuple


@dataclass(frozen=True)
class Layer:
    """One ONNX node.

    Attributes
    ----------
    op : str
        ONNX operator.
    x : tuple of Value
        Activations that it reads.
    y : Value
        Activation that it gives; it has the node's name.
    weight : tuple of int
        Shape of the weights, ``(M, C // groups, R, S)`` of a Conv, ``(M, C)`` of a Gemm, else ().
    attributes : dict
        Of the ONNX node.
    """
    op: str
    x: tuple
    y: Value
    weight: tuple = ()
    attributes: dict = field(default_factory=dict)

    @property
    def weights(self):
        """Number of weights, biases not counted."""
        return int(np.prod(self.weight)) if self.weight else 0

    @property
    def macs(self):
        """Multiply-accumulates for one image, padding included."""
        return self.weights * int(np.prod(self.y.shape[1:]))


class Architecture:
    """A network under construction: each method adds a layer and returns its output.

    Parameters
    ----------
    name : str
    shape : tuple of int
        Of the input without its batch of 1, ``(C, H, W)`` or of a vector ``(C,)``; it is float32.
    picture : tuple of int
        ``(C, H, W)`` of the photographs that are inputs, if the input has another shape.
    lrn : bool
        Whether :meth:`lrn` adds a layer or nothing.
    gain : float
        Standard deviation that synthetic weights give a convolution's typical output channel.

    Attributes
    ----------
    input : Value
    picture : tuple of int
    layers : list of Layer
        In the order of computation; the last one's output is the network's.
    """

    def __init__(self, name, shape, *, picture=None, lrn=False, gain=1.0):
        self.name, self.gain, self._lrn = name, gain, lrn
        self.input, self.picture = Value(INPUT, shape), picture or shape
        self.layers = []

    def _add(self, op, x, name, shape, weight=(), **attributes):
        y = Value(name, shape)
        self.layers.append(Layer(op, tuple(x), y, weight, attributes))
        return y

    def conv(self, x, name, m, kernel, stride=1, pad=None, groups=1, activation="Relu"):
        """``m`` filters of ``kernel`` x ``kernel``, or of ``kernel`` if that is a pair; ``pad`` on
        all sides is ``kernel // 2`` unless given, ``"same"``: as TensorFlow pads; ``activation`` is
        ``"Relu"``, ``"Relu6"`` or None."""
        (c, *sizes), kernels = x.shape, (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = [same_pads(size, k, stride) if pad == "same" else
                (k // 2 if pad is None else pad,) * 2
                for size, k in zip(sizes, kernels, strict=True)]
        e, f = ((size + sum(around) - k) // stride + 1
                for size, around, k in zip(sizes, pads, kernels, strict=True))
        y = self._add("Conv", [x], name, (m, e, f), (m, c // groups, *kernels),
                      kernel_shape=[*kernels], strides=[stride] * 2,
                      pads=[around[side] for side in (0, 1) for around in pads], group=groups)
        return self.activation(y, activation)

    def fc(self, x, name, m, activation="Relu"):
        """A fully connected layer of ``m`` outputs; ``x`` is flattened if it is no vector."""
        if len(x.shape) > 1:
            x = self._add("Flatten", [x], f"{name}.flatten", (int(np.prod(x.shape)),))
        y = self._add("Gemm", [x], name, (m,), (m, *x.shape), transB=1)
        return self.activation(y, activation)

    def activation(self, x, kind):
        """Relu, Relu6 (a Clip), or nothing."""
        if kind is None:
            return x
        return self._add({"Relu": "Relu", "Relu6": "Clip"}[kind], [x], f"{x.name}.{kind.lower()}",
                         x.shape)

    def maxpool(self, x, name, kernel, stride=2, pad=0, ceil=False):
        """Max pooling; ``ceil`` keeps the last, incomplete window, by padding after the end."""
        c, h, w = x.shape
        spare = [(size + 2 * pad - kernel) % stride for size in (h, w)]
        end = [pad + (stride - s if ceil and s else 0) for s in spare]
        e, f = ((size + pad + after - kernel) // stride + 1
                for size, after in zip((h, w), end, strict=True))
        return self._add("MaxPool", [x], name, (c, e, f), kernel_shape=[kernel] * 2,
                         strides=[stride] * 2, pads=[pad, pad, *end])

    def average(self, x, name):
        """Global average pooling."""
        return self._add("GlobalAveragePool", [x], name, (x.shape[0], 1, 1))

    def flatten(self, x, name):
        """A vector of all values."""
        return self._add("Flatten", [x], name, (int(np.prod(x.shape)),))

    def lrn(self, x, name):
        """Local response normalisation over 5 channels, if this network is to have it."""
        if not self._lrn:
            return x
        return self._add("LRN", [x], name, x.shape, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def add(self, a, b, name, activation=None):
        """The sum of two activations of one shape."""
        return self.activation(self._add("Add", [a, b], name, a.shape), activation)

    def concat(self, values, name):
        """The channels of several activations, one after the other."""
        return self._add("Concat", values, name, (sum(v.shape[0] for v in values),
                                                  *values[0].shape[1:]), axis=1)

    # What the networks are compared by.

    @property
    def output(self):
        return self.layers[-1].y

    def of(self, op):
        """The layers of one operator."""
        return [layer for layer in self.layers if layer.op == op]

    def to_dict(self):
        """Name, input shape, and layers, weights and MACs of CONV and FC layers."""
        figures = {"network": self.name, "input": [1, *self.input.shape]}
        for kind, op in ("conv", "Conv"), ("fc", "Gemm"):
            figures[f"{kind}_layers"] = len(self.of(op))
            figures[f"{kind}_weights"] = sum(layer.weights for layer in self.of(op))
            figures[f"{kind}_macs"] = sum(layer.macs for layer in self.of(op))
        return figures
