"""Random quantised graphs with branches, as ONNX models in QDQ form and with QLinear operators."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .dram import Dram
from .fuzz import Case

__all__ = ["random_graph"]

_ONNX = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}
_VALUES = 6000              # of a tensor that other nodes read
_FUNCTIONS = ("Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Relu")


class _Graph:
    """Collects the nodes of a graph. Tensors are codes; ``tensors`` has name, shape, scale and zero
    point of each."""

    def __init__(self, rng):
        self.rng, self.nodes, self.constants, self.tensors, self.read = rng, [], [], [], set()
        self.dtype = np.dtype(rng.choice([np.uint8, np.int8]))
        self.inputs, self.macs, self.text = [], 0, []

    def name(self, stem):
        return f"{stem}{len(self.nodes)}_{len(self.constants)}"

    def constant(self, value, stem="c"):
        name = self.name(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, domain="", **attributes):
        output = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [output], f"node_{output}", domain=domain,
                                           **attributes))
        return output

    def zero(self):
        info = np.iinfo(self.dtype)
        return self.dtype.type(self.rng.choice([info.min, info.max, 0,
                                                self.rng.integers(info.min, info.max)]))

    def codes(self, name, shape, scale, zero):
        """A tensor of codes, for later nodes to read."""
        found = name, tuple(int(n) for n in shape), np.float32(scale), zero
        self.tensors.append(found)
        return found

    def source(self, shape):
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, _ONNX[self.dtype], shape))
        return self.codes(name, shape, 10 ** self.rng.uniform(-2.5, -1), self.zero())

    def pick(self, fits=lambda shape: True):
        """Any tensor whose shape fits, or None."""
        found = [t for t in self.tensors if fits(t[1]) and np.prod(t[1]) <= _VALUES]
        return found[self.rng.integers(len(found))] if found else None

    def real(self, tensor):
        name, _, scale, zero = tensor
        self.read.add(name)
        return self.node("DequantizeLinear", [name, self.constant(scale), self.constant(zero)])

    def quantise(self, value, shape, scale=None, zero=None):
        scale = np.float32(10 ** self.rng.uniform(-2.5, -1)) if scale is None else scale
        zero = self.zero() if zero is None else zero
        name = self.node("QuantizeLinear", [value, self.constant(scale), self.constant(zero)])
        return self.codes(name, shape, scale, zero)

    # One method for each kind of layer; each takes a tensor.

    def conv(self, x, filters=None, kernel=None):
        rng, (_, c, h, w) = self.rng, x[1]
        m = filters or int(rng.integers(1, 17))
        r = s = kernel or int(rng.choice([1, 1, 3]))
        groups = 1
        if filters is None and rng.random() < 0.2:
            m = groups = c
        stride = 1 if kernel else int(rng.choice([1, 1, 2]))
        weight = rng.integers(-127, 128, (m, c // groups, r, s)).astype(np.int8)
        taps = weight[0].size
        self.macs += m * h * w * taps
        scale = np.float32(x[2] * 0.01 * 75 * np.sqrt(taps))
        zero = self.zero()
        self.read.add(x[0])
        y = self.node("QLinearConv", [
            x[0], self.constant(x[2]), self.constant(x[3]), self.constant(weight),
            self.constant(np.float32(0.01)), self.constant(np.int8(0)), self.constant(scale),
            self.constant(zero), self.constant(rng.integers(-500, 501, m).astype(np.int32))],
            kernel_shape=[r, s], strides=[stride] * 2, pads=[r // 2] * 4, group=groups)
        return self.codes(y, (1, m, -(-h // stride), -(-w // stride)), scale, zero)

    def pool(self, x):
        _, c, h, w = x[1]
        k, stride = (min(int(self.rng.integers(1, 4)), h, w), int(self.rng.integers(1, 3)))
        op = str(self.rng.choice(["MaxPool", "AveragePool"]))
        shape = (1, c, (h - k) // stride + 1, (w - k) // stride + 1)
        value = self.node(op, [self.real(x)], kernel_shape=[k, k], strides=[stride] * 2)
        return self.quantise(value, shape, *x[2:])

    def function(self, x):
        op = str(self.rng.choice(_FUNCTIONS))
        return self.quantise(self.node(op, [self.real(x)]), x[1])

    def residual(self, x):
        other = self.pick(lambda shape: shape == x[1])
        if self.rng.random() < 0.5:
            other = self.conv(x, x[1][1], 1)
        op = str(self.rng.choice(["Add", "Add", "Mul"]))
        return self.quantise(self.node(op, [self.real(x), self.real(other)]), x[1])

    def gate(self, x):
        pooled = self.quantise(self.node("GlobalAveragePool", [self.real(x)]), (1, x[1][1], 1, 1),
                               *x[2:])
        gate = self.function(self.conv(pooled, x[1][1], 1))
        return self.quantise(self.node("Mul", [self.real(x), self.real(gate)]), x[1])

    def concat(self, x):
        axis = int(self.rng.integers(1, 4))
        other = self.pick(lambda shape: all(
            a == b for n, (a, b) in enumerate(zip(shape, x[1], strict=True)) if n != axis))
        if axis == 1 and self.rng.random() < 0.6:
            other = self.conv(x, kernel=1, filters=int(self.rng.choice([4, 8, 5])))
        shape = list(x[1])
        shape[axis] += other[1][axis]
        return self.quantise(self.node("Concat", [self.real(x), self.real(other)], axis=axis),
                             shape, *(x[2:] if self.rng.random() < 0.5 else ()))

    def cut(self, x):
        axes = sorted(self.rng.choice([1, 2, 3], int(self.rng.integers(1, 3)), replace=False))
        first = [int(self.rng.integers(x[1][axis])) for axis in axes]
        last = [int(self.rng.integers(a, x[1][axis])) + 1
                for a, axis in zip(first, axes, strict=True)]
        shape = list(x[1])
        for axis, a, b in zip(axes, first, last, strict=True):
            shape[axis] = b - a
        value = self.node("Slice", [self.real(x), *(
            self.constant(np.array(v, np.int64)) for v in (first, last, axes))])
        return self.quantise(value, shape, *x[2:])

    def enlarge(self, x):
        by = self.rng.integers(1, 4, 2)
        value = self.node("Resize", [self.real(x), "", self.constant(np.float32([1, 1, *by]))],
                          mode="nearest", coordinate_transformation_mode="asymmetric",
                          nearest_mode="floor")
        return self.quantise(value, (*x[1][:2], x[1][2] * by[0], x[1][3] * by[1]), *x[2:])

    def shuffle(self, x):
        """Channels taken alternately from the halves, as ShuffleNet does."""
        _, c, h, w = x[1]
        if c % 2:
            return self.function(x)
        value = self.node("Reshape", [self.real(x), self.constant(
            np.array([1, 2, c // 2, h, w], np.int64))])
        value = self.node("Transpose", [value], perm=[0, 2, 1, 3, 4])
        value = self.node("Reshape", [value, self.constant(np.array(x[1], np.int64))])
        return self.quantise(value, x[1], *x[2:])


_KINDS = ("conv", "conv", "conv", "pool", "function", "residual", "residual", "gate", "concat",
          "concat", "cut", "enlarge", "shuffle")


def random_graph(seed, max_macs):
    """The :class:`~.fuzz.Case` of a seed: a graph of up to ten layers on one or two inputs, with
    branches, and about ``max_macs`` multiply-accumulates at most.

    The same seed and bound give the same case on every machine.
    """
    rng = np.random.default_rng((seed, 4))
    graph = _Graph(rng)
    shape = (1, *(int(n) for n in rng.integers(1, 15, 3)))
    for _ in range(rng.integers(1, 3)):
        graph.source(shape)
    for _ in range(rng.integers(2, 11)):
        x = graph.pick()
        kind = str(rng.choice(_KINDS))
        if graph.macs > max_macs / 2 and kind in ("conv", "gate"):
            kind = "function"
        getattr(graph, kind)(x)
        graph.text.append(kind)
    outputs = [t for t in graph.tensors if t[0] not in graph.read
               and not t[0].startswith("x")] or graph.tensors[-1:]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "random", graph.inputs,
            [helper.make_tensor_value_info(name, _ONNX[graph.dtype], out)
             for name, out, _, _ in outputs], graph.constants),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    info = np.iinfo(graph.dtype)
    inputs = {value.name: rng.integers(info.min, info.max, shape, graph.dtype, endpoint=True)
              for value in graph.inputs}
    dram = Dram(base=int(rng.integers(0, 1 << 18)) << 12, read_latency=int(rng.integers(0, 100)),
                write_latency=int(rng.integers(0, 50)), outstanding=int(rng.integers(1, 9)),
                stall=float(rng.choice([0, 0.1, 0.5])), seed=seed)
    text = f"{', '.join(graph.text)} on {'x'.join(map(str, shape[1:]))}, {graph.dtype}"
    return Case(text, model.SerializeToString(), inputs, dram)
