"""Tensors in DRAM."""

import numpy as np
import pytest

from hwgen.compiler import Placement
from hwgen.network.graph import Tensor


@pytest.mark.parametrize("shape, g, dtype", [
    ((7, 5, 3), 3, np.uint8), ((8, 1, 9), 4, np.int8), ((10, 1, 1), 4, np.uint8),
    ((1, 6, 6), 1, np.int8)])
def test_bytes_stand_where_the_docstring_says(shape, g, dtype):
    rng = np.random.default_rng(1)
    place = Placement.place(Tensor("x", shape, np.dtype(dtype), 0, 1.0, (1, *shape)), g, 64, 8)
    array = rng.integers(0, 256, shape, np.uint8).view(dtype)
    data = place.pack(array)
    assert len(data) == place.size
    for c, h, w in np.ndindex(shape):
        at = c // g * place.group_stride + h * place.row_stride + w * g + c % g
        assert data[at] == int(array[c, h, w]) & 255
    np.testing.assert_array_equal(place.unpack(data), array)
    assert place.unpack(data).dtype == dtype
    if shape[1] * shape[2] == 1:
        assert data[:shape[0]] == array.tobytes()
    else:
        assert place.row_stride % 8 == 0


def test_wrong_array():
    place = Placement.place(Tensor("x", (2, 3, 4), np.dtype(np.uint8), 0, 1.0, ()), 2, 0, 8)
    with pytest.raises(ValueError, match="uint8"):
        place.pack(np.zeros((2, 3, 4), np.int8))
    with pytest.raises(ValueError, match="2, 3, 4"):
        place.pack(np.zeros((2, 4, 3), np.uint8))
