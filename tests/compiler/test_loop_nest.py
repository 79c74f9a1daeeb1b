"""What a mapping is said to be, against the commands and filter packets that it became."""

import json
from math import prod
from xml.etree import ElementTree

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.compiler.map import array_picture, explain
from hwgen.compiler.map.loop_nest import Nest
from hwgen.config import Config
from hwgen.isa import disassemble as listing
from tests.seed import SEED

from .layers import conv, network, pool, random_config, random_conv, random_graph, tensor


def nest(program):
    return Nest.of(program, program.segments[0])


def commands(program, wanted):
    return [fields for _, name, fields in listing.commands(program.image,
                                                           program.segments[0].offset)
            if name == wanted]


def turns(one, *levels, until=None):
    found = 1
    for loop in one.loops:
        if loop.level in levels:
            found *= loop.turns
        if until and until in loop.does:
            break
    return found


@pytest.mark.parametrize("options", [
    dict(), dict(groups=2), dict(stride=(2, 2)), dict(limit=255), dict(groups=16),
])
@pytest.mark.parametrize("glb_kib", [4, 32])
def test_the_nest_multiplies_out(options, glb_kib):
    """Turns of the loops are the commands; all of them together are the MACs and more."""
    rng = np.random.default_rng(SEED)
    layer = conv(rng, tensor("x", (16, 17, 17), rng), 16, (2, 2), **options)
    config = Config(rows=4, cols=4, glb_kib=glb_kib, lanes=4, params_depth=64, tables=False)
    program = compile_network(network(layer), config)
    one = nest(program)
    computes = commands(program, "COMPUTE")
    parts = len(one.layer.parts)
    # A step may be taken in pieces, each with some of its pairs.
    steps = turns(one, "DRAM", "GLB", until="COMPUTE")
    assert steps * parts * one.pairs == sum(c["pairs"] for c in computes)
    again = prod(loop.turns for loop in one.loops if loop.over.split()[0] in ("chunks", "folds"))
    assert steps == again * sum(c["psum_signal"] > 0 for c in computes)
    slots = sum(-(-c["pairs"] // 4) * 4 * c["strips"] * c["psum_cols"] * 4 * c["p"]
                * c["tap_channels"] * c["tap_cols"] for c in computes)
    idle = 4 / min(one.pairs, 4) * 4 / (one.mapping.e * one.mapping.t)
    assert prod(loop.turns for loop in one.loops) * idle >= slots
    assert prod(loop.turns for loop in one.loops) >= one.macs


@pytest.mark.parametrize("number", range(20))
def test_pictures_are_what_the_filter_packets_do(number):
    """The first pass and the last: which rows and columns take weights."""
    rng = np.random.default_rng((SEED, number))
    config = random_config(rng)
    x = tensor("x", tuple(int(n) for n in rng.integers(2, 16, 3)), rng)
    program = compile_network(network(random_conv(rng, x)), config)
    one = nest(program)
    image, word = program.image, config.bus_bytes
    stream = commands(program, "FILTER")[0]
    at, passes = stream["addr"], [[0, 0]]
    while at < stream["addr"] + stream["words"] * config.bus_bytes:
        header = int.from_bytes(image[at:at + 8], "little")
        row0, size = header >> 43 & 31, header >> 32 & 0x7FF
        passes[-1][0] |= header & 0xFFFFFFFF
        passes[-1][1] = row0
        if header >> 48 & 1:
            passes.append([0, 0])
        at += max(8, word) + -(-size // word) * word * (config.rows - row0)
    passes.pop()
    assert len({fold.rows.taps for fold in one.folds}) == 1      # else the passes differ
    assert one.passes == len(passes)
    for drawn in one.pictures:
        mask, row0 = passes[drawn.index]
        assert [col is not None for col in drawn.cols] == \
            [bool(mask >> j & 1) for j in range(config.cols)]
        assert [row is not None for row in drawn.rows] == \
            [i >= row0 for i in range(config.rows)]


def test_every_pair_is_in_its_row():
    """The passes together hold each (channels, filter row) once, top row first."""
    rng = np.random.default_rng(SEED)
    layer = conv(rng, tensor("x", (10, 9, 9), rng), 8, (3, 3))
    program = compile_network(network(layer), Config(rows=4, cols=4, glb_kib=32),
                              mappings={"conv": {"q": 4}})
    one = nest(program)
    rows = [row for index in range(one.passes) for row in one._pass(index).rows if row]
    assert rows == [(c, n, r) for c, n in ((0, 4), (4, 4), (8, 2)) for r in range(3)]


def test_storage_and_bandwidth_stay_within_the_machine():
    for number in range(10):
        rng = np.random.default_rng((SEED, number))
        config = random_config(rng)
        x = tensor("x", tuple(int(n) for n in rng.integers(2, 20, 3)), rng)
        one = nest(compile_network(network(random_conv(rng, x)), config))
        for place, (used, capacity, _) in one.storage.items():
            assert 0 < used <= capacity, place
        used = sum(used for place, (used, _, _) in one.storage.items() if "GLB" in place)
        assert used <= config.bank_depth * config.cols * config.bank_bits // 8
        for level, (mean, peak) in one.bandwidth.items():
            assert 0 <= mean <= peak, level


def test_all_kinds_of_layers_can_be_told():
    """Networks with elementwise layers, moves and pooling: told whole, as text and as data."""
    for number in range(8):
        rng = np.random.default_rng((SEED, number))
        config = random_config(rng, tables=True)
        net = random_graph(rng, config)
        program = compile_network(net, config)
        nests = [Nest.of(program, segment) for segment in program.segments]
        assert sum(one.macs for one in nests) == sum(layer.macs for layer in net.layers)
        for one in nests:
            plain = json.loads(json.dumps(one.to_dict()))
            assert plain["predicted_cycles"] == one.estimate.cycles
            text = explain.text(explain.detail(one), explain.overview("all", [one]))
            assert all(loop.over in text for loop in one.loops)
            assert f"{one.estimate.cycles:,}" in text


def test_reasons_and_shape():
    rng = np.random.default_rng(SEED)
    layer = conv(rng, tensor("x", (4, 9, 9), rng), 4, (3, 3), limit=255, pads=(1, 1, 1, 1))
    one = nest(compile_network(network(layer, pool(layer.y, (3, 3), (1, 1))), Config()))
    assert one.shape == "M4 C4 H9 W9 R3 S3 E9 F9 P1"
    text = "\n".join(one.reasons)
    assert f"{one.estimate.cycles:,} cycles predicted" in text and "pooling fused" in text
    assert f"best of {one.estimate.considered:,} mappings" in text and "weights beyond int8" in text


def test_pictures_are_drawn():
    rng = np.random.default_rng(SEED)
    layer = conv(rng, tensor("x", (10, 9, 9), rng), 8, (3, 3))
    program = compile_network(network(layer), Config(rows=4, cols=5, glb_kib=32),
                              mappings={"conv": {"q": 4, "p": 4, "e": 2, "t": 2}})
    one = nest(program)
    first, last = one.pictures
    assert (first.active, last.active) == (16, 4)
    lines = array_picture.text(last).plain.splitlines()
    assert [line.count("·") for line in lines[:4]] == [5, 5, 5, 1]
    assert lines[3].split() == ["c8-9", "r2", "a0", "a1", "b0", "b1", "·"]
    document = array_picture.svg("<layer> & more", one.pictures)
    assert document == array_picture.svg("<layer> & more", one.pictures)
    titles = [title.text for title in ElementTree.fromstring(document).iter() if
              title.tag.endswith("}title")]
    assert len(titles) == 2 * 4 * 5
    assert titles.count("row 3, column 4: idle") == 2
    assert "row 3, column 2: c8-9 r2, output row 0, filters 4-7" in titles
