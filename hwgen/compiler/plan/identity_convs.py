"""Convolutions that the array does on behalf of other layers: their psums are what it is given."""

from dataclasses import replace

import numpy as np

from ...network.graph import Conv, Tensor

__all__ = ["tensor", "identity", "selection", "merge", "constant"]


def tensor(name, shape, dtype=np.uint8, zero_point=0):
    """A tensor of bytes as they are stored."""
    return Tensor(name, tuple(shape), np.dtype(dtype), zero_point, 1.0, (1, *shape))


def _conv(name, x, y, weight, **options):
    limits = np.iinfo(y.dtype)
    filters = len(weight)
    return Conv(name, x, y, weight.astype(np.int16), np.zeros(filters, np.int32),
                np.ones(filters, np.float32), lo=int(limits.min), hi=int(limits.max), **options)


def identity(name, shape, *, dtype=np.uint8, column_step=1, pads=(0, 0, 0, 0), fill=0):
    """A depthwise convolution that hands on every ``column_step``-th column of a tensor of
    ``shape``, with ``pads`` of the value ``fill`` around it."""
    channels, height, width = shape
    top, left, bottom, right = pads
    x = tensor(name, shape, dtype, fill)
    y = replace(x, shape=(channels, top + height + bottom,
                          -(-(left + width + right) // column_step)))
    return _conv(name, x, y, np.ones((channels, 1, 1, 1)), stride=(1, column_step), pads=pads,
                 groups=channels)


def selection(name, shape, channels, column_step=1):
    """A convolution that picks ``channels`` (an array of indices) of a tensor of ``shape``, and
    every ``column_step``-th column."""
    depth, height, width = shape
    weight = np.zeros((len(channels), depth, 1, 1))
    weight[np.arange(len(channels)), channels] = 1
    x = tensor(name, shape)
    return _conv(name, x, replace(x, shape=(len(channels), height, -(-width // column_step))),
                 weight, stride=(1, column_step))


def merge(name, shape):
    """A depthwise convolution over the rows of two tensors of ``shape`` that take turns, whose
    psums are ``a - 256 * b``: both taps of a row read the same value."""
    channels, height, width = shape
    x = tensor(name, (channels, 2 * height, width))
    weight = np.tile(np.array([[[[1, 0], [-128, -128]]]]), (channels, 1, 1, 1))
    return _conv(name, x, replace(x, shape=shape), weight, stride=(2, 1), dilation=(1, 0),
                 groups=channels)


def constant(name, channels, value):
    """A convolution of one value that makes ``value`` of it in each of ``channels``."""
    x = tensor(name, (1, 1, 1))
    return _conv(name, x, tensor(name, (channels, 1, 1), zero_point=value),
                 np.zeros((channels, 1, 1, 1)))
