"""Imports a quantised ONNX model: which nodes become integer layers, which stay on the host.

Models in QDQ form (float operators between DequantizeLinear and QuantizeLinear) and in QOperator
form (QLinearConv and its like) are read as ONNX Runtime computes them on a CPU, to the last bit;
see docs/numerics.md.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import HwgenError
from . import onnx_graph
from .graph import Host, Network
from .onnx_layers import (ALIASES, MACS, Code, Operands, Quantisation, alias_shape, conv_layer,
                          maxpool_layer, pointwise_layer, quantisation)
from .session import evaluate, session

__all__ = ["load"]

_BIAS_TOLERANCE = 1e-3


def load(source, shapes=None):
    """The network that a quantised ONNX file describes.

    Parameters
    ----------
    source : bytes or str or os.PathLike
        The file's path, or its contents.
    shapes : dict of str to tuple, optional
        Shapes of inputs for which the file leaves dimensions open; an open batch is 1.

    Raises
    ------
    HwgenError
        The file is not a well-formed ONNX model, or holds something that cannot be computed
        exactly as ONNX Runtime does.
    """
    graph = onnx_graph.read(source, shapes or {})
    network = _Importer(graph).network()
    session(graph.serialise())    # what we accept but ONNX Runtime does not has no reference
    return network


@dataclass(frozen=True, eq=False)
class _Match:
    """Nodes that form one integer layer: codes ``x`` in, codes ``y`` out."""
    kind: str                # "mac", "pool", "pointwise" or "alias"
    node: object             # the operator that names it
    x: str
    y: str
    x_quant: Quantisation | None = None
    y_quant: Quantisation | None = None
    operands: Operands | None = None
    bounds: tuple = (-np.inf, np.inf)


class _Importer:
    def __init__(self, graph):
        self.graph = graph
        self.integers = {name for name, (_, dtype) in graph.inputs.items()
                         if dtype in (np.uint8, np.int8)}
        self.matches = {}    # by the name of the codes that they give
        for node in graph.nodes:
            match = self._match(node)
            if match:
                self.matches[match.y] = match
            if match or node.op == "QuantizeLinear":
                self.integers.update(node.outputs[:1])
        self.layers = [m for m in self.matches.values() if m.kind != "alias"]
        if not self.layers:
            self._check_host(graph.nodes)
            raise HwgenError(f"{graph.name} holds no quantised layer: quantise it statically with "
                             f"onnxruntime.quantization first.")

    # What the nodes mean.

    def _match(self, node):
        """The layer that ends in this node, or None if the node is none or is for the host."""
        direct = node.input(0) in self.integers
        if node.op == "QuantizeLinear":
            return self._match_qdq(node)
        if node.op in ("QLinearConv", "QLinearMatMul", "QGemm"):
            return self._match_qoperator(node)
        if node.op == "MaxPool" and direct:
            return _Match("pool", node, node.input(0), node.outputs[0])
        if node.op in ALIASES and direct:
            return _Match("alias", node, node.input(0), node.outputs[0])
        return None

    def _match_qoperator(self, node):
        i = node.input
        if node.op == "QGemm":
            if not i(7):
                raise HwgenError(f"{node} gives float values; only a quantised result is "
                                 f"supported: quantise its output.")
            y_quant, bias = quantisation(self.graph, node, i(7), i(8)), i(6)
        else:
            y_quant, bias = quantisation(self.graph, node, i(6), i(7)), i(8)
        operands = Operands(
            node, {"QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm"}[node.op],
            i(0), quantisation(self.graph, node, i(1), i(2)), self._constant(node, i(3), "weights"),
            quantisation(self.graph, node, i(4), i(5)), None,
            self._constant(node, bias, "bias") if bias else None, node.outputs[0], y_quant)
        return _Match("mac", node, i(0), node.outputs[0], operands=operands)

    def _match_qdq(self, quantise):
        """A layer in QDQ form, from the QuantizeLinear at its end back to its DequantizeLinear."""
        graph, chain = self.graph, [quantise]
        node = graph.producer.get(quantise.input(0))
        bounding = None
        if node and node.op in ("Relu", "Clip"):
            bounding = node
            chain.append(node)
            node = graph.producer.get(node.input(0))
        if node is None:
            return None
        y, y_quant = quantise.outputs[0], self._node_quantisation(quantise)
        bounds = self._bounds(bounding) if bounding else (-np.inf, np.inf)
        if node.op == "DequantizeLinear" and node.input(0) not in graph.constants:
            self._unshared(chain)
            return _Match("pointwise", bounding or quantise, node.input(0), y,
                          self._node_quantisation(node), y_quant, bounds=bounds)
        source = graph.producer.get(node.input(0))
        if source is None or source.op != "DequantizeLinear":
            return None
        chain.append(node)
        x, x_quant = source.input(0), self._node_quantisation(source)
        if node.op in MACS:
            operands = self._qdq_operands(node, x, x_quant, y, y_quant)
            if operands is None:
                return None
            self._unshared(chain)
            if bounding:
                _check_absorbed(bounding, bounds, y_quant)
            return _Match("mac", node, x, y, operands=operands)
        if (node.op == "MaxPool" or node.op in ALIASES) and not bounding:
            self._unshared(chain)
            if not x_quant.same(y_quant):
                raise HwgenError(f"{node} has different scales or zero points before and after it; "
                                 f"they must be equal: quantise both sides alike.")
            return _Match("pool" if node.op == "MaxPool" else "alias", node, x, y, x_quant)
        return None

    def _qdq_operands(self, node, x, x_quant, y, y_quant):
        weights = self.graph.producer.get(node.input(1))
        if weights is None or weights.op != "DequantizeLinear":
            return None
        weight = self._constant(node, weights.input(0), "weights")
        w_quant = self._node_quantisation(weights)
        for name in "alpha", "beta":
            used = name == "alpha" or node.input(2)
            if node.op == "Gemm" and used and node.attributes.get(name, 1.0) != 1.0:
                raise HwgenError(f"{node} has {name} = {node.attributes[name]}, which ONNX Runtime "
                                 f"computes in float: fold it into the weights.")
        bias = None
        if node.input(2):
            biases = self.graph.producer.get(node.input(2))
            if biases is None or biases.op != "DequantizeLinear":
                raise HwgenError(f"{node} has a float bias, which ONNX Runtime adds in float: "
                                 f"quantise the bias to int32.")
            bias = self._constant(biases, biases.input(0), "bias")
            b_quant = self._node_quantisation(biases, bias.dtype)
            product = x_quant.scale * w_quant.scale
            if np.any(b_quant.zero) or b_quant.scale.size not in (1, product.size) or not \
                    np.allclose(b_quant.scale, product, rtol=_BIAS_TOLERANCE, atol=0):
                raise HwgenError(f"the bias of {node} is not quantised with zero point 0 and the "
                                 f"product of the input's and the weights' scales, as integer "
                                 f"accumulation needs: quantise it so.")
        axis = weights.attributes.get("axis", 1)
        return Operands(node, node.op, x, x_quant, weight, w_quant,
                        axis + weight.ndim if axis < 0 else axis, bias, y, y_quant)

    def _node_quantisation(self, node, dtype=None):
        """Scale and zero point of a QuantizeLinear or DequantizeLinear."""
        if node.attributes.get("block_size", 0):
            raise HwgenError(f"{node} quantises in blocks (block_size = "
                             f"{node.attributes['block_size']}); quantise per tensor or per "
                             f"channel.")
        if node.attributes.get("output_dtype", 0) and not node.input(2):
            raise HwgenError(f"{node} has output_dtype but no zero point: give it a zero point.")
        if dtype is None and node.op == "DequantizeLinear" and \
                node.input(0) in self.graph.constants:
            dtype = self.graph.constants[node.input(0)].dtype
        return quantisation(self.graph, node, node.input(1), node.input(2), dtype)

    def _bounds(self, node):
        if node.op == "Relu":
            return 0.0, np.inf
        if "min" in node.attributes or "max" in node.attributes:
            given = [node.attributes.get("min"), node.attributes.get("max")]
        else:
            given = [self._constant(node, name, "bound") if name else None
                     for name in (node.input(1), node.input(2))]
        return tuple(default if value is None else np.float32(np.asarray(value).item())
                     for value, default in zip(given, (-np.inf, np.inf), strict=True))

    def _constant(self, node, name, what):
        if name not in self.graph.constants:
            raise HwgenError(f"{node} takes its {what} {name!r} from a computation; it must be a "
                             f"constant of the file.")
        return self.graph.constants[name]

    def _unshared(self, chain):
        """Float values inside a layer exist nowhere else: only the next node may read them."""
        for node in chain[1:]:
            name = node.outputs[0]
            if name in self.graph.outputs or len(self.graph.consumers[name]) > 1:
                raise HwgenError(f"the float result {name!r} of {node} is used apart from its "
                                 f"QuantizeLinear, so ONNX Runtime computes it in float: use the "
                                 f"quantised value.")

    # The network.

    def network(self):
        """Build the layers in order, with the host's parts before and after."""
        graph = self.graph
        aliases, codes = {}, {name: Code(name, *graph.inputs[name]) for name in graph.inputs}
        made = {m.y for m in self.layers}
        wanted = dict.fromkeys(self._origin(m.x) for m in self.layers)
        before = [n for n in wanted if n not in made and n not in graph.inputs]
        layers = []
        if before:
            part, values = self._host("host before", before, set(graph.inputs), graph.inputs)
            layers.append(part)
            codes.update({k: Code(k, v.shape, v.dtype) for k, v in values.items()})
        for match in self.matches.values():
            if match.x not in codes:
                continue    # an alias inside a host part
            x = codes[match.x]
            if match.kind == "alias":
                shape = alias_shape(graph, match.node, x)
                codes[match.y] = Code(x.name, shape, x.dtype)
                aliases[match.y] = x.name
                continue
            if match.kind == "mac":
                layer, code = conv_layer(match.operands, x)
            elif match.kind == "pool":
                layer, code = maxpool_layer(graph, match.node, x, match.x_quant, match.y)
            else:
                layer, code = pointwise_layer(match.node, match.bounds, x, match.x_quant, match.y,
                                              match.y_quant)
            layers.append(layer)
            codes[match.y] = code
        after = [name for name in graph.outputs if name not in codes]
        outputs = {name: (codes[name].shape, codes[name].dtype)
                   for name in graph.outputs if name in codes}
        if after:
            known = {name: (code.shape, code.dtype) for name, code in codes.items()
                     if name not in aliases}
            part, values = self._host("host after", after, set(known), known)
            layers.append(part)
            outputs.update({k: (v.shape, v.dtype) for k, v in values.items()})
        outputs = {name: outputs[name] for name in graph.outputs}
        used = {m.x for m in self.layers} | set(graph.outputs)
        return Network(graph.name, layers, dict(graph.inputs), outputs,
                       {k: v for k, v in aliases.items() if k in used})

    def _origin(self, name):
        """The codes that an alias of codes stands for."""
        while name in self.matches and self.matches[name].kind == "alias":
            name = self.matches[name].x
        return name

    def _host(self, name, outputs, stop, known):
        """A :class:`Host` part that gives ``outputs`` from ``known`` values, and a trial run."""
        graph, nodes, inputs, pending = self.graph, set(), {}, list(outputs)
        while pending:
            value = pending.pop()
            if value in stop:
                inputs[value] = known[value]
            elif value and value not in graph.constants and graph.producer[value] not in nodes:
                nodes.add(graph.producer[value])
                pending += graph.producer[value].inputs
        ordered = [n for n in graph.nodes if n in nodes]
        self._check_host(ordered)
        model = graph.submodel(ordered, inputs, outputs)
        zeros = {k: np.zeros(shape, dtype) for k, (shape, dtype) in inputs.items()}
        return Host(name, model, tuple(inputs), tuple(outputs)), evaluate(model, zeros)

    def _check_host(self, nodes):
        """Refuse what must not run on the host: anything between layers, or meant to be one."""
        made = {m.y for m in self.layers}
        ends = {m.node for m in self.layers} | {self.graph.producer[y] for y in made}
        if ends & set(nodes):
            after = set(made)
            for node in nodes:
                if node in ends or not after.intersection(node.inputs):
                    continue
                after.update(node.outputs)
                if node.op not in ("DequantizeLinear", "QuantizeLinear", *ALIASES):
                    raise HwgenError(f"{node} lies between quantised layers and is not supported "
                                     f"yet; supported there are Conv, Gemm, MatMul, MaxPool, Relu, "
                                     f"Clip, {', '.join(sorted(ALIASES))}, each quantised: "
                                     f"remove it or move it to an end of the network.")
            raise HwgenError(f"the quantised layers of {self.graph.name} are joined in a way that "
                             f"is not supported: use QuantizeLinear and DequantizeLinear in pairs "
                             f"around each operator.")
        for node in nodes:
            weights = self.graph.producer.get(node.input(1))
            if node.op in MACS and weights and weights.op == "DequantizeLinear":
                raise HwgenError(f"{node} has quantised weights but its input or its output is not "
                                 f"quantised: let the quantiser treat both, or exclude the node.")


def _check_absorbed(node, bounds, quant):
    """Refuse a Relu or Clip that the range of the codes does not contain.

    ONNX Runtime drops a bound that QuantizeLinear's saturation implies; it computes the layer in
    float if one remains, which no integer arithmetic reproduces.
    """
    quant = quant.single(node, "its output")
    info = np.iinfo(quant.dtype)
    low, high = (np.rint(np.float32(b) / quant.scale.item()) + quant.zero.item() for b in bounds)
    if low > info.min or high < info.max:
        raise HwgenError(f"{node} bounds its result to codes {max(low, info.min):.0f} to "
                         f"{min(high, info.max):.0f} of {quant.dtype}, so ONNX Runtime computes "
                         f"the layer in float: quantise its output to just the bounded range.")
