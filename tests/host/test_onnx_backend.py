"""The backend: ONNX's own node tests on the RTL, and what a user of it sees."""

import functools
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwgen.config import resolve
from hwgen.errors import HwgenError
from hwgen.host import onnx_backend as backend
from hwgen.network.ort_session import evaluate

from .node_tests import OPERATORS, node_tests

_LENET = Path(__file__).parents[2] / "examples" / "lenet5"
_STEPS = 2                  # of the output's quantisation, beside ONNX's own result
_ENDS = ("DequantizeLinear", "QuantizeLinear")      # what every host does around an accelerator


@functools.cache
def _tests():
    return node_tests()


@functools.cache
def _excluded():
    text = Path(__file__).with_name("node_tests.toml").read_text()
    return {name: group for group in tomllib.loads(text)["excluded"] for name in group["tests"]}


def _check(test):
    """Run a test on the RTL: ONNX Runtime's bits, and ONNX's own result as close as 8 bits come."""
    prepared = backend.prepare(test.model, pe="4x4")
    assert prepared.network.layers
    outputs = prepared.run(test.inputs)
    assert prepared.layers or test.op in _ENDS, "nothing ran on the accelerator"
    wanted = evaluate(test.model.SerializeToString(), test.inputs)
    for output, exact, expected, step in zip(outputs, wanted.values(), test.expected, test.steps,
                                             strict=True):
        np.testing.assert_array_equal(output, exact, strict=True)
        assert output.shape == expected.shape and output.dtype == expected.dtype
        np.testing.assert_allclose(output, expected, rtol=0, atol=_STEPS * step)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_nodes(operator):
    """Every test of an operator passes on the RTL, unless it is excluded for a reason."""
    failures, passed = [], 0
    for name, test in _tests().items():
        if test is None or test.op != operator or name in _excluded():
            continue
        try:
            _check(test)
            passed += 1
        except (AssertionError, HwgenError) as error:
            failures.append(f"{name}: {error}")
    assert not failures, "\n".join(failures)
    assert passed or operator in ("PRelu", "Upsample")     # of which ONNX tests other forms alone


def test_the_exclusions_are_true():
    """What is excluded exists, and nothing of it would run on the accelerator, but for what is too
    coarse in 8 bits and still equals ONNX Runtime; what has no 8-bit form is excluded."""
    for name, group in _excluded().items():
        assert name in _tests(), f"{name} is excluded, but there is no such test"
        test = _tests()[name]
        if test is None:
            continue
        try:
            prepared = backend.prepare(test.model, pe="4x4", sim="golden")
        except HwgenError:
            continue
        outputs = prepared.run(test.inputs)
        if group.get("coarse"):
            wanted = evaluate(test.model.SerializeToString(), test.inputs)
            for output, exact in zip(outputs, wanted.values(), strict=True):
                np.testing.assert_array_equal(output, exact, strict=True)
            continue
        assert not prepared.layers, f"{name} is excluded, but runs on the accelerator"
    missing = [name for name, test in _tests().items() if test is None and name not in _excluded()]
    assert not missing, f"without an 8-bit form, and not excluded: {', '.join(missing)}"


# The interface.

def _relu():
    return helper.make_node("Relu", ["x"], ["y"])


def test_a_network_by_path_and_by_model():
    path = _LENET / "lenet5.onnx"
    image = np.random.default_rng(1).random((1, 1, 28, 28), np.float32)
    wanted = evaluate(path.read_bytes(), {"image": image} if "image" in _inputs(path) else
                      {_inputs(path)[0]: image})
    for model in (path, onnx.load(path)):
        output, = backend.prepare(model, sim="golden").run([image])
        np.testing.assert_array_equal(output, *wanted.values(), strict=True)
    output, = backend.run_model(model, [image], "CPU", sim="golden")
    np.testing.assert_array_equal(output, *wanted.values(), strict=True)


def _inputs(path):
    return [value.name for value in onnx.load(path).graph.input]


def test_a_node():
    x = np.float32([[-1, 2]])
    output, = backend.run_node(_relu(), [x], sim="golden")
    np.testing.assert_array_equal(output, np.maximum(x, 0), strict=True)


def test_what_it_supports():
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA:0")
    assert backend.is_compatible(onnx.load(_LENET / "lenet5.onnx"))
    graph = helper.make_graph([_relu()], "g", [], [helper.make_tensor_value_info(
        "y", TensorProto.FLOAT, None)])
    assert not backend.is_compatible(helper.make_model(graph))


@pytest.mark.parametrize("call, message", [
    (lambda p: p("CUDA"), "the device 'CUDA' is not supported"),
    (lambda p: p(sim="spice"), "sim = 'spice' is unknown: choose one of verilator"),
    (lambda p: p(speed=1), "'speed' is no option of the backend"),
    (lambda p: p(pe="1x1", config=resolve(pe="1x1")), "'pe' and 'config' exclude each other"),
    (lambda p: p(sim="golden").run([]), "0 inputs were given; lenet5 has 1"),
    (lambda p: p(sim="golden").run([np.zeros(3)]), r"has shape \(3,\), float64; it must"),
    (lambda p: p(sim="golden").run({}, fast=True), "'fast' is no option"),
])
def test_refusals(call, message):
    def prepare(device="CPU", **options):
        return backend.prepare(_LENET / "lenet5.onnx", device, **options)
    with pytest.raises(HwgenError, match=message) as caught:
        call(prepare)
    assert "\n" not in str(caught.value)
