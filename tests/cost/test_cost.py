"""The cost model against the commands it speaks of, and what it promises of known layers."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.config import Config, resolve
from hwgen.cost.bounds import byte_weight
from hwgen.cost.timing import Timing
from hwgen.machines import machine_of, machines
from tests.seed import SEED

from ..compiler.layers import conv, network, pool, random_config, random_conv, tensor


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


def commands(program, segment):
    code = program.image[segment.offset:segment.offset + segment.size]
    return [isa.unpack(code[i:i + isa.COMMAND_BYTES])
            for i in range(0, len(code), isa.COMMAND_BYTES)]


def array_cycles(config, c):
    """Cycles of the array in a COMPUTE."""
    passes, psums, taps = -(-c["pairs"] // config.rows), c["strips"] * c["psum_cols"] * c["p"], \
        c["tap_channels"] * c["tap_cols"]
    if config.machine == "parallel":
        return passes * (psums * max(taps, 2) + 1)
    columns = max(config.cols, 2)       # psums leave one after the other, added or not
    added = max(taps, 2 * columns + 2)
    return psums * ((passes - 1) * added + (added if c["accumulate"] else max(taps, columns + 3)))


@pytest.mark.parametrize("number", range(40))
def test_array_and_filter_cycles_are_those_of_the_commands(number):
    rng = np.random.default_rng((SEED, number))
    config = random_config(rng)
    x = tensor("x", tuple(int(n) for n in rng.integers(2, 20, 3)), rng)
    program = compile_network(network(random_conv(rng, x)), config)
    segment, = program.segments
    array = filters = 0
    for name, c in commands(program, segment):
        if name == "COMPUTE":
            array += array_cycles(config, c)
        elif name == "FILTER":
            filters += c["words"]
    assert segment.estimate.array == pytest.approx(array, rel=0,
                                                   abs=int(config.machine == "microcoded"))
    assert segment.estimate.filter >= filters
    assert segment.estimate.cycles >= max(array, filters)


@pytest.mark.parametrize("machine", machines())
@pytest.mark.parametrize("number", range(20))
def test_no_mapping_undercuts_the_bound(number, machine):
    """The search leaves out what cannot be better by the bound."""
    rng = np.random.default_rng((SEED, number))
    config = resolve(preset_name="up5k").replace(machine=machine, rows=int(rng.integers(1, 6)),
                                                 cols=int(rng.integers(1, 6)))
    layer = random_conv(rng, tensor("x", tuple(int(n) for n in rng.integers(2, 24, 3)), rng))
    layers = [layer, pool(layer.y, (2, 2), (2, 2))] if min(layer.y.shape[1:]) > 3 else [layer]
    program = compile_network(network(*layers), config, timing=Timing(latency=0))
    segment, mapping = program.segments[0], program.segments[0].mapping
    folds = segment.layer.folds(mapping.fold_r, mapping.fold_s)
    bound, = machine_of(config).cost.lower_bound(
        config, segment.layer, folds, *(np.array([getattr(mapping, name)]) for name in "qpte"))
    assert bound <= segment.cycles + byte_weight(config) * segment.estimate.bytes


@pytest.mark.parametrize("channels, filters, e, p, t, cycles", [
    (128, 256, 1, 1, 14, 418955), (160, 320, 1, 1, 14, 635385), (128, 256, 7, 2, 2, 376939),
    (128, 256, 7, 8, 2, 322026), (160, 320, 1, 2, 14, 488757)])
def test_rows_that_wait_for_the_last_one(channels, filters, e, p, t, cycles, rng):
    """Few filters a PE: the last row is columns behind the first, and strips wait for it. The
    cycles are the RTL's."""
    x = tensor("x", (channels, 13, 13), rng)
    layer = conv(rng, x, filters, (3, 3), pads=(1, 1, 1, 1))
    given = {"e": e, "p": p, "t": t, "q": 8 if t == 2 or p == 1 else 4}
    segment, = compile_network(network(layer), Config(), mappings={"conv": given}).segments
    assert segment.cycles == pytest.approx(cycles, rel=0.04)
    found, = compile_network(network(layer), Config()).segments
    assert found.cycles < 1.1 * layer.macs / 168


@pytest.mark.parametrize("name, shape, filters, kernel, options, least, most", [
    ("eyeriss", (64, 56, 56), 64, (3, 3), dict(pads=(1, 1, 1, 1)), 0.98, 1.7),
    ("eyeriss", (256, 13, 13), 384, (3, 3), dict(pads=(1, 1, 1, 1)), 0.96, 1.35),
    ("eyeriss lanes=4", (256, 13, 13), 384, (3, 3), dict(pads=(1, 1, 1, 1)), 0.94, 1.03),
    ("eyeriss", (512, 7, 7), 512, (1, 1), {}, 0.9, 1.1),
    ("eyeriss", (3, 227, 227), 96, (11, 11), dict(stride=(4, 4)), 0.85, 1.6),
    ("ecp5-25f", (64, 28, 28), 64, (3, 3), dict(pads=(1, 1, 1, 1)), 0.96, 3.4),
    ("up5k machine=parallel rows=2 cols=3 filter_spad=128 ifmap_spad=16", (16, 14, 14), 32, (3, 3),
     dict(pads=(1, 1, 1, 1)), 0.9, 1.8),
    ("up5k", (256, 13, 13), 384, (3, 3), dict(pads=(1, 1, 1, 1)), 0.86, 2.1),
    ("up5k", (64, 28, 28), 64, (3, 3), dict(pads=(1, 1, 1, 1)), 0.6, 1.8),
])
def test_predicted_utilisation_and_traffic(name, shape, filters, kernel, options, least, most,
                                           rng):
    """MACs a PE and cycle; DRAM bytes over those of weights, input and output once."""
    name, *settings = name.split()
    config = resolve(preset_name=name, settings=settings)
    layer = conv(rng, tensor("x", shape, rng), filters, kernel, **options)
    segment, = compile_network(network(layer), config).segments
    assert segment.macs / (segment.cycles * config.rows * config.cols) > least
    compulsory = layer.weight.size + np.prod(layer.x.shape) + np.prod(layer.y.shape)
    assert segment.estimate.bytes < most * compulsory
    assert segment.macs <= segment.estimate.array_bound * config.rows * config.cols
    assert segment.estimate.array_bound <= segment.cycles


def test_a_slow_memory_costs_cycles_and_gets_less_traffic(rng):
    layer = conv(rng, tensor("x", (64, 28, 28), rng), 64, (3, 3), pads=(1, 1, 1, 1))
    config = Config(glb_kib=16, lanes=4)
    found = [compile_network(network(layer), config, timing=timing).segments[0].estimate
             for timing in (Timing(), Timing(latency=400), Timing(bytes_per_cycle=0.5))]
    assert found[0].cycles < found[1].cycles < found[2].cycles
    assert found[2].bytes < found[0].bytes
    assert found[2].cycles >= found[2].dram >= 2 * found[2].bytes


def test_larger_machines_are_not_slower(rng):
    layer = conv(rng, tensor("x", (32, 28, 28), rng), 32, (3, 3), pads=(1, 1, 1, 1))
    config = Config(rows=4, cols=4, glb_kib=16)
    cycles = [compile_network(network(layer), c).segments[0].cycles
              for c in (config, replace(config, glb_kib=64), replace(config, rows=8, cols=8,
                                                                     glb_kib=64))]
    assert 1.01 * cycles[0] > cycles[1] > 2 * cycles[2]


def test_estimate_explains_itself(rng):
    layer = conv(rng, tensor("x", (4, 9, 9), rng), 4, (3, 3), limit=255)
    after = pool(layer.y, (3, 3), (1, 1))
    segment, = compile_network(network(layer, after), Config()).segments
    text = str(segment.estimate)
    assert text.startswith(f"{segment.cycles} cycles, bound by ")
    assert "pooling fused" in text and "weights beyond int8" in text and "if apart" in text
    assert f"q={segment.mapping.q} " in str(segment.mapping)
