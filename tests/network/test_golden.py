"""The golden model against the equations written as loops, and its bad input."""

import time

import numpy as np
import pytest

from hwgen.errors import HwgenError
from hwgen.network import golden
from hwgen.network.graph import Conv, MaxPool, Network, Tensor


def tensor(name, shape, dtype=np.uint8, zero_point=0, scale=1.0):
    return Tensor(name, shape, np.dtype(dtype), zero_point, scale, (1, *shape))


def random_conv(rng):
    """A random layer of any attributes, with large sums, and an input for it."""
    groups = int(rng.integers(1, 4))
    c, m = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3))
    pads = tuple(map(int, rng.integers(0, 3, 4)))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, reach[i] - pads[i] - pads[i + 2]) + int(rng.integers(0, 6)) for i in range(2)]
    out = tuple((size[i] + pads[i] + pads[i + 2] - reach[i]) // stride[i] + 1 for i in range(2))
    xtype, ytype = (np.dtype(rng.choice([np.uint8, np.int8])) for _ in range(2))
    xinfo, yinfo = np.iinfo(xtype), np.iinfo(ytype)
    lo, hi = sorted(int(v) for v in rng.integers(yinfo.min, yinfo.max + 1, 2))
    layer = Conv(
        "conv", tensor("x", (c, *size), xtype, int(rng.integers(xinfo.min, xinfo.max + 1))),
        tensor("y", (m, *out), ytype, int(rng.integers(yinfo.min, yinfo.max + 1))),
        rng.integers(-255, 256, (m, c // groups, *kernel)).astype(np.int16),
        rng.integers(-2**31, 2**31, m).astype(np.int32),
        np.float32(2.0) ** rng.uniform(-34, -10, m).astype(np.float32),
        stride, dilation, pads, groups, lo, hi)
    return layer, rng.integers(xinfo.min, xinfo.max + 1, (c, *size)).astype(xtype)


def conv_by_loops(layer, x):
    m, e, f = layer.y.shape
    y = np.empty((m, e, f), layer.y.dtype)
    share_c, share_m = layer.weight.shape[1], m // layer.groups
    for (i, j, k) in np.ndindex(m, e, f):
        acc = int(layer.bias[i])
        for (c, r, s) in np.ndindex(*layer.weight.shape[1:]):
            row = j * layer.stride[0] + r * layer.dilation[0] - layer.pads[0]
            col = k * layer.stride[1] + s * layer.dilation[1] - layer.pads[1]
            if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                value = int(x[i // share_m * share_c + c, row, col]) - layer.x.zero_point
                acc += value * int(layer.weight[i, c, r, s])
        acc = (acc + 2**31) % 2**32 - 2**31
        rounded = int(np.rint(np.float32(acc) * layer.scale[i]))
        y[i, j, k] = min(max(rounded + layer.y.zero_point, layer.lo), layer.hi)
    return y


def test_conv_equals_loops():
    rng = np.random.default_rng(1)
    for _ in range(60):
        layer, x = random_conv(rng)
        np.testing.assert_array_equal(golden.conv(layer, x), conv_by_loops(layer, x))


def test_accumulate_wraps():
    layer = Conv("c", tensor("x", (1, 1, 1)), tensor("y", (2, 1, 1)),
                 np.int16([[[[1]]], [[[-1]]]]), np.int32([2**31 - 1, -2**31]),
                 np.float32([1, 1]))
    acc = golden.accumulate(layer, np.uint8([[[1]]]))
    assert acc.dtype == np.int32
    assert acc.ravel().tolist() == [-2**31, 2**31 - 1]


@pytest.mark.parametrize("acc, scale, zero_point, expected", [
    (1, 0.5, 10, 10), (3, 0.5, 10, 12), (-1, 0.5, 10, 10), (-3, 0.5, 10, 8),   # ties to even
    (2**24 + 1, 2.0**-18, 0, 64), (2**24 + 3, 2.0**-17, 0, 128),               # float32(acc)
    (2**31 - 1, 3e38, 7, 255), (-2**31, 3e38, 7, 0),                           # overflow
    (2**31 - 1, 1e-45, 7, 7),                                                  # subnormal scale
])
def test_requantise(acc, scale, zero_point, expected):
    layer = Conv("c", tensor("x", (1, 1, 1)), tensor("y", (1, 1, 1), zero_point=zero_point),
                 np.int16([[[[1]]]]), np.int32([0]), np.float32([scale]))
    assert golden.requantise(layer, np.int32([[[acc]]])).item() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_maxpool_leaves_padding_out(dtype):
    low = np.iinfo(dtype).min
    x = np.full((2, 3, 3), low, dtype)
    x[0, 2, 2], x[1, 1, 0] = low + 1, low + 5
    layer = MaxPool("p", tensor("x", (2, 3, 3), dtype, low + 3),
                    tensor("y", (2, 2, 2), dtype, low + 3), (2, 2), (2, 2), (1, 1, 0, 0))
    y = golden.maxpool(layer, x).astype(int) - low
    assert y.tolist() == [[[0, 0], [0, 1]], [[0, 0], [5, 0]]]


def test_alexnet_sized_layer_takes_seconds():
    rng = np.random.default_rng(2)
    layer = Conv("conv2", tensor("x", (96, 27, 27)), tensor("y", (256, 27, 27)),
                 rng.integers(-128, 128, (256, 48, 5, 5)).astype(np.int16),
                 np.zeros(256, np.int32), np.full(256, 1e-4, np.float32), pads=(2, 2, 2, 2),
                 groups=2)
    start = time.process_time()
    golden.conv(layer, rng.integers(0, 256, (96, 27, 27)).astype(np.uint8))
    assert time.process_time() - start < 10


def test_run_checks_its_inputs():
    x, y = tensor("x", (1, 2, 2)), tensor("y", (1, 1, 1))
    network = Network("net", [MaxPool("p", x, y, (2, 2), (2, 2))],
                      {"x": ((1, 1, 2, 2), np.uint8)}, {"y": ((1, 1, 1, 1), np.uint8)})
    good = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    assert golden.run(network, {"x": good})["y"].tolist() == [[[[3]]]]
    with pytest.raises(HwgenError, match="the input 'x' of net is missing"):
        golden.run(network, {})
    with pytest.raises(HwgenError, match="'z' is not an input of net: its inputs are 'x'"):
        golden.run(network, {"x": good, "z": good})
    with pytest.raises(HwgenError, match=r"has shape \(1, 2, 2\), uint8; it must have shape"):
        golden.run(network, {"x": good[0]})
    with pytest.raises(HwgenError, match="float32; it must have shape"):
        golden.run(network, {"x": good.astype(np.float32)})
