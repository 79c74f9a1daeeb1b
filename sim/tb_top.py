"""The whole design on cocotbext-axi's bus models: random layers, driven as by a host.

Option ``macs`` is the most multiply-accumulates of a layer, ``count`` the number of layers, which
run one after another without a reset.
"""

import cocotb
import numpy as np
from cocotb.task import bridge, resume

from hwgen.compiler import compile_network
from hwgen.host.driver import Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.network import golden
from hwgen.simulate.cocotb_bus import CocotbBus
from hwgen.verify.random_layers import random_case
from sim.settings import CONFIG, SEED, option


class _Blocking:
    """A :class:`CocotbBus` for code that blocks: the driver's ``Bus``."""
    def __init__(self, bus):
        for name in ("reset", "read32", "write32", "allocate", "read", "write", "wait"):
            setattr(self, name, resume(getattr(bus, name)))


def _run(bus, config, seed, count, max_macs):
    driver = Driver(bus, config)
    for index in range(seed, seed + count):
        case = random_case(index, max_macs)
        network = onnx_import.load(case.model)
        expected = golden.run(network, case.inputs)
        program = compile_network(network, config)
        for layer in execute(network, program, driver, case.inputs):
            np.testing.assert_array_equal(layer.value, expected[layer.tensor],
                                          f"seed {index}: {case.text}")


@cocotb.test()
async def random_layers(dut):
    bus = CocotbBus(dut, base=0x4000_0000, stall=0.2, seed=SEED)
    await bridge(_run)(_Blocking(bus), CONFIG, SEED, option("count", 3), option("macs", 6000))
