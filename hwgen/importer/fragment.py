"""Parts of a graph from codes to codes, alone in ONNX Runtime: how an operator's results are found.

A fragment ends in a value of 8 bits and reaches back to other values of 8 bits. It keeps what
decides how ONNX Runtime computes it: its DequantizeLinear and QuantizeLinear nodes, and which of
its float values are wanted outside.
"""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from onnx import helper, numpy_helper

from ..errors import HwgenError
from ..network.ort_session import reason, session
from .operators.conv import CODES, OnHost, quantisation

__all__ = ["Fragment", "fragment", "is_code"]

_AS_IT_IS = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def is_code(graph, name):
    """Whether a value is a tensor of 8-bit codes that the network computes or is given."""
    return name in graph.values and name not in graph.constants and \
        graph.values[name][1] in CODES


@dataclass(frozen=True, eq=False)
class Fragment:
    """Nodes in order, the codes that they read, and the codes ``y`` that the last node gives.

    ``wanted`` names the float values that are read outside.
    """
    graph: object
    nodes: tuple
    leaves: tuple
    y: str
    wanted: tuple

    @property
    def end(self):
        return self.nodes[-1]

    @property
    def inner(self):
        """The nodes that compute: all but DequantizeLinear and a QuantizeLinear at the end."""
        return tuple(n for n in self.nodes if n.op != "DequantizeLinear" and
                     not (n is self.end and n.op == "QuantizeLinear"))

    @property
    def name(self):
        return str(self.inner[0] if self.inner else self.end)

    def reading(self, leaf):
        """The :class:`Quantisation` of a leaf, if one DequantizeLinear reads it, else None."""
        nodes = [n for n in self.nodes if leaf in n.inputs]
        if len(nodes) != 1 or nodes[0].op != "DequantizeLinear":
            return None
        return self._quantisation(nodes[0], leaf)

    def writing(self):
        """The :class:`Quantisation` of ``y``, if a QuantizeLinear gives it, else None."""
        if self.end.op != "QuantizeLinear":
            return None
        return self._quantisation(self.end, self.y)

    def _quantisation(self, node, codes):
        """Of a QuantizeLinear or DequantizeLinear, None if by channel."""
        found = quantisation(self.graph, node, node.input(1), node.input(2),
                             self.graph.values[codes][1])
        return found if found.scale.size == found.zero.size == 1 else None

    def model(self, shapes):
        """A serialised model of the fragment alone, with leaves of these shapes."""
        inputs = {leaf: (shape, self.graph.values[leaf][1])
                  for leaf, shape in zip(self.leaves, shapes, strict=True)}
        return self.graph.submodel(self.nodes, inputs, (self.y, *self.wanted), declared=False)

    def runner(self, shapes):
        """A function from arrays for the leaves, in order and of these shapes, to ``y``."""
        run = self._alone(self.model(shapes), self.y)
        return lambda *arrays: run(dict(zip(self.leaves, arrays, strict=True)))

    def _alone(self, model, output):
        """A function from inputs by name to one output of a serialised model."""
        try:
            runtime = session(model, graph_optimization_level=_AS_IT_IS)
        except HwgenError as error:
            raise OnHost(f"{self.name} cannot be tried alone: {error}") from None

        def run(inputs):
            try:
                return runtime.run([output], inputs)[0]
            except Exception as error:    # its exceptions have no common base of their own
                raise OnHost(f"{self.name} cannot be tried alone: "
                             f"{reason(error).rstrip('.')}") from None
        return run

    def sources(self, nodes, output):
        """Where a data movement takes its values from.

        Parameters
        ----------
        nodes : list of onnx.NodeProto
            Operators that only move values, and ``output``, what they give.

        Returns
        -------
        tuple of numpy.ndarray
            In the output's shape: the index of the leaf, -1 for constants, and the flat index.
        """
        graph = self.graph
        read = dict.fromkeys(i for node in nodes for i in node.input if i)
        given = {}    # the leaf that a float value stands for
        for name in read:
            source = graph.producer.get(name)
            if name in self.leaves:
                given[name] = name
            elif source and source.op == "DequantizeLinear":
                given[name] = source.inputs[0]
        if not set(given.values()) <= set(self.leaves):
            raise OnHost(f"{self.name} joins constants to what it moves")
        sizes = [int(np.prod(graph.values[leaf][0])) for leaf in self.leaves]
        if sum(sizes) >= 1 << 24:
            raise OnHost(f"{self.name} moves more values than float32 can number")
        first = np.cumsum([1, *sizes[:-1]])
        shapes = {name: graph.values[leaf][0] for name, leaf in given.items()}
        constants = [numpy_helper.from_array(
            v.astype(np.float32) if v.dtype in CODES else np.asarray(v), k)
            for k, v in graph.constants.items() if k in read]
        model = helper.make_model(
            helper.make_graph(nodes, "sources", [
                helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()],
                [helper.make_empty_tensor_value_info(output)], constants),
            opset_imports=graph.opsets, ir_version=graph.ir_version).SerializeToString()
        run = self._alone(model, output)
        numbers = {name: np.arange(first[at], first[at] + sizes[at]).reshape(shapes[name])
                   for name, at in ((n, self.leaves.index(leaf)) for n, leaf in given.items())}
        # What does not change with the sign of all inputs is a constant.
        up, down = (run({k: (v * sign).astype(np.float32) for k, v in numbers.items()})
                    for sign in (1, -1))
        number = np.where(up == -down, up, 0).astype(np.int64)
        leaf = np.searchsorted(first, number, side="right") - 1
        return leaf, np.where(leaf < 0, -1, number - first[leaf])


def fragment(graph, end, y, allowed):
    """The :class:`Fragment` that gives ``y``, or None if it is more than ``allowed`` operators.

    Float values come from DequantizeLinear nodes alone.
    """
    nodes, leaves, pending = {end}, {}, [end]
    while pending:
        node = pending.pop()
        for name in node.needs:
            if name in graph.constants:
                continue
            if is_code(graph, name):
                leaves[name] = None
                continue
            source = graph.producer.get(name)
            if source is None or source.op != "DequantizeLinear" and source.op not in allowed:
                return None
            if source not in nodes:
                nodes.add(source)
                pending.append(source)
    ordered = tuple(n for n in graph.nodes if n in nodes)
    order = [name for node in ordered for name in node.needs if name in leaves]
    wanted = tuple(
        name for node in ordered for name in node.outputs if name != y and
        (name in graph.outputs or node.op != "DequantizeLinear" and
         not nodes.issuperset(graph.consumers[name])))
    return Fragment(graph, ordered, tuple(dict.fromkeys(order)), y, wanted)
