"""A quantised network as hwgen sees it: tensors and integer layers.

Shapes use the field's letters: M filters, C channels, H x W input, R x S filter, E x F output,
U strides, P padding, D dilation, G groups. Everything is for batch N = 1.
"""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Tensor", "Conv", "MaxPool", "Host", "Network"]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A quantised activation.

    Attributes
    ----------
    name : str
        Its name in the ONNX file.
    shape : tuple of int
        ``(C, H, W)``; a vector of C values has H = W = 1.
    dtype : numpy.dtype
        ``uint8`` or ``int8``.
    zero_point : int
    scale : float
        float32 value.
    onnx_shape : tuple of int
        Shape in the ONNX file, with the batch dimension.
    """
    name: str
    shape: tuple
    dtype: np.dtype
    zero_point: int
    scale: float
    onnx_shape: tuple


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution with requantisation; a fully connected layer has R = S = H = W = 1.

        acc[m, e, f] = bias[m] + sum over c, r, s of
                       (x[c, e*U0 + r*D0 - top, f*U1 + s*D1 - left] - zx) * weight[m, c, r, s]
        y[m, e, f]   = clip(rint(float32(acc) * scale[m]) + zy, lo, hi)

    Attributes
    ----------
    weight : numpy.ndarray
        ``w - zw``, int16, shape ``(M, C // groups, R, S)``, values -255 to 255.
    bias : numpy.ndarray
        int32, shape ``(M,)``.
    scale : numpy.ndarray
        float32, shape ``(M,)``: ``float32(float32(sx * sw) / sy)``.
    stride, dilation : tuple of int
        ``(rows, columns)``.
    pads : tuple of int
        ``(top, left, bottom, right)``.
    lo, hi : int
        Smallest and largest output: the range of the type, or narrower for Relu and Clip.
    """
    name: str
    x: Tensor
    y: Tensor
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    pads: tuple = (0, 0, 0, 0)
    groups: int = 1
    lo: int = 0
    hi: int = 255

    @property
    def macs(self):
        """Multiply-accumulates, padding included, as the field counts them."""
        return int(np.prod(self.y.shape)) * int(np.prod(self.weight.shape[1:]))


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Largest value of each window; positions outside the input are left out."""
    name: str
    x: Tensor
    y: Tensor
    kernel: tuple
    stride: tuple = (1, 1)
    pads: tuple = (0, 0, 0, 0)
    macs = 0


@dataclass(frozen=True, eq=False)
class Host:
    """A part of the ONNX file that ONNX Runtime computes on the host: the float ends.

    Attributes
    ----------
    model : bytes
        A serialised ONNX model of just these nodes.
    inputs, outputs : tuple of str
        Tensor names in and out.
    """
    name: str
    model: bytes
    inputs: tuple
    outputs: tuple


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in an order in which each one's inputs come first.

    Attributes
    ----------
    layers : list
        :class:`Conv`, :class:`MaxPool`, :class:`Host`. Reshapes that do not move a byte (Flatten,
        Reshape, Squeeze) have no layer: ``aliases`` maps their output's name to the input's, and
        the consumer's ``x`` has the new shape under the producer's name.
    inputs, outputs : dict of str to (shape, dtype)
        As the ONNX file declares them.
    """
    name: str
    layers: list
    inputs: dict
    outputs: dict
    aliases: dict = field(default_factory=dict)
