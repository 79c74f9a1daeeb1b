"""Outputs that are sequences, as an output for each of their tensors."""

import numpy as np
from onnx import helper, numpy_helper

from ..network.ort_session import evaluate
from . import onnx_graph

__all__ = ["elements"]


def elements(proto, shapes, sample):
    """Put outputs ``name[0]``, ``name[1]``, ... in the place of each output of a model that is a
    sequence of tensors, in place; an output that is an optional tensor becomes a tensor, or is left
    out. Whether there were any, without a ``sample``.

    How many there are is what a run on ``sample`` gives; without, one on zeros, or on ones if there
    are none then.

    Parameters
    ----------
    proto : onnx.ModelProto
    shapes : dict of str to tuple
        Shapes of inputs, for those that the file leaves open.
    sample : dict of str to numpy.ndarray or None
    """
    graph, kinds = proto.graph, {}
    for output in graph.output:
        for field in "sequence_type", "optional_type":
            if output.type.HasField(field):
                kind = getattr(output.type, field).elem_type
                if kind.HasField("tensor_type"):
                    kinds[output.name] = kind.tensor_type.elem_type
    if not kinds:
        return False
    model, found, outputs = proto.SerializeToString(), {}, []
    for inputs in [sample] if sample else _guesses(onnx_graph.input_shapes(graph, shapes)):
        found = evaluate(model, inputs)
        if all(found[name] for name in kinds if isinstance(found[name], list)):
            break
    for output in graph.output:
        if output.name not in kinds:
            outputs.append(output)
            continue
        value = found[output.name]
        names = [f"{output.name}[{k}]" for k in range(len(value))] if isinstance(value, list) else \
            [] if value is None else [output.name]
        if names == [output.name]:
            _value(graph, output.name)
        else:
            _parts(graph, output.name, names)
        outputs += [helper.make_tensor_value_info(name, kinds[output.name], None)
                    for name in names]
    del graph.output[:]
    graph.output.extend(outputs)
    return sample is None


def _guesses(inputs):
    """Inputs of zeros, then of ones; texts are empty."""
    zeros = {name: onnx_graph.zeros(*value) for name, value in inputs.items()}
    yield zeros
    yield {name: value if value.dtype == object else np.ones_like(value)
           for name, value in zeros.items()}


def _parts(graph, sequence, names):
    for index, name in enumerate(names):
        at = numpy_helper.from_array(np.int64(index), f"{name}, index")
        graph.initializer.append(at)
        graph.node.append(helper.make_node("SequenceAt", [sequence, at.name], [name], name))


def _value(graph, name):
    """Let ``name`` be the tensor in an optional one, which gets another name."""
    inner = f"{name}, optional"
    for node in graph.node:
        for names in node.input, node.output:
            names[:] = [inner if n == name else n for n in names]
    graph.node.append(helper.make_node("OptionalGetElement", [inner], [name], inner))
