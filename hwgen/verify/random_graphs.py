"""Random quantised graphs with branches, as ONNX models, in QDQ form and with QLinear operators."""

import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..simulate.dram import Dram
from .random_layers import Case, integers

__all__ = ["random_graph"]

_ONNX = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8,
         np.dtype(np.int32): TensorProto.INT32, np.dtype(np.float32): TensorProto.FLOAT}
_VALUES = 6000              # of a tensor that other nodes read
_MICROSOFT = "com.microsoft"
# Functions of one value; those of the first line have a QLinear form.
_FUNCTIONS = ("Sigmoid", "LeakyRelu",
              "Tanh", "HardSwish", "HardSigmoid", "Relu", "Elu", "Clip", "Identity")
_QLINEAR = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "LeakyRelu", "Mul", "Sigmoid")


class _Tensor:
    """Codes: their name, shape, scale and zero point."""

    def __init__(self, name, shape, scale, zero):
        self.name, self.shape = name, tuple(int(n) for n in shape)
        self.scale, self.zero = np.float32(scale), zero

    @property
    def dtype(self):
        return self.zero.dtype

    @property
    def quantisation(self):
        return self.scale, self.zero


class _Graph:
    """Collects the nodes of a graph; ``tensors`` are the codes that later nodes may read."""

    def __init__(self, rng):
        self.rng, self.nodes, self.constants = rng, [], []
        self.tensors, self.inputs, self.outputs, self.read = [], [], [], set()
        self.dtype = np.dtype(rng.choice([np.uint8, np.int8]))
        self.qlinear = rng.choice([0, 0.5, 1])      # the share of operators in that form
        self.macs, self.text = 0, []

    def chance(self, share):
        return self.rng.random() < share

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, domain="", outputs=1, **attributes):
        """Adds a node; returns the name of its output, or a list of several."""
        names = [f"{op.lower()}{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, f"node_{names[0]}", domain=domain,
                                           **attributes))
        return names[0] if outputs == 1 else names

    def scale(self):
        """Mostly moderate; some far from 1."""
        return np.float32(10 ** self.rng.uniform(*((-9, 4) if self.chance(0.04) else (-2.5, -1))))

    def zero(self, dtype=None):
        dtype = self.dtype if dtype is None else dtype
        info = np.iinfo(dtype)
        return dtype.type(self.rng.choice([info.min, info.max, (info.min + info.max + 1) // 2,
                                           self.rng.integers(info.min, info.max)]))

    def codes(self, name, shape, scale, zero):
        self.tensors.append(_Tensor(name, shape, scale, zero))
        return self.tensors[-1]

    def source(self, shape):
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, _ONNX[self.dtype], shape))
        return self.codes(name, shape, self.scale(), self.zero())

    def pick(self, fits=lambda tensor: True):
        """Any tensor that fits and is not too large, later ones more often; or None."""
        found = [t for t in self.tensors if np.prod(t.shape) <= _VALUES and fits(t)]
        return found[max(self.rng.integers(len(found), size=2))] if found else None

    def real(self, tensor):
        self.read.add(tensor.name)
        return self.node("DequantizeLinear", [tensor.name, *map(self.constant,
                                                                tensor.quantisation)])

    def quantised(self, tensor):
        """A tensor as three inputs of a QLinear operator."""
        self.read.add(tensor.name)
        return [tensor.name, *map(self.constant, tensor.quantisation)]

    def quantise(self, value, shape, scale=None, zero=None):
        scale, zero = self.scale() if scale is None else scale, \
            self.zero() if zero is None else zero
        name = self.node("QuantizeLinear", [value, self.constant(scale), self.constant(zero)])
        return self.codes(name, shape, scale, zero)

    def apply(self, op, tensors, shape, scale=None, zero=None, **attributes):
        """An operator in one of its forms, from codes to codes."""
        scale, zero = self.scale() if scale is None else scale, \
            self.zero() if zero is None else zero
        if op in _QLINEAR and zero.dtype == tensors[0].dtype and self.chance(self.qlinear):
            ends = [self.constant(scale), self.constant(zero)]
            inputs = [name for tensor in tensors for name in self.quantised(tensor)]
            name = self.node(f"QLinear{op}", ends + inputs if op == "Concat" else inputs + ends,
                             _MICROSOFT, **attributes)
            return self.codes(name, shape, scale, zero)
        value = self.node(op, [self.real(tensor) for tensor in tensors], **attributes)
        if op in ("Add", "Mul") and self.chance(0.25):
            value = self.node("Relu", [value])
        return self.quantise(value, shape, scale, zero)

    # One method for each kind of layer; each takes a tensor.

    def weights(self, x, shape):
        """Codes, scales and zero points of weights, as constants, and the scales."""
        dtype = np.dtype(np.int8)
        if x.dtype == np.uint8 and self.chance(0.4):
            dtype = np.dtype(np.uint8)
        scale = np.float32(2 ** self.rng.uniform(-9, -3, shape[0] if self.chance(0.4) else ()))
        zero = np.full(scale.shape, self.zero(dtype) if self.chance(0.3) or dtype == np.uint8
                       else 0, dtype)
        return integers(self.rng, dtype, shape), scale, zero

    def multiply(self, op, x, weight, scale, zero, y_shape, taps, value=None, **attributes):
        """A convolution or matrix product in one of its forms; filters are on the axis 0 of
        ``weight``, for a matrix product on axis 1 in the file. ``value`` is what a float operator
        made of ``x``, if there is one."""
        filters = weight.shape[0]
        spread = 75 * np.sqrt(taps) * float(np.median(scale))
        y_scale = np.float32(float(x.scale) * spread * 2 ** self.rng.uniform(-1, 2))
        y_zero = self.zero(x.dtype)
        bias = self.rng.integers(-3000, 3001, filters).astype(np.int32)
        axis, file_weight = (0, weight) if op == "Conv" else (1, weight.T.copy())
        self.macs += int(np.prod(y_shape)) * taps
        if value is None and self.chance(self.qlinear):
            inputs = [*self.quantised(x), *map(self.constant, (file_weight, scale, zero)),
                      self.constant(y_scale), self.constant(y_zero)]
            if op == "Conv" and self.chance(0.7):
                inputs.append(self.constant(bias))
            name = self.node(f"QLinear{op}", inputs, **attributes)
            return self.codes(name, y_shape, y_scale, y_zero)
        extra = {"axis": axis} if scale.ndim else {}
        inputs = [value or self.real(x), self.node("DequantizeLinear", [
            self.constant(v) for v in (file_weight, scale, zero)], **extra)]
        if op == "Conv" and self.chance(0.2):
            inputs.append(self.constant((bias * x.scale * scale).astype(np.float32)))
        elif op == "Conv" and self.chance(0.7):
            inputs.append(self.node("DequantizeLinear", [
                self.constant(bias), self.constant(np.float32(x.scale * scale)),
                self.constant(np.zeros(scale.shape, np.int32))],
                **({"axis": 0} if scale.ndim else {})))
        value = self.node(op, inputs, **attributes)
        if self.chance(0.4):
            value = self.node("Relu", [value])
            y_zero = self.dtype.type(np.iinfo(x.dtype).min) if self.chance(0.8) and \
                x.dtype == self.dtype else y_zero
        return self.quantise(value, y_shape, y_scale, y_zero)

    def conv(self, x, filters=None, kernel=None):
        rng, (n, c, *size) = self.rng, x.shape
        m = filters or int(rng.integers(1, 17))
        kernel = [kernel or min(int(rng.choice([1, 2, 3, 3, 5])), n) for n in size]
        groups = 1
        if filters is None and self.chance(0.3):
            groups = int(rng.choice([g for g in range(1, c + 1) if c % g == 0]))
            m = groups * int(rng.integers(1, 3))
        same = filters is not None
        stride = [1 if same else int(rng.choice([1, 1, 2, 3])) for _ in size]
        dilation = [2 if self.chance(0.15) and 2 * k - 1 <= n else 1
                    for k, n in zip(kernel, size, strict=True)]
        pads = [0 if same else int(rng.integers(0, k)) for k in kernel * 2]
        out = [(length + a + b - d * (k - 1) - 1) // u + 1 for length, a, b, d, k, u in
               zip(size, pads[:2], pads[2:], dilation, kernel, stride, strict=True)]
        weight, scale, zero = self.weights(x, (m, c // groups, *kernel))
        return self.multiply("Conv", x, weight, scale, zero, (n, m, *out), weight[0].size,
                             kernel_shape=kernel, strides=stride, pads=pads, group=groups,
                             dilations=dilation)

    def unquantised(self, x):
        """A convolution behind an operator without a quantiser of its own."""
        n, c, h, w = x.shape
        value = self.real(x)
        if self.chance(0.5):
            value = self.node("MaxPool", [value], kernel_shape=[min(2, h), 1], strides=[1, 1])
            h += 1 - min(2, h)
        else:
            value = self.node("Transpose", [value], perm=[0, 1, 3, 2])
            h, w = w, h
        m = int(self.rng.integers(1, 9))
        weight, scale, zero = self.weights(x, (m, c, 1, 1))
        return self.multiply("Conv", x, weight, scale, zero, (n, m, h, w), c, value=value)

    def temporal(self, x):
        """A 1-D convolution over the rows one after the other, with pads in front, as many as a
        causal one has."""
        n, c, h, w = x.shape
        m, taps = int(self.rng.integers(1, 7)), int(self.rng.integers(1, 4))
        dilation = int(self.rng.choice([1, 2, 8, 40]))
        pad = (taps - 1) * dilation
        value = self.node("Reshape", [self.real(x), self.constant(np.array([n, c, h * w],
                                                                           np.int64))])
        value = self.node("DequantizeLinear", [
            self.node("QuantizeLinear", [value, *map(self.constant, x.quantisation)]),
            *map(self.constant, x.quantisation)])
        weight, scale, zero = self.weights(x, (m, c, taps))
        y = self.multiply("Conv", x, weight, scale, zero, (n, m, h * w), c * taps, value=value,
                          dilations=[dilation], pads=[pad, 0])
        value = self.node("Reshape", [self.real(y), self.constant(np.array([n, m, h, w],
                                                                           np.int64))])
        return self.quantise(value, (n, m, h, w), *y.quantisation)

    def matrix(self, x):
        """A matrix product of the rows, or a fully connected layer over the flattened tensor."""
        if self.chance(0.5):
            flat = self.node("Flatten", [self.real(x)])
            x = self.quantise(flat, (x.shape[0], int(np.prod(x.shape[1:]))), *x.quantisation)
        m, size = int(self.rng.integers(1, 20)), x.shape[-1]
        weight, scale, zero = self.weights(x, (m, size))
        scale, zero = np.float32(scale.flat[0]), zero.reshape(-1)[0]
        return self.multiply("MatMul", x, weight, scale, zero, (*x.shape[:-1], m), size)

    def sums(self, x):
        """A convolution whose sums are an output of the graph."""
        n, c, h, w = x.shape
        weight = integers(self.rng, np.dtype(np.uint8 if x.dtype == np.uint8 else np.int8),
                           (int(self.rng.integers(1, 8)), c, 1, 1))
        self.macs += weight.size * n * h * w
        self.read.add(x.name)
        name = self.node("ConvInteger", [x.name, self.constant(weight), self.constant(x.zero),
                                         self.constant(weight.dtype.type(3))])
        self.outputs.append((name, (n, len(weight), h, w), np.dtype(np.int32)))

    def pool(self, x):
        rng, (batch, c, *size) = self.rng, x.shape
        op = str(rng.choice(["MaxPool", "MaxPool", "AveragePool"]))
        kernel = [min(int(rng.integers(1, 4)), n) for n in size]
        stride = [int(rng.integers(1, 4)) for _ in size]
        dilation, pads = [1, 1], [0] * 4
        if op == "MaxPool" or self.chance(0.5):
            pads = [int(rng.integers(0, k)) for k in kernel * 2]
        if op == "MaxPool":
            dilation = [2 if self.chance(0.2) and 2 * k - 1 <= n else 1
                        for k, n in zip(kernel, size, strict=True)]
        shape = (batch, c, *((n + a + b - d * (k - 1) - 1) // u + 1 for n, a, b, d, k, u in
                         zip(size, pads[:2], pads[2:], dilation, kernel, stride, strict=True)))
        attributes = dict(kernel_shape=kernel, strides=stride, pads=pads)
        if op == "AveragePool":
            attributes["count_include_pad"] = int(rng.integers(2))
            return self.apply(op, [x], shape, zero=self.zero(x.dtype), **attributes)
        attributes["dilations"] = dilation
        if self.chance(self.qlinear):
            self.read.add(x.name)
            return self.codes(self.node(op, [x.name], **attributes), shape, *x.quantisation)
        keep = x.quantisation if self.chance(0.7) else (None, self.zero())
        return self.quantise(self.node(op, [self.real(x)], **attributes), shape, *keep)

    def function(self, x):
        """A function, or a requantisation, of one tensor, perhaps to the other type."""
        op = str(self.rng.choice(_FUNCTIONS))
        zero = self.zero(np.dtype(self.rng.choice([np.uint8, np.int8])) if self.chance(0.15)
                         else x.dtype)
        if op == "Clip":
            bounds = [self.constant(np.float32(v)) for v in (-0.3, 1.1)]
            return self.quantise(self.node(op, [self.real(x), *bounds]), x.shape, None, zero)
        if op == "Identity":
            return self.quantise(self.real(x), x.shape, None, zero)
        return self.apply(op, [x], x.shape, None, zero)

    def chain(self, x):
        """A convolution, or none, and functions behind it, one after the other or as SiLU has them:
        a value times a function of it. Now and then what is between is read once more."""
        y = self.conv(x) if self.chance(0.7) else x
        for _ in range(self.rng.integers(1, 4)):
            before = y
            if self.chance(0.5):
                y = self.function(y)
            else:
                gate = self.apply("Sigmoid", [y], y.shape, np.float32(1 / 255),
                                  y.dtype.type(np.iinfo(y.dtype).min))
                y = self.apply("Mul", [y, gate], y.shape, y.scale, self.zero(y.dtype))
            if self.chance(0.9) and before is not x:
                self.tensors = [t for t in self.tensors if t is not before]
        return y

    def residual(self, x):
        other = self.pick(lambda t: t.shape == x.shape and t.dtype == x.dtype) or x
        if self.chance(0.5):
            other = self.conv(x, x.shape[1], 1)
        op = str(self.rng.choice(["Add", "Add", "Mul"]))
        scale = x.scale + other.scale if op == "Add" else x.scale * other.scale * 100
        return self.apply(op, [x, other], x.shape, np.float32(scale * self.rng.uniform(0.3, 1.5)),
                          self.zero(x.dtype))

    def gate(self, x):
        """Squeeze and excitation: a factor for each channel."""
        pooled = self.apply("GlobalAveragePool", [x], (*x.shape[:2], 1, 1), *x.quantisation)
        gate = self.apply("Sigmoid", [self.conv(pooled, x.shape[1], 1)], pooled.shape,
                          np.float32(1 / 255), x.dtype.type(np.iinfo(x.dtype).min))
        pair = [x, gate] if self.chance(0.5) else [gate, x]
        return self.apply("Mul", pair, x.shape, np.float32(x.scale * self.rng.uniform(0.4, 1.2)),
                          self.zero(x.dtype))

    def concat(self, x):
        axis = int(self.rng.integers(1, 4))
        fits = [n for n in range(4) if n != axis]
        parts = [x]
        for _ in range(self.rng.integers(1, 3)):
            parts.append(self.pick(lambda t: t.dtype == x.dtype and len(t.shape) == 4 and all(
                t.shape[n] == x.shape[n] for n in fits)) or x)
        if axis == 1 and self.chance(0.6):
            parts[1] = self.conv(x, kernel=1, filters=int(self.rng.choice([4, 8, 5])))
        shape = list(x.shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        keep = x.quantisation if self.chance(0.5) else (None, self.zero(x.dtype))
        return self.apply("Concat", parts, shape, *keep, axis=axis)

    def cut(self, x):
        axes = sorted(int(a) for a in self.rng.choice([1, 2, 3], int(self.rng.integers(1, 3)),
                                                      replace=False))
        first = [int(self.rng.integers(x.shape[axis])) for axis in axes]
        last = [int(self.rng.integers(a, x.shape[axis])) + 1
                for a, axis in zip(first, axes, strict=True)]
        step = [int(self.rng.choice([1, 1, 2])) for _ in axes]
        shape = list(x.shape)
        for axis, a, b, d in zip(axes, first, last, step, strict=True):
            shape[axis] = -(-(b - a) // d)
        value = self.node("Slice", [self.real(x), *(
            self.constant(np.array(v, np.int64)) for v in (first, last, axes, step))])
        return self.quantise(value, shape, *x.quantisation)

    def split(self, x):
        c = x.shape[1]
        if c < 2:
            return self.function(x)
        first = int(self.rng.integers(1, c))
        parts = self.node("Split", [self.real(x), self.constant(np.int64([first, c - first]))],
                          outputs=2, axis=1)
        for part, n in zip(parts, (first, c - first), strict=True):
            self.quantise(part, (x.shape[0], n, *x.shape[2:]), *x.quantisation)

    def pad(self, x):
        before, after = (self.rng.integers(0, 3, 3) for _ in range(2))
        shape = (x.shape[0], *(x.shape[1:] + before + after))
        value = self.node("Pad", [self.real(x), self.constant(np.int64([0, *before, 0, *after]))])
        return self.quantise(value, shape, *x.quantisation)

    def enlarge(self, x):
        by = self.rng.integers(1, 4, 2)
        value = self.node("Resize", [self.real(x), "", self.constant(np.float32([1, 1, *by]))],
                          mode="nearest", coordinate_transformation_mode="asymmetric",
                          nearest_mode="floor")
        return self.quantise(value, (*x.shape[:2], x.shape[2] * by[0], x.shape[3] * by[1]),
                             *x.quantisation)

    def fraction(self, x):
        """Enlarged by fractions: rules for its shape and the kernel may differ, so nobody reads
        it."""
        by = self.rng.uniform(1, 2.7, 2)
        value = self.node("Resize", [self.real(x), "", self.constant(np.float32([1, 1, *by]))],
                          mode=str(self.rng.choice(["nearest", "linear"])))
        y = self.quantise(value, x.shape, *x.quantisation)
        self.tensors.remove(y)
        self.outputs.append((y.name, None, y.dtype))

    def transposes(self, x):
        """To another order and back, with a function between, each behind a quantiser."""
        perm = [0, *(int(k) for k in 1 + self.rng.permutation(3))]
        turned = tuple(x.shape[k] for k in perm)
        value = self.node("Transpose", [self.real(x)], perm=perm)
        y = self.quantise(value, turned, *(x.quantisation if self.chance(0.3) else (None, None)))
        if self.chance(0.7):
            y = self.function(y)
        value = self.node("Transpose", [self.real(y)], perm=[perm.index(k) for k in range(4)])
        return self.quantise(value, x.shape, zero=self.zero(y.dtype))

    def view(self, x):
        """A Reshape to a shape that the graph computes."""
        n, c, h, w = x.shape
        shape = self.node("Shape", [x.name])
        kept = self.node("Slice", [shape, *(self.constant(np.int64([k])) for k in (0, 2))])
        to = self.node("Concat", [kept, self.constant(np.int64([h * w, 1]))], axis=0)
        return self.quantise(self.node("Reshape", [self.real(x), to]), (n, c, h * w, 1),
                             *x.quantisation)

    def shuffle(self, x):
        """Channels taken alternately from the halves, as ShuffleNet does."""
        n, c, h, w = x.shape
        if c % 2:
            return self.function(x)
        value = self.node("Reshape", [self.real(x), self.constant(
            np.array([n, 2, c // 2, h, w], np.int64))])
        value = self.node("Transpose", [value], perm=[0, 2, 1, 3, 4])
        value = self.node("Reshape", [value, self.constant(np.array(x.shape, np.int64))])
        return self.quantise(value, x.shape, *x.quantisation)

    def host(self, x):
        """What only the host does."""
        op = str(self.rng.choice(["Softmax", "LRN", "CumSum"]))
        inputs = [self.real(x)] + [self.constant(np.int64(1))] * (op == "CumSum")
        return self.quantise(self.node(op, inputs, **({"size": 3} if op == "LRN" else {})),
                             x.shape, zero=self.zero(x.dtype))


_KINDS = ("conv", "conv", "conv", "conv", "matrix", "sums", "pool", "pool", "function", "function",
          "chain", "chain", "residual", "residual", "gate", "concat", "concat", "cut", "split",
          "pad", "enlarge", "shuffle", "host", "unquantised", "temporal", "fraction", "transposes",
          "view")
_MULTIPLYING = ("conv", "chain", "gate", "matrix", "sums", "temporal", "unquantised")


def random_graph(seed, max_macs):
    """The :class:`~.fuzz.Case` of a seed: a graph of up to ten layers on one or two inputs, with
    branches, and about ``max_macs`` multiply-accumulates at most.

    The same seed and bound give the same case on every machine.
    """
    rng = np.random.default_rng((seed, 4))
    graph = _Graph(rng)
    batch, *size = int(rng.choice([1, 1, 1, 2, 3])), *(int(n) for n in rng.integers(1, 15, 3))
    shape = (min(batch, _VALUES // math.prod(size)), *size)
    for _ in range(rng.integers(1, 3)):
        graph.source(shape)
    for _ in range(rng.integers(2, 11)):
        kind = str(rng.choice(_KINDS))
        if graph.macs > max_macs / 2 and kind in _MULTIPLYING:
            kind = "function"
        getattr(graph, kind)(graph.pick(lambda tensor: len(tensor.shape) == 4))
        graph.text.append(kind)
    ends = [t for t in graph.tensors if t.name not in graph.read and not t.name.startswith("x")]
    outputs = [(t.name, t.shape, t.dtype) for t in ends] + graph.outputs
    if not outputs:
        last = graph.tensors[-1]
        outputs = [(last.name, last.shape, last.dtype)]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "random", graph.inputs,
                          [helper.make_tensor_value_info(name, _ONNX[dtype], out)
                           for name, out, dtype in outputs], graph.constants),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)],
        ir_version=8)
    inputs = {value.name: integers(rng, graph.dtype, shape) for value in graph.inputs}
    dram = Dram(base=int(rng.integers(0, 1 << 18)) << 12, read_latency=int(rng.integers(0, 100)),
                write_latency=int(rng.integers(0, 50)), outstanding=int(rng.integers(1, 9)),
                stall=float(rng.choice([0, 0.1, 0.5])), seed=seed)
    text = f"{', '.join(graph.text)} on {'x'.join(map(str, shape))}, {graph.dtype}"
    return Case(text, model.SerializeToString(), inputs, dram)
