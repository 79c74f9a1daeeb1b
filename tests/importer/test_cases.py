"""Models of every kind that users bring: the values of a plain session, and where they ran."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from hwgen.importer.macs import INTEGER
from hwgen.importer.onnx_import import Model
from hwgen.importer.reference import Reference, deviations
from hwgen.network import golden
from hwgen.network.graph import Host
from hwgen.network.ort_session import session
from hwgen.report.placement import Placement

from .cases import CASES
from .cases.builder import Graph

# All MACs of these are on the array.
_WHOLLY = ("add_channels", "big_pools", "cast_noop", "dq_in_front", "dynq_u8u8",
           "float_bias", "gemm_no_out", "batch_1d", "batch_se", "computed_view", "matmul_rank3",
           "old_wide_pads", "matrix_stacks", "auto_pad_gaps", "gemm_bias_rows",
           "channels_of_rows", "constant_operands", "gates", "constant_first", "qgemm_float",
           "stacks_by_column", "stacks_integer", "stacks_stretched", "volume_convs", "volume_pools",
           "volumes_int8", "volumes_integer",
           "wide_pads", "if_shapes",
           "int8_conv", "maxpool_between", "nhwc_tf", "no_zp", "ort_optimised", "ort_tool_nobias",
           "prelu_channels", "qop_channels_last", "resize_frac", "tcn", "wzp_perchannel")


def _shapes(inputs):
    return {name: value.shape for name, value in inputs.items()}


def _model(name, **options):
    data, inputs = CASES[name]()
    open_ = {i.name for i in onnx.load_from_string(data).graph.input
             if not i.type.tensor_type.HasField("shape") or
             not all(d.dim_value > 0 for d in i.type.tensor_type.shape.dim)}
    shapes = {k: shape for k, shape in _shapes(inputs).items() if k in open_}
    model = Model(data, shapes, **options)
    if model.depends:
        model = Model(data, shapes, sample=inputs, **options)
    return model, inputs


def _same(values, reference):
    for name, expected in reference.items():
        found = values[name]
        assert found.shape == expected.shape and found.dtype == expected.dtype, name
        assert found.tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    """Every layer as in the graph that ONNX Runtime makes, and outputs as in a session that nobody
    looks into; on the array at least what it computes in integers, and a reason for the rest."""
    model, inputs = _model(name)
    network = model.network()
    values = golden.run(network, golden.checked(network, inputs))
    _same(values, Reference(model, network).run(inputs))
    found = Placement.of(network)
    assert found.share >= found.integer_share - 1e-9
    assert name not in _WHOLLY or found.share == 1
    said = {node for node, _, _ in found.nodes}
    for part in network.layers:
        if isinstance(part, Host):
            assert not part.macs or said & {node for node, _ in part.nodes}


@pytest.mark.parametrize("name", ["bias_u8", "bn_between", "clip_wide", "int4_blocked_conv",
                                  "int4_blocked_matmul", "int4w", "mixed_u8_i8",
                                  "qcdq", "silu_plain", "sym_relu", "trt_style",
                                  "two_transposes_conv_u8"])
def test_exact_integers(name):
    """With --integer what ONNX Runtime computes in float is an exact sum; few codes differ, by a
    step."""
    plain, inputs = _model(name)
    model, _ = _model(name, integer=True)
    network = model.network()
    values = golden.run(network, golden.checked(network, inputs))
    _same(values, Reference(model, network).run(inputs))
    assert Placement.of(network).share > 0.99
    assert Placement.of(plain.network()).share < 0.6
    _, layers = deviations(model, network, inputs, values)
    assert layers
    for one in layers:
        assert one.differing <= 0.04 * one.count and one.largest <= 1


@pytest.mark.parametrize("name", ["sequence_loop", "sequence_outputs"])
def test_sequences(name):
    """Each tensor of a sequence is an output; the values are those of the file's own outputs."""
    model, inputs = _model(name)
    network = model.network()
    values = golden.run(network, inputs)
    plain = session(CASES[name]()[0])
    wanted = {}
    for output, value in zip(plain.get_outputs(), plain.run(None, inputs), strict=True):
        wanted |= {f"{output.name}[{k}]": v for k, v in enumerate(value)} \
            if isinstance(value, list) else {output.name: value}
    assert list(network.outputs) == list(wanted)
    _same(values, wanted)


def test_deviations_from_a_session_without_options():
    """int8 activations are float there, in places: how many values differ, and by how much."""
    model, inputs = _model("int8_avg")
    network = model.network()
    values = golden.run(network, inputs)
    outputs, layers = deviations(model, network, inputs, values)
    plain = ort.InferenceSession(model.plain, providers=["CPUExecutionProvider"])
    for name, found, expected in zip(network.outputs, outputs, plain.run(None, inputs),
                                     strict=True):
        assert (found.name, found.count) == (name, expected.size)
        assert found.differing == np.sum(values[name] != expected)
        assert found.largest == np.abs(values[name].astype(float) - expected).max()
    assert not layers


def test_the_operators_of_the_reference_are_integers():
    """What is counted as computed in integers is in the graph that ONNX Runtime makes."""
    model, _ = _model("cast_noop")
    assert sum(node.op in INTEGER for node in model.graph.nodes) == 2


@pytest.mark.parametrize("integer", (False, True))
def test_the_option_is_not_named_where_it_does_not_help(integer):
    """16-bit activations, and a constant as the first operand."""
    g = Graph(np.random.default_rng(7), opset=21, ir=10)
    x = g.qdq(g.input("x", [8, 5]), 0.0002, 32768, "u16")
    w, _ = g.weights((5, 6), per_channel=False)
    g.op("Identity", [g.qdq(g.op("MatMul", [x, w], "wide"), 0.0005, 30000, "u16")], "z")
    g.output("z", rank=2)
    w, _ = g.weights((6, 8), per_channel=False)
    y = g.qdq(g.op("MatMul", [w, g.qdq(g.input("v", [8, 5]), 0.02, 128)], "first"), 0.1, 128)
    g.op("Identity", [y], "y")
    g.output("y", rank=2)
    reasons = Model(g.model(), integer=integer).network().reasons
    assert "constant operand first" in reasons["first_node"] and "uint16" in reasons["wide_node"]
    assert not any("--integer" in reason for reason in reasons.values())
