"""A run that is stopped goes on at the layer where it was."""

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.errors import HwgenError
from hwgen.host.checkpoint import Checkpoint
from hwgen.host.driver import Driver
from hwgen.host.network_runner import collect, execute
from hwgen.importer import onnx_import
from hwgen.simulate.verilated import VerilatedBus
from hwgen.verify.random_graphs import random_graph

_STOP = 3


def _open(lenet, folder, **changes):
    given = dict(network=lenet.network, program=lenet.program, inputs=lenet.inputs,
                 sim="verilator") | changes
    return Checkpoint(folder, **given)


def _run(lenet, kept, started, layers=None):
    """``(layers, values)``; of a run that is stopped behind some layers, None."""
    with VerilatedBus(lenet.library, lenet.program.memory_bytes) as bus:
        run = kept.keep(execute(lenet.network, lenet.program, Driver(bus, lenet.config),
                                lenet.inputs, starting=started.append, earlier=kept.layers))
        if layers is None:
            return collect(run)
        for _ in range(layers):
            next(run)


def test_a_stopped_run_goes_on(lenet, tmp_path):
    folder, runs = tmp_path / "kept", lenet.program.runs
    began, rest, nothing = [], [], []
    _run(lenet, _open(lenet, folder), began, _STOP)
    kept = _open(lenet, folder)
    assert began == runs[:len(began)] and len(kept.layers) == _STOP
    layers, values = _run(lenet, kept, rest)
    assert rest == runs[len(began):]
    for layer, expected in zip(layers, lenet.layers, strict=True):
        np.testing.assert_array_equal(layer.value, expected.value, strict=True)
        assert layer.name == expected.name and layer.counters.keys() == expected.counters.keys()
    for name in lenet.network.outputs:
        np.testing.assert_array_equal(values[name], lenet.expected[name], strict=True)
    again, _ = _run(lenet, _open(lenet, folder), nothing)
    assert not nothing and [layer.cycles for layer in again] == [layer.cycles for layer in layers]


@pytest.mark.parametrize("seed", range(6))
def test_graphs_go_on_from_any_layer(lenet, seed):
    """Finished layers come back to where later ones read them, whatever the memory holds."""
    case = random_graph(seed, 10_000)
    network = onnx_import.load(case.model)
    program = compile_network(network, lenet.config)

    def run(earlier):
        with VerilatedBus(lenet.library, program.memory_bytes) as bus:
            bus.memory[:] = np.random.default_rng(seed).integers(0, 256, len(bus.memory), np.uint8)
            return collect(execute(network, program, Driver(bus, lenet.config), case.inputs,
                                   earlier=earlier))
    whole, _ = run({})
    for done in range(1, len(whole)):
        layers, values = run({layer.tensor: layer for layer in whole[:done]})
        for layer, expected in zip(layers, whole, strict=True):
            np.testing.assert_array_equal(layer.value, expected.value, strict=True)
        assert set(network.outputs) <= set(values)


def test_what_it_refuses(lenet, tmp_path):
    folder = tmp_path / "kept"
    _run(lenet, _open(lenet, folder), [], 1)
    others = {name: value + 1 for name, value in lenet.inputs.items()}
    for changes in {"inputs": others}, {"sim": "icarus"}:
        with pytest.raises(HwgenError, match="holds another run, of another model, input"):
            _open(lenet, folder, **changes)
    layer, = folder.glob("*.npz")
    layer.write_bytes(layer.read_bytes()[:100])
    with pytest.raises(HwgenError, match="0000.npz is damaged: delete the file"):
        _open(lenet, folder)
    (folder / "run.json").write_text("{")
    with pytest.raises(HwgenError, match="is damaged: delete it and begin anew"):
        _open(lenet, folder)
    (folder / "run.json").unlink()
    with pytest.raises(HwgenError, match="holds files that are of no run"):
        _open(lenet, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(HwgenError, match="cannot be used .*: name a folder"):
        _open(lenet, tmp_path / "file" / "folder")
