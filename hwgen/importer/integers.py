"""Products that ONNX Runtime computes in float, as exact sums of integers (``--integer``).

A convolution or matrix product of dequantised codes has an exact integer sum. It becomes
ConvInteger or MatMulInteger, which the accelerator computes; behind it stands in float32 what the
file has: the product of the scales, the bias, and the rest as it was. Where ONNX Runtime adds
products in float, its result may be another one by the last bits, and a code by a step.
"""

import numpy as np

from .operators.conv import CODES
from .operators.move import MOVES
from .operators.pointwise import POINTWISE

__all__ = ["exact_integers"]

_CONVOLUTIONS = ("Conv", "FusedConv")
_MATRICES = ("Gemm", "FusedGemm", "MatMul", "FusedMatMul")
_BETWEEN = POINTWISE | MOVES | {"MaxPool", "GlobalMaxPool"}
_SHAPING = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_BLOCKS = 64            # of weights with scales of their own, along the input channels


def exact_integers(graph):
    """Rewrite the products of a graph with known shapes, in place.

    Returns
    -------
    dict of str to tuple of str
        By the name of each node that was rewritten, the codes that its result is quantised to.
    """
    nodes, found = [], {}
    for node in graph.nodes:
        made = _Product(graph, node).nodes()
        if made:
            found[node.name] = _codes_behind(graph, node.outputs[0])
        nodes += made or [node]
    if found:
        graph.replace(nodes)
    return found


def _codes_behind(graph, name):
    """What the float value ``name`` is quantised to, behind pointwise functions; empty if it also
    goes elsewhere."""
    codes, pending, seen = {}, [name], set()
    while pending:
        value = pending.pop()
        if value in graph.outputs or not graph.consumers[value]:
            return ()
        for node in graph.consumers[value]:
            if node.op == "QuantizeLinear":
                codes[node.outputs[0]] = None
            elif node.op not in _BETWEEN:
                return ()
            elif id(node) not in seen:
                seen.add(id(node))
                pending += node.outputs
    return tuple(codes)


class _Product:
    """One node, and what it would become."""

    def __init__(self, graph, node):
        self.graph, self.node, self.made = graph, node, []
        self.attributes = dict(node.attributes)

    def nodes(self):
        """The nodes in its place, or None."""
        graph, node = self.graph, self.node
        if node.op not in _CONVOLUTIONS + _MATRICES or not _codes_behind(graph, node.outputs[0]):
            return None
        x, w = (graph.producer.get(node.input(k)) for k in range(2))
        moves = []
        while x is not None and x.op in _SHAPING and \
                all(name in graph.constants for name in x.inputs[1:]):
            moves.append(x)
            x = graph.producer.get(x.input(0))
        if any(n is None or n.op != "DequantizeLinear" for n in (x, w)):
            return None
        codes, zero, step = x.input(0), self._value(x, 2), self._value(x, 1)
        blocks = self._weights(w)
        kind = graph.values[codes][1]
        bias = self._bias()
        if kind not in CODES or codes in graph.constants or blocks is None or bias is None or \
                step is None or step.size != 1 or zero is not None and zero.size != 1 or \
                not self._plain():
            return None
        self.zero = np.zeros((), kind) if zero is None else zero.reshape(())
        self.channels = 1 if node.op in _CONVOLUTIONS else len(graph.values[node.input(0)][0]) - 1
        for move in reversed(moves):    # of codes in place of float values
            codes = self._add(move.op, codes, *move.inputs[1:], **move.attributes)
        value = None
        for start, weight, scale in blocks:
            part = codes
            if len(blocks) > 1:
                depth = weight.shape[1 if node.op in _CONVOLUTIONS else 0]
                part = self._add("Slice", codes, np.int64([start]), np.int64([start + depth]),
                                 np.int64([self.channels]))
            total = self._add("Cast", self._sum(part, weight), to=1)
            with np.errstate(over="ignore", under="ignore"):
                total = self._add("Mul", total, self._aligned(step.reshape(-1) * scale))
            value = total if value is None else self._add("Add", value, total)
        if bias.size:
            value = self._add("Add", value, self._aligned(bias))
        if node.op == "FusedConv" and node.input(3):
            value = self._add("Add", value, node.input(3))
        self._activation(value)
        return self.made

    def _add(self, op, *inputs, outputs=None, name="", **attributes):
        """Add a node; arrays among the inputs become constants."""
        y = self.node.outputs[0]
        outputs = outputs or [f"{y}, integer {len(self.made)}"]
        names = [i if isinstance(i, str) else
                 self.graph.constant(f"{outputs[0]}, constant {k}", i)
                 for k, i in enumerate(inputs)]
        self.made.append(self.graph.node(op, names, outputs, name, **attributes))
        return outputs[0]

    def _value(self, node, index):
        """A constant of a DequantizeLinear, or None."""
        return self.graph.constants.get(node.input(index)) if node.input(index) else None

    def _aligned(self, values):
        """One value, or one a channel, to be multiplied with or added to the result."""
        values = np.asarray(values, np.float32).reshape(-1)
        if values.size == 1:
            return values.reshape(())
        dims = len(self.graph.values[self.node.outputs[0]][0]) - 2
        return values.reshape(-1, *(1,) * dims) if self.node.op in _CONVOLUTIONS else values

    def _plain(self):
        """Whether shapes and attributes are those of a product that becomes an integer one."""
        node, values = self.node, self.graph.values
        x, y = values[node.input(0)][0], values[node.outputs[0]][0]
        if x is None or y is None:
            return False
        if node.op in _CONVOLUTIONS:
            return 3 <= len(x) <= 4
        if node.op == "FusedMatMul" and (node.attributes.get("transA", 0) or
                                         node.attributes.get("transBatchA", 0) or
                                         node.attributes.get("transBatchB", 0)):
            return False
        return not node.attributes.get("transA", 0) and len(x) >= 1

    def _weights(self, w):
        """``[(first channel, weights, scales)]`` of the parts with one scale for each filter, the
        zero points subtracted if they differ; None if they are no integers of 8 bits."""
        stored, scale, zero = (self.graph.constants.get(w.input(k)) if w.input(k) else None
                               for k in range(3))
        if stored is None or scale is None or scale.dtype != np.float32:
            return None
        conv = self.node.op in _CONVOLUTIONS
        if stored.ndim != 2 and not conv or \
                stored.dtype.name not in ("int8", "uint8", "int4", "uint4"):
            return None
        weight = stored.astype(np.int16)
        axis = w.attributes.get("axis", 1) % weight.ndim
        block = w.attributes.get("block_size", 0)
        turned = not conv and self.attributes.get("transB", 0)
        filters, depth = (0, 1) if conv or turned else (1, 0)
        if block:
            if axis != depth or conv and self.attributes.get("group", 1) != 1:
                return None
            shape = scale.shape
        else:
            if scale.size > 1 and (axis != filters or scale.size != weight.shape[filters]):
                return None
            shape = [1] * weight.ndim
            shape[axis] = scale.size
        zeros = np.zeros(scale.shape, np.int16) if zero is None else zero.astype(np.int16)
        scale, zeros = scale.reshape(shape), zeros.reshape(shape)
        if block:
            weight = weight - np.repeat(zeros, block, axis)[
                tuple(slice(0, n) for n in weight.shape)]
        else:
            weight = weight - zeros
        low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
        if low < -128 or high > 255 or low < 0 and high > 127:
            if zeros.size and np.unique(zeros).size > 1:
                return None
            # One zero point for all, as the operator takes it.
            self.w_zero = zeros.reshape(-1)[:1].astype(stored.dtype).reshape(())
            weight = stored
        else:
            kind = np.int8 if low < 0 or high <= 127 else np.uint8
            weight, self.w_zero = weight.astype(kind), np.zeros((), kind)
        count = -(-weight.shape[depth] // block) if block else 1
        if count > _BLOCKS:
            return None
        parts = []
        for k in range(count):
            start = k * block
            cut = weight if count == 1 else np.take(
                weight, range(start, min(start + block, weight.shape[depth])), depth)
            steps = scale if count == 1 else np.take(scale, [k], depth)
            if block:
                rows = np.moveaxis(steps, filters, 0).reshape(steps.shape[filters], -1)
                if np.any(rows != rows[:, :1]):
                    return None    # a scale for each tap
                steps = rows[:, 0]
            parts.append((start, cut.T if turned else cut, steps.reshape(-1)))
        if not conv:
            alpha = np.float32(self.attributes.get("alpha", 1))
            parts = [(start, cut, steps * alpha) for start, cut, steps in parts]
        return parts

    def _bias(self):
        """The bias in float32, empty if there is none, None if it is computed."""
        name = self.node.input(2)
        if not name or self.node.op in ("MatMul", "FusedMatMul"):
            return np.zeros(0, np.float32)
        value = self.graph.constants.get(name)
        if value is None:
            source = self.graph.producer.get(name)
            if source is None or source.op != "DequantizeLinear":
                return None
            codes, scale, zero = (self.graph.constants.get(source.input(k)) if source.input(k)
                                  else None for k in range(3))
            if codes is None or scale is None:
                return None
            value = (codes.astype(np.int64) - (0 if zero is None else zero.astype(np.int64))
                     ).astype(np.float32) * scale
        if value.size > 1 and value.size != max(value.shape):
            return None
        return value.astype(np.float32) * np.float32(self.attributes.get("beta", 1))

    def _sum(self, x, weight):
        """The name of the sum of products as int32."""
        conv = self.node.op in _CONVOLUTIONS
        kept = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
        attributes = {k: v for k, v in self.attributes.items() if k in kept} if conv else {}
        first = not any(n.op.endswith("Integer") for n in self.made)
        name = self.node.name if first else f"{self.node.name}, {len(self.made)}"
        return self._add("ConvInteger" if conv else "MatMulInteger", x, weight, self.zero,
                         self.w_zero, name=name, **attributes)

    def _activation(self, value):
        """End with the activation that a fused operator has, or without."""
        y, op = [self.node.outputs[0]], self.attributes.get("activation")
        params = self.attributes.get("activation_params", [])
        name = f"{self.node.name}, result"
        if not op:
            self._add("Identity", value, outputs=y, name=name)
        elif op == "Clip":
            self._add(op, value, *map(np.float32, params), outputs=y, name=name)
        else:
            params = params or [self.attributes[k] for k in ("activation_alpha", "activation_beta")
                                if k in self.attributes]
            self._add(op, value, outputs=y, name=name,
                      **dict(zip(("alpha", "beta"), params, strict=False)))
