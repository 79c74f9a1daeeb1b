"""Counts that the commands tell, beside the performance counters of the RTL."""

import numpy as np
import pytest
from rich.console import Console

import hwgen
from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.config import resolve
from hwgen.energy import counts as told
from hwgen.energy import measured, of_segment, of_segments
from hwgen.energy.items import ITEMS, KINDS, LEVELS
from hwgen.host.driver import Driver
from hwgen.host.network_runner import collect, execute
from hwgen.simulate.hardware import generated
from hwgen.simulate.simulators import prepare
from hwgen.verify.random_layers import random_case
from tests.seed import SEED

from ..compiler.layers import conv, network, pool, tensor

_MACS = 40_000


@pytest.fixture(scope="module", params=[("ecp5-25f", "3x4"), ("up5k", "3x2")], ids=" ".join)
def machine(request):
    """A configuration of each machine, and its simulation."""
    preset, pe = request.param
    config = resolve(preset_name=preset, pe=pe)
    return config, prepare("verilator", generated(config).verilog, console=Console(quiet=True))


def run(machine, net, inputs, **options):
    """``(program, counters)`` of a network on the RTL."""
    config, start = machine
    program = compile_network(net, config, **options)
    with start(program.memory_bytes) as bus:
        layers, _ = collect(execute(net, program, Driver(bus, config), inputs))
    return program, [layer for layer in layers if layer.counters]


def check(program, layers):
    """The counters are what the commands tell; of commands that are dropped there may be others."""
    counts = of_segments(program, program.segments)
    expected = told.counters(counts)
    assert set(expected) == {"MACS", "XBUS_WRITES", "FILTER_WRITES", "YBUS_WORDS", "GLB_READS",
                             "GLB_WRITES", "DRAM_READ_WORDS", "DRAM_WRITE_WORDS"}
    found = {name: sum(layer.counters[name] for layer in layers) for name in expected}
    words = isa.COMMAND_BYTES // program.config.bus_bytes
    assert abs(found.pop("DRAM_READ_WORDS") - expected.pop("DRAM_READ_WORDS")) \
        <= 2 * words * len(program.runs)
    assert found == expected


@pytest.mark.parametrize("number", range(8))
def test_random_layers(machine, number):
    """Strides, dilation, padding, groups, depthwise, pooling: whatever comes."""
    case = random_case(SEED + number, _MACS)
    model = hwgen.load(case.model).with_tables(machine[0].tables)
    check(*run(machine, model.network(), case.inputs))


@pytest.mark.parametrize("channels, filters, kernel, groups, pooled", [
    (5, 9, (3, 3), 1, True), (8, 8, (3, 3), 8, False), (12, 10, (5, 2), 2, False)])
def test_shapes(machine, channels, filters, kernel, groups, pooled):
    """Padding in an uneven tile, with pooling; depthwise; groups and an oblong kernel."""
    rng = np.random.default_rng(SEED)
    x = tensor("x", (channels, 11, 13), rng)
    layers = [conv(rng, x, filters, kernel, pads=(1, 1, 0, 2), groups=groups)]
    if pooled:
        layers.append(pool(layers[0].y, (3, 3), (2, 2), (1, 1, 1, 1)))
    limits = np.iinfo(x.dtype)
    values = rng.integers(limits.min, limits.max + 1, x.onnx_shape, x.dtype)
    check(*run(machine, network(*layers), {"x": values}))


def test_layers_of_one_program(machine):
    """Their commands stand among each other's; each layer's counts are its own, and all of them
    come to the counters. Alone a layer counts the same, but for words that another place in DRAM
    cuts differently."""
    rng = np.random.default_rng(SEED)
    x = tensor("x", (6, 10, 12), rng)
    layers = [conv(rng, x, 8, (3, 3), name="a", pads=(1, 1, 1, 1))]
    layers.append(conv(rng, layers[0].y, 8, (3, 3), name="b", pads=(1, 1, 1, 1), groups=8))
    layers.append(pool(layers[1].y, (2, 2), (2, 2)))
    layers.append(conv(rng, layers[2].y, 5, (1, 1), name="c"))
    limits = np.iinfo(x.dtype)
    values = rng.integers(limits.min, limits.max + 1, x.onnx_shape, x.dtype)
    program, found = run(machine, network(*layers), {"x": values}, joined=True)
    assert len(program.runs) == 1 and len(program.segments) == 3
    check(program, found)
    counts = [of_segment(program, segment) for segment in program.segments]
    assert [one.items["macs"] >= segment.macs > 0
            for one, segment in zip(counts, program.segments, strict=True)] == [True] * 3
    commands = sum(one.items["dram_command_words"] for one in counts)
    words = isa.COMMAND_BYTES // machine[0].bus_bytes
    assert 0 <= commands - program.segments[0].size // machine[0].bus_bytes <= 2 * words


def test_measured_counts_take_the_counters_place(machine):
    rng = np.random.default_rng(SEED)
    x = tensor("x", (4, 8, 8), rng)
    net = network(conv(rng, x, 6, (3, 3)))
    values = np.zeros(x.onnx_shape, x.dtype)
    program, (layer,) = run(machine, net, {"x": values})
    of_commands = of_segment(program, program.segments[0])
    found = measured(of_commands, layer.counters)
    # Exact but for commands, and with no more than the counters: nothing is lost on the way.
    assert {name for name in ITEMS if found.items[name] != of_commands.items[name]} \
        <= {"dram_command_words"}
    assert layer.counts == found and layer.counts.counted >= set(told.COUNTED)
    more = dict(layer.counters, GLB_READS=layer.counters["GLB_READS"] + 7,
                MACS=layer.counters["MACS"] + 3)
    changed = measured(of_commands, more).items
    assert changed["glb_psum_reads"] == of_commands.items["glb_psum_reads"] + 7
    assert changed["macs"] == of_commands.items["macs"] + 3


def test_counts_of_a_layer_by_hand():
    """A 1x1 convolution that is one pass of one PE: each number as it has to be."""
    config = resolve(preset_name="ecp5-25f", pe="1x1").replace(bus_bits=32, xbus_bytes=4)
    rng = np.random.default_rng(SEED)
    x = tensor("x", (4, 2, 4), rng)
    program = compile_network(network(conv(rng, x, 2, (1, 1))), config)
    segment, = program.segments
    assert (segment.mapping.q, segment.mapping.p, segment.mapping.e) == (4, 2, 1)
    items = of_segment(program, segment).items
    assert items["macs"] == items["ifmap_spad_reads"] == items["filter_spad_reads"] == 2 * 4 * 8
    assert items["psum_moves"] == items["macs"] - items["psum_reads"] == 2 * 8
    assert items["filter_deliveries"] == 2 * 4
    assert items["ybus_words"] == items["xbus_words"] == items["ifmap_spad_writes"] == 8
    assert items["glb_psum_reads"] == 8 and items["glb_psum_writes"] == 8
    assert items["glb_ifmap_writes"] == items["dram_ifmap_words"] == 8


def test_every_item_has_its_place():
    for name, item in ITEMS.items():
        assert item.level in LEVELS and item.kind in KINDS and item.doc, name
        assert item.word in ("value", "chunk", "bus", "bank"), name
    assert {item.level for item in ITEMS.values()} == set(LEVELS)
    assert {item.kind for item in ITEMS.values()} == set(KINDS)
