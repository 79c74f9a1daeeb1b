"""Every operator in both forms, random shapes, scales and zero points, against ONNX Runtime."""


import re
from pathlib import Path

import numpy as np
import pytest

from hwgen.importer import onnx_import
from hwgen.importer.operators.move import MOVES
from hwgen.importer.operators.pointwise import POINTWISE
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network.graph import Conv, Elementwise, Host, MaxPool, Move
from tests.seed import SEED

from .models import Builder

F, U, S = np.float32, np.dtype(np.uint8), np.dtype(np.int8)


class Case:
    """A builder with random codes for inputs and the scales of a random operator."""

    def __init__(self, seed):
        print(f"seed {seed}")
        self.rng, self.b = np.random.default_rng([SEED, seed]), Builder()
        self.dtype = U if self.rng.integers(2) else S
        self.quant = {}

    def scale(self, spread=1.0):
        return F(10 ** self.rng.uniform(-2, -2 + spread))

    def zero(self, dtype=None):
        info = np.iinfo(dtype or self.dtype)
        return (dtype or self.dtype).type(self.rng.choice(
            [info.min, info.max, 0, self.rng.integers(info.min, info.max)]))

    def shape(self, *fixed, dims=None):
        dims = dims or int(self.rng.choice([2, 3, 4, 4, 4]))
        shape = [1, *(int(n) for n in self.rng.integers(1, 12, dims - 1))]
        return tuple(fixed) or tuple(shape)

    def codes(self, name, shape, scale=None, zero=None, dtype=None):
        """An input of codes."""
        dtype = dtype or self.dtype
        self.b.input(name, shape, dtype)
        self.quant[name] = (scale or self.scale(), self.zero(dtype) if zero is None else zero)
        return name

    def real(self, name):
        """DequantizeLinear of codes."""
        return self.b.quantised("DequantizeLinear", name, f"{name}_r", *self.quant[name])

    def parameters(self, name):
        """Codes, scale and zero point of codes, as QLinear operators take them."""
        scale, zero = self.quant[name]
        return [name, self.b.constant(f"{name}_s", scale), self.b.constant(f"{name}_z", zero)]

    def output(self, name, scale=None, zero=None, dtype=None):
        self.quant[name] = (scale or self.scale(1.5), self.zero(dtype) if zero is None else zero)
        return self.parameters(name)[1:]

    def quantised(self, value, name="y", **options):
        self.output(name, **options)
        return self.b.quantised("QuantizeLinear", value, name, *self.quant[name])

    def layers(self, *kinds, host=False, tables=True, dtype=None, names=("y",)):
        """Import, compare with ONNX Runtime, and return the layers, each of one of ``kinds``.

        ``host`` allows those that have no integer form, with the reason given.
        """
        for name in names:
            self.b.output(name, dtype or (self.quant[name][1].dtype if name in self.quant
                                          else self.dtype))
        model = self.b.bytes(opset=18)
        network = onnx_import.load(model, tables=tables)
        hosted = [layer for layer in network.layers if isinstance(layer, Host)]
        assert {type(layer) for layer in network.layers} <= {*kinds, Host}, network.reasons
        assert not hosted or host and network.reasons, network.reasons
        reference = Reference(model, network)
        for _ in range(3):
            inputs = {}
            for key, (shape, kind) in network.inputs.items():
                info = np.iinfo(kind)
                few = self.rng.integers(info.min, info.max + 1, 3)
                inputs[key] = (self.rng.choice(few, shape) if self.rng.integers(3) == 0 else
                               self.rng.integers(info.min, info.max + 1, shape)).astype(kind)
            values = golden.run(network, inputs)
            for key, expected in reference.run(inputs).items():
                np.testing.assert_array_equal(values[key], expected, key, strict=True)
        return network.layers


def seeds(count):
    return pytest.mark.parametrize("seed", range(count))


both = pytest.mark.parametrize("form", ["qdq", "qoperator"])


# Functions of one tensor.

@seeds(2)
@pytest.mark.parametrize("op, attributes", [
    ("Sigmoid", {}), ("LeakyRelu", {"alpha": 0.3}), ("HardSigmoid", {}), ("HardSwish", {}),
    ("Tanh", {}), ("PRelu", None), ("Elu", {}), ("Softplus", {}), ("Relu", {}), ("Clip", {}),
    ("Abs", {}), ("Erf", {}), (None, {})])
def test_functions_of_one_tensor(op, attributes, seed):
    case = Case(seed)
    kind = U if case.rng.integers(2) else S
    x = case.real(case.codes("x", case.shape()))
    if op == "PRelu":
        x = case.b.node(op, [x, case.b.constant("slope", F([0.2]))], "f")
    elif op == "Clip":
        x = case.b.node(op, [x, case.b.constant("lo", F(-0.1)), case.b.constant("hi", F(0.7))],
                        "f")
    elif op:
        x = case.b.node(op, [x], "f", **attributes)
    case.quantised(x, dtype=kind)
    layer, = case.layers(Conv, Elementwise)
    assert layer.y.dtype == kind


@seeds(3)
@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
def test_qlinear_functions(op, seed):
    case = Case(seed)
    x = case.parameters(case.codes("x", case.shape()))
    case.b.node(op, x + case.output("y"), "y", domain="com.microsoft",
                **({"alpha": 0.4} if op == "QLinearLeakyRelu" else {}))
    case.layers(Conv, Elementwise)


@seeds(2)
def test_silu(seed):
    case = Case(seed)
    x = case.real(case.codes("x", case.shape()))
    y = case.b.node("Mul", [x, case.b.node("Sigmoid", [x], "s")], "m")
    case.quantised(y)
    case.layers(Conv, Elementwise)


def test_functions_without_tables():
    """Without tables, what one multiplication gives is a layer, the rest is on the host."""
    for op, kinds in ("Relu", [Conv]), ("Sigmoid", [Host]):
        case = Case(1)
        x = case.real(case.codes("x", (1, 3, 4, 5), F(0.05), case.dtype.type(3)))
        case.quantised(case.b.node(op, [x], "f"), scale=F(0.031), zero=case.dtype.type(4))
        layers = case.layers(Conv, host=True, tables=False)
        assert [type(layer) for layer in layers] == kinds


@pytest.mark.parametrize("op", ["Relu", "Identity"])
def test_functions_that_change_nothing(op):
    case = Case(1)
    x = case.real(case.codes("x", (1, 3, 4, 5), F(0.05), U.type(0), dtype=U))
    case.quantised(case.b.node(op, [x], "f"), scale=F(0.05), zero=U.type(0), dtype=U)
    assert case.layers() == []


@seeds(3)
def test_functions_of_integers(seed):
    case = Case(seed)
    case.b.node("Clip", [case.codes("x", (1, 5, 7)), case.b.constant("lo", case.dtype.type(3)),
                         case.b.constant("hi", case.dtype.type(90))], "y")
    case.layers(Conv)


# Functions of two tensors.

def operands(case, channel):
    """Two shapes: the same, or one of them a value a channel; 1 of 8 times with odd ratios."""
    shape = case.shape() if not channel else case.shape(dims=int(case.rng.choice([3, 4])))
    other = (1, shape[1], *[1] * (len(shape) - 2)) if channel else shape
    shapes = [shape, other] if case.rng.integers(2) else [other, shape]
    spread = 5.0 if case.rng.integers(8) == 0 else 1.0
    for name, size in zip("ab", shapes, strict=True):
        case.codes(name, size, case.scale(spread))


@both
@pytest.mark.parametrize("channel", [False, True])
@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_two_operands(op, channel, form):
    """Nearly always an integer form; always ONNX Runtime's results."""
    found = 0
    for seed in range(12):
        case = Case(seed)
        operands(case, channel)
        # Results that fill the range, and some that leave it.
        steps = case.quant["a"][0], case.quant["b"][0]
        full = (steps[0] + steps[1]) * 255 if op == "Add" else steps[0] * steps[1] * 65025
        scale = F(full / 255 * 10 ** case.rng.uniform(-1, 0.3))
        if form == "qdq":
            y = case.b.node(op, [case.real("a"), case.real("b")], "f")
            if case.rng.integers(3) == 0:
                y = case.b.node("Relu", [y], "r")
            case.quantised(y, scale=scale)
        else:
            case.b.node(f"QLinear{op}", case.parameters("a") + case.parameters("b") +
                        case.output("y", scale), "y", domain="com.microsoft")
        layer, = case.layers(Elementwise, host=True)
        found += isinstance(layer, Elementwise)
    assert found >= 9


@seeds(2)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max"])
def test_two_operands_of_other_types_and_operators(op, seed):
    """Of different types ONNX Runtime computes in float; Div and Max have no form."""
    case = Case(seed)
    shape = case.shape()
    case.codes("a", shape, dtype=U)
    case.codes("b", shape, dtype=S)
    y = case.b.node(op, [case.real("a"), case.real("b")], "f")
    case.quantised(y, scale=F(0.02))
    case.layers(Elementwise, host=op in ("Div", "Max"))


@seeds(2)
@both
def test_the_same_operand_twice(form, seed):
    case = Case(seed)
    case.codes("a", case.shape())
    if form == "qdq":
        x = case.real("a")
        case.quantised(case.b.node("Add", [x, x], "f"))
    else:
        case.b.node("QLinearAdd", case.parameters("a") * 2 + case.output("y"), "y",
                    domain="com.microsoft")
    case.layers(Conv, Elementwise)


@seeds(4)
def test_a_constant_operand(seed):
    case = Case(seed)
    x = case.real(case.codes("a", case.shape()))
    c = case.b.constant("c", case.dtype.type(77))
    c = case.b.quantised("DequantizeLinear", c, "cr", case.scale(), case.zero())
    case.quantised(case.b.node(["Add", "Mul", "Sub", "Div"][seed], [x, c], "f"))
    case.layers(Conv, Elementwise)


@pytest.mark.parametrize("shape, layers", [((1, 3, 4, 5), [Move, Elementwise]),
                                           ((1, 70, 4, 5), [])])
def test_an_operand_for_each_place_of_a_plane(shape, layers):
    """It is stretched over the channels, if these are no more than 64."""
    case = Case(1)
    case.codes("a", shape)
    case.codes("b", (1, 1, 4, 5))
    case.quantised(case.b.node("Add", [case.real("a"), case.real("b")], "f"))
    if layers:
        case.layers(*layers)
    else:
        assert [type(layer) for layer in case.layers(host=True)] == [Host]


# Pooling.

@seeds(8)
@pytest.mark.parametrize("form", ["qdq", "integer"])
def test_maxpool(form, seed):
    case, rng = Case(seed), np.random.default_rng(seed)
    dims = int(rng.integers(1, 3))
    kernel = [int(k) for k in rng.integers(1, 5, dims)]
    dilation = [int(d) for d in rng.integers(1, 3, dims)]
    attributes = {"kernel_shape": kernel, "dilations": dilation,
                  "strides": [int(s) for s in rng.integers(1, 4, dims)],
                  "pads": [int(rng.integers(0, k)) for k in kernel * 2],
                  "ceil_mode": int(rng.integers(2))}
    size = [(k - 1) * d + 1 + int(rng.integers(0, 8)) for k, d in
            zip(kernel, dilation, strict=True)]
    case.codes("x", (1, int(rng.integers(1, 9)), *size))
    if form == "integer":
        case.b.node("MaxPool", ["x"], "y", **attributes)
    else:
        scale, zero = case.quant["x"]
        case.quantised(case.b.node("MaxPool", [case.real("x")], "f", **attributes),
                       scale=scale, zero=zero)
    case.layers(MaxPool)


@seeds(4)
@pytest.mark.parametrize("op", ["MaxPool", "GlobalMaxPool"])
def test_maxpool_between_scales(op, seed):
    """One layer, and from one 8-bit type to the other; without tables, the host's."""
    for tables in (True, False):
        case = Case(seed)
        case.codes("x", (1, 5, 7, 6))
        attributes = {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]} if op == "MaxPool" else {}
        case.quantised(case.b.node(op, [case.real("x")], "f", **attributes),
                       dtype=(U, S)[seed % 2])
        layer, = case.layers(MaxPool, host=not tables, tables=tables)
        assert not tables or layer.table is not None


def average(case, form, op, x, y, **attributes):
    if form == "qdq":
        case.quantised(case.b.node(op, [case.real(x)], "f", **attributes), y)
    else:
        case.b.node(f"QLinear{op}", case.parameters(x) + case.output(y), y,
                    domain="com.microsoft", **attributes)


@seeds(10)
@both
def test_average_pool(form, seed):
    case, rng = Case(seed), np.random.default_rng(seed)
    kernel = [int(k) for k in rng.integers(1, 4, 2)]
    padded = bool(rng.integers(2))
    attributes = {"kernel_shape": kernel, "strides": [int(s) for s in rng.integers(1, 3, 2)],
                  "count_include_pad": int(rng.integers(2)), "ceil_mode": int(rng.integers(2)),
                  "pads": [int(rng.integers(0, k)) if padded else 0 for k in kernel * 2]}
    case.codes("x", (1, int(rng.integers(1, 9)), *(int(n) for n in rng.integers(4, 11, 2))))
    average(case, form, "AveragePool", "x", "y", **attributes)
    case.layers(Conv, host=True)


@both
def test_average_pool_is_a_convolution(form):
    case = Case(2)
    case.codes("x", (1, 6, 9, 8), F(0.01231), U.type(0), dtype=U)
    case.output("y", F(0.010130), U.type(3))
    x, y = case.parameters("x"), case.parameters("y")
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    if form == "qdq":
        f = case.b.node("AveragePool", [case.real("x")], "f", **attributes)
        case.b.quantised("QuantizeLinear", f, "y", *case.quant["y"])
    else:
        case.b.node("QLinearAveragePool", x + y[1:], "y", domain="com.microsoft", **attributes)
    layer, = case.layers(Conv)
    assert layer.groups == 6 and np.all(layer.weight == 1)


@both
@pytest.mark.parametrize("attributes, scales", [
    ({"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, (1, 6, 8)),
    ({"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, (5,)),
    ({"kernel_shape": [2, 3], "pads": [0, 1, 0, 1], "strides": [1, 3]}, (1, 5, 3)),
    ({"kernel_shape": [2, 2], "strides": [2, 3], "ceil_mode": 1}, (5,)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, (1, 3, 4)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1}, (5,)),
    ({"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER"}, (1, 6, 8))])
def test_averages_at_the_edge(form, attributes, scales):
    """Windows of fewer values have a scale of their own, in a layer that is one convolution."""
    for dtype in (U, S):
        case = Case(3)
        case.codes("x", (1, 5, 6, 8), F(0.01231), dtype.type(7), dtype=dtype)
        case.output("y", F(0.010137), dtype.type(3))
        if form == "qdq":
            f = case.b.node("AveragePool", [case.real("x")], "f", **attributes)
            case.b.quantised("QuantizeLinear", f, "y", *case.quant["y"])
        else:
            case.b.node("QLinearAveragePool", [*case.parameters("x"), "y_s", "y_z"], "y",
                        domain="com.microsoft", **attributes)
        layer, = case.layers(Conv)
        assert layer.scale.shape == scales


def test_an_average_of_another_type():
    case = Case(1)
    case.codes("x", (1, 5, 6, 8), F(0.01231), U.type(7), dtype=U)
    f = case.b.node("AveragePool", [case.real("x")], "f", kernel_shape=[2, 2])
    case.quantised(f, scale=F(0.010137), zero=S.type(-5))
    layer, = case.layers(Conv)
    assert (layer.x.dtype, layer.y.dtype) == (U, S)


@seeds(8)
@both
def test_global_average_pool(form, seed):
    case = Case(seed)
    case.codes("x", (1, *(int(n) for n in case.rng.integers(1, 9, 3))))
    average(case, form, "GlobalAveragePool", "x", "y")
    layer, = case.layers(Conv)
    assert layer.weight.shape[2:] == layer.x.shape[1:]


# Data movement.

def test_the_page_names_every_operator():
    """Operators that are one word in a list are found in the table of operators, too."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "operators.md").read_text()
    table = page[page.index("| operator |"):page.index("| everything else |")]
    named = set(re.findall(r"\w+", "".join(line.split("|")[1] for line in table.splitlines()
                                          if line.startswith("|"))))
    assert POINTWISE | MOVES <= named, (POINTWISE | MOVES) - named


@seeds(8)
@pytest.mark.parametrize("form", ["qdq", "qoperator", "integer"])
def test_concat(form, seed):
    """Along any axis, with the same scales and with different ones."""
    case = Case(seed)
    shape = list(case.shape(dims=int(case.rng.choice([2, 3, 4]))))
    axis, names = int(case.rng.integers(1, len(shape))), "abc"[:int(case.rng.integers(1, 4))]
    for name in names:
        shape[axis] = int(case.rng.integers(1, 9))
        case.codes(name, tuple(shape))
    if form == "qdq":
        case.quantised(case.b.node("Concat", [case.real(n) for n in names], "f", axis=axis))
    elif form == "qoperator":
        inputs = [i for name in names for i in case.parameters(name)]
        case.b.node("QLinearConcat", case.output("y") + inputs, "y", domain="com.microsoft",
                    axis=axis)
    else:
        case.b.node("Concat", list(names), "y", axis=axis)
    layers = case.layers(Move)
    assert len(layers) == (len(names) > 1 or form != "integer")


@seeds(6)
@pytest.mark.parametrize("form", ["qdq", "integer"])
@pytest.mark.parametrize("op", ["Slice", "Pad", "Resize", "Split"])
def test_moves(op, form, seed):
    case = Case(seed)
    rng = case.rng
    shape = (1, *(int(n) for n in rng.integers(3, 9, 3)))
    scale, zero = case.quant[case.codes("x", shape)]
    x = case.real("x") if form == "qdq" else "x"
    b = case.b
    if op == "Slice":
        starts, steps = [int(n) for n in rng.integers(0, 2, 3)], rng.integers(1, 3, 3)
        inputs = [b.constant("from", np.int64(starts)), b.constant("to", np.int64([99] * 3)),
                  b.constant("axes", np.int64([1, 2, 3])), b.constant("steps", np.int64(steps))]
        y = b.node("Slice", [x, *inputs], "f")
    elif op == "Pad":
        pads = np.int64([0, *rng.integers(0, 3, 3), 0, *rng.integers(0, 3, 3)])
        inputs = [b.constant("pads", pads)]
        if rng.integers(2):
            inputs.append(b.constant("value", F(0.7) if form == "qdq" else case.zero()))
        mode = "reflect" if len(inputs) == 1 and rng.integers(2) else "constant"
        y = b.node("Pad", [x, *inputs], "f", mode=mode)
    elif op == "Resize":
        by = rng.choice([[2, 2], [1, 3], [3, 1]])
        y = b.node("Resize", [x, "", b.constant("by", F([1, 1, *by]))], "f", mode="nearest",
                   coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    else:
        first = int(rng.integers(1, shape[1]))
        b.constant("parts", np.int64([first, shape[1] - first]))
        b.node("Split", [x, "parts"], "f", axis=1)
        b.nodes[-1].output.append("g")
        y = "f"
    same = {} if rng.integers(2) else {"scale": scale, "zero": zero}
    if form == "qdq":
        case.quantised(y, **same)
        if op == "Split":
            case.quantised("g", "z", **same)
    else:
        b.node("Identity", [y], "y")
        if op == "Split":
            b.node("Identity", ["g"], "z")
    case.layers(Move, names=("y", "z") if op == "Split" else ("y",))


@pytest.mark.parametrize("op, arguments, attributes, form", [
    *((*case, form) for form in ("qdq", "integer") for case in (
        ("Flatten", [], {}), ("Reshape", [np.int64([1, -1, 4])], {}),
        ("Squeeze", [np.int64([0])], {}), ("Unsqueeze", [np.int64([0])], {}),
        ("Transpose", [], {"perm": [1, 0, 2, 3]}), ("Identity", [], {}),
        ("Expand", [np.int64([1, 6, 4, 4])], {}))),
    ("Dropout", [], {}, "qdq")])    # which takes float values
def test_aliases(op, arguments, attributes, form):
    case = Case(1)
    scale, zero = case.quant[case.codes("x", (1, 6, 4, 4))]
    x = case.real("x") if form == "qdq" else "x"
    constants = [case.b.constant(f"c{k}", v) for k, v in enumerate(arguments)]
    y = case.b.node(op, [x, *constants], "f" if form == "qdq" else "y", **attributes)
    if form == "qdq":
        case.quantised(y, scale=scale, zero=zero)
    assert case.layers() == []


@pytest.mark.parametrize("form", ["qdq", "integer"])
def test_channel_shuffle(form):
    """Reshape, Transpose, Reshape: a move of channels."""
    case = Case(1)
    scale, zero = case.quant[case.codes("x", (1, 6, 4, 5))]
    b = case.b
    x = case.real("x") if form == "qdq" else "x"
    x = b.node("Reshape", [x, b.constant("apart", np.int64([1, 2, 3, 4, 5]))], "r")
    x = b.node("Transpose", [x], "t", perm=[0, 2, 1, 3, 4])
    y = b.node("Reshape", [x, b.constant("together", np.int64([1, 6, 4, 5]))],
               "f" if form == "qdq" else "y")
    if form == "qdq":
        case.quantised(y, scale=scale, zero=zero)
    layer, = case.layers(Move)
    assert len(layer.pieces) == 2


def test_moves_without_tables():
    case = Case(1)
    for name in "ab":
        case.codes(name, (1, 3, 4, 5))
    case.quantised(case.b.node("Concat", [case.real("a"), case.real("b")], "f", axis=1))
    layer, = case.layers(host=True, tables=False)
    assert isinstance(layer, Host)


@pytest.mark.parametrize("op, attributes", [
    ("Transpose", {"perm": [0, 1, 3, 2]}), ("DepthToSpace", {"blocksize": 2})])
def test_moves_of_no_simple_pattern(op, attributes):
    case = Case(1)
    scale, zero = case.quant[case.codes("x", (1, 8, 4, 6))]
    case.quantised(case.b.node(op, [case.real("x")], "f", **attributes), scale=scale, zero=zero)
    assert [type(layer) for layer in case.layers(host=True)] == [Host]


# Sums without requantisation.

@seeds(4)
@pytest.mark.parametrize("op", ["ConvInteger", "MatMulInteger"])
@pytest.mark.parametrize("wtype", ["uint8", "int8"])
def test_integer_sums(op, wtype, seed):
    case = Case(seed)
    wtype = np.dtype(wtype)
    case.dtype = U if op == "ConvInteger" else case.dtype
    info = np.iinfo(wtype)
    rows = ((1, 40), (1, 6, 40), (7, 40), (2, 3, 40))[seed]
    shape, weight = ((1, 6, 7, 5), (4, 3, 3, 2)) if op == "ConvInteger" else (rows, (40, 9))
    w = case.b.constant("w", case.rng.integers(info.min, info.max + 1, weight).astype(wtype))
    inputs = [case.codes("x", shape), w]
    if seed:
        inputs += [case.b.constant("zx", case.zero()), case.b.constant("zw", case.zero(wtype))]
    case.b.node(op, inputs, "y", **({"group": 2, "pads": [1, 0, 1, 1], "strides": [2, 1]}
                                    if op == "ConvInteger" else {}))
    layer, = case.layers(Conv, dtype=np.int32)
    assert layer.y.dtype == np.int32
