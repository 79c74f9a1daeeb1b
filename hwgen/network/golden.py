"""The golden model: what every tensor of a quantised network must be, bit for bit.

Plain NumPy from the equations in :mod:`hwgen.network.graph`; it knows nothing of mappings, commands
or hardware.
"""

import functools
from dataclasses import replace

import numpy as np

from ..errors import HwgenError
from .graph import Conv, Elementwise, Host, MaxPool, Move
from .ort_session import session

__all__ = ["accumulate", "requantise", "conv", "maxpool", "elementwise", "move", "compute",
           "host", "checked", "run"]


def _windows(x, layer, kernel, dilation, pad_value):
    """Yield ``(r, taps)``: for each kernel row the ``(S, C, E, F)`` values that it meets."""
    (top, left, _, _), (u, v) = layer.pads, layer.stride
    _, e, f = layer.y.shape
    # Rows and columns up to the last that a window reaches; those beyond the pads are cut off.
    rows = (e - 1) * u + (kernel[0] - 1) * dilation[0] + 1
    cols = (f - 1) * v + (kernel[1] - 1) * dilation[1] + 1
    padded = np.full((x.shape[0], max(rows, top + x.shape[1]), max(cols, left + x.shape[2])),
                     pad_value, x.dtype)
    padded[:, top:top + x.shape[1], left:left + x.shape[2]] = x
    for r in range(kernel[0]):
        band = padded[:, r * dilation[0]:][:, :(e - 1) * u + 1:u]
        yield r, np.stack([band[:, :, s * dilation[1]:][:, :, :(f - 1) * v + 1:v]
                           for s in range(kernel[1])])


def accumulate(layer, x):
    """The sum of a convolution, bias included, wrapped to 32 bits.

    Parameters
    ----------
    layer : Conv
    x : numpy.ndarray
        ``(C, H, W)`` in ``layer.x.dtype``.

    Returns
    -------
    numpy.ndarray
        int32, shape ``(M, E, F)``.
    """
    _expect(layer, (x,))
    m, e, f = layer.y.shape
    groups = layer.groups
    # float64 matrix products are exact here: |x - zx| and |w - zw| are at most 255, so even 2**37
    # products stay below 2**53 in every order of summation. Wrapping to 32 bits once, at the end,
    # equals wrapping after every addition.
    x = x.astype(np.float64) - layer.x.zero_point
    weight = layer.weight.astype(np.float64)
    weight = weight.reshape(groups, m // groups, *weight.shape[1:])
    acc = np.zeros((groups, m // groups, e * f))
    for r, taps in _windows(x, layer, weight.shape[3:], layer.dilation, 0):
        taps = np.moveaxis(taps, 0, 1).reshape(groups, -1, e * f)    # (c, s) as in weight's row r
        acc += weight[:, :, :, r].reshape(groups, m // groups, -1) @ taps
    acc = acc.reshape(m, e, f).astype(np.int64) + layer.bias.reshape(m, 1, 1)
    return acc.astype(np.int32)


def requantise(layer, acc):
    """The output of a layer from its sums: the one float32 rule.

    Parameters
    ----------
    layer : Conv or Elementwise
    acc : numpy.ndarray
        int32, shape ``(M, ...)``.

    Returns
    -------
    numpy.ndarray
        Same shape, in ``layer.y.dtype``.
    """
    scale = layer.scale
    if np.ndim(scale) < 3:
        scale = np.reshape(scale, (-1, *[1] * (acc.ndim - 1)))
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.rint(acc.astype(np.float32) * scale)
    # float64 holds the rounded float32 and the sum with zy exactly wherever it is not clipped.
    y = np.clip(scaled.astype(np.float64) + layer.y.zero_point, layer.lo, layer.hi)
    return y.astype(layer.y.dtype)


def conv(layer, x):
    """``layer.y`` of a :class:`Conv` for ``x`` of shape ``(C, H, W)``; shape ``(M, E, F)``."""
    if any(layer.turned):
        return _product(layer, x)
    acc = accumulate(layer, x)
    return acc if layer.y.dtype == np.int32 else requantise(layer, acc)


def _product(layer, x):
    """``layer.y`` of a matrix product of several rows: of the same layer, not turned."""
    def shape(tensor, turned):
        return replace(tensor, shape=tensor.shape[::-1] if turned else tensor.shape)
    turn_x, turn_y = layer.turned
    y = conv(replace(layer, x=shape(layer.x, turn_x), y=shape(layer.y, turn_y),
                     turned=(False, False)), x.T if turn_x else x)
    return y.T if turn_y else y


def maxpool(layer, x):
    """``layer.y`` of a :class:`MaxPool` for ``x`` of shape ``(C, H, W)``; shape ``(C, E, F)``."""
    _expect(layer, (x,))
    least = np.iinfo(x.dtype).min
    windows = _windows(x, layer, layer.kernel, layer.dilation, least)
    y = functools.reduce(np.maximum, (taps.max(axis=0) for _, taps in windows))
    return y if layer.table is None else layer.table[y.view(np.uint8)].view(layer.y.dtype)


def elementwise(layer, *inputs):
    """``layer.y`` of an :class:`Elementwise` for inputs of its inputs' shapes; of ``y``'s shape."""
    _expect(layer, inputs)
    terms = [table[x.view(np.uint8)] for table, x in zip(layer.tables, inputs, strict=True)]
    acc = functools.reduce(np.multiply if layer.product else np.add, terms)
    return requantise(layer, np.broadcast_to(acc, layer.y.shape))


def move(layer, *inputs):
    """``layer.y`` of a :class:`Move` for inputs of its inputs' shapes; of ``y``'s shape."""
    _expect(layer, inputs)
    y = np.empty(layer.y.shape, np.uint8)
    if layer.fill is not None:
        y[...] = layer.fill & 255
    for piece in layer.pieces:
        x = inputs[piece.input].view(np.uint8)[_grid(piece.start, piece.step, piece.size)]
        y[_grid(piece.dest, piece.dest_step, piece.size)] = \
            x if piece.table is None else piece.table[x]
    return y.view(layer.y.dtype)


def _grid(start, step, size):
    return tuple(slice(a, a + (n - 1) * d + 1, d)
                 for a, d, n in zip(start, step, size, strict=True))


def compute(layer, *inputs):
    """``layer.y`` of any integer layer for values of its ``inputs``, in ``layer.y.shape``."""
    kinds = {Conv: conv, MaxPool: maxpool, Elementwise: elementwise, Move: move}
    return kinds[type(layer)](layer, *inputs)


_session = functools.lru_cache(maxsize=16)(functools.partial(session, as_written=True))


def host(layer, values):
    """Outputs of a :class:`Host` part, ``{name: array}``, for the values of its inputs by name."""
    session = _session(layer.model)
    inputs = {i.name: values[i.name] for i in session.get_inputs()}
    return dict(zip(layer.outputs, session.run(layer.outputs, inputs), strict=True))


def run(network, inputs):
    """Every tensor of a network.

    Parameters
    ----------
    network : Network
    inputs : dict of str to numpy.ndarray
        The network's inputs, in the shapes and types of ``network.inputs``.

    Returns
    -------
    dict of str to numpy.ndarray
        Inputs, the output of every layer, and the network's outputs, under their names in the ONNX
        file and in its shapes. Aliases that are not outputs of the network are left out.

    Raises
    ------
    HwgenError
        An input is missing, unknown, or of another shape or type.
    """
    values = checked(network, inputs) | network.constants
    for layer in network.layers:
        if isinstance(layer, Host):
            values.update(host(layer, values))
            continue
        inputs = [np.ascontiguousarray(values[x.name]).reshape(x.shape) for x in layer.inputs]
        values[layer.y.name] = compute(layer, *inputs).reshape(layer.y.onnx_shape)
    for name, (shape, _) in network.outputs.items():
        if name not in values:
            values[name] = values[network.aliases[name]].reshape(shape)
    return values


def checked(network, inputs):
    """The network's inputs as arrays by name; raises :exc:`HwgenError` for wrong ones."""
    values = {}
    for name in inputs:
        if name not in network.inputs:
            raise HwgenError(f"{name!r} is not an input of {network.name}: its inputs are "
                             f"{', '.join(map(repr, network.inputs))}.")
    for name, (shape, dtype) in network.inputs.items():
        if name not in inputs:
            raise HwgenError(f"the input {name!r} of {network.name} is missing: give an array of "
                             f"shape {tuple(shape)}, {np.dtype(dtype)}.")
        value = np.asarray(inputs[name])
        if np.dtype(dtype).kind == "O" and value.dtype.kind == "U":
            value = value.astype(object)
        if value.shape != tuple(shape) or value.dtype != dtype:
            raise HwgenError(f"the input {name!r} of {network.name} has shape {value.shape}, "
                             f"{value.dtype}; it must have shape {tuple(shape)}, "
                             f"{np.dtype(dtype)}.")
        values[name] = value
    return values


def _expect(layer, inputs):
    """A wrong array here is a caller's bug, not a user's."""
    for tensor, x in zip(layer.inputs, inputs, strict=True):
        if x.shape != tensor.shape or x.dtype != tensor.dtype:
            raise ValueError(f"{layer.name} takes {tensor.shape}, {tensor.dtype}; "
                             f"got {x.shape}, {x.dtype}")
