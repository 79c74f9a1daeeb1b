"""Layers that share a program, on the RTL."""

import numpy as np

from hwgen.compiler import compile_network
from hwgen.host.driver import Driver
from hwgen.host.network_runner import collect, execute
from hwgen.simulate.verilated import VerilatedBus


def test_joined_layers_compute_the_same_in_fewer_cycles(lenet):
    program = compile_network(lenet.network, lenet.config, joined=True)
    started = []
    with VerilatedBus(lenet.library, program.memory_bytes) as bus:
        layers, values = collect(execute(lenet.network, program, Driver(bus, lenet.config),
                                         lenet.inputs, starting=started.append))
    assert [len(run) for run in started] == [len(program.segments)]
    for layer, alone in zip(layers, lenet.layers, strict=True):
        np.testing.assert_array_equal(layer.value, alone.value, strict=True)
    for name in lenet.network.outputs:
        np.testing.assert_array_equal(values[name], lenet.expected[name], strict=True)
    first, *others = layers
    assert all(layer.cycles is layer.predicted is None for layer in others)
    assert first.counters["MACS"] == sum(layer.counters["MACS"] for layer in lenet.layers)
    assert first.cycles < sum(layer.cycles for layer in lenet.layers)
    assert first.utilisation(6) is None
