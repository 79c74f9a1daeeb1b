"""The cost model's cycles against the RTL's counters."""


import numpy as np
import pytest
from rich.console import Console

from hwgen.compiler import compile_network
from hwgen.config import resolve
from hwgen.cost.timing import Timing
from hwgen.errors import HwgenError
from hwgen.host.driver import Driver
from hwgen.host.layer_bench import bench_layer, totals
from hwgen.network.shapes import NETWORKS, LayerShape
from hwgen.simulate.dram import Dram
from hwgen.simulate.hardware import generated
from hwgen.simulate.simulators import prepare
from tests.compiler.layers import (
    accumulation,
    concat,
    conv,
    cut,
    dense,
    elementwise,
    enlarge,
    network,
    pad,
    pool,
    tensor,
)
from tests.seed import SEED

LAYERS = 8


def simulator(config):
    return prepare("verilator", generated(config).verilog, console=Console(stderr=True))


def random_shape(rng):
    """A convolution, sometimes grouped or depthwise, that keeps 24 PEs busy for long enough that
    a cycle here or there does not count."""
    while True:
        r = int(rng.choice((1, 1, 3, 3, 5, 7)))
        s = int(rng.choice((r, r, r, 1, 3)))
        h, w = int(rng.integers(max(7, r), 57)), int(rng.integers(max(7, s), 57))
        c = int(rng.choice((3, 8, 16, 24, 32, 48, 64, 96, 128, 160)))
        m = int(rng.choice((8, 16, 24, 32, 64, 96, 128)))
        kind = rng.random()
        groups = c if kind < 0.15 else 2 if kind < 0.25 and c % 2 == 0 else 1
        shape = LayerShape("X", c, h, w, c if groups == c else m, r, s, int(rng.choice((1, 1, 2))),
                           (int(rng.integers(0, min(r, s) // 2 + 1)),) * 4, groups)
        if 1e6 < shape.macs < 6e6:
            return shape


@pytest.fixture(scope="module")
def small():
    config = resolve(pe="4x6")
    return config, simulator(config)


@pytest.mark.parametrize("number", range(LAYERS))
def test_random_layers(small, number):
    config, start = small
    shape = random_shape(np.random.default_rng((SEED, number)))
    result = bench_layer("random", shape, config, start, sparsity=0.4, seed=SEED)
    assert result.mismatches == 0
    assert result.predicted == pytest.approx(result.cycles, rel=0.03), f"{shape}: {result.causes}"
    assert sum(result.causes.values()) == result.cycles


def vector_layer(kind, shape):
    """A layer without MACs, of one or two tensors of ``shape``."""
    rng = np.random.default_rng(SEED)
    a, b = tensor("a", shape, rng), tensor("b", shape, rng)
    channels, height, width = shape
    return {
        "add": lambda: elementwise(rng, a, b),
        "mul": lambda: elementwise(rng, a, b, product=True),
        "mul by channels": lambda: elementwise(rng, a, tensor("c", (channels, 1, 1), rng),
                                               product=True),
        "function": lambda: elementwise(rng, a),
        "pool 2x2": lambda: pool(a, (2, 2), (2, 2)),
        "pool 3x3": lambda: pool(a, (3, 3), (2, 2), (1, 1, 1, 1)),
        "pool 3x3, stride 1": lambda: pool(a, (3, 3), (1, 1), (1, 1, 1, 1)),
        "concat": lambda: concat([a, b]),
        "slice": lambda: cut(a, (3, 1, 1), (channels - 5, height - 2, width - 3)),
        "pad": lambda: pad(a, (0, 1, 1), (0, 1, 2), a.zero_point),
        "resize": lambda: enlarge(a, 2, 2)}[kind]()


def vector_cycles(config, start, layer, dram=Dram()):
    """Cycles of a layer's programs, predicted and measured."""
    program = compile_network(network(layer), config,
                              timing=Timing(dram.read_latency, dram.total_bytes))
    with start(program.memory_bytes, dram=dram) as bus:
        driver = Driver(bus, config)
        driver.load(program.image, program.memory_bytes)
        measured = sum(driver.run(run[0].offset).cycles for run in program.runs)
    return sum(segment.cycles for segment in program.segments), measured


VECTOR = ("add", "mul", "mul by channels", "function", "pool 2x2", "pool 3x3",
          "pool 3x3, stride 1", "concat", "slice", "pad", "resize")


@pytest.mark.parametrize("kind", VECTOR)
def test_vector_layers(small, kind):
    predicted, measured = vector_cycles(*small, vector_layer(kind, (24, 28, 28)))
    assert predicted == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize("kind", ["add", "function", "pool 3x3", "concat"])
def test_vector_layers_with_a_late_memory(small, kind):
    predicted, measured = vector_cycles(*small, vector_layer(kind, (24, 28, 28)),
                                        Dram(read_latency=120))
    assert predicted == pytest.approx(measured, rel=0.08)


@pytest.mark.long
@pytest.mark.parametrize("pe, each, mean", [("2x3", 0.1, 0.03), ("4x4", 0.12, 0.03),
                                            ("4x6", 0.1, 0.03), ("12x14", 0.15, 0.05)])
def test_vector_layers_of_many_shapes(pe, each, mean):
    """The farthest of all, and the mean distance."""
    config = resolve(pe=pe)
    start, off = simulator(config), []
    for shape in (16, 14, 14), (24, 28, 28), (64, 28, 28), (64, 56, 56), (256, 14, 14), (512, 7, 7):
        for kind in VECTOR:
            predicted, measured = vector_cycles(config, start, vector_layer(kind, shape))
            off.append(abs(predicted / measured - 1))
            assert off[-1] < each, f"{kind} of {shape}: {predicted} for {measured}"
    assert np.mean(off) < mean


@pytest.fixture(scope="module")
def microcoded():
    config = resolve(preset_name="up5k")
    return config, simulator(config)


def given(rng, shape):
    """Some fields of a mapping, as bad as they may be."""
    fields = {"q": min(shape.c // shape.groups, 8), "p": min(shape.m // shape.groups, 8),
              "e": 2, "t": 2, "tile_rows": shape.e, "tile_cols": shape.f, "chunk": 8}
    return {name: int(rng.integers(1, most + 1)) for name, most in fields.items()
            if rng.random() < 0.3}


@pytest.mark.parametrize("mapped", [False, True], ids=["searched", "given"])
@pytest.mark.parametrize("number", range(LAYERS))
def test_random_layers_of_the_microcoded_machine(microcoded, number, mapped):
    config, start = microcoded
    rng = np.random.default_rng((SEED, number))
    shape = random_shape(rng)
    while True:
        mappings = {"X": given(rng, shape)} if mapped else None
        try:
            result = bench_layer("random", shape, config, start, sparsity=0.4, seed=SEED,
                                 mappings=mappings)
            break
        except HwgenError:              # such a mapping does not fit
            assert mapped
    assert result.mismatches == 0
    assert result.predicted == pytest.approx(result.cycles, rel=0.05 if mapped else 0.03), \
        f"{shape} {mappings}: {result.causes}"
    assert sum(result.causes.values()) == result.cycles


@pytest.mark.parametrize("dram", [Dram(read_latency=200), Dram(total_bytes=0.5)],
                         ids=["late", "slow"])
def test_memories_of_the_microcoded_machine(microcoded, dram):
    config, start = microcoded
    shape = LayerShape("X", 32, 28, 28, 48, 3, 3, 1, (1,) * 4)
    result = bench_layer("memory", shape, config, start, sparsity=0.4, seed=SEED, dram=dram)
    assert result.predicted == pytest.approx(result.cycles, rel=0.03), result.causes


@pytest.mark.parametrize("kind", ["pool 2x2", "pool 3x3", "concat", "slice", "pad", "resize"])
def test_vector_layers_of_the_microcoded_machine(microcoded, kind):
    predicted, measured = vector_cycles(*microcoded, vector_layer(kind, (16, 14, 14)))
    assert predicted == pytest.approx(measured, rel=0.03)


def test_programs_of_the_microcoded_machine(microcoded):
    """Poolings, fused and apart, channels that are regrouped, columns that are skipped, sums."""
    rng = np.random.default_rng(SEED)
    config, start = microcoded
    first = conv(rng, tensor("x", (16, 30, 30), rng), 24, (3, 3), name="first", pads=(1, 1, 1, 1))
    small = pool(first.y, (3, 3), (2, 2), (1, 1, 1, 1), name="small")
    apart = pool(small.y, (2, 2), (1, 1), name="apart")
    wide = conv(rng, apart.y, 40, (5, 5), name="wide", pads=(2, 2, 2, 2))
    every = conv(rng, wide.y, 30, (1, 1), name="every", stride=(2, 2))
    sums = accumulation(dense(rng, every.y, 20, name="sums"))
    program = compile_network(network(first, small, apart, wide, every, sums), config)
    with start(program.memory_bytes) as bus:
        driver = Driver(bus, config)
        driver.load(program.image, program.memory_bytes)
        for run in program.runs:
            cycles = driver.run(run[0].offset).cycles
            assert sum(segment.cycles for segment in run) == pytest.approx(cycles, rel=0.03), \
                [segment.name for segment in run]


@pytest.mark.long
@pytest.mark.parametrize("name", ["alexnet", "mobilenet-v1", "resnet50", "vgg16"])
def test_networks(name):
    """Every CONV layer within 3 %, the sum within 1 %."""
    config = resolve()
    start, results = simulator(config), []
    for shape in NETWORKS[name]:
        if not shape.fc:
            result = bench_layer(name, shape, config, start, sparsity=0.4, seed=SEED)
            assert result.mismatches == 0
            assert result.predicted == pytest.approx(result.cycles, rel=0.03), shape.name
            results.append(result)
    total = totals(results)
    assert total["predicted_cycles"] == pytest.approx(total["cycles"], rel=0.01)
