"""The cost model's cycles against the RTL's counters."""

import os

import numpy as np
import pytest
from rich.console import Console

from hwgen.config import resolve
from hwgen.model.networks import NETWORKS, LayerShape
from hwgen.runtime.bench import bench_layer, totals
from hwgen.runtime.hardware import generated
from hwgen.runtime.simulators import prepare

SEED = int(os.environ.get("HWGEN_SEED", 1))
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
                           int(rng.integers(0, min(r, s) // 2 + 1)), groups)
        if 1e6 < shape.macs < 6e6:
            return shape


@pytest.fixture(scope="module")
def small():
    config = resolve(pe="4x6")
    return config, simulator(config)


@pytest.mark.parametrize("number", range(LAYERS))
def test_random_layers(small, number):
    print(f"HWGEN_SEED={SEED}")
    config, start = small
    shape = random_shape(np.random.default_rng((SEED, number)))
    result = bench_layer("random", shape, config, start, sparsity=0.4, seed=SEED)
    assert result.mismatches == 0
    assert result.predicted == pytest.approx(result.cycles, rel=0.03), f"{shape}: {result.causes}"
    assert sum(result.causes.values()) == result.cycles


@pytest.mark.parametrize("number", range(LAYERS))
def test_random_layers_of_a_compact_accelerator(number):
    """It adds up what its engine does, of which a small layer has many kinds."""
    print(f"HWGEN_SEED={SEED}")
    config = resolve(preset_name="up5k")
    shape = random_shape(np.random.default_rng((SEED, number)))
    result = bench_layer("random", shape, config, simulator(config), sparsity=0.4, seed=SEED)
    assert result.mismatches == 0
    assert result.predicted == pytest.approx(result.cycles, rel=0.08), f"{shape}: {result.causes}"
    assert sum(result.causes.values()) == result.cycles


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
