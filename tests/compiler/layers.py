"""Random layers and small networks for the compiler's tests."""

from dataclasses import replace

import numpy as np

from hwgen.compiler.lower.order import check_order
from hwgen.config import Config
from hwgen.isa.disassemble import commands
from hwgen.isa.functional import FunctionalModel
from hwgen.network import golden
from hwgen.network.graph import Conv, Elementwise, MaxPool, Move, Network, Piece, Tensor

__all__ = ["tensor", "conv", "pool", "rescaled", "dense", "product", "accumulation", "elementwise",
           "concat", "cut", "pad", "enlarge", "network", "load", "program_commands", "check",
           "random_conv", "random_pool", "random_network", "random_graph", "random_config"]


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


def rescaled(rng, layer):
    """A pooling whose largest values go through a table, perhaps to the other type."""
    other = tensor("", (1, 1, 1), rng)
    y = replace(layer.y, dtype=other.dtype, zero_point=other.zero_point)
    limits = np.iinfo(y.dtype)
    made = np.sort(rng.integers(limits.min, limits.max + 1, 256)).astype(y.dtype)
    table = np.empty(256, np.uint8)
    table[np.sort(np.arange(256).astype(np.uint8).view(layer.x.dtype)).view(np.uint8)] = \
        made.view(np.uint8)
    return replace(layer, y=y, table=table)


def pool(x, kernel, stride, pads=(0, 0, 0, 0), name="pool", dilation=(1, 1)):
    channels, height, width = x.shape
    rows = (height + pads[0] + pads[2] - (kernel[0] - 1) * dilation[0] - 1) // stride[0] + 1
    cols = (width + pads[1] + pads[3] - (kernel[1] - 1) * dilation[1] - 1) // stride[1] + 1
    return MaxPool(name, x, _like(x, f"{name}_y", (channels, rows, cols)), kernel, stride, pads,
                   dilation)


def _like(x, name, shape):
    return replace(x, name=name, shape=tuple(shape), onnx_shape=(1, *shape))


def accumulation(layer):
    """A convolution whose output is its sums."""
    return replace(layer, y=replace(layer.y, dtype=np.dtype(np.int32)),
                   bias=layer.bias * 2_000_000)


def elementwise(rng, a, b=None, name="elementwise", product=False):
    """A random function of one tensor, or sum or product of functions of two."""
    y = tensor(f"{name}_y", a.shape, rng)
    limits = np.iinfo(y.dtype)
    inputs = (a,) if b is None else (a, b)
    if product:
        tables, spread = rng.integers(-256, 256, (len(inputs), 256)), 256 * 100
    else:
        spread = int(rng.choice([100, 1000, 2 ** 24]))
        tables = rng.integers(-spread, spread + 1, (len(inputs), 256))
    lo, hi = sorted(int(v) for v in rng.integers(limits.min, limits.max + 1, 2))
    if rng.random() < 0.7:
        lo, hi = int(limits.min), int(limits.max)
    return Elementwise(name, inputs, y, tuple(tables.astype(np.int32)), product,
                       np.float32(rng.uniform(50, 150) / spread), lo, hi)


def scaling(rng, x, name):
    """A change of scale, as a convolution of one tap with equal weights."""
    c = x.shape[0]
    y = tensor(f"{name}_y", x.shape, rng)
    limits = np.iinfo(y.dtype)
    return Conv(name, x, y, np.ones((c, 1, 1, 1), np.int16), np.zeros(c, np.int32),
                np.full(c, rng.uniform(0.3, 2), np.float32), groups=c, lo=int(limits.min),
                hi=int(limits.max))


def concat(inputs, axis=0, name="concat", tables=None):
    """Tensors side by side; ``tables`` (None or an array) for each."""
    pieces, at = [], 0
    for n, x in enumerate(inputs):
        dest = [0, 0, 0]
        dest[axis] = at
        at += x.shape[axis]
        pieces.append(Piece(n, (0, 0, 0), (1, 1, 1), x.shape, tuple(dest), (1, 1, 1),
                            tables[n] if tables else None))
    shape = list(inputs[0].shape)
    shape[axis] = at
    return Move(name, tuple(inputs), _like(inputs[0], f"{name}_y", shape), tuple(pieces))


def cut(x, start, size, step=(1, 1, 1), name="cut"):
    """A slice."""
    piece = Piece(0, start, step, size, (0, 0, 0), (1, 1, 1))
    return Move(name, (x,), _like(x, f"{name}_y", size), (piece,))


def pad(x, before, after, fill, name="pad"):
    """``fill`` around a tensor."""
    shape = [n + a + b for n, a, b in zip(x.shape, before, after, strict=True)]
    piece = Piece(0, (0, 0, 0), (1, 1, 1), x.shape, before, (1, 1, 1))
    return Move(name, (x,), _like(x, f"{name}_y", shape), (piece,), fill)


def enlarge(x, high, wide, name="enlarge"):
    """Each value ``high`` x ``wide`` times."""
    channels, height, width = x.shape
    pieces = tuple(Piece(0, (0, 0, 0), (1, 1, 1), x.shape, (0, i, j), (1, high, wide))
                   for i in range(high) for j in range(wide))
    return Move(name, (x,), _like(x, f"{name}_y", (channels, height * high, width * wide)), pieces)


def dense(rng, x, filters, name="dense"):
    """A fully connected layer over all of ``x``, flattened if it is not a vector."""
    vector = replace(x, shape=(int(np.prod(x.shape)), 1, 1))
    return conv(rng, vector, filters, (1, 1), name=name)


def product(rng, x, filters, name="product", across=False):
    """A matrix product: the rows of ``x`` times a matrix of ``filters`` columns; ``across``: what
    stands at the same place of each channel, instead of a row."""
    rows, depth = (np.prod(x.shape[1:]), x.shape[0]) if across else \
        (np.prod(x.shape[:2]), x.shape[2])
    layer = conv(rng, replace(x, shape=(int(depth), 1, int(rows))), filters, (1, 1), name=name)
    if not across:
        layer = replace(layer, x=replace(x, shape=(int(rows), 1, int(depth))))
    return replace(layer, y=_like(layer.y, layer.y.name, layer.y.shape[::-1]),
                   turned=(not across, True))


def network(*layers):
    last = layers[-1].y
    return Network("test", list(layers), {}, {last.name: (last.onnx_shape, last.dtype)})


def load(net, program, rng):
    """DRAM with the program and random inputs in it, and the inputs and constants by name."""
    produced = {layer.y.name for layer in net.layers} | net.constants.keys()
    memory = rng.integers(0, 256, program.memory_bytes, np.uint8)
    memory[:len(program.image)] = np.frombuffer(program.image, np.uint8)
    values = dict(net.constants)
    for name, place in program.tensors.items():
        if name not in produced:
            limits = np.iinfo(place.dtype)
            values[name] = rng.integers(limits.min, limits.max + 1, place.shape, place.dtype)
            memory[place.offset:place.offset + place.size] = np.frombuffer(
                program.pack(name, values[name]), np.uint8)
    return memory, values


def program_commands(program, segment):
    """Names and fields of the commands of a segment's program, between BEGIN and END."""
    found = [(name, fields) for _, name, fields in commands(program.image, segment.offset)]
    return found[1:-1]


def check(net, program, rng):
    """Run a program on the machine model; every tensor must equal the golden model's, and the order
    of its commands must be one that cannot lock up. Tensors in
    DRAM that the network's layers fuse away are not looked at."""
    memory, values = load(net, program, rng)
    machine = FunctionalModel(program.config, memory, int(rng.integers(2 ** 31)))
    for run in program.runs:
        check_order(program_commands(program, run[0]), program.config)
        machine.run(run[0].offset)
    for layer in net.layers:
        inputs = [values[x.name].reshape(x.shape) for x in layer.inputs]
        values[layer.y.name] = golden.compute(layer, *inputs)
        place = program.tensors.get(layer.y.name)
        fused = any(layer in segment.layers[:-1] for segment in program.segments)
        stored = [kept for kept in program.stored.values() if kept.tensor == layer.y.name]
        assert place or fused or stored, layer.name
        for kept in stored:
            data = memory[kept.place.offset:kept.place.offset + kept.place.size].tobytes()
            expected = kept.table[values[layer.y.name].view(np.uint8)].view(kept.place.dtype)
            np.testing.assert_array_equal(kept.place.unpack(data).reshape(layer.y.shape), expected,
                                          layer.name)
        if place:
            found = program.unpack(layer.y.name,
                                   memory[place.offset:place.offset + place.size].tobytes())
            np.testing.assert_array_equal(found.reshape(layer.y.shape), values[layer.y.name],
                                          layer.name)


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


def random_config(rng, tables=False):
    """Any configuration: arrays from 1x1, tiny spads and buffers, all bus widths and machines."""
    def pick(*values):
        return int(rng.choice(values))
    lanes = pick(1, 2, 4, 8)
    bus_bits = pick(*(b for b in (32, 64, 128, 256) if b <= 32 * lanes))
    rows, cols = ((1, 1), (2, 3), (3, 2), (4, 4), (12, 14), (1, 5), (6, 1))[rng.integers(7)]
    spads = [n for n in (16, 32, 64) if n >= bus_bits // 8 + 8]
    params = 256 * lanes if tables else pick(32, 64)
    least = -(-(8 * params + 32 * cols * 4 * lanes) // 1024)
    config = Config(rows=rows, cols=cols, lanes=lanes, bus_bits=bus_bits, ifmap_spad=pick(*spads),
                    filter_spad=pick(8, 16, 64, 224), glb_kib=max(least, pick(2, 4, 8, 27, 108)),
                    xbus_bytes=pick(1, 2, 4), params_depth=params, tables=tables,
                    functions=pick(0, 1, 2, 8))
    if lanes == 1 and not tables and rng.integers(2):
        return config.replace(machine="microcoded", xbus_bytes=1, functions=0,
                              glb_kib=min(config.glb_kib + 1, 64))
    return config


def random_graph(rng, config, most=6):
    """Random layers of every kind, each on any tensors before it."""
    sizes = [int(n) for n in rng.integers(1, 13, 3)]
    tensors = [tensor("x", tuple(sizes), rng)]
    layers = []
    kinds = ["conv", "pool", "concat", "cut", "pad", "enlarge", "dense", "sums", "split", "product"]
    if config.tables:
        kinds += ["function", "add", "mul", "gate", "requantising concat", "chain", "chain"]
    while len(layers) < most:
        name = f"layer{len(layers)}"
        x = tensors[rng.integers(len(tensors))]
        made = _random_layers(rng, str(rng.choice(kinds)), x, tensors, name, config.tables)
        layers += made
        tensors += [layer.y for layer in made
                    if layer.y.dtype != np.int32 and np.prod(layer.y.shape) < 4000]
    return network(*layers)


def _chain(rng, x, tensors, name):
    """Functions of what a layer makes, or of any tensor: one after the other, or with branches that
    meet again; a pooling may stand between them."""
    alike = [t for t in tensors if t.shape == x.shape]
    made = [random_conv(rng, x, name, 16) if rng.random() < 0.6 else
            elementwise(rng, x, alike[rng.integers(len(alike))] if rng.random() < 0.5 else None,
                        name)]
    for n in range(rng.integers(1, 4)):
        t, label = made[-1].y, f"{name}_{n}"
        kind = rng.choice(["function", "branch", "scale", "pool"], p=[0.4, 0.3, 0.2, 0.1])
        if kind == "function":
            made.append(elementwise(rng, t, name=label))
        elif kind == "branch":
            made.append(elementwise(rng, t, name=f"{label}_left"))
            made.append(elementwise(rng, t, made[-1].y, label, bool(rng.integers(2))))
        elif kind == "scale":
            made.append(scaling(rng, t, label))
        else:
            made.append(rescaled(rng, random_pool(rng, t, label)))
    return made


def _random_layers(rng, kind, x, tensors, name, tables):
    channels, height, width = x.shape

    def beside(axis):
        """A tensor that agrees with ``x`` but for one direction, made anew if there is none."""
        found = [t for t in tensors if t.dtype == x.dtype and t is not x
                 and all(a == b for n, (a, b) in enumerate(zip(t.shape, x.shape, strict=True))
                         if n != axis)]
        if found:
            return [], found[rng.integers(len(found))]
        layer = conv(rng, x, int(rng.integers(1, 17)) if axis == 0 else channels, (1, 1),
                     name=f"{name}_beside")
        return [replace(layer, y=replace(layer.y, dtype=x.dtype, zero_point=0),
                        lo=int(np.iinfo(x.dtype).min), hi=int(np.iinfo(x.dtype).max))], layer.y

    if kind == "conv":
        return [random_conv(rng, x, name, 16)]
    if kind == "sums":
        return [accumulation(random_conv(rng, x, name, 16))]
    if kind == "dense":
        return [dense(rng, x, int(rng.integers(1, 17)), name)]
    if kind == "product":
        return [product(rng, x, int(rng.integers(1, 17)), name, bool(rng.integers(2)))]
    if kind == "pool":
        layer = random_pool(rng, x, name)
        dilation = tuple(int(d) for d in rng.integers(1, 4, 2))
        reach = [(k - 1) * d + 1 for k, d in zip(layer.kernel, dilation, strict=True)]
        if rng.random() < 0.5 and reach[0] <= height and reach[1] <= width:
            layer = pool(x, layer.kernel, layer.stride, (0, 0, 0, 0), name, dilation)
        return [rescaled(rng, layer) if tables and rng.random() < 0.3 else layer]
    if kind == "function" or kind == "gate" and height * width > 20:
        return [elementwise(rng, x, name=name)]
    if kind == "chain":
        return _chain(rng, x, tensors, name)
    if kind in ("add", "mul"):
        before, other = beside(None)
        if before:
            other = before[0].y
        return [*before, elementwise(rng, x, other, name, kind == "mul")]
    if kind == "gate":
        gate = random_pool(rng, x, f"{name}_pool") if height * width == 1 else \
            pool(x, (height, width), (1, 1), name=f"{name}_pool")
        gated = [gate, elementwise(rng, gate.y, name=f"{name}_gate")]
        return [*gated, elementwise(rng, x, gated[1].y, name, True)]
    if kind.endswith("concat"):
        axis = int(rng.integers(3))
        before, other = beside(axis)
        if before:
            other = before[0].y
        parts = [x, other, x][:int(rng.integers(2, 4))]
        order = rng.permutation(len(parts))
        tables = None
        if kind != "concat":
            tables = [None if rng.random() < 0.5 else rng.integers(0, 256, 256, np.uint8)
                      for _ in parts]
        return [*before, concat([parts[i] for i in order], axis, name, tables)]
    if kind == "cut":
        start = [int(rng.integers(n)) for n in x.shape]
        step = [int(rng.choice([1, 1, 2, 3])) for _ in range(3)]
        size = [int(rng.integers(1, (n - a - 1) // d + 2))
                for n, a, d in zip(x.shape, start, step, strict=True)]
        return [cut(x, tuple(start), tuple(size), tuple(step), name)]
    if kind == "split":
        at = int(rng.integers(channels + 1))
        return [cut(x, (a, 0, 0), (b - a, height, width), name=f"{name}_{a}")
                for a, b in ((0, at), (at, channels)) if b > a]
    if kind == "pad":
        limits = np.iinfo(x.dtype)
        around = [tuple(int(n) for n in rng.choice([0, 0, 1, 3], 3)) for _ in range(2)]
        return [pad(x, *around, int(rng.integers(limits.min, limits.max + 1)), name)]
    return [enlarge(x, *(int(n) for n in rng.integers(1, 4, 2)), name)]
