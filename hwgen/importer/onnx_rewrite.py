"""The one rewriting of ONNX Runtime's optimiser that changes results: double quantisers.

Where codes are dequantised, quantised again and dequantised again, with nothing between and no
other reader, ONNX Runtime keeps one pair, for the range that both have in common. As it does so
only if nobody reads the codes, the layers of such a file are those of the file rewritten.
"""

from collections import defaultdict

import numpy as np
from onnx import numpy_helper

__all__ = ["merge_double_quantisers"]


def merge_double_quantisers(graph):
    """Rewrite ``QuantizeLinear``, ``Dequantize``, ``Quantize``, ``Dequantize`` chains in place.

    Identity and Dropout, which ONNX Runtime removes before, do not part them.

    Parameters
    ----------
    graph : onnx.GraphProto
    """
    _bypass(graph)
    constants = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    producer = {o: n for n in graph.node for o in n.output}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {o.name for o in graph.output}
    dead = []
    whole = [n for n in graph.node if n.input and n.output]
    for second in [n for n in whole if n.op_type == "DequantizeLinear"]:
        chain = _chain(second, producer, readers, outputs)
        if chain is None:
            continue
        first, _, third, last = chain
        inner, outer = _pair(first, second, constants), _pair(third, last, constants)
        if inner is None or outer is None or inner[1].dtype != outer[1].dtype:
            continue
        if inner[1] != outer[1] or abs(float(inner[0]) - float(outer[0])) >= 1e-20:
            values = _common(inner, outer)
            if values is None:
                continue
            names = [f"{first.output[0]}_common_{part}" for part in ("scale", "zero")]
            graph.initializer.extend(map(numpy_helper.from_array, values, names))
            constants |= {t.name: t for t in graph.initializer[-2:]}
            for node in first, last:
                node.input[1], node.input[2] = names
        last.input[0] = first.output[0]
        readers[first.output[0]] = [last]
        dead += [second, third]
    for node in dead:
        graph.node.remove(node)


def _bypass(graph):
    """Let the readers of what an Identity or Dropout gives read what it takes."""
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node
           for attribute in node.attribute):
        return    # a graph inside a node may read it, too
    outputs, source = {o.name for o in graph.output}, {}
    for node in list(graph.node):
        if node.op_type in ("Identity", "Dropout") and node.input and node.output and \
                not outputs & set(node.output) and \
                not (node.op_type == "Dropout" and len(node.input) > 2):
            source[node.output[0]] = node.input[0]
            if not any(name in other.input for name in node.output[1:] for other in graph.node):
                graph.node.remove(node)
    for node in graph.node:
        for k, name in enumerate(node.input):
            seen = set()
            while name in source and name not in seen:
                seen.add(name)
                name = source[name]
            node.input[k] = name


def _chain(second, producer, readers, outputs):
    """The four nodes around a DequantizeLinear, if each is the next one's only source."""
    first = producer.get(second.input[0])
    third, = readers[second.output[0]] if len(readers[second.output[0]]) == 1 else (None,)
    if any(node is None or node.op_type != "QuantizeLinear" or not node.output or
           len(readers[node.output[0]]) != 1 for node in (first, third)):
        return None
    last, = readers[third.output[0]]
    if last.op_type != "DequantizeLinear" or not last.output or \
            outputs & {first.output[0], second.output[0], third.output[0]}:
        return None
    return first, second, third, last


def _pair(quantise, dequantise, constants):
    """``(scale, zero)`` that both nodes have, if constant, scalar, and of 8 bits."""
    found = []
    for node in quantise, dequantise:
        if len(node.input) < 3 or not all(name in constants for name in node.input[1:3]):
            return None
        scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
        if scale.size != 1 or zero.size != 1 or scale.dtype != np.float32 or \
                zero.dtype not in (np.uint8, np.int8):
            return None
        found.append((scale.reshape(())[()], zero.reshape(())[()]))
    return found[0] if found[0] == found[1] and found[0][1].dtype == found[1][1].dtype else None


def _common(inner, outer):
    """Scale and zero point of the range that two pairs have in common, in float32 throughout."""
    info = np.iinfo(inner[1].dtype)
    with np.errstate(all="ignore"):
        low, high = (tuple(np.float32(end - int(zero)) * scale for scale, zero in (inner, outer))
                     for end in (info.min, info.max))
        scale = (min(high) - max(low)) / np.float32(info.max - info.min)
        zero = np.float32(info.min) - max(low) / scale
    if not np.isfinite(zero) or scale <= 0:
        return None
    zero = np.clip(np.trunc(zero + np.copysign(np.float32(0.5), zero)), info.min, info.max)
    return np.float32(scale), np.asarray(zero, inner[1].dtype)
