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
from .operators.conv import Code, OnHost, view
from .operators.kinds import kinds
from .operators.product import PRODUCTS, product
from .reasons import why_float

__all__ = ["Model", "load"]

_LARGEST = 1 << 31      # DRAM holds 4 GiB
_KINDS = kinds()
_FLOAT = frozenset().union(*(kind.between for kind in _KINDS))
_DIRECT = _FLOAT.union(*(kind.direct for kind in _KINDS))


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
        if node.op in PRODUCTS:
            found, reads = product(self.graph, node, self._code)
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

    def _between(self, end, y, allowed):
        """``(layer or Code or None, leaves)`` of what gives ``y``, from codes to codes, of
        operators that neither multiply nor add up weights."""
        part = fragment(self.graph, end, y, allowed)
        if part is None or not part.leaves:
            return None, ()
        self._shape(y)
        codes = [self._code(leaf) for leaf in part.leaves]
        kind = next(kind for kind in _KINDS if kind.takes(part.inner))
        return kind.layer(part, codes, self.tables), part.leaves

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

