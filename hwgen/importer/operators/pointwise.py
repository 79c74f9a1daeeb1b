"""Functions of one code or of two, found by trying all of them in ONNX Runtime."""

from dataclasses import replace

import numpy as np

from ...network.graph import Conv, Elementwise, Tensor
from .. import proof
from .channels import by_channel, channel_layer
from .conv import OnHost, planes, quantisation
from .kinds import Kind

__all__ = ["KIND", "POINTWISE", "QLINEAR", "pointwise_layer"]

#: Operators that compute each value of their output from the values at its place alone.
POINTWISE = frozenset(
    "Abs Add BatchNormalization BiasGelu Ceil Celu Clip Cos Div Dropout Elu Erf Exp FastGelu Floor "
    "Gelu HardSigmoid HardSwish Identity LeakyRelu Log Max Mean Min Mish Mul Neg PRelu Pow "
    "QuickGelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Softplus Softsign Sqrt Sub Sum "
    "Swish Tanh ThresholdedRelu".split())
#: Those of them with codes in and out, and the positions of their operands.
QLINEAR = {"QLinearAdd": (0, 3), "QLinearMul": (0, 3), "QLinearSigmoid": (0,),
           "QLinearLeakyRelu": (0,)}

_BYTES = np.arange(256, dtype=np.uint8)
_LANES = 64    # no kernel treats values in larger groups


def pointwise_layer(fragment, codes, tables):
    """The layer of a fragment of pointwise operators, or the input's :class:`Code` if it changes
    nothing.

    Parameters
    ----------
    fragment : Fragment
    codes : list of Code
        Of its leaves.
    tables : bool
        Whether the accelerator has the tables of :class:`Elementwise`.

    Raises
    ------
    OnHost
        No integer form gives ONNX Runtime's result for all codes.
    """
    graph = fragment.graph
    shape, dtype = graph.values[fragment.y]
    if len(codes) == 1 and by_channel(fragment, codes[0]):
        return channel_layer(fragment, codes[0], _quantised(fragment), tables)
    for node in fragment.nodes:
        for name in node.inputs:
            if name in graph.constants and graph.constants[name].size != 1:
                raise OnHost(f"{node} has a constant of {graph.constants[name].size} values; the "
                             f"accelerator takes one value for a whole tensor, or one a channel")
    y_quant = _quantised(fragment)
    zero = int(y_quant.zero.item()) if y_quant else 0
    scale = float(y_quant.scale.item()) if y_quant else 1.0

    def output(stored):
        return Tensor(fragment.y, stored, dtype, zero, scale, shape)
    if len(codes) == 1:
        return _one(fragment, codes[0], shape, y_quant, output(codes[0].stored), tables)
    if len(codes) == 2 and tables:
        return _two(fragment, codes, shape, y_quant, output)
    raise OnHost(f"{fragment.name} works on {len(codes)} tensors; the accelerator takes "
                 f"{'one or two' if tables else 'one, for it is built without tables'}")


def _quantised(fragment):
    """The quantisation of the result, None if the file has none."""
    node = fragment.end
    if node.op not in QLINEAR:
        return fragment.writing()
    at = 3 * len(QLINEAR[node.op])
    return quantisation(fragment.graph, node, node.input(at), node.input(at + 1),
                        fragment.graph.values[fragment.y][1])


def _one(fragment, code, shape, y_quant, y, tables):
    if code.shape != shape:
        raise OnHost(f"{fragment.name} makes {shape} of {code.shape}")
    name = (fragment.inner or fragment.nodes[-1:])[0].name
    values = _function(fragment, shape, code.dtype)
    if code.dtype == y.dtype and np.array_equal(values, _BYTES.view(code.dtype)):
        return code
    x_quant = fragment.reading(fragment.leaves[0]) if y_quant else None
    layer = _scaling(name, code.tensor(x_quant), y, values)
    if layer:
        return layer
    if not tables:
        raise OnHost(f"{fragment.name} is no multiplication by one number; it needs a table, and "
                     f"the accelerator is built without")
    return Elementwise(name, (code.tensor(x_quant),), y,
                       (values.astype(np.int32) - y.zero_point,),
                       lo=int(values.min()), hi=int(values.max()))


def _scaling(name, x, y, values):
    """The function of one code as a convolution of one tap, or None."""
    codes = _BYTES.view(x.dtype).astype(np.int64)
    lo, hi = int(values.min()), int(values.max())
    ratio = np.float64(x.scale) / y.scale
    if not 1e-30 < ratio < 1e30:
        return None
    for scale in proof.neighbours(ratio, 1):
        if np.array_equal(proof.requantised(codes - x.zero_point, scale, y.zero_point, lo, hi),
                          values):
            c = x.shape[0]
            return Conv(name, x, y, np.ones((c, 1, 1, 1), np.int16), np.zeros(c, np.int32),
                        np.full(c, scale, np.float32), groups=c, lo=lo, hi=hi)
    return None


def _function(fragment, shape, dtype):
    """Output codes for all bytes, each tried at every place that a kernel could tell apart."""
    size = 512 + int(np.prod(shape)) % _LANES
    place = np.arange(size)
    run = fragment.runner([(*(1,) * (len(shape) - 1), size)])
    found = None
    for turn in range(256):
        given = ((place + turn) & 255).astype(np.uint8)
        y = run(given.view(dtype).reshape(*(1,) * (len(shape) - 1), size)).reshape(-1)
        if found is None:
            found = y[:256].copy()
        if not np.array_equal(y, found[given]):
            raise OnHost(f"{fragment.name} gives results in ONNX Runtime that depend on where a "
                         f"value stands")
    return found


def _two(fragment, codes, shape, y_quant, output):
    wide = [code.shape == shape for code in codes]
    first = 0 if wide[0] else 1
    codes = [codes[first], codes[1 - first]]
    leaves = [fragment.leaves[first], fragment.leaves[1 - first]]
    if not all(wide) and (not any(wide) or not _a_channel(codes[1].shape, shape)):
        raise OnHost(f"{fragment.name} joins tensors of the shapes {codes[0].shape} and "
                     f"{codes[1].shape}; the accelerator takes equal shapes, or one value a "
                     f"channel")
    wanted = _pairs(fragment, shape, codes, all(wide), first)
    # Both are read in one shape; values lie in the same order in any.
    stored = codes[0].stored if all(wide) else planes(fragment.name, shape)
    y = output(stored)
    lo, hi = int(wanted.min()), int(wanted.max())
    inputs = tuple(replace(code.tensor(), shape=size) for code, size in zip(
        codes, (stored, stored if all(wide) else (stored[0], 1, 1)), strict=True))
    name = fragment.inner[0].name
    readings = _readings(fragment, leaves)
    kinds = {n.op for n in fragment.inner} - {"Relu", "Clip"}
    real = []
    if readings and y_quant:
        real = [(_BYTES.view(c.dtype).astype(np.int64) - q.zero.item(), float(q.scale.item()))
                for c, q in zip(codes, readings, strict=True)]
    if real and kinds in ({"Mul"}, {"QLinearMul"}):
        tables = tuple(value.astype(np.int32) for value, _ in real)
        guess = real[0][1] * real[1][1] / y.scale
        if 1e-30 < guess < 1e30:
            scale = proof.product_form(wanted, y.zero_point, lo, hi, tables, guess)
            if scale is not None:
                return Elementwise(name, inputs, y, tables, True, np.float32(scale), lo, hi)
    if real and kinds in ({"Add"}, {"Sum"}, {"QLinearAdd"}, {"Sub"}):
        minus = [kinds == {"Sub"} and _subtracted(fragment, leaf) for leaf in leaves]
        guesses = tuple(value * step / y.scale * (-1 if m else 1)
                        for (value, step), m in zip(real, minus, strict=True))
    else:
        # The nearest sum of two functions, in the mean.
        value = wanted - float(y.zero_point)
        guesses = value.mean(axis=1) - value.mean() / 2, value.mean(axis=0) - value.mean() / 2
    form = proof.sum_form(wanted, y.zero_point, lo, hi, guesses)
    if form is None:
        # Kernels that add the zero point before they round decide ties by its parity: so does a
        # sum that contains it.
        form = proof.sum_form(wanted, 0, lo, hi, (guesses[0] + y.zero_point, guesses[1]))
        y = replace(y, zero_point=0)
    if form is None:
        raise OnHost(f"{fragment.name} has no integer form that gives ONNX Runtime's results for "
                     f"all pairs of codes")
    return Elementwise(name, inputs, y, form[0], False, form[1], lo, hi)


def _readings(fragment, leaves):
    """The quantisations of two operands, or None where the file has not one for each."""
    node = fragment.end
    if node.op in QLINEAR:
        at = [node.inputs.index(leaf) for leaf in leaves]
        return [quantisation(fragment.graph, node, node.input(i + 1), node.input(i + 2),
                             fragment.graph.values[leaf][1])
                for i, leaf in zip(at, leaves, strict=True)]
    readings = [fragment.reading(leaf) for leaf in leaves]
    return None if None in readings else readings


def _subtracted(fragment, leaf):
    """Whether a leaf is the second operand of the fragment's Sub."""
    second = next(node for node in fragment.inner if node.op == "Sub").input(1)
    return any(second in node.outputs and leaf in node.inputs for node in fragment.nodes)


def _a_channel(shape, whole):
    """Whether ``shape`` holds one value for each channel of ``whole``."""
    aligned = (*(1,) * (len(whole) - len(shape)), *shape)
    return len(whole) > 2 and aligned == (*whole[:2], *(1,) * (len(whole) - 2))


def _pairs(fragment, shape, codes, equal, first):
    """Output codes for all pairs of bytes, tried in several places."""
    rng = np.random.default_rng(1)
    rank, tail = len(shape), int(np.prod(shape if equal else shape[2:])) % _LANES
    found = np.full((256, 256), -1000)

    def attempt(a, b):
        given = [a.astype(np.uint8), b.astype(np.uint8)]
        arrays = [array.view(code.dtype) for array, code in zip(given, codes, strict=True)]
        y = runner(*(arrays if first == 0 else arrays[::-1])).astype(np.int64)
        a, b = np.broadcast_arrays(*given)
        if found[0, 0] == -1000:
            found[a, b] = y
        if not np.array_equal(found[a, b], y):
            raise OnHost(f"{fragment.name} gives results in ONNX Runtime that depend on where a "
                         f"value stands")
    if equal:
        place = np.arange(65536 + tail) & 65535
        whole = (*(1,) * (rank - 1), place.size)
        runner = fragment.runner([whole, whole])
        for order in (place, rng.permutation(place), rng.permutation(place)):
            attempt((order >> 8).reshape(whole), (order & 255).reshape(whole))
        return found
    # Channels in a vector of their own, whose length may leave a remainder as well.
    row, each = (np.arange(256 + n % _LANES) & 255 for n in (tail, shape[1]))
    lone, whole = [1] * rank, [1] * rank
    lone[1] = whole[1] = each.size
    whole[-1] = row.size
    shapes = [tuple(whole), tuple(lone)]
    runner = fragment.runner(shapes if first == 0 else shapes[::-1])
    for order in (row, rng.permutation(row)):
        a = np.broadcast_to(order.reshape((1,) * (rank - 1) + (-1,)), whole).copy()
        for channels in (each, rng.permutation(each)):
            attempt(a, channels.reshape(lone))
    return found


KIND = Kind(2, between=POINTWISE, direct=frozenset(QLINEAR), takes=lambda nodes: True,
            layer=pointwise_layer)
