"""Where a tensor lies in DRAM, and how its channels are grouped there."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Placement", "align"]


def align(value, unit):
    """``value`` rounded up to a multiple of ``unit``."""
    return -(-value // unit) * unit


@dataclass(frozen=True)
class Placement:
    """A tensor in DRAM: ``[ceil(C/g)][H][W][g]`` bytes, rows at a stride of their own.

    Channel ``c``, row ``h``, column ``w`` is the byte at ``offset + c // g * group_stride +
    h * row_stride + w * g + c % g``. The channels that fill up the last group hold anything.
    A vector (H = W = 1) has no gaps: byte ``c`` of it is channel ``c``.

    Attributes
    ----------
    name : str
    offset : int
        Byte offset in DRAM, a multiple of the bus word.
    shape : tuple of int
        ``(C, H, W)``.
    dtype : numpy.dtype
        ``uint8`` or ``int8``.
    g : int
        Channels of a group.
    row_stride, group_stride : int
        Bytes from a row and from a group to the next.
    """
    name: str
    offset: int
    shape: tuple
    dtype: np.dtype
    g: int
    row_stride: int
    group_stride: int

    @classmethod
    def place(cls, tensor, g, offset, bus_bytes):
        """The placement of ``tensor`` in groups of ``g`` channels; rows start at bus words."""
        _, height, width = tensor.shape
        row = g if height * width == 1 else align(width * g, bus_bytes)
        return cls(tensor.name, offset, tensor.shape, np.dtype(tensor.dtype), g, row, row * height)

    @property
    def groups(self):
        """Channel groups."""
        return -(-self.shape[0] // self.g)

    @property
    def size(self):
        """Bytes in DRAM."""
        return self.groups * self.group_stride

    def pack(self, array):
        """The ``size`` bytes of ``array``, which has the tensor's shape and type.

        Raises :exc:`ValueError` for another shape or type.
        """
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(f"{self.name} is {self.dtype} {self.shape}, "
                             f"not {array.dtype} {array.shape}")
        channels, height, width = self.shape
        grouped = np.zeros((self.groups * self.g, height, width), np.uint8)
        grouped[:channels] = array.view(np.uint8)
        grouped = grouped.reshape(self.groups, self.g, height, width).transpose(0, 2, 3, 1)
        rows = np.zeros((self.groups, height, self.row_stride), np.uint8)
        rows[:, :, :width * self.g] = grouped.reshape(self.groups, height, width * self.g)
        return rows.tobytes()

    def unpack(self, data):
        """The array of shape ``(C, H, W)`` that the first ``size`` bytes of ``data`` hold."""
        channels, height, width = self.shape
        rows = np.frombuffer(data, np.uint8, self.size)
        rows = rows.reshape(self.groups, height, self.row_stride)[:, :, :width * self.g]
        grouped = rows.reshape(self.groups, height, width, self.g).transpose(0, 3, 1, 2)
        array = grouped.reshape(self.groups * self.g, height, width)[:channels]
        return np.ascontiguousarray(array).view(self.dtype)
