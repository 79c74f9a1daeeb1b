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
        driver = Driver(bus, lenet.config)
        layers, values = collect(execute(lenet.network, program, driver, lenet.inputs,
                                         starting=started.append))
        looked, _ = collect(execute(lenet.network, program, driver, lenet.inputs, looking=True))
    assert [len(run) for run in started] == [len(program.segments)]
    for layer, alone in zip(layers, lenet.layers, strict=True):
        np.testing.assert_array_equal(layer.value, alone.value, strict=True)
    for name in lenet.network.outputs:
        np.testing.assert_array_equal(values[name], lenet.expected[name], strict=True)
    first, *others = layers
    assert all(layer.cycles is layer.counters is None for layer in others)
    assert [layer.predicted for layer in layers] == [segment.cycles for segment in
                                                     program.segments]
    assert first.counters["MACS"] == sum(layer.counters["MACS"] for layer in lenet.layers)
    assert first.cycles < sum(layer.cycles for layer in lenet.layers)
    assert first.utilisation(6) is None
    # Who looks at the counters disturbs nothing, and sees when each layer ends.
    assert sum(layer.cycles for layer in looked) == first.cycles
    for layer, alone in zip(looked, lenet.layers, strict=True):
        assert 0.5 * alone.cycles < layer.cycles < 1.1 * alone.cycles
        assert layer.told["macs"] == alone.counters["MACS"]
        assert layer.utilisation(6) == layer.macs / (6 * layer.cycles)
