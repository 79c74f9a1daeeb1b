"""Where a tensor lies in DRAM, and how its channels are grouped there."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Placement", "align"]


def align(value, unit):
    """``value`` rounded up to a multiple of ``unit``."""
    return -(-value // unit) * unit


@dataclass(frozen=True)
class Placement:
    """A tensor in DRAM: ``[ceil(C/g)][H][W][g]`` values, rows at a stride of their own, where ``g``
    is ``dram_channels``.

    Channel ``c``, row ``h``, column ``w`` is the value at ``offset + c // g * group_stride +
    h * row_stride + (w * g + c % g) * itemsize``. The channels that fill up the last group hold
    anything. A vector (H = W = 1) of its own has no gaps: value ``c`` of it is channel ``c``.

    A tensor may lie inside of another one, a slice in what it was cut from, a part in its
    concatenation: then ``root`` names that one, and the strides are its.

    Attributes
    ----------
    name : str
    offset : int
        Byte offset in DRAM; a multiple of the bus word, unless the tensor lies inside of another.
    shape : tuple of int
        ``(C, H, W)``.
    dtype : numpy.dtype
        ``uint8``, ``int8`` or ``int32``.
    dram_channels : int
        Channels of a group, ``g``.
    row_stride, group_stride : int
        Bytes from a row and from a group to the next.
    root : str
        The tensor whose memory this is: its own name, or another's.
    """
    name: str
    offset: int
    shape: tuple
    dtype: np.dtype
    dram_channels: int
    row_stride: int
    group_stride: int
    root: str

    @classmethod
    def place(cls, tensor, g, offset, bus_bytes):
        """The placement of ``tensor`` in groups of ``g`` channels; rows start at bus words."""
        _, height, width = tensor.shape
        dtype = np.dtype(tensor.dtype)
        row = width * g * dtype.itemsize
        if height * width > 1:
            row = align(row, bus_bytes)
        return cls(tensor.name, offset, tensor.shape, dtype, g, row, row * height, tensor.name)

    @classmethod
    def planar(cls, tensor, name):
        """The placement of a copy of ``tensor``, ``name``, without gaps in the order ``[C][H][W]``,
        at offset 0."""
        _, height, width = tensor.shape
        dtype = np.dtype(tensor.dtype)
        row = width * dtype.itemsize
        return cls(name, 0, tensor.shape, dtype, 1, row, row * height, name)

    @property
    def groups(self):
        """Channel groups."""
        return -(-self.shape[0] // self.dram_channels)

    @property
    def pixel(self):
        """Bytes from a column to the next."""
        return self.dram_channels * self.dtype.itemsize

    @property
    def size(self):
        """Bytes in DRAM, from the first to the last."""
        _, height, width = self.shape
        return (self.groups - 1) * self.group_stride + (height - 1) * self.row_stride \
            + width * self.pixel

    # Other views of the same memory.

    def part(self, start, shape, row_step=1):
        """The placement of ``shape`` values from ``start`` on, taking every ``row_step``-th row.
        ``start`` is at the first channel of a group."""
        (channel, row, column), g = start, self.dram_channels
        assert channel % g == 0
        return replace(
            self, shape=shape, row_stride=self.row_stride * row_step,
            offset=self.offset + channel // g * self.group_stride + row * self.row_stride
            + column * self.pixel)

    @property
    def gapless(self):
        """Whether the bytes stand in the order ``[C][H][W]`` without gaps."""
        _, height, width = self.shape
        if height * width == 1:
            return self.groups == 1 or self.group_stride == self.pixel
        return self.dram_channels == 1 and self.row_stride == width * self.pixel and \
            self.group_stride == height * self.row_stride

    def reshaped(self, shape):
        """A gapless tensor seen in another shape of as many values."""
        assert self.gapless
        _, height, width = shape
        row = width * self.dtype.itemsize
        return replace(self, shape=shape, dram_channels=1, row_stride=row,
                       group_stride=height * row)

    @property
    def together(self):
        """A gapless vector with all channels in one group."""
        assert self.gapless and self.shape[1:] == (1, 1)
        return replace(self, dram_channels=self.shape[0])

    def turned(self, g):
        """A gapless matrix ``(rows, 1, columns)`` with its columns, a multiple of ``g``, as
        channels in groups of ``g``: ``(columns, rows, 1)``."""
        rows, _, columns = self.shape
        assert self.gapless and columns % g == 0
        return replace(self, shape=(columns, rows, 1), dram_channels=g,
                       group_stride=g * self.dtype.itemsize,
                       row_stride=columns * self.dtype.itemsize)

    @property
    def stacked(self):
        """Whether the rows of all groups stand at one stride."""
        return self.groups == 1 or self.group_stride == self.shape[1] * self.row_stride

    def upright(self, column_step=1):
        """The tensor with its columns (every ``column_step``-th of them) as rows of one column,
        and its rows, group by group, as channel groups; it is stacked."""
        assert self.stacked
        _, height, width = self.shape
        return replace(self, shape=(self.groups * height * self.dram_channels,
                                    -(-width // column_step), 1),
                       row_stride=self.pixel * column_step, group_stride=self.row_stride)

    # Contents.

    def _rows(self, data):
        """The bytes ``(groups, H, W * pixel)`` of the tensor in ``size`` bytes, seen in place."""
        _, height, width = self.shape
        shape = self.groups, height, width * self.pixel
        return np.lib.stride_tricks.as_strided(data, shape, (self.group_stride, self.row_stride, 1))

    def pack(self, array):
        """The ``size`` bytes of ``array``, which has the tensor's shape and type.

        Raises :exc:`ValueError` for another shape or type.
        """
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(f"{self.name} is {self.dtype} {self.shape}, "
                             f"not {array.dtype} {array.shape}")
        channels, height, width = self.shape
        grouped = np.zeros((self.groups * self.dram_channels, height, width), self.dtype)
        grouped[:channels] = array
        grouped = grouped.reshape(self.groups, self.dram_channels, height, width)
        grouped = grouped.transpose(0, 2, 3, 1)
        data = np.zeros(self.size, np.uint8)
        self._rows(data)[:] = np.ascontiguousarray(grouped).view(np.uint8) \
            .reshape(self.groups, height, -1)
        return data.tobytes()

    def unpack(self, data):
        """The array of shape ``(C, H, W)`` that the first ``size`` bytes of ``data`` hold."""
        channels, height, width = self.shape
        rows = np.ascontiguousarray(self._rows(np.frombuffer(data, np.uint8, self.size)))
        grouped = rows.view(self.dtype).reshape(self.groups, height, width, self.dram_channels)
        grouped = grouped.transpose(0, 3, 1, 2)
        grouped = grouped.reshape(self.groups * self.dram_channels, height, width)
        return np.ascontiguousarray(grouped[:channels])
