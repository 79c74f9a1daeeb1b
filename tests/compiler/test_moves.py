"""Elementwise layers, data movement, dilated pooling and sums, on the machine model."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.network.graph import Move, Piece
from tests.seed import SEED

from .layers import (
    accumulation,
    check,
    concat,
    conv,
    cut,
    dense,
    elementwise,
    enlarge,
    network,
    pad,
    pool,
    product,
    random_config,
    random_graph,
    rescaled,
    tensor,
)

SMALL = Config(rows=3, cols=4, glb_kib=8, params_depth=512, lanes=2, filter_spad=32, ifmap_spad=32)
TINY = Config(rows=1, cols=2, glb_kib=4, params_depth=256, lanes=1, bus_bits=32, filter_spad=8,
              ifmap_spad=16)
CONFIGS = pytest.mark.parametrize("config", [TINY, SMALL, Config()],
                                  ids=["tiny", "small", "eyeriss"])


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


def run(net, config, rng):
    program = compile_network(net, config)
    check(net, program, rng)
    return program


@pytest.mark.parametrize("number", range(40))
def test_random_graphs(number):
    rng = np.random.default_rng((SEED, number))
    config = random_config(rng, bool(rng.integers(3)))
    run(random_graph(rng, config), config, rng)


def names(program):
    return [segment.name for segment in program.segments]


@CONFIGS
@pytest.mark.parametrize("shape", [(7, 9, 6), (1, 5, 4), (12, 1, 1), (3, 1, 11)])
@pytest.mark.parametrize("product", [False, True], ids=["sum", "product"])
def test_two_inputs(config, shape, product, rng):
    a, b = tensor("a", shape, rng), tensor("b", shape, rng)
    run(network(elementwise(rng, a, b, product=product)), config, rng)


@CONFIGS
def test_one_input(config, rng):
    layer = elementwise(rng, tensor("x", (5, 7, 9), rng))
    run(network(layer), config, rng)


@CONFIGS
@pytest.mark.parametrize("shape", [(6, 5, 7), (9, 4, 1), (1, 3, 3)])
def test_one_value_a_channel(config, shape, rng):
    x, gate = tensor("x", shape, rng), tensor("gate", (shape[0], 1, 1), rng)
    first = elementwise(rng, gate, name="sigmoid")
    run(network(first, elementwise(rng, x, first.y, product=True)), config, rng)


@CONFIGS
def test_inputs_in_other_groups(config, rng):
    x = tensor("x", (6, 8, 8), rng)
    a = conv(rng, x, 10, (3, 3), name="a", pads=(1, 1, 1, 1))
    b = conv(rng, x, 10, (1, 1), name="b", groups=2)
    s = elementwise(rng, a.y, b.y, name="add")
    run(network(a, b, s, elementwise(rng, s.y, s.y, name="twice")), config, rng)


def test_inputs_of_a_sum_are_made_in_groups_that_agree(rng):
    """In whole bus words, where the fastest mapping of a convolution has others."""
    x = tensor("x", (64, 9, 9), rng)
    alone = conv(rng, x, 200, (1, 1), name="alone")
    assert compile_network(network(alone), Config()).tensors["alone_y"].dram_channels % 8
    a, b = (conv(rng, x, 200, (1, 1), name=name) for name in "ab")
    program = compile_network(network(a, b, elementwise(rng, a.y, b.y)), Config())
    groups = [program.tensors[name].dram_channels for name in ("a_y", "b_y")]
    assert groups[0] == groups[1] and groups[0] in (8, 16, 32, 64)


def test_pooling_behind_a_sum_is_fused(rng):
    x = tensor("x", (6, 8, 8), rng)
    a = conv(rng, x, 6, (3, 3), name="a", pads=(1, 1, 1, 1))
    s = elementwise(rng, a.y, x, name="add")
    p = pool(s.y, (2, 2), (2, 2))
    program = run(network(a, s, p), SMALL, rng)
    assert names(program) == ["a", "add"] and program.segments[1].layers == (s, p)


@CONFIGS
@pytest.mark.parametrize("shape, kernel", [((5, 8, 9), (3, 3)), ((9, 1, 1), (1, 1))])
def test_sums(config, shape, kernel, rng):
    run(network(accumulation(conv(rng, tensor("x", shape, rng), 7, kernel))), config, rng)


@CONFIGS
@pytest.mark.parametrize("across", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("rows, depth, filters", [(5, 12, 8), (9, 7, 13), (2, 64, 1), (30, 1, 6)])
def test_matrix_products(config, rows, depth, filters, across, rng):
    """One after another, of an input and of what was made in groups of channels."""
    x = tensor("x", (depth, 1, rows) if across else (rows, 1, depth), rng)
    first = product(rng, x, filters, "first", across)
    function = conv(rng, first.y, rows, (1, 1), name="function")
    second = product(rng, function.y, 11, "second")
    run(network(first, function, second, accumulation(product(rng, x, 6, "sums", across))), config,
        rng)


@CONFIGS
@pytest.mark.parametrize("channels, kernel, stride, pads", [
    (5, (3, 3), (1, 1), (1, 1, 1, 1)), (1, (2, 3), (1, 2), (0, 2, 1, 1)),
    (12, (3, 2), (2, 1), (0, 0, 2, 0))])
def test_averages_at_the_edge(config, channels, kernel, stride, pads, rng):
    """A job for each rectangle of windows that average equally many values."""
    x = tensor("x", (channels, 9, 8), rng)
    layer = conv(rng, x, channels, kernel, stride=stride, pads=pads, groups=channels, limit=1)
    size = [np.minimum(np.arange(n) * u - before + k, whole) - np.maximum(
        np.arange(n) * u - before, 0) for n, u, before, k, whole in
        zip(layer.y.shape[1:], stride, pads[:2], kernel, x.shape[1:], strict=True)]
    counts = np.multiply.outer(*size)
    program = run(network(replace(layer, scale=(0.8 / counts[None]).astype(np.float32))), config,
                  rng)
    assert len(program.segments) == np.prod([len(np.unique(np.cumsum(np.diff(
        n, prepend=n[0]) != 0))) for n in size])


def test_a_matrix_product_is_one_segment(rng):
    """Its matrices stand as the file has them: nothing is turned, and the next one reads it."""
    first = product(rng, tensor("x", (20, 1, 24), rng), 16, "first")
    program = run(network(first, product(rng, first.y, 10, "second")), Config(), rng)
    assert names(program) == ["first", "second"]


@CONFIGS
@pytest.mark.parametrize("case", [
    dict(kernel=(3, 3), stride=(2, 2), dilation=(2, 2), pads=(1, 2, 1, 0)),
    dict(kernel=(3, 2), stride=(1, 2), dilation=(2, 1), pads=(2, 0, 2, 1)),
    dict(kernel=(2, 3), stride=(2, 2), dilation=(3, 1), pads=(0, 1, 3, 1)),
    dict(kernel=(2, 3), stride=(1, 1), dilation=(2, 2), pads=(0, 2, 0, 1)),
    dict(kernel=(1, 3), stride=(3, 4), dilation=(5, 3), pads=(0, 0, 0, 5)),
], ids=lambda case: "-".join(f"{v}" for v in case.values()).replace(" ", ""))
def test_dilated_pooling(config, case, rng):
    x = tensor("x", (5, 13, 14), rng)
    first = conv(rng, x, 6, (1, 1), name="first")
    run(network(first, pool(first.y, **case)), config, rng)


@CONFIGS
@pytest.mark.parametrize("case", [
    dict(kernel=(2, 2), stride=(2, 2)), dict(kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1)),
    dict(kernel=(1, 1), stride=(1, 1)), dict(kernel=(3, 2), stride=(3, 3), dilation=(2, 2))])
def test_pooling_between_scales(config, case, rng):
    """Not fused into the convolution before it, which has a scale of its own."""
    x = tensor("x", (5, 14, 13), rng)
    first = conv(rng, x, 6, (3, 3), name="first")
    run(network(first, rescaled(rng, pool(first.y, **case))), config, rng)
    run(network(rescaled(rng, pool(x, **case))), config, rng)


def test_concatenation_is_written_in_place(rng):
    x = tensor("x", (8, 9, 9), rng)
    parts = [conv(rng, x, m, (k, k), name=f"part{m}", pads=(k // 2,) * 4)
             for m, k in ((16, 1), (24, 3), (8, 5))]
    after = pool(x, (3, 3), (1, 1), (1, 1, 1, 1))
    both = concat([*(part.y for part in parts), after.y])
    last = conv(rng, both.y, 5, (1, 1), name="last")
    program = run(network(*parts, after, both, last), Config(), rng)
    assert "concat" not in names(program)
    assert {program.tensors[part.y.name].root for part in parts} == {"concat_y"}
    assert 8 % program.tensors["concat_y"].dram_channels == 0


@CONFIGS
@pytest.mark.parametrize("channels", [(4, 4, 8), (3, 5), (1, 7, 2)])
def test_concatenation_of_channels(config, channels, rng):
    x = tensor("x", (4, 6, 7), rng)
    parts = [conv(rng, x, m, (1, 1), name=f"part{n}") for n, m in enumerate(channels)]
    tables = [None, rng.integers(0, 256, 256, np.uint8), *[None] * (len(channels) - 1)]
    both = concat([*(part.y for part in parts), x], tables=tables)
    run(network(*parts, both, conv(rng, both.y, 5, (3, 3), name="last")), config, rng)


@CONFIGS
@pytest.mark.parametrize("axis", [1, 2])
def test_concatenation_of_rows_and_columns(config, axis, rng):
    x = tensor("x", (5, 6, 7), rng)
    a = conv(rng, x, 5, (1, 1), name="a")
    both = concat([a.y, x, a.y], axis)
    run(network(a, both, elementwise(rng, both.y)), config, rng)


def test_a_part_in_two_concatenations(rng):
    x = tensor("x", (4, 6, 6), rng)
    a, b = (conv(rng, x, 8, (1, 1), name=name) for name in "ab")
    one, two = concat([a.y, b.y], name="one"), concat([b.y, a.y, b.y], name="two")
    run(network(a, b, one, two, concat([one.y, two.y], name="three")), SMALL, rng)


@CONFIGS
@pytest.mark.parametrize("start, size, step", [
    ((0, 0, 0), (8, 4, 5), (1, 1, 1)), ((4, 1, 2), (8, 5, 3), (1, 1, 1)),
    ((3, 0, 0), (5, 9, 10), (1, 1, 1)), ((1, 1, 0), (4, 3, 4), (3, 2, 3)),
    ((4, 2, 3), (1, 1, 1), (1, 1, 1)), ((0, 0, 9), (12, 9, 1), (1, 1, 1))])
def test_slices(config, start, size, step, rng):
    first = conv(rng, tensor("x", (4, 9, 10), rng), 12, (1, 1), name="first")
    part = cut(first.y, start, size, step)
    run(network(first, part, elementwise(rng, part.y)), config, rng)


def test_slices_are_read_where_they_are(rng):
    x = tensor("x", (16, 9, 9), rng)
    first = conv(rng, x, 16, (1, 1), name="first")
    low, high = (cut(first.y, (c, 0, 0), (8, 9, 9), name=f"cut{c}") for c in (0, 8))
    crop = cut(x, (4, 1, 2), (8, 9 // 2, 7), (1, 2, 1), name="crop")
    a, b, c = (conv(rng, t.y, 4, (3, 3), name=f"conv{n}") for n, t in enumerate((low, high, crop)))
    program = run(network(first, low, high, crop, a, b, c), Config(), rng)
    assert names(program) == ["first", "conv0", "conv1", "conv2"]


@CONFIGS
@pytest.mark.parametrize("before, after, fill", [
    ((0, 1, 2), (0, 3, 0), -3), ((0, 0, 70), (0, 2, 1), 5), ((2, 1, 0), (1, 0, 3), 0)])
def test_padding(config, before, after, fill, rng):
    x = replace(tensor("x", (5, 4, 6), rng), dtype=np.dtype(np.int8))
    first = elementwise(rng, x)
    first = replace(first, y=replace(first.y, dtype=np.dtype(np.int8), zero_point=3), lo=-128,
                    hi=127)
    run(network(first, pad(first.y, before, after, fill)), config, rng)


@CONFIGS
@pytest.mark.parametrize("high, wide", [(2, 2), (1, 3), (3, 1), (4, 5)])
@pytest.mark.parametrize("channels", [3, 20])
def test_enlargement(config, high, wide, channels, rng):
    first = conv(rng, tensor("x", (4, 5, 6), rng), channels, (1, 1), name="first")
    big = enlarge(first.y, high, wide)
    run(network(first, big, conv(rng, big.y, 3, (3, 3))), config, rng)


def test_enlargement_is_one_segment(rng):
    first = conv(rng, tensor("x", (4, 5, 6), rng), 16, (1, 1), name="first")
    program = run(network(first, enlarge(first.y, 2, 2)), Config(), rng)
    assert names(program) == ["first", "enlarge"]


@CONFIGS
def test_reshapes(config, rng):
    first = conv(rng, tensor("x", (2, 6, 6), rng), 4, (1, 1), name="first")
    flat = replace(first.y, shape=(144, 1, 1))
    near = elementwise(rng, flat, name="near")
    layers = [first, conv(rng, replace(first.y, shape=(2, 12, 6)), 2, (3, 3), name="tall"),
              near, dense(rng, near.y, 9),
              conv(rng, replace(first.y, shape=(8, 3, 6)), 2, (3, 3), name="low"),
              cut(replace(first.y, shape=(6, 4, 6)), (2, 0, 1), (3, 4, 5)),
              elementwise(rng, replace(first.y, shape=(12, 12, 1)),
                          tensor("b", (12, 12, 1), rng), name="add")]
    program = run(network(*layers), config, rng)
    assert names(program).count("tall") == 2 and names(program).count("low") == 1


@CONFIGS
@pytest.mark.parametrize("groups", [2, 3, 12])
def test_channel_shuffle(config, groups, rng):
    x = tensor("x", (12, 5, 6), rng)
    first = conv(rng, x, 12, (1, 1), name="first")
    size = 12 // groups
    pieces = tuple(Piece(0, (n * size, 0, 0), (1, 1, 1), (size, 5, 6), (n, 0, 0), (groups, 1, 1))
                   for n in range(groups))
    shuffle = Move("shuffle", (first.y,), replace(first.y, name="shuffle_y"), pieces)
    program = run(network(first, shuffle), config, rng)
    assert names(program) == ["first", "shuffle"]


def test_channels_apart(rng):
    x = tensor("x", (3, 4, 5), rng)
    piece = Piece(0, (0, 0, 0), (1, 1, 1), (3, 4, 5), (1, 0, 0), (2, 1, 1))
    y = replace(x, name="y", shape=(7, 4, 5))
    run(network(Move("apart", (x,), y, (piece,), 1)), SMALL, rng)


def test_columns_apart(rng):
    x = tensor("x", (6, 4, 5), rng)
    whole = enlarge(x, 2, 3)
    pieces = tuple(replace(piece, start=(0, 1, 0), size=(6, 3, 5)) for piece in whole.pieces)
    run(network(Move("spread", (x,), whole.y, pieces, 7)), SMALL, rng)


def test_refusals(rng):
    plain = replace(SMALL, tables=False, functions=0)
    x = tensor("x", (4, 4, 4), rng)
    with pytest.raises(HwgenError, match="'elementwise' is elementwise.*without its tables"):
        compile_network(network(elementwise(rng, x)), plain)
    table = rng.integers(0, 256, 256, np.uint8)
    with pytest.raises(HwgenError, match="'concat' changes values.*without tables"):
        compile_network(network(concat([x, x], tables=[table, None])), plain)
    with pytest.raises(HwgenError, match="'pool' pools between different scales.*without tables"):
        compile_network(network(rescaled(rng, pool(x, (2, 2), (2, 2)))), plain)
    with pytest.raises(HwgenError, match="bytes of DRAM or more; there are 500: "):
        compile_network(network(conv(rng, x, 4, (1, 1))), SMALL, memory=500)
    compile_network(network(conv(rng, x, 4, (1, 1))), SMALL, memory=1 << 20)
