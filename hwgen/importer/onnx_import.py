"""Imports a quantised ONNX model: which nodes become integer layers, which stay on the host.

Models in QDQ form (float operators between DequantizeLinear and QuantizeLinear) and in QOperator
form (QLinearConv and its like) are read as ONNX Runtime computes them on a CPU, to the last bit;
see docs/reference/numerics.md and docs/reference/operators.md.
"""

import math
from copy import copy
from dataclasses import replace

import numpy as np

from ..errors import HwgenError
from ..network.graph import Host, Network
from . import ort_graph
from .fragment import fragment
from .host import arrange
from .operators.conv import Code, OnHost, Operands, conv_layer, quantisation, view
from .operators.move import MOVES, move_layer
from .operators.pointwise import POINTWISE, QLINEAR, pointwise_layer
from .operators.pool import POOLS, pool_layer
from .reasons import why_float

__all__ = ["Model", "load"]

_LARGEST = 1 << 31      # DRAM holds 4 GiB
_QOPERATORS = {"QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm",
               "ConvInteger": "Conv", "MatMulInteger": "MatMul"}
_FLOAT = POINTWISE | MOVES | {op for op in POOLS if not op.startswith("QLinear")}
_DIRECT = _FLOAT | POOLS.keys() | QLINEAR.keys() | {"QLinearConcat"}


class Model:
    """An ONNX file, read once: for its :meth:`network`, and for ONNX Runtime as the reference.

    Parameters
    ----------
    source : bytes or str or os.PathLike
        The file's path, or its contents.
    shapes : dict of str to tuple, optional
        Shapes of inputs for which the file leaves dimensions open; an open batch is 1.
    tables : bool
        Whether the accelerator has the tables of :class:`~hwgen.network.graph.Elementwise` layers;
        without, what needs them stays on the host.
    integer : bool
        Whether products of dequantised operands are exact sums of integers where ONNX Runtime
        computes them in float.
    sample : dict of str to numpy.ndarray, optional
        The inputs that the network is to run on, if shapes in it depend on them.

    Attributes
    ----------
    graph : Graph
        What ONNX Runtime makes of the file, and the layers are made of.
    plain : bytes
        The file as it is.
    depends : bool
        Whether shapes, or numbers of outputs, depend on the inputs' values.
    macs : int
        Multiply-accumulates of the file.
    kernels : int
        Nodes of the file that ONNX Runtime computes in integers.

    Raises
    ------
    HwgenError
        The file is not a well-formed ONNX model, has a scale that is not positive and finite, or
        holds what ONNX Runtime does not run either.
    """
    def __init__(self, source, shapes=None, tables=True, *, integer=False, sample=None):
        self._tables = tables
        found = ort_graph.read(source, shapes or {}, sample, integer)
        self.graph, self.plain, self.kernels = found.graph, found.plain, found.kernels
        self._integers, self._macs = found.integers, found.macs
        self.depends = found.depends

    @property
    def macs(self):
        return self._macs[1]

    def float_graph(self, names):
        """What ONNX Runtime makes of the file, serialised, with ``names`` as outputs; products that
        it computes in float are so."""
        inputs = {k: shape for k, (shape, _) in self.graph.inputs.items()}
        return ort_graph.read(self.plain, inputs).graph.serialise(names)

    def with_tables(self, tables):
        """The same model for accelerators that have the tables, or do not."""
        other = copy(self)
        other._tables = tables
        return other

    def network(self, refused=None):
        """The network, with everything that no integer layer computes exactly in its
        :class:`~hwgen.network.graph.Host` parts; ``reasons`` says why.

        ``refused`` are reasons why layers are on the host all the same, by what they give.
        """
        try:
            made = _Importer(self.graph, self._tables, refused or {}).network()
        except HwgenError as error:
            if not self.depends:
                raise
            raise HwgenError(f"shapes in {self.graph.name} depend on the values of its inputs: "
                             f"give values that fit, with --input (in Python: sample). {error}"
                             ) from None
        return replace(made, integers=self._integers, integer_macs=self._macs)


def load(source, shapes=None, tables=True, **options):
    """The network that an ONNX file describes: that of a :class:`Model` of these parameters."""
    return Model(source, shapes, tables, **options).network()


class _Importer:
    """Finds the layers of a graph; ``codes`` are those that layers and aliases give, by name."""

    def __init__(self, graph, tables, refused):
        self.graph, self.tables, self.refused = graph, tables, refused
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
            found, reads = self._between(node, y, _FLOAT)
        elif node.op in _DIRECT and self.graph.values[y][1] != np.int32:
            found, reads = self._between(node, y, ())
        else:
            return
        if found is None:
            return
        if y in self.refused:
            raise OnHost(self.refused[y].rstrip("."))
        self.reads[y] = reads
        if isinstance(found, Code):
            self.codes[y], self.aliases[y] = found, found.name
        else:
            self.codes[y] = Code(y, found.y.onnx_shape, found.y.dtype, found.y.shape)
            self.layers[y] = found

    def _computing(self, node):
        """The operator whose result a QuantizeLinear quantises, or the node itself."""
        source = self.graph.producer.get(node.input(0))
        return source if node.op == "QuantizeLinear" and source and \
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
            raise OnHost(f"the shape of {name!r} depends on the values of inputs: map and compile "
                         f"take them with --input")
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
                            w_quant, self._constant(node, bias, "bias") if bias else None,
                            node.outputs[0], y_quant)
        return self._conv(operands)

    def _conv(self, operands):
        if operands.x in self.graph.constants:
            raise OnHost(f"{operands.node} works on a constant")
        return conv_layer(operands, self._code(operands.x)), (operands.x,)

    def _constant(self, node, name, what):
        if name not in self.graph.constants:
            raise OnHost(f"{node} takes its {what} {name!r} from a computation")
        return self.graph.constants[name]

    # The network.

    def network(self):
        """The layers that the outputs need, in order, with the host's parts between them."""
        graph = self.graph
        for node in graph.nodes:
            reason = node.name not in self.reasons and why_float(graph, node)
            if reason:
                self.reasons[node.name] = reason
        layers, outputs, constants = arrange(graph, self.layers, self.aliases, self.reads,
                                             self.reasons)
        hosted = [name for part in layers if isinstance(part, Host) for name, _ in part.nodes]
        reasons = {name: self.reasons[name] for name in hosted if name in self.reasons}
        read = {name for y in self.layers for name in self.reads[y]} | set(graph.outputs)
        return Network(graph.name, layers, dict(graph.inputs), outputs,
                       {k: v for k, v in self.aliases.items() if k in read}, reasons,
                       constants=constants)

