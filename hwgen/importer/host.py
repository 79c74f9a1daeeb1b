"""What stays on the host: parts of the graph for ONNX Runtime, and their place among the layers."""

from collections import defaultdict

from ..errors import HwgenError
from ..network.graph import Host
from ..network.ort_session import evaluate
from .onnx_graph import zeros

__all__ = ["arrange"]


def arrange(graph, layers, aliases, reads, reasons):
    """Layers and host parts in an order in which each one's inputs come first.

    Parameters
    ----------
    graph : Graph
    layers : dict of str to layer
        Integer layers by the name of the codes that they give.
    aliases : dict of str to str
        The source of codes that are others in another shape.
    reads : dict of str to tuple of str
        What each layer and alias reads.
    reasons : dict of str to str
        Why nodes are no integer layers, by their names.

    Returns
    -------
    list
        The layers that the outputs need, and :class:`Host` parts.
    dict of str to (shape, dtype)
        The network's outputs.
    dict of str to numpy.ndarray
        Constants that layers read.

    Raises
    ------
    HwgenError
        ONNX Runtime does not run a host part.

    Notes
    -----
    Integer layers and the host take turns: a value's *level* counts the changes of side on the
    longest way to it, odd for layers. A host part holds the nodes of one level that hang together.
    DequantizeLinear is done again wherever its result is read, so that each part shows ONNX Runtime
    the same patterns as the whole graph.
    """
    return _Arrangement(graph, layers, aliases, reads, reasons).run()


class _Arrangement:
    def __init__(self, graph, layers, aliases, reads, reasons):
        self.graph, self.layers, self.aliases, self.reads = graph, layers, aliases, reads
        self.reasons = reasons
        self.index = {id(node): k for k, node in enumerate(graph.nodes)}

    def run(self):
        self._needed()
        self._levels()
        ordered = [(self.level[y], self.index[id(self.graph.producer[y])], layer)
                   for y, layer in self.layers.items() if y in self.used]
        known, count, constants = set(self.graph.inputs) | self.used, 0, {}
        for level in sorted(set(self.wanted)):
            parts = self._parts(self.wanted[level], known)
            known.update(name for name in self.wanted[level] if not self._repeated(name))
            for nodes, outputs in parts:
                if nodes and all(self._constant(node) for node in nodes):
                    constants |= {node.outputs[0]: self.graph.constants[node.input(0)]
                                  for node in nodes}
                    continue
                count += 1
                part = self._host(f"host {count}", nodes, outputs, known)
                first = self.index[id(nodes[0])] if nodes else -1
                ordered.append((level, first, part))
        ordered.sort(key=lambda entry: entry[:2])
        return [layer for _, _, layer in ordered], self._outputs(), constants

    def _constant(self, node):
        """Whether a node only names codes that are constant, for layers to read."""
        return node.op == "Identity" and node.input(0) in self.graph.constants and \
            node.outputs[0] not in self.graph.outputs

    def _source(self, name):
        return self.aliases.get(name, name)

    def _needed(self):
        """Which layers the outputs need (``used``, by ``y``), and which nodes the host runs."""
        self.used, self.hosted, seen = set(), set(), set()
        pending = [self._source(name) for name in self.graph.outputs]
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.layers:
                self.used.add(name)
                pending += [self._source(leaf) for leaf in self.reads[name]]
            elif name in self.graph.producer:
                self.hosted.add(id(self.graph.producer[name]))
                pending += self.graph.producer[name].needs

    def _repeated(self, name):
        """Whether each host part makes this value for itself: it cannot be or need not be kept."""
        node = self.graph.producer.get(name)
        return node is not None and (node.op == "DequantizeLinear" or
                                     self.graph.values[name][1] is None)

    def _levels(self):
        """The level of every value, and by level what host parts must give (``wanted``)."""
        graph, level = self.graph, {}
        for node in graph.nodes:
            for name in node.outputs:
                if name in self.used:
                    above = max(level.get(self._source(leaf), 0) for leaf in self.reads[name])
                    level[name] = above | 1
                elif id(node) in self.hosted:
                    above = max((level.get(i, 0) for i in node.needs), default=0)
                    level[name] = above + (above & 1)
        self.level, wanted = level, defaultdict(dict)
        ends = [self._source(name) for name in graph.outputs]
        for y in self.used:
            ends += [self._source(leaf) for leaf in self.reads[y]]
        for name in ends:
            if name not in graph.inputs and name not in self.layers:
                wanted[level.get(name, 0)][name] = None
        for node in graph.nodes:
            if id(node) in self.hosted:
                own = max((level.get(o, 0) for o in node.outputs if o not in self.used), default=0)
                for name in node.needs:
                    if name in graph.producer and name not in self.used and \
                            level[name] < own and not self._repeated(name):
                        wanted[level[name]][name] = None
        self.wanted = wanted

    def _parts(self, wanted, known):
        """Split what gives the values ``wanted`` into lists of nodes that hang together."""
        graph, groups = self.graph, []    # (nodes by id, outputs)
        for name in wanted:
            nodes, pending = {}, [name]
            while pending:
                value = pending.pop()
                node = graph.producer.get(value)
                if node is None or id(node) in nodes or \
                        value in known and not self._repeated(value):
                    continue
                nodes[id(node)] = node
                pending += node.needs
            outputs = [name]
            for group in [g for g in groups if self._share(g[0], nodes)]:
                groups.remove(group)
                nodes, outputs = group[0] | nodes, group[1] + outputs
            groups.append((nodes, outputs))
        return [(sorted(nodes.values(), key=lambda n: self.index[id(n)]), outputs)
                for nodes, outputs in groups]

    @staticmethod
    def _share(nodes, others):
        return any(node.op != "DequantizeLinear" for key, node in nodes.items() if key in others)

    def _host(self, name, nodes, outputs, known):
        graph = self.graph
        made = {o for node in nodes for o in node.outputs}
        inputs = dict.fromkeys(i for node in nodes for i in node.needs
                               if i in known and (i not in made or i in self.used))
        model = graph.submodel(nodes, {i: graph.values[i] for i in inputs}, outputs)
        if not graph.tried and all(graph.values[i][0] is not None for i in inputs):
            # ONNX Runtime refuses some nodes only when it runs them.
            try:
                evaluate(model, {i: zeros(*graph.values[i]) for i in inputs}, as_written=True)
            except HwgenError as error:
                why = [] if graph.depends else [self.reasons[n.name] for n in nodes
                                                if n.name in self.reasons]
                raise HwgenError(" ".join([*why[:1], str(error)])) from None
        return Host(name, model, tuple(inputs), tuple(outputs),
                    tuple((n.name, n.op) for n in self._working(nodes)),
                    sum(graph.macs(n) for n in nodes))

    def _working(self, nodes):
        """Without those that only give codes another shape, for whoever reads them, if others are
        left."""
        return [node for node in nodes if not self.aliases.keys() >= set(node.outputs)] or nodes

    def _outputs(self):
        """Shapes and types of the network's outputs; an open shape is that for zeros."""
        graph = self.graph
        found = {name: graph.values[name] for name in graph.outputs}
        for name, (_, dtype) in found.items():
            if dtype is None:
                raise HwgenError(f"the output {name!r} of {graph.name} is no tensor, and no "
                                 f"sequence of tensors: export the model with tensors as its "
                                 f"outputs.")
        if any(shape is None for shape, _ in found.values()):
            trial = evaluate(graph.serialise(), {k: zeros(shape, dtype) for k, (shape, dtype) in
                                                 graph.inputs.items()}, as_written=True)
            found = {name: (trial[name].shape, trial[name].dtype) for name in graph.outputs}
        return found
