"""Functions of one tensor: what goes behind the layer before, and what does not."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.compiler.plan.functions import fuse
from hwgen.config import Config
from hwgen.isa import COMMAND_BYTES, FUNCTION_DST, pack, unpack
from hwgen.isa.functional import FunctionalModel, ProgramError
from tests.seed import SEED

from .layers import (
    check,
    concat,
    conv,
    elementwise,
    load,
    network,
    pool,
    product,
    rescaled,
    scaling,
    tensor,
)

CONFIG = Config(name="functions", rows=3, cols=4, glb_kib=24, lanes=2, params_depth=512,
                filter_spad=64, ifmap_spad=32)
WITHOUT = CONFIG.replace(functions=0)


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


@pytest.fixture
def x(rng):
    return tensor("x", (6, 7, 9), rng)


def compiled(net, rng, config=CONFIG, **options):
    """The names of the layers of each segment, of a program that was found to be right."""
    program = compile_network(net, config, **options)
    check(net, program, rng)
    return [[layer.name for layer in segment.layers] for segment in program.segments], program


def silu(rng, x, name):
    """A value times a function of it."""
    gate = elementwise(rng, x, name=f"{name}_gate")
    return gate, elementwise(rng, x, gate.y, name, True)


@pytest.mark.parametrize("types", [(a, b) for a in "bB" for b in "bB"])
def test_a_chain_goes_behind_the_layer_before_it(types, rng, x):
    """Whatever the types of the tensors are."""
    def of_type(layer, kind):
        limits = np.iinfo(kind)
        y = replace(layer.y, dtype=np.dtype(kind), zero_point=int(limits.min) + 77)
        return replace(layer, y=y, lo=int(limits.min), hi=int(limits.max))
    a = of_type(conv(rng, x, 10, (3, 3), name="a"), types[0])
    b = elementwise(rng, a.y, name="b")
    c = of_type(scaling(rng, b.y, "c"), types[1])
    net = network(a, b, c)
    names, program = compiled(net, rng)
    assert names == [["a", "b", "c"]]
    assert set(program.tensors) == {"x", "c_y"}
    assert "its STOREs look up b, c" in program.segments[0].estimate.note
    assert program.segments[0].macs == sum(layer.macs for layer in net.layers)


def test_branches_that_meet_again_are_one_function(rng, x):
    for first in (conv(rng, x, 8, (3, 3), name="a"), conv(rng, x, 6, (3, 3), groups=6, name="a"),
                  elementwise(rng, x, x, name="a"), product(rng, tensor("x", (1, 5, 7), rng), 4,
                                                            name="a")):
        left = silu(rng, first.y, "left")
        net = network(first, *left, *silu(rng, left[1].y, "right"))
        names, _ = compiled(net, rng)
        assert names == [["a", "left_gate", "left", "right_gate", "right"]]


def test_a_pooling_may_stand_behind_the_function(rng, x):
    a = conv(rng, x, 8, (3, 3), name="a")
    b = elementwise(rng, a.y, name="b")
    assert compiled(network(a, b, pool(b.y, (2, 2), (2, 2), name="c")), rng)[0] == [["a", "b", "c"]]
    # The pooling's own change of scale goes before it, for it keeps the order.
    c = rescaled(rng, pool(b.y, (2, 2), (2, 2), name="c"))
    assert compiled(network(a, b, c), rng)[0] == [["a", "b", "c"]]
    # What does not cannot.
    c = pool(a.y, (2, 2), (2, 2), name="c")
    assert compiled(network(a, c, elementwise(rng, c.y, name="d")), rng)[0] == [["a", "c"], ["d"]]


def test_what_others_read_is_stored(rng, x):
    a = conv(rng, x, 8, (3, 3), name="a")
    gate, b = silu(rng, a.y, "b")
    # The convolution's output is read again: the function stands alone, but is one.
    net = network(a, gate, b, conv(rng, a.y, 4, (1, 1), name="c"))
    assert compiled(net, rng)[0] == [["a"], ["b_gate", "b"], ["c"]]
    # What is between is read again.
    net = network(a, gate, b, conv(rng, gate.y, 4, (1, 1), name="c"))
    assert compiled(net, rng)[0] == [["a"], ["b_gate"], ["b"], ["c"]]
    # It is an output of the network.
    net = network(a, gate, b)
    net = replace(net, outputs={**net.outputs, a.y.name: (a.y.onnx_shape, a.y.dtype)})
    assert compiled(net, rng)[0] == [["a"], ["b_gate", "b"]]


def test_parts_are_written_in_the_scale_of_their_concatenation(rng, x):
    x = replace(x, shape=(8, 7, 9), onnx_shape=(1, 8, 7, 9))
    a, b = (conv(rng, x, 8, (1, 1), name=name) for name in "ab")
    a, b = (replace(layer, y=replace(layer.y, dtype=np.dtype(np.uint8), zero_point=3), lo=0, hi=255)
            for layer in (a, b))
    tables = list(rng.integers(0, 256, (2, 256)).astype(np.uint8))
    both = concat([a.y, b.y], tables=tables)
    names, program = compiled(network(a, b, both), rng)
    assert names == [["a"], ["b"]]
    assert {kept.tensor for kept in program.stored.values()} == {"a_y", "b_y"}
    assert "its STOREs look up the scale of concat_y" in program.segments[0].estimate.note
    # A part that is also read elsewhere is copied.
    names, program = compiled(network(a, b, both, conv(rng, a.y, 4, (1, 1), name="c")), rng)
    assert names == [["a"], ["b"], ["concat"], ["c"]]
    assert {kept.tensor for kept in program.stored.values()} == {"b_y"}


def test_a_function_alone_takes_all_lanes(rng, x):
    """Without function tables it takes tables A and B, and half of 8 lanes."""
    config = CONFIG.replace(lanes=8, params_depth=2048, glb_kib=48)
    names, program = compiled(network(elementwise(rng, x, name="a")), rng, config)
    assert names == [["a"]] and program.segments[0].layer.function
    _, without = compiled(network(elementwise(rng, x, name="a")), rng, config.replace(functions=0))
    assert without.segments[0].layer.mode.needs_tables
    assert len(program.image) < len(without.image)


@pytest.mark.parametrize("config, options", [(CONFIG, {"fuse": False}), (WITHOUT, {"fuse": False}),
                                             (WITHOUT, {})])
def test_it_can_be_forbidden(config, options, rng, x):
    a = conv(rng, x, 8, (3, 3), name="a")
    b = elementwise(rng, a.y, name="b")
    c = rescaled(rng, pool(b.y, (2, 2), (2, 2), name="c"))
    names, program = compiled(network(a, b, c), rng, config, **options)
    assert names == [["a"], ["b"], ["c"]] and not program.stored
    net = network(a, *silu(rng, a.y, "b"))
    alone = [["b_gate"], ["b"]] if options else [["b_gate", "b"]]
    assert compiled(net, rng, config, **options)[0] == [["a"], *alone]


def test_tables_take_turns(rng, x):
    """Jobs one after the other use other tables, so that one may come while another is in use."""
    a = conv(rng, x, 8, (3, 3), name="a")
    b = elementwise(rng, a.y, name="b")
    c = conv(rng, b.y, 8, (3, 3), name="c")
    d = elementwise(rng, c.y, name="d")
    _, program = compiled(network(a, b, c, d), rng)
    loads, stores = [], []
    for segment in program.segments:
        for at in range(segment.offset, segment.offset + segment.size, COMMAND_BYTES):
            name, fields = unpack(program.image[at:at + COMMAND_BYTES])
            if name == "PARAMS" and fields["dst"] >= FUNCTION_DST:
                loads.append((fields["dst"] - FUNCTION_DST) // CONFIG.function_words)
            elif name == "STORE":
                stores.append(fields["function"])
    assert loads == [1, 0] and sorted(set(stores)) == [1, 2]


def test_a_function_that_does_not_exist_is_an_error(rng, x):
    a = conv(rng, x, 8, (3, 3), name="a")
    net = network(a, elementwise(rng, a.y, name="b"))
    program = compile_network(net, CONFIG)
    memory, segment = load(net, program, rng)[0], program.segments[0]
    for at in range(segment.offset, segment.offset + segment.size, COMMAND_BYTES):
        name, fields = unpack(memory[at:at + COMMAND_BYTES].tobytes())
        if name == "STORE":
            command = pack(name, **{**fields, "function": CONFIG.functions + 1})
            memory[at:at + COMMAND_BYTES] = np.frombuffer(command, np.uint8)
    with pytest.raises(ProgramError, match="there is no function 3"):
        FunctionalModel(CONFIG, memory).run(segment.offset)


def test_a_fusion_of_nothing_is_the_network(rng, x):
    a = conv(rng, x, 8, (3, 3), name="a")
    net = network(a, conv(rng, a.y, 8, (3, 3), name="b"))
    fusion = fuse(net, CONFIG)
    assert fusion.layers == net.layers and not fusion.tables and not fusion.members
