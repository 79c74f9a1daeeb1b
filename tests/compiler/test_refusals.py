"""Networks that cannot be compiled are refused with a sentence that says why."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.errors import HwgenError

from .layers import conv, network, pool, tensor

SMALL = Config(rows=2, cols=2, glb_kib=2, params_depth=32, tables=False, lanes=2)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def refuse(net, config, *words):
    with pytest.raises(HwgenError) as caught:
        compile_network(net, config)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    for word in words:
        assert word in message


def test_pooling_beyond_the_fields(rng):
    x = tensor("x", (2, 40, 40), rng)
    refuse(network(pool(x, (2, 40), (1, 1))), SMALL, "2x40", "31")


def test_wide_padding(rng):
    x = tensor("x", (2, 8, 8), rng)
    refuse(network(conv(rng, x, 2, (1, 1), pads=(0, 64, 0, 0))), SMALL, "64", "63")


def test_memory_beyond_the_addresses(rng):
    first = conv(rng, tensor("x", (1, 1, 1), rng), 1, (1, 1), name="first",
                 pads=(1 << 15, 63, 1 << 15, 63))
    huge = replace(first.y, shape=(70000, (1 << 16) + 1, 127))
    layer = replace(first, y=huge, weight=np.ones((70000, 1, 1, 1), np.int16),
                    bias=np.zeros(70000, np.int32), scale=np.ones(70000, np.float32))
    refuse(network(layer), Config(), "bytes of DRAM", "4294967296")
