"""Synthetic weights that behave like trained ones, and the float model that holds them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..ort_session import evaluate

__all__ = ["synthesise"]

_OPSET, _IR = 17, 9
_SPREAD = 0.35               # of the logarithm of the standard deviation, from filter to filter
_SHIFT, _SHIFTS = -0.3, 0.5  # mean and spread of a filter's mean output, in standard deviations
_FLOOR = 0.05                # least standard deviation that is normalised, over the layer's
_BATCH = 4                   # photographs that run at once; more change little and take memory


def synthesise(net, photographs, *, seed=1, sparsity=0.0, progress=lambda name: None):
    """The float ONNX model of an architecture, with weights drawn from ``seed``.

    Weights are normal with He's deviation, the smallest ``sparsity`` of each layer's are zero. Then
    each filter is normalised over the photographs, as batch normalisation would, to a mean and a
    deviation of its own, and the normalisation is folded into weights and bias. So activations
    neither vanish nor explode, filters differ in range by several times, and Relu leaves about
    60 % zeros.

    Parameters
    ----------
    net : Architecture
    photographs : list of numpy.ndarray
        Inputs, each ``(1, C, H, W)`` float32; the first four are used.
    seed : int
    sparsity : float
        Share of zero weights in each layer, 0 to below 1.
    progress : callable
        Called with each layer's name before it is made.

    Returns
    -------
    onnx.ModelProto
        Input :data:`~hwgen.network.zoo.layers.INPUT`, output named after the last layer, constants
        ``NAME.weight`` and ``NAME.bias``.
    """
    rng = np.random.default_rng(seed)
    reads = {}
    for layer in net.layers:
        for x in layer.x:
            reads[x.name] = reads.get(x.name, 0) + 1
    values = {net.input.name: np.concatenate(photographs[:_BATCH])}
    nodes, constants = [], []
    for layer in net.layers:
        progress(layer.y.name)
        inputs = {x.name: values[x.name] for x in layer.x}
        parameters = {}
        if layer.weight:
            weight, bias = _parameters(net, layer, inputs, sparsity, rng)
            parameters = {f"{layer.y.name}.weight": weight, f"{layer.y.name}.bias": bias}
        elif layer.op == "Clip":
            parameters = {f"{layer.y.name}.{bound}": np.array(value, np.float32)
                          for bound, value in (("min", 0), ("max", 6))}
        node = helper.make_node(layer.op, [*inputs, *parameters], [layer.y.name], layer.y.name,
                                **layer.attributes)
        values[layer.y.name] = _run(node, {**inputs, **parameters})
        nodes.append(node)
        constants += [numpy_helper.from_array(v, k) for k, v in parameters.items()]
        for x in layer.x:
            reads[x.name] -= 1
            if not reads[x.name]:
                del values[x.name]
    graph = helper.make_graph(
        nodes, net.name,
        [helper.make_tensor_value_info(net.input.name, TensorProto.FLOAT, (1, *net.input.shape))],
        [helper.make_tensor_value_info(net.output.name, TensorProto.FLOAT, (1, *net.output.shape))],
        constants)
    return helper.make_model(graph, ir_version=_IR, producer_name="hwgen",
                             opset_imports=[helper.make_opsetid("", _OPSET)])


def _parameters(net, layer, inputs, sparsity, rng):
    """Weights and bias of a Conv or Gemm, normalised over its inputs."""
    fan_in = int(np.prod(layer.weight[1:]))
    weight = rng.standard_normal(layer.weight, np.float32)
    weight *= np.float32((2 / fan_in) ** 0.5)
    dropped = int(sparsity * weight.size)
    if dropped:
        size = np.abs(weight).ravel()
        weight.ravel()[np.argpartition(size, dropped)[:dropped]] = 0
    m = layer.weight[0]
    deviation = np.float32(net.gain) * np.exp(rng.normal(0, _SPREAD, m)).astype(np.float32)
    mean = rng.normal(_SHIFT, _SHIFTS, m).astype(np.float32) * deviation
    node = helper.make_node(layer.op, [*inputs, "weight"], ["y"], **layer.attributes)
    y = _run(node, {**inputs, "weight": weight})
    # A vector has one value for each photograph: too few for statistics of a single filter.
    axes = (0, 2, 3) if layer.op == "Conv" else (0, 1)
    y_mean, y_deviation = y.mean(axes), y.std(axes)
    if layer.op == "Conv":
        y_deviation = np.maximum(y_deviation, np.float32(_FLOOR) * y.std())
    factor = deviation / y_deviation
    weight *= factor.reshape(-1, *[1] * (weight.ndim - 1))
    return weight, mean - y_mean * factor


def _run(node, values):
    """The output of one node for a batch; constants are inputs too, and nothing is copied."""
    graph = helper.make_graph(
        [node], "layer",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in values.items()],
        [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)])
    model = helper.make_model(graph, ir_version=_IR,
                              opset_imports=[helper.make_opsetid("", _OPSET)])
    return evaluate(model.SerializeToString(), values)[node.output[0]]
