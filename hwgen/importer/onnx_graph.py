"""ONNX files, and their graphs: ordered, with known shapes and folded constants."""

import math
import os
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from ..errors import HwgenError
from ..network.ort_session import evaluate, static_shapes
from .layouts import turned
from .macs import macs

__all__ = ["Node", "Graph", "input_shapes", "malformed", "parse", "zeros"]

_DOMAINS = ("", "ai.onnx", "com.microsoft")
_LARGEST = 1 << 32      # bytes of a value: what the accelerator can address
# Operators whose result has a size that some of their inputs state, and which.
_SIZED = {"CenterCropPad": (1,), "ConstantOfShape": (0,), "Expand": (1,), "OneHot": (1,),
          "Pad": (1, 3), "Range": (0, 1, 2), "Reshape": (1,), "Resize": (1, 2, 3),
          "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,),
          "Unsqueeze": (1,), "Upsample": (1,)}
# Operators whose result has a size that values decide.
_DECIDING = {"Compress", "ConcatFromSequence", "If", "Loop", "NonMaxSuppression", "NonZero", "Scan",
             "SequenceAt", "StringSplit", "Unique"}


@dataclass(frozen=True, eq=False)
class Node:
    """One operator: ``op`` is its type, with the domain in front if that is not a usual one.

    ``captured`` names the values around it that graphs inside it (of If, Loop, Scan) read.
    """
    op: str
    name: str
    inputs: tuple
    outputs: tuple
    attributes: dict
    captured: tuple
    proto: onnx.NodeProto

    def __str__(self):
        return f"{self.op} {self.name!r}"

    def input(self, index):
        """Name of an input; empty if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    @property
    def domain(self):
        """Of its type."""
        return self.proto.domain

    @property
    def needs(self):
        """Every value that it reads, once."""
        return tuple(dict.fromkeys(i for i in (*self.inputs, *self.captured) if i))


class Graph:
    """The part of an ONNX graph that its outputs need.

    Attributes
    ----------
    name : str
    nodes : list of Node
        In an order in which each one's inputs come first.
    constants : dict of str to numpy.ndarray
        Initialisers and everything that follows from them, except what a DequantizeLinear gives.
    inputs : dict of str to (shape, dtype)
        With every dimension known.
    outputs : list of str
    producer : dict of str to Node
    consumers : dict of str to list of Node
    fixed : bool
        Whether ONNX Runtime takes the graph with the shapes of its inputs. It does not if a rule
        for an operator's shape is not what its kernel does.
    values : dict of str to (shape, dtype)
        Of the inputs and everything that a node gives; a shape that depends on the data is None.
    tried : bool
        Whether it ran on inputs of its own, a ``sample``.
    last : frozenset of str
        Names of the nodes that are computed with channels last; models of this graph have
        Transposes around them.
    """

    def __init__(self, proto, inputs=None, fixed=True):
        self._proto, self.fixed, self.last = proto, fixed, frozenset()
        self.values = {}
        graph = proto.graph
        self.name = " ".join(graph.name.split()) or "network"
        self.outputs = [o.name for o in graph.output]
        if not self.outputs:
            raise HwgenError(f"the network {self.name} has no outputs: name one in the file.")
        self.constants = {}
        for tensor in graph.initializer:
            try:
                self.constants[tensor.name] = numpy_helper.to_array(tensor)
            except (ValueError, TypeError, KeyError) as error:
                raise HwgenError(f"the initialiser {tensor.name!r} cannot be read: "
                                 f"{_first_line(error)}.") from None
        self.inputs = inputs
        self.nodes = _apart(self._ordered([_node(n) for n in graph.node]))
        self._connect()

    def _connect(self):
        self.producer = {o: n for n in self.nodes for o in n.outputs}
        self.consumers = defaultdict(list)
        for node in self.nodes:
            for name in node.needs:
                self.consumers[name].append(node)

    def _ordered(self, nodes):
        """The nodes that the outputs need, inputs first; refuses cycles and unknown names."""
        producer = {}
        for node in nodes:
            for name in node.outputs:
                if name in producer or name in self.inputs or name in self.constants:
                    raise HwgenError(f"the value {name!r} is defined twice: {node} and another "
                                     f"give it; every value of an ONNX graph has one source.")
                producer[name] = node
        order, state = [], {}    # state: absent, "open" while its inputs are visited, "done"
        for output in self.outputs:
            stack = [(output, None)]
            while stack:
                name, closing = stack.pop()
                if closing:
                    state[id(closing)] = "done"
                    order.append(closing)
                    continue
                node = producer.get(name)
                if node is None:
                    if name not in self.inputs and name not in self.constants:
                        raise HwgenError(f"nothing gives the value {name!r}: the graph of "
                                         f"{self.name} is incomplete.")
                    continue
                if state.get(id(node)) == "open":
                    raise HwgenError(f"the graph of {self.name} is cyclic: {node} needs its own "
                                     f"result {name!r}.")
                if id(node) not in state:
                    state[id(node)] = "open"
                    stack.append((name, node))
                    stack += [(i, None) for i in reversed(node.needs)]
        return order

    def constant(self, name, value):
        """Add a constant; returns its name."""
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op, inputs, outputs, name="", domain="", **attributes):
        """A new :class:`Node`, which is not part of the graph yet."""
        return _node(helper.make_node(op, inputs, list(outputs), name or outputs[0], domain=domain,
                                      **attributes))

    def replace(self, nodes):
        """Take ``nodes`` in place of those that there are; what nobody needs is left out."""
        self.nodes = _apart(self._ordered(nodes))
        self._connect()

    def check_sizes(self):
        """Refuse values that ONNX Runtime would need minutes for, or more memory than there is, as
        far as its rules tell their shapes."""
        self._check_size(dict(self.inputs) | {k: (v.shape, v.dtype) for k, v in
                                              self.constants.items()})
        known, fixed = set(self.constants), []
        for node in self.nodes:
            if known.issuperset(node.needs):
                fixed.append(node)
                known.update(node.outputs)
        for nodes in fixed, self.nodes:
            names = [name for node in nodes for name in node.outputs]
            try:
                found = static_shapes(self.submodel(nodes, self.inputs, names, declared=False))
            except HwgenError:
                continue    # optimising it will say why
            self._check_size(found)

    def fold(self):
        """Evaluate what depends on constants alone; DequantizeLinear stays for its meaning."""
        rest = []
        for node in self.nodes:
            known = all(i in self.constants for i in node.needs)
            if not known or node.op == "DequantizeLinear" or not node.inputs and \
                    node.op != "Constant":
                rest.append(node)
                continue
            model = self.submodel([node], {}, node.outputs)
            if node.op in _SIZED:
                self._check_size(static_shapes(model))
            self.constants.update(evaluate(model, {}))
        self.nodes = rest
        self._connect()

    def _check_size(self, values):
        for name, (shape, dtype) in values.items():
            size = math.prod(shape) * dtype.itemsize if shape is not None and dtype else 0
            if size > _LARGEST:
                raise HwgenError(f"the value {name!r} of {self.name} has the shape {tuple(shape)}, "
                                 f"{size} bytes; a value has at most {_LARGEST}: use a smaller "
                                 f"input.")

    def serialise(self, further=()):
        """The whole graph as a model, with its shapes fixed, and ``further`` outputs."""
        return self.submodel(self.nodes, self.inputs,
                             list(dict.fromkeys([*self.outputs, *further])))

    def infer(self, sample=None):
        """Find the shapes and types of all values.

        Shapes are those of a run, on zeros: the rules for shapes are not always what the kernels
        do. What depends on the data has no shape, unless ``sample``, a dict of inputs, is what the
        graph is to run on.
        """
        names = [name for node in self.nodes for name in node.outputs]
        self.values |= dict(self.inputs) | {k: (v.shape, v.dtype) for k, v in
                                            self.constants.items()}
        self._check_size(self.values)
        found = static_shapes(self.serialise(names))
        self._check_size(found)
        given = sample or {k: zeros(shape, dtype) for k, (shape, dtype) in self.inputs.items()}
        tensors = [name for name, (_, dtype) in found.items() if dtype is not None]
        try:
            trial = evaluate(self.submodel(self.nodes, self.inputs, tensors), given,
                             as_written=True)
        except HwgenError:
            trial = {}    # a host part of it says why, later
        self.tried = bool(sample) and bool(trial)
        self.trial = {name: np.shape(value) for name, value in trial.items()}
        open_shapes = () if sample else self._deciding(found)
        for name in tensors:
            shape, dtype = found[name]
            if name in open_shapes:
                shape = None
            elif name in trial:
                shape = trial[name].shape
            found[name] = shape, dtype
        self.values |= found

    def macs(self, node):
        """Multiply-accumulates of a node; where a shape depends on the data, those on zeros."""
        def shape(name):
            return self.trial.get(name) or (self.values.get(name) or (None,))[0]

        def model():
            inputs = {name: (shape(name), self.values[name][1]) for name in node.needs
                      if name not in self.constants}
            return onnx.load_from_string(self.submodel([node], inputs, node.outputs,
                                                       declared=False))
        return macs(node.proto, shape, model)

    def _deciding(self, found):
        """Names of the values whose shapes depend on the data; ``found`` are shapes by rule."""
        data, shapes = set(self.inputs), set()
        for node in self.nodes:
            sizes = [node.input(k) for k in _SIZED.get(node.op, ())]
            decided = node.op in _DECIDING or shapes.intersection(node.needs) or \
                data.intersection(sizes)
            for name in node.outputs:
                if decided and found[name][0] is None:
                    shapes.add(name)
                source = shapes if node.op in ("Shape", "Size") else data
                if source.intersection(node.needs):
                    data.add(name)
        return shapes

    @property
    def depends(self):
        """Whether shapes depend on the values of inputs."""
        return any(shape is None and dtype is not None for shape, dtype in self.values.values())

    @property
    def opsets(self):
        return self._proto.opset_import

    @property
    def version(self):
        """The version of ONNX's own operators."""
        return next((o.version for o in self.opsets if o.domain in ("", "ai.onnx")), 1)

    @property
    def ir_version(self):
        return self._proto.ir_version

    def submodel(self, nodes, inputs, outputs, declared=True):
        """A serialised model of ``nodes``; ``inputs`` maps names to (shape, dtype).

        Outputs have the types that the file declares, unless ``declared`` is False.
        """
        needed = {i for n in nodes for i in n.needs} | set(outputs)
        known = {o.name: _typed(o) for o in self._proto.graph.output} if declared else {}
        graph = helper.make_graph(
            [proto for n in nodes for proto in self._protos(n, inputs)], self.name,
            [self._declared(name, *value) for name, value in inputs.items()],
            [known.get(name) or helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in self.constants.items()
             if k in needed])
        return helper.make_model(graph, opset_imports=self.opsets,
                                 ir_version=self.ir_version).SerializeToString()

    def _protos(self, node, inputs):
        """A node for a model with ``inputs``: itself, or among Transposes."""
        if node.name not in self.last:
            return [node.proto]
        return turned(node, lambda name: (inputs.get(name) or self.values[name])[0],
                      self.constants)

    def _declared(self, name, shape, dtype):
        """An input of a model, without its sizes if the graph is not ``fixed``."""
        if shape is not None and not self.fixed:
            shape = [None] * len(shape)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),
                                             shape)


def zeros(shape, dtype):
    """An array of zeros, of empty strings for strings."""
    return np.full(shape, "", object) if np.dtype(dtype) == object else np.zeros(shape, dtype)


def _typed(value):
    """The declaration of an output without its sizes."""
    value = onnx.ValueInfoProto.FromString(value.SerializeToString())
    if value.type.HasField("tensor_type"):
        value.type.tensor_type.ClearField("shape")
    return value


def parse(source):
    """``(what, proto)`` of an ONNX file: what to call it, and the model, with all its weights.

    Parameters
    ----------
    source : bytes or str or os.PathLike
        The file's path, or its contents (which then hold every weight).

    Raises
    ------
    HwgenError
        The file cannot be read, or is not an ONNX model.
    """
    data, what, folder = source, "the model", None
    if not isinstance(source, bytes):
        what, folder = f"the model {os.fspath(source)}", os.path.dirname(os.path.abspath(source))
        try:
            with open(source, "rb") as file:
                data = file.read()
        except OSError as error:
            raise HwgenError(f"cannot read {what}: {error.strerror}.") from None
    try:
        proto = onnx.load_from_string(data)
    except DecodeError:
        raise HwgenError(f"{what} is not an ONNX file, or is cut short: its {len(data)} bytes do "
                         f"not parse.") from None
    if not proto.HasField("graph") or not proto.graph.node or not proto.opset_import:
        raise HwgenError(f"{what} is not an ONNX file, or is cut short: it holds no graph.")
    if proto.graph.sparse_initializer:
        raise HwgenError(f"{what} uses sparse initialisers, which are not supported: export it "
                         f"with dense ones.")
    _check_names(proto.graph, what)
    _load_external(proto, what, folder)
    return what, proto


def malformed(proto, what):
    """Refuse a model that ONNX's checker has something to say about."""
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    for output in proto.graph.output:
        # The checker wants a shape; ONNX Runtime and we do without.
        output.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise HwgenError(f"{what} is malformed: {_first_line(error)}") from None


def _check_names(graph, what):
    names = [graph.name, *(v.name for v in (*graph.initializer, *graph.input, *graph.output))]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if isinstance(name, bytes):    # how protobuf gives a string that is not UTF-8
            raise HwgenError(f"{what} is malformed: the name {name!r} is not UTF-8.")


def _load_external(proto, what, folder):
    external = [t for t in proto.graph.initializer
                if t.data_location == TensorProto.EXTERNAL]
    for tensor in external:
        if folder is None:
            raise HwgenError(f"the initialiser {tensor.name!r} lies in another file: give the "
                             f"model's path, not its bytes.")
        try:
            external_data_helper.load_external_data_for_tensor(tensor, folder)
            tensor.data_location = TensorProto.DEFAULT
        except (OSError, ValueError, onnx.checker.ValidationError):
            where = {e.key: e.value for e in tensor.external_data}.get("location", "")
            raise HwgenError(f"the initialiser {tensor.name!r} of {what} lies in the file "
                             f"{where!r}, which cannot be read: put it beside the "
                             f"model.") from None


def _node(proto):
    op = proto.op_type if proto.domain in _DOMAINS else f"{proto.domain}.{proto.op_type}"
    name = proto.name or next(iter(proto.output), "")
    attributes, captured = {}, []
    for attribute in proto.attribute:
        for graph in (attribute.g, *attribute.graphs):
            captured += _captured(graph)
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError:
            raise HwgenError(f"{op} {name!r} has an attribute {attribute.name!r} of unknown "
                             f"type.") from None
        attributes[attribute.name] = value.decode("utf-8", "replace") \
            if isinstance(value, bytes) else value
    # An optional output that nobody wants has an empty name.
    outputs = tuple(o for o in proto.output if o)
    return Node(op, name, tuple(proto.input), outputs, attributes, tuple(captured), proto)


def _apart(nodes):
    """The nodes, with a name of its own for each: ONNX Runtime refuses equal ones."""
    found, taken = [], set()
    for node in nodes:
        name, count = node.name, 1
        while name in taken:
            count += 1
            name = f"{node.name}, {count}"
        taken.add(name)
        if name != node.name:
            proto = onnx.NodeProto.FromString(node.proto.SerializeToString())
            proto.name = name
            node = replace(node, name=name, proto=proto)
        found.append(node)
    return found


def _captured(graph):
    """Names of the values around a graph inside a node that its nodes read."""
    own = {v.name for v in (*graph.input, *graph.initializer)}
    own |= {name for node in graph.node for name in node.output}
    read = [name for node in map(_node, graph.node) for name in node.needs]
    read += [output.name for output in graph.output]
    return [name for name in dict.fromkeys(read) if name not in own]


def input_shapes(graph, shapes):
    """``{name: (shape, dtype)}`` of an ``onnx.GraphProto``'s inputs, open batches being 1;
    ``shapes`` by name are for those that leave dimensions open.

    Raises
    ------
    HwgenError
        A shape is not known, or not the one that the file declares.
    """
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {i.name: i for i in graph.input if i.name not in constants}
    for name in shapes:
        if name not in inputs:
            raise HwgenError(f"{name!r} is not an input of {graph.name}: its inputs are "
                             f"{', '.join(map(repr, inputs))}.")
    return {name: _input_shape(i, shapes.get(name)) for name, i in inputs.items()}


def _input_shape(value, given):
    """``(shape, dtype)`` of a graph input, with batch 1 where nothing is said."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or given is None and not kind.HasField("shape"):
        raise HwgenError(f"the input {value.name!r} is not a tensor of known rank: give the "
                         f"input's shape, or export the model with a fixed one.")
    try:
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    except KeyError:
        raise HwgenError(f"the input {value.name!r} has the unknown element type "
                         f"{kind.elem_type}.") from None
    # Some exporters write an open dimension as -1.
    declared = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None
                for d in kind.shape.dim]
    if given is not None and not kind.HasField("shape"):
        declared = list(given)
    elif given is not None:
        if len(given) != len(declared) or any(d not in (None, g) for d, g in
                                              zip(declared, given, strict=True)):
            shown = ", ".join("?" if d is None else str(d) for d in declared)
            raise HwgenError(f"the input {value.name!r} was given shape {tuple(given)}; the model "
                             f"declares ({shown}).")
        declared = list(given)
    elif declared and declared[0] is None:
        declared[0] = 1
    if None in declared:
        axis = declared.index(None)
        raise HwgenError(f"dimension {axis} of the input {value.name!r} is "
                         f"{kind.shape.dim[axis].dim_param or 'open'}: give the input's shape, or "
                         f"export the model with a fixed one.")
    return tuple(int(d) for d in declared), dtype


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
