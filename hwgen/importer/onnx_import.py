"""Imports a quantised ONNX model: which nodes become integer layers, which stay on the host.

Models in QDQ form (float operators between DequantizeLinear and QuantizeLinear) and in QOperator
form (QLinearConv and its like) are read as ONNX Runtime computes them on a CPU, to the last bit;
see docs/reference/numerics.md and docs/reference/operators.md.
"""

import math

import numpy as np

from ..network.graph import Host, Network
from ..network.ort_session import session
from . import onnx_graph
from .onnx_elementwise import POINTWISE, QLINEAR, pointwise_layer
from .onnx_fragment import fragment
from .onnx_host import arrange
from .onnx_layers import MACS, Code, OnHost, Operands, conv_layer, quantisation, view
from .onnx_moves import MOVES, move_layer
from .onnx_pools import POOLS, pool_layer

__all__ = ["load"]

_BIAS_TOLERANCE = 1e-3
_LARGEST = 1 << 31      # DRAM holds 4 GiB
_QOPERATORS = {"QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm",
               "ConvInteger": "Conv", "MatMulInteger": "MatMul"}
_FLOAT = POINTWISE | MOVES | {op for op in POOLS if not op.startswith("QLinear")}
_DIRECT = _FLOAT | POOLS.keys() | QLINEAR.keys() | {"QLinearConcat"}


def load(source, shapes=None, elementwise=True):
    """The network that an ONNX file describes.

    Parameters
    ----------
    source : bytes or str or os.PathLike
        The file's path, or its contents.
    shapes : dict of str to tuple, optional
        Shapes of inputs for which the file leaves dimensions open; an open batch is 1.
    elementwise : bool
        Whether the accelerator has the tables of :class:`~hwgen.network.graph.Elementwise` layers;
        without, what needs them stays on the host.

    Returns
    -------
    Network
        Everything that no integer layer computes exactly is in its
        :class:`~hwgen.network.graph.Host` parts; ``reasons`` says why.

    Raises
    ------
    HwgenError
        The file is not a well-formed ONNX model, has a scale that is not positive and finite, or
        holds what ONNX Runtime does not run either.
    """
    graph = onnx_graph.read(source, shapes or {})
    network = _Importer(graph, elementwise).network()
    session(graph.serialise())    # what we accept but ONNX Runtime does not has no reference
    return network


class _Importer:
    """Finds the layers of a graph; ``codes`` are those that layers and aliases give, by name."""

    def __init__(self, graph, tables):
        self.graph, self.tables = graph, tables
        self.codes, self.layers, self.reads = {}, {}, {}
        self.aliases, self.reasons = {}, {}
        for node in graph.nodes:
            for y in node.outputs:
                if graph.values[y][1] in (np.uint8, np.int8, np.int32):
                    try:
                        self._add(node, y)
                    except OnHost as reason:
                        self.reasons[self._computing(node).name] = f"{reason}."

    def _add(self, node, y):
        if node.op in _QOPERATORS:
            found, reads = self._mac(node)
        elif node.op == "QuantizeLinear":
            found, reads = self._mac_before(node) or self._between(node, y, _FLOAT)
        elif node.op in _DIRECT and self.graph.values[y][1] != np.int32:
            found, reads = self._between(node, y, ())
        else:
            return
        if found is None:
            return
        self.reads[y] = reads
        if isinstance(found, Code):
            self.codes[y], self.aliases[y] = found, found.name
        else:
            self.codes[y] = Code(y, found.y.onnx_shape, found.y.dtype, found.y.shape)
            self.layers[y] = found

    def _computing(self, node):
        """The operator whose result a QuantizeLinear quantises, or the node itself."""
        source = self.graph.producer.get(node.input(0))
        while node.op == "QuantizeLinear" and source and source.op in ("Relu", "Clip"):
            node, source = source, self.graph.producer.get(source.input(0))
        return source if node.op in ("QuantizeLinear", "Relu", "Clip") and source and \
            source.op != "DequantizeLinear" else node

    def _code(self, name):
        """The codes of a value, whether an integer layer or the host gives them."""
        if name not in self.codes:
            shape, dtype = self._shape(name), self.graph.values[name][1]
            self.codes[name] = Code(name, shape, dtype, view(shape))
        return self.codes[name]

    def _shape(self, name):
        shape = self.graph.values[name][0]
        if shape is None:
            raise OnHost(f"the shape of {name!r} depends on the data")
        if min(shape, default=1) < 1 or math.prod(shape) > _LARGEST:
            raise OnHost(f"{name!r} has the shape {shape}; the accelerator takes tensors of 1 to "
                         f"{_LARGEST} values")
        return shape

    # Operators that neither multiply nor add up weights.

    def _between(self, end, y, allowed):
        """``(layer or Code or None, leaves)`` of what gives ``y``, from codes to codes."""
        graph = self.graph
        part = fragment(graph, end, y, allowed)
        if part is None or not part.leaves:
            return None, ()
        self._shape(y)
        codes = [self._code(leaf) for leaf in part.leaves]
        inner = part.inner
        pools = [node for node in inner if node.op in POOLS]
        if pools:
            rest = [node for node in inner if node not in pools and node.op not in ("Relu", "Clip")]
            if len(pools) > 1 or rest or len(codes) > 1:
                raise OnHost(f"{pools[0]} stands among float operators, without quantisation "
                             f"between them")
            found = pool_layer(part, pools[0], codes[0], self.tables)
        elif any(node.op in MOVES - POINTWISE or node.op == "QLinearConcat" for node in inner):
            found = move_layer(part, codes, self.tables)
        else:
            found = pointwise_layer(part, codes, self.tables)
        return found, part.leaves

    # Convolutions and matrix products.

    def _mac(self, node):
        """``(Conv, leaves)`` of an operator that takes and gives integers."""
        i, graph, op = node.input, self.graph, _QOPERATORS[node.op]
        if node.op in ("ConvInteger", "MatMulInteger"):
            types = [self.graph.values[i(k)][1] for k in (0, 1)]
            x_quant, w_quant = (quantisation(graph, node, None, i(k + 2), t)
                                for k, t in enumerate(types))
            weight, bias, y_quant = i(1), "", None
        else:
            at = 7 if node.op == "QGemm" else 6
            if not i(at):
                return None, ()    # QGemm with a float result
            y_quant = quantisation(graph, node, i(at), i(at + 1))
            x_quant, w_quant = quantisation(graph, node, i(1), i(2)), \
                quantisation(graph, node, i(4), i(5))
            weight, bias = i(3), i(6) if node.op == "QGemm" else i(8)
        operands = Operands(node, op, i(0), x_quant, self._constant(node, weight, "weights"),
                            w_quant, None, self._constant(node, bias, "bias") if bias else None,
                            node.outputs[0], y_quant)
        return self._conv(operands)

    def _conv(self, operands):
        if operands.x in self.graph.constants:
            raise OnHost(f"{operands.node} works on a constant")
        return conv_layer(operands, self._code(operands.x)), (operands.x,)

    def _mac_before(self, quantise):
        """``(Conv, leaves)`` in QDQ form, from the QuantizeLinear at its end; or None."""
        graph, chain = self.graph, []
        node, bounding = graph.producer.get(quantise.input(0)), None
        if node and node.op in ("Relu", "Clip"):
            chain, bounding = [node], node
            node = graph.producer.get(node.input(0))
        if node is None or node.op not in MACS:
            return None
        x, w, b = ((graph.producer.get(node.input(k)) if node.input(k) else None)
                   for k in range(3))
        if not all(n and n.op == "DequantizeLinear" for n in (x, w)):
            return None, ()    # a float operator
        weight = self._constant(node, w.input(0), "weights")
        for name in "alpha", "beta":
            used = name == "alpha" or node.input(2)
            if node.op == "Gemm" and used and node.attributes.get(name, 1.0) != 1.0:
                raise OnHost(f"{node} has {name} = {node.attributes[name]}, which ONNX Runtime "
                             f"computes in float")
        x_quant, w_quant = self._quantisation(x), self._quantisation(w)
        y_quant, bias = self._quantisation(quantise), None
        if node.input(2):
            if b is None or b.op != "DequantizeLinear":
                raise OnHost(f"{node} has a float bias, which ONNX Runtime adds in float")
            bias = self._constant(b, b.input(0), "bias")
            b_quant = self._quantisation(b)
            product = x_quant.scale * w_quant.scale
            if np.any(b_quant.zero) or b_quant.scale.size not in (1, product.size) or not \
                    np.allclose(b_quant.scale, product, rtol=_BIAS_TOLERANCE, atol=0):
                raise OnHost(f"the bias of {node} is not quantised with zero point 0 and the "
                             f"product of the input's and the weights' scales, as integer "
                             f"accumulation needs")
        # Float values inside a layer exist nowhere else: only the next node may read them.
        for inner in (*chain, node):
            name = inner.outputs[0]
            if name in graph.outputs or len(graph.consumers[name]) > 1:
                raise OnHost(f"the float result {name!r} of {inner} is used apart from its "
                             f"QuantizeLinear, so ONNX Runtime computes it in float")
        if bounding:
            _check_absorbed(bounding, self._bounds(bounding), y_quant)
        axis = w.attributes.get("axis", 1)
        return self._conv(Operands(
            node, node.op, x.input(0), x_quant, weight, w_quant,
            axis + weight.ndim if axis < 0 else axis, bias, quantise.outputs[0], y_quant))

    def _quantisation(self, node):
        """Scale and zero point of a QuantizeLinear or DequantizeLinear."""
        if node.attributes.get("block_size", 0):
            raise OnHost(f"{node} quantises in blocks (block_size = "
                         f"{node.attributes['block_size']})")
        codes = node.input(0) if node.op == "DequantizeLinear" else node.outputs[0]
        return quantisation(self.graph, node, node.input(1), node.input(2),
                            self.graph.values[codes][1])

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
            raise OnHost(f"{node} takes its {what} {name!r} from a computation")
        return self.graph.constants[name]

    # The network.

    def network(self):
        """The layers that the outputs need, in order, with the host's parts between them."""
        graph = self.graph
        layers, outputs = arrange(graph, self.layers, self.aliases, self.reads, self.reasons)
        hosted = [name for part in layers if isinstance(part, Host) for name, _ in part.nodes]
        reasons = {name: self.reasons[name] for name in hosted if name in self.reasons}
        read = {name for y in self.layers for name in self.reads[y]} | set(graph.outputs)
        return Network(graph.name, layers, dict(graph.inputs), outputs,
                       {k: v for k, v in self.aliases.items() if k in read}, reasons)


def _check_absorbed(node, bounds, quant):
    """Leave a Relu or Clip to the host if the range of the codes does not contain it.

    ONNX Runtime drops a bound that QuantizeLinear's saturation implies; it computes the layer in
    float if one remains, which no integer arithmetic reproduces.
    """
    quant = quant.single(node, "its output")
    info = np.iinfo(quant.dtype)
    low, high = (np.rint(np.float32(b) / quant.scale.item()) + quant.zero.item() for b in bounds)
    if low > info.min or high < info.max:
        raise OnHost(f"{node} bounds its result to codes {max(low, info.min):.0f} to "
                     f"{min(high, info.max):.0f} of {quant.dtype}, so ONNX Runtime computes "
                     f"the layer in float")
