"""Compiled networks on the machine model give the golden model's tensors."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.compiler.header import c_header
from hwgen.compiler.lower.order import LAYER_WRITTEN
from hwgen.compiler.map.search import search
from hwgen.compiler.plan.planner import Planner
from hwgen.config import PRESETS, Config
from hwgen.isa import COMMAND_BYTES, pack, unpack
from hwgen.isa.disassemble import commands
from hwgen.isa.functional import FunctionalModel, ProgramError
from tests.seed import SEED

from .layers import (
    check,
    concat,
    conv,
    dense,
    elementwise,
    load,
    network,
    pool,
    program_commands,
    random_config,
    random_graph,
    random_network,
    tensor,
)

SMALL = Config(rows=3, cols=4, glb_kib=4, params_depth=64, tables=False, lanes=2,
               filter_spad=32, ifmap_spad=32)


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


@pytest.mark.parametrize("number", range(40))
def test_random(number):
    rng = np.random.default_rng((SEED, number))
    config, net = random_config(rng), random_network(rng)
    check(net, compile_network(net, config), rng)


@pytest.mark.parametrize("number", range(24))
def test_joined(number):
    """Layers in one program; each works with what the one before it wrote."""
    rng = np.random.default_rng((SEED, number, 1))
    config = random_config(rng, tables=number % 2 == 0)
    net = random_graph(rng, config) if number % 2 == 0 else random_network(rng)
    program = compile_network(net, config, joined=True)
    assert len(program.runs) == 1 and len(set(s.offset for s in program.segments)) == 1
    check(net, program, rng)


def test_joined_layers_wait_for_each_other(rng):
    """Without the semaphore between them the machine model stops, or computes something else."""
    a = conv(rng, tensor("x", (8, 16, 16), rng), 24, (3, 3), name="a")
    b = conv(rng, a.y, 24, (3, 3), name="b")
    net = network(a, b)
    program = compile_network(net, SMALL, joined=True)
    begin, place = program.segments[0].offset, program.tensors[b.y.name]
    memory, _ = load(net, program, rng)

    def result(seed):
        after = memory.copy()
        try:
            FunctionalModel(SMALL, after, seed).run(begin)
        except ProgramError:
            return None
        return after[place.offset:place.offset + place.size].tobytes()
    right = result(0)
    assert right and all(result(seed) == right for seed in range(1, 4))
    for at in range(begin, begin + program.segments[0].size, COMMAND_BYTES):
        name, fields = unpack(memory[at:at + COMMAND_BYTES].tobytes())
        for field in ("wait", "signal_written"):
            if field in fields:
                fields[field] &= ~LAYER_WRITTEN
        memory[at:at + COMMAND_BYTES] = np.frombuffer(pack(name, **fields), np.uint8)
    assert any(result(seed) != right for seed in range(8))


@pytest.mark.parametrize("config, early", [(Config(glb_kib=432), True), (SMALL, False)],
                         ids=["room for both", "room for one"])
def test_a_joined_layer_begins_before_the_end_of_the_one_before(config, early, rng):
    """Where both layers have room in the GLB, the second one's LOADs wait for the STOREs that they
    need; else for the last. Its filters come before the first layer's STOREs in any case."""
    a = conv(rng, tensor("x", (8, 30, 30), rng), 16, (3, 3), name="a")
    b = conv(rng, a.y, 8, (3, 3), name="b")
    net = network(a, b)
    program = compile_network(net, config, joined=True)
    check(net, program, rng)
    found, place = program_commands(program, program.segments[0]), program.tensors[a.y.name]

    def of_a(kind):
        return [i for i, (name, f) in enumerate(found) if name == kind
                and place.offset <= f["addr"] < place.offset + place.size]
    loads, stores = of_a("LOAD"), of_a("STORE")
    assert (loads[0] < stores[-1]) == early
    waits = sum(bool(f["wait"] & LAYER_WRITTEN) for name, f in found if name in ("LOAD", "PARAMS"))
    gives = sum(bool(f["signal_written"] & LAYER_WRITTEN) for name, f in found if name == "STORE")
    assert waits == gives and (waits > 1) == early
    last = max(i for i, (name, _) in enumerate(found[:stores[-1]]) if name == "COMPUTE")
    assert found[last + 1][0] == "FILTER"


def test_a_vector_is_read_as_one_group(rng):
    """Its channels stand side by side in DRAM, whatever a channel group has in the GLB."""
    net = network(dense(rng, tensor("x", (45, 1, 1), rng), 12))
    program = compile_network(net, SMALL)
    check(net, program, rng)
    load_fields, = (f for name, f in program_commands(program, program.segments[0])
                    if name == "LOAD")
    assert (load_fields["groups"], load_fields["dram_channels"]) == (1, 45)
    assert load_fields["q"] < 45


def test_a_layer_makes_groups_that_suit_its_reader(rng, monkeypatch):
    """If that costs both of them less in all."""
    a = conv(rng, tensor("x", (64, 25, 5), rng), 64, (1, 1), name="a")
    b = conv(rng, a.y, 64, (25, 5), name="b", groups=64)
    net = network(a, b)
    suiting = compile_network(net, Config())
    monkeypatch.setattr(Planner, "_suiting", lambda self, layer, sources, y, found: found)
    apart = compile_network(net, Config())
    assert suiting.tensors[a.y.name].dram_channels == suiting.segments[1].mapping.q
    assert apart.tensors[a.y.name].dram_channels != apart.segments[1].mapping.q
    assert sum(s.cycles for s in suiting.segments) < 0.98 * sum(s.cycles for s in apart.segments)
    check(net, suiting, rng)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name, rng):
    x = tensor("x", (3, 20, 20), rng)
    a = conv(rng, x, 10, (5, 5), name="a", pads=(2, 2, 2, 2))
    b = pool(a.y, (2, 2), (2, 2), name="b")
    c = conv(rng, b.y, 10, (3, 3), name="c", groups=10, pads=(1, 1, 1, 1))
    d = conv(rng, c.y, 16, (1, 1), name="d", stride=(2, 2))
    net = network(a, b, c, d, dense(rng, d.y, 12))
    program = compile_network(net, PRESETS[name])
    check(net, program, rng)
    assert [s.name for s in program.segments if len(s.layers) == 1][-3:] == ["c", "d", "dense"]


@pytest.mark.parametrize("config", [SMALL, Config()], ids=["small", "eyeriss"])
@pytest.mark.parametrize("case", [
    dict(filters=3, kernel=(11, 11), stride=(4, 4)),
    dict(filters=2, kernel=(12, 32), pads=(0, 5, 0, 5)),
    dict(filters=2, kernel=(40, 39), pads=(12, 8, 12, 8)),              # beyond the spads
    dict(filters=5, kernel=(1, 1), stride=(3, 2)),
    dict(filters=5, kernel=(2, 3), stride=(20, 13)),                    # strides beyond the fields
    dict(filters=5, kernel=(3, 3), dilation=(4, 6), stride=(2, 3)),
    dict(filters=2, kernel=(3, 3), dilation=(14, 13)),
    dict(filters=3, kernel=(2, 2), pads=(150, 40, 80, 3)),              # more than a LOAD pads
    dict(filters=4, kernel=(3, 2), limit=255),                          # weights beyond int8
], ids=lambda case: "-".join(f"{v}" for v in case.values()).replace(" ", ""))
def test_shapes(case, config, rng):
    case = dict(case)
    x = tensor("x", (2, 30, 33), rng)
    net = network(conv(rng, x, case.pop("filters"), case.pop("kernel"), **case))
    check(net, compile_network(net, config), rng)


@pytest.mark.parametrize("groups, filters", [(2, 6), (3, 21), (12, 12), (12, 24), (6, 42)])
def test_groups_read_from_any_layout(groups, filters, rng):
    first = conv(rng, tensor("x", (4, 9, 9), rng), 12, (1, 1), name="first")
    net = network(first, conv(rng, first.y, filters, (3, 3), groups=groups))
    check(net, compile_network(net, SMALL), rng)


@pytest.mark.parametrize("channels, width, tile_rows, e", [(72, 12, 8, 4), (8, 48, 16, 2)],
                         ids=["channel groups", "strips"])
def test_first_tile_in_pieces_and_the_next_in_its_place(channels, width, tile_rows, e, rng):
    """One block computes on each tile: all pieces of the first come before any of the next."""
    config = replace(SMALL, glb_kib=24)
    layer = conv(rng, tensor("x", (channels, 2 * tile_rows, width), rng), 2, (1, 1))
    net = network(layer)
    program = compile_network(net, config, mappings={"conv": dict(
        q=8, p=2, e=e, t=1, tile_rows=tile_rows, tile_cols=width, chunk=channels // 8, buffers=1,
        resident=1, slots=1)})
    names = [name for _, name, _ in commands(program.image)]
    assert names[:names.index("STORE")].count("LOAD") > 3
    for _ in range(4):
        check(net, program, rng)


def test_blocks_that_leave_in_strips_of_other_widths(rng):
    """A wide block comes where a narrow one's strips lie closer together."""
    layer = conv(rng, tensor("x", (3, 10, 15), rng), 4, (3, 3))
    net = network(layer)
    program = compile_network(net, SMALL, mappings={"conv": dict(
        q=1, p=4, e=2, t=1, tile_rows=4, tile_cols=5, slots=1)})
    assert len({c["psum_cols"] for _, name, c in commands(program.image) if name == "COMPUTE"}) == 2
    assert any(c["wait_step"] for _, name, c in commands(program.image) if name == "COMPUTE")
    for _ in range(8):
        check(net, program, rng)


def test_vector_given_a_shape(rng):
    first = dense(rng, tensor("x", (7, 1, 1), rng), 60, "first")
    image = replace(first.y, shape=(5, 4, 3))
    net = network(first, conv(rng, image, 4, (3, 3), pads=(1, 1, 1, 1)))
    check(net, compile_network(net, SMALL), rng)


def test_output_read_twice(rng):
    a = conv(rng, tensor("x", (3, 12, 12), rng), 6, (3, 3), name="a")
    b = pool(a.y, (2, 2), (2, 2), name="b")
    c = conv(rng, a.y, 5, (3, 3), name="c")
    net = network(a, b, c)
    program = compile_network(net, SMALL)
    assert [segment.name for segment in program.segments] == ["a", "b", "c"]
    assert program.segments[1].estimate.pooling == "standalone"
    check(net, program, rng)


def test_pooling_is_fused_and_says_so(rng):
    a = conv(rng, tensor("x", (3, 14, 14), rng), 8, (3, 3), name="a")
    b = pool(a.y, (3, 3), (2, 2), (1, 1, 0, 0), name="b")
    net = network(a, b)
    program = compile_network(net, Config())
    assert len(program.segments) == 1
    assert program.segments[0].layers == (a, b)
    assert "pooling fused" in str(program.segments[0].estimate)
    assert "a_y" not in program.tensors
    check(net, program, rng)


def test_pooling_that_does_not_fit_stands_alone(rng):
    a = conv(rng, tensor("x", (2, 26, 26), rng), 40, (3, 3), name="a")
    b = pool(a.y, (13, 13), (1, 1), name="b")
    net = network(a, b)
    program = compile_network(net, replace(SMALL, glb_kib=3))
    assert [segment.name for segment in program.segments] == ["a", "b", "b"]
    assert "fused" in program.segments[-1].estimate.note
    check(net, program, rng)


@pytest.mark.parametrize("kernel, stride, segments", [
    ((3, 3), (1, 1), 2), ((5, 4), (1, 2), 2), ((3, 3), (2, 2), 1), ((5, 1), (1, 1), 1),
    ((1, 5), (1, 1), 1)])
def test_rows_of_a_window_and_then_its_columns(kernel, stride, segments, rng):
    """Only where that is faster; a mapping that is given is one of the whole window."""
    x = tensor("x", (24, 21, 22), rng)
    top, left = kernel[0] // 2, kernel[1] // 2
    layer = pool(x, kernel, stride, (top, left, kernel[0] - 1 - top, kernel[1] - 1 - left))
    net = network(layer)
    program = compile_network(net, Config(lanes=4))
    assert [segment.name for segment in program.segments] == ["pool"] * segments
    check(net, program, rng)
    whole = compile_network(net, Config(lanes=4), mappings={"pool": {"e": 7}})
    assert len(whole.segments) == 1
    if segments == 2:
        assert sum(s.cycles for s in program.segments) < 0.8 * whole.segments[0].cycles


def test_a_window_that_does_not_fit_is_taken_apart(rng):
    """30x30 values do not stand in the buffer at once; its rows do, and then its columns."""
    net = network(pool(tensor("x", (2, 40, 40), rng), (30, 30), (1, 1)))
    program = compile_network(net, SMALL)
    assert [segment.name for segment in program.segments] == ["pool"] * 2
    check(net, program, rng)


def test_constant_tensors_are_in_the_image(rng):
    """The host does not write them, whatever groups of channels their readers like."""
    a, b, c = (tensor(name, (12, 9, 7), rng) for name in "abc")
    constants = {x.name: rng.integers(0, 256, x.shape).astype(x.dtype) for x in (b, c)}
    first = conv(rng, a, 12, (3, 3), pads=(1, 1, 1, 1))
    total = elementwise(rng, first.y, b, name="total")
    last = concat([total.y, c])
    net = replace(network(first, total, last), constants=constants)
    program = compile_network(net, replace(SMALL, tables=True, params_depth=512, glb_kib=8))
    for name in constants:
        place = program.tensors[name]
        assert place.offset + place.size <= len(program.image)
    check(net, program, rng)
    header = c_header(net, program, "program.bin").splitlines()
    written = {line.split('"')[1]: "true" in line.split(", ")[-3] for line in header
               if line.startswith('    {"') and line.count(",") > 5}
    assert [name for name, host in written.items() if host] == ["a"]


def test_same_program_every_time(rng):
    a = conv(rng, tensor("x", (5, 13, 13), rng), 9, (3, 3))
    images = {compile_network(network(a), SMALL).image for _ in range(2)}
    assert len(images) == 1


def test_equal_layers_are_searched_once(rng, monkeypatch):
    """Unless they read other groups of channels, or fields of their mapping are given."""
    searched, planned = [], []

    def counted(config, layer, *rest):
        searched.append(layer.conv.name)
        return search(config, layer, *rest)
    monkeypatch.setattr("hwgen.compiler.plan.planner.search", counted)
    layers = [conv(rng, tensor("x", (12, 9, 9), rng), 12, (3, 3), name="c0", pads=(1, 1, 1, 1))]
    for n in range(1, 5):
        layers.append(conv(rng, layers[-1].y, 12, (3, 3), name=f"c{n}", pads=(1, 1, 1, 1)))
    net = network(*layers)
    program = compile_network(net, Config(), mappings={"c4": {"e": 1}},
                              planning=lambda *call: planned.append(call))
    assert planned == [(layer, n, 5) for n, layer in enumerate(layers)]
    assert searched == ["c0", "c1", "c4"]
    mappings = [str(segment.mapping) for segment in program.segments]
    assert mappings[1] == mappings[2] == mappings[3] != mappings[4]
    check(net, program, rng)
