"""Random layers and small networks for the compiler's tests."""

from dataclasses import replace

import numpy as np

from hwgen.config import Config
from hwgen.model import golden
from hwgen.model.graph import Conv, MaxPool, Network, Tensor
from sim.machine import Machine

__all__ = ["tensor", "conv", "pool", "dense", "network", "load", "check", "random_conv",
           "random_pool", "random_network", "random_config"]


def tensor(name, shape, rng):
    dtype = np.dtype(rng.choice([np.uint8, np.int8]))
    limits = np.iinfo(dtype)
    return Tensor(name, shape, dtype, int(rng.integers(limits.min, limits.max + 1)), 1.0,
                  (1, *shape))


def conv(rng, x, filters, kernel, *, name="conv", stride=(1, 1), pads=(0, 0, 0, 0),
         dilation=(1, 1), groups=1, limit=127):
    """A convolution with random numbers; ``limit`` is the largest weight."""
    channels, height, width = x.shape
    rows = (height + pads[0] + pads[2] - (kernel[0] - 1) * dilation[0] - 1) // stride[0] + 1
    cols = (width + pads[1] + pads[3] - (kernel[1] - 1) * dilation[1] - 1) // stride[1] + 1
    y = tensor(f"{name}_y", (filters, rows, cols), rng)
    limits = np.iinfo(y.dtype)
    lo, hi = sorted(int(v) for v in rng.integers(limits.min, limits.max + 1, 2))
    if rng.random() < 0.7:
        lo, hi = int(limits.min), int(limits.max)
    weight = rng.integers(-limit, limit + 1, (filters, channels // groups, *kernel))
    spread = 64 * limit * np.sqrt(weight[0].size)
    return Conv(name, x, y, weight.astype(np.int16),
                rng.integers(-1000, 1001, filters).astype(np.int32),
                (rng.uniform(0.5, 1.5, filters) * 60 / spread).astype(np.float32), stride, dilation,
                pads, groups, lo, hi)


def pool(x, kernel, stride, pads=(0, 0, 0, 0), name="pool"):
    channels, height, width = x.shape
    rows = (height + pads[0] + pads[2] - kernel[0]) // stride[0] + 1
    cols = (width + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    y = replace(x, name=f"{name}_y", shape=(channels, rows, cols), onnx_shape=(1, channels, rows,
                                                                               cols))
    return MaxPool(name, x, y, kernel, stride, pads)


def dense(rng, x, filters, name="dense"):
    """A fully connected layer over all of ``x``, flattened if it is not a vector."""
    vector = replace(x, shape=(int(np.prod(x.shape)), 1, 1))
    return conv(rng, vector, filters, (1, 1), name=name)


def network(*layers):
    last = layers[-1].y
    return Network("test", list(layers), {}, {last.name: (last.onnx_shape, last.dtype)})


def load(net, program, rng):
    """DRAM with the program and random inputs in it, and the inputs by name."""
    produced = {layer.y.name for layer in net.layers}
    memory = rng.integers(0, 256, program.memory_bytes, np.uint8)
    memory[:len(program.image)] = np.frombuffer(program.image, np.uint8)
    values = {}
    for name, place in program.tensors.items():
        if name not in produced:
            limits = np.iinfo(place.dtype)
            values[name] = rng.integers(limits.min, limits.max + 1, place.shape, place.dtype)
            memory[place.offset:place.offset + place.size] = np.frombuffer(
                program.pack(name, values[name]), np.uint8)
    return memory, values


def check(net, program, rng):
    """Run a program on the machine model; every tensor must equal the golden model's."""
    memory, values = load(net, program, rng)
    machine = Machine(program.config, memory, int(rng.integers(2 ** 31)))
    for segment in program.segments:
        machine.run(segment.offset)
    for layer in net.layers:
        compute = golden.conv if isinstance(layer, Conv) else golden.maxpool
        values[layer.y.name] = compute(layer, values[layer.x.name].reshape(layer.x.shape))
        place = program.tensors.get(layer.y.name)
        if place:
            found = program.unpack(layer.y.name,
                                   memory[place.offset:place.offset + place.size].tobytes())
            np.testing.assert_array_equal(found, values[layer.y.name], layer.name)


def random_conv(rng, x, name="conv", most=64):
    """A random convolution over ``x``: any kernel, stride, dilation, pads, groups."""
    channels, height, width = x.shape
    style = rng.choice(["plain", "pointwise", "grouped", "depthwise"], p=[0.5, 0.2, 0.15, 0.15])
    kernel = (1, 1) if style == "pointwise" else tuple(int(k) for k in rng.integers(1, 6, 2))
    dilation = tuple(int(d) for d in rng.choice([1, 1, 1, 2, 3], 2))
    pads, kernel = [int(v) for v in rng.integers(0, 4, 4)], list(kernel)
    for axis, size in enumerate((height, width)):
        room = size + pads[axis] + pads[axis + 2]
        kernel[axis] = min(kernel[axis], (room - 1) // dilation[axis] + 1)
    groups = 1
    filters = int(rng.integers(1, most + 1))
    if style == "depthwise":
        groups = filters = channels
        filters *= int(rng.choice([1, 1, 1, 2]))
    elif style == "grouped":
        groups = int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
        filters = groups * int(rng.integers(1, 5))
    limit = int(rng.choice([127, 127, 255]))
    return conv(rng, x, filters, tuple(kernel), name=name,
                stride=tuple(int(u) for u in rng.choice([1, 1, 2, 3, 4], 2)), pads=tuple(pads),
                dilation=dilation, groups=groups, limit=limit)


def random_pool(rng, x, name="pool"):
    kernel, pads = [], []
    for size in x.shape[1:]:
        k = int(min(rng.integers(1, 4), size))
        kernel.append(k)
        pads.append([int(rng.integers(0, k)), int(rng.integers(0, k))])
    stride = tuple(int(u) for u in rng.integers(1, 4, 2))
    return pool(x, tuple(kernel), stride, (pads[0][0], pads[1][0], pads[0][1], pads[1][1]), name)


def random_network(rng, most=24):
    """One to three random layers, each on the one before."""
    x = tensor("x", (int(rng.integers(1, most + 1)), int(rng.integers(1, most + 1)),
                     int(rng.integers(1, most + 1))), rng)
    layers = []
    for n in range(rng.integers(1, 4)):
        kind = rng.choice(["conv", "pool", "dense"], p=[0.6, 0.25, 0.15])
        make = {"conv": random_conv, "pool": random_pool,
                "dense": lambda rng, x, name: dense(rng, x, int(rng.integers(1, most)), name)}[kind]
        layer = make(rng, x, name=f"{kind}{n}")
        layers.append(layer)
        x = layer.y
    return network(*layers)


def random_config(rng):
    """Any configuration: arrays from 1x1, tiny spads and buffers, every bus width."""
    def pick(*values):
        return int(rng.choice(values))
    lanes = pick(1, 2, 4, 8)
    bus_bits = pick(*(b for b in (32, 64, 128, 256) if b <= 32 * lanes))
    rows, cols = ((1, 1), (2, 3), (3, 2), (4, 4), (12, 14), (1, 5), (6, 1))[rng.integers(7)]
    spads = [n for n in (16, 32, 64) if n >= bus_bits // 8 + 8]
    least = -(-(8 * 64 + 32 * cols * 4 * lanes) // 1024)
    return Config(rows=rows, cols=cols, lanes=lanes, bus_bits=bus_bits, ifmap_spad=pick(*spads),
                  filter_spad=pick(8, 16, 64, 224), glb_kib=max(least, pick(2, 4, 8, 27, 108)),
                  xbus_bytes=pick(1, 2, 4), params_depth=pick(32, 64), elementwise=False)
