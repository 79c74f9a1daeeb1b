"""Networks as onnxruntime.quantization writes them: golden model against ONNX Runtime."""

import logging

import numpy as np
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network.graph import Conv, Host, MaxPool
from hwgen.network.ort_session import evaluate

from .models import float_network, quantise

QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
U8, S8 = QuantType.QUInt8, QuantType.QInt8


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)    # the quantiser recommends its preprocessing
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("form, xtype, wtype, options", [
    (QDQ, U8, S8, {}), (QDQ, U8, U8, {"per_channel": True}), (QDQ, S8, S8, {"per_channel": True}),
    (QDQ, S8, S8, {"extra_options": {"ActivationSymmetric": True}}),
    (QDQ, U8, S8, {"per_channel": True, "extra_options": {"AddQDQPairToWeight": True}}),
    (QDQ, U8, S8, {"extra_options": {"UseQDQContribOps": True}}),
    (QDQ, U8, S8, {"extra_options": {"DedicatedQDQPair": True}}),
    (QOPERATOR, U8, S8, {"per_channel": True}), (QOPERATOR, U8, U8, {}), (QOPERATOR, S8, S8, {}),
])
@pytest.mark.parametrize("relu", ["Relu", "Clip"])
def test_quantised_networks(form, xtype, wtype, options, relu, tmp_path):
    rng = np.random.default_rng(3)
    model = quantise(float_network(rng, relu), tmp_path, rng, quant_format=form,
                     activation_type=xtype, weight_type=wtype, **options)
    network = onnx_import.load(model)
    assert network.inputs == {"x": ((1, 3, 14, 14), np.float32)}
    assert network.outputs == {"y": ((1, 10), np.float32)}
    kinds = [type(layer) for layer in network.layers]
    assert kinds[0] is kinds[-1] is Host and kinds.count(Host) == 2
    assert kinds.count(MaxPool) == 2
    # Symmetric activations keep Relu and Clip as layers of their own.
    symmetric = "ActivationSymmetric" in options.get("extra_options", {})
    assert kinds.count(Conv) == 8 if symmetric else 5
    reference = Reference(model, network)
    for _ in range(5):
        inputs = {"x": rng.normal(0, 1.2, (1, 3, 14, 14)).astype(np.float32)}
        values = golden.run(network, inputs)
        for name, expected in reference.run(inputs).items():
            np.testing.assert_array_equal(values[name], expected, name, strict=True)


def test_every_layer_follows_its_inputs(tmp_path):
    rng = np.random.default_rng(4)
    model = quantise(float_network(rng), tmp_path, rng, quant_format=QDQ)
    network = onnx_import.load(model)
    known = set(network.inputs)
    for layer in network.layers:
        if isinstance(layer, Host):
            assert known >= set(layer.inputs)
            known.update(layer.outputs)
        else:
            assert layer.x.name in known
            assert int(np.prod(layer.x.shape)) == int(np.prod(layer.x.onnx_shape))
            known.add(layer.y.name)
    assert known >= set(network.outputs)
    (alias, origin), *rest = [(k, v) for k, v in network.aliases.items()]
    assert origin in known and alias not in known and len(rest) == 1


def test_reading_the_tensors_changes_no_output(tmp_path):
    """The reference adds outputs to the model; its own outputs must not notice."""
    rng = np.random.default_rng(5)
    model = quantise(float_network(rng), tmp_path, rng, quant_format=QDQ, activation_type=S8,
                     weight_type=S8)
    reference = Reference(model, onnx_import.load(model))
    for _ in range(20):
        inputs = {"x": rng.normal(0, 1.2, (1, 3, 14, 14)).astype(np.float32)}
        np.testing.assert_array_equal(evaluate(model, inputs)["y"], reference.run(inputs)["y"])
