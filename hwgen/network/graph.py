"""A quantised network as hwgen sees it: tensors and integer layers.

Shapes use the field's letters: M filters, C channels, H x W input, R x S filter, E x F output,
U strides, P padding, D dilation, G groups. Everything is for batch N = 1.
"""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Tensor", "Conv", "MaxPool", "Elementwise", "Piece", "Move", "Host", "Network"]


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
        ``uint8`` or ``int8``; ``int32`` for the sums of a :class:`Conv` without requantisation.
    zero_point : int
    scale : float
        float32 value. Where the file does not say how a tensor is read, the zero point is 0 and
        the scale 1: the equations of its readers hold all they need.
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
        float32, shape ``(M,)``: ``float32(float32(sx * sw) / sy)``. An average whose windows hold
        different numbers of values has one for each place, ``(1, E, F)``.
    stride, dilation : tuple of int
        ``(rows, columns)``.
    pads : tuple of int
        ``(top, left, bottom, right)``.
    lo, hi : int
        Smallest and largest output: the range of the type, or narrower for Relu and Clip.
    turned : tuple of bool
        Of ``x`` and ``y``: whether it is a matrix with a row of channels for each column, of shape
        ``(W, 1, C)``. The equation is that of the tensor ``(C, 1, W)``. Matrix products of
        several rows, with R = S = 1, are the only ones that have it.

    Notes
    -----
    If ``y.dtype`` is ``int32``, ``y`` is ``acc`` itself; ``scale``, ``lo`` and ``hi`` are unused.
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
    turned: tuple = (False, False)

    @property
    def inputs(self):
        """The one input, as every integer layer gives them."""
        return (self.x,)

    @property
    def macs(self):
        """Multiply-accumulates, padding included, as the field counts them."""
        return int(np.prod(self.y.shape)) * int(np.prod(self.weight.shape[1:]))


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Largest value of each window; positions outside the input are left out.

    ``ceil_mode`` shows only in ``y.shape``: its last windows may pass the input and the pads.

    Attributes
    ----------
    table : numpy.ndarray or None
        uint8, 256 entries: what becomes of the largest value, from the byte as stored to the byte
        as stored; a greater value never becomes a smaller one. None: nothing.
    """
    name: str
    x: Tensor
    y: Tensor
    kernel: tuple
    stride: tuple = (1, 1)
    pads: tuple = (0, 0, 0, 0)
    dilation: tuple = (1, 1)
    table: np.ndarray | None = None
    macs = 0

    @property
    def inputs(self):
        """The one input, as every integer layer gives them."""
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of one tensor's values, or of the values of two at the same place.

        acc = tables[0][a] + tables[1][b]          (product: tables[0][a] * tables[1][b])
        y   = clip(rint(float32(acc) * scale) + zy, lo, hi)

    ``a`` and ``b`` are the bytes as stored, ``value & 255``. With one input ``acc`` is
    ``tables[0][a]``; a function of it is the table ``y - zy`` with the scale 1.

    Attributes
    ----------
    inputs : tuple of Tensor
        One or two; each has the shape of ``y``, the second may have ``(C, 1, 1)`` instead: one
        value a channel. ``int8`` and ``uint8`` may differ between the inputs and ``y``.
    tables : tuple of numpy.ndarray
        int32, 256 entries, one table for each input; a product's lie within -256 to 255.
    product : bool
    scale : numpy.float32
        Positive and finite.
    lo, hi : int
        Smallest and largest output.

    Notes
    -----
    ``zy`` is ``y.zero_point``: what this layer adds, which is 0 where the tables contain the
    tensor's zero point.
    """
    name: str
    inputs: tuple
    y: Tensor
    tables: tuple
    product: bool = False
    scale: np.float32 = np.float32(1)
    lo: int = 0
    hi: int = 255
    macs = 0


@dataclass(frozen=True, eq=False)
class Piece:
    """A grid of one input's values and the grid of the output that they go to.

        y[dest + i * dest_step] = table[x[start + i * step]]        for i < size, componentwise

    Attributes
    ----------
    input : int
        Index into the inputs of the :class:`Move`.
    start, step, size, dest, dest_step : tuple of int
        ``(channels, rows, columns)``; steps and sizes are 1 or more.
    table : numpy.ndarray or None
        uint8, 256 entries, from the byte as stored to the byte as stored; None: unchanged.
    """
    input: int
    start: tuple
    step: tuple
    size: tuple
    dest: tuple
    dest_step: tuple
    table: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Move:
    """Values of the inputs, or functions of them, in other places: Concat, Slice, Pad, Resize.

    Attributes
    ----------
    inputs : tuple of Tensor
    pieces : tuple of Piece
        No two of them write the same place.
    fill : int or None
        What stands where no piece writes, a value of ``y``'s type; None if pieces cover ``y``.
    """
    name: str
    inputs: tuple
    y: Tensor
    pieces: tuple
    fill: int | None = None
    macs = 0


@dataclass(frozen=True, eq=False)
class Host:
    """A part of the ONNX file that ONNX Runtime computes on the host, anywhere in the network.

    Attributes
    ----------
    model : bytes
        A serialised ONNX model of just these nodes.
    inputs, outputs : tuple of str
        Tensor names in and out.
    nodes : tuple of (str, str)
        Name and operator of each node; those that only give codes another shape are left out
        beside others.
    macs : int
        Multiply-accumulates of its convolutions and matrix products.
    """
    name: str
    model: bytes
    inputs: tuple
    outputs: tuple
    nodes: tuple = ()
    macs: int = 0


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in an order in which each one's inputs come first.

    Attributes
    ----------
    layers : list
        :class:`Conv`, :class:`MaxPool`, :class:`Elementwise`, :class:`Move`, :class:`Host`; all
        but the last are integer layers, with ``inputs`` and ``y``. Operators that do not move a
        byte (Flatten, Reshape, Squeeze) have no layer: ``aliases`` maps their output's name to the
        input's, and the consumer's input has the new shape under the producer's name.
    inputs, outputs : dict of str to (shape, dtype)
        As the ONNX file declares them.
    reasons : dict of str to str
        Why nodes that work on codes are in a :class:`Host` part: a sentence by the node's name.
    integers : dict of str to tuple of str
        Products that ONNX Runtime computes in float, and that are integer layers here: by the
        node's name, the codes that the result is quantised to.
    integer_macs : tuple of int
        Multiply-accumulates that ONNX Runtime computes in integers, and those of the whole file.
    constants : dict of str to numpy.ndarray
        Codes that layers read and that are the same in every run.
    """
    name: str
    layers: list
    inputs: dict
    outputs: dict
    aliases: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)
    integers: dict = field(default_factory=dict)
    integer_macs: tuple = (0, 0)
    constants: dict = field(default_factory=dict)
