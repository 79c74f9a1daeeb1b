"""Integer layers from ONNX operators: what each operator and its attributes mean, exactly."""

from dataclasses import dataclass

import numpy as np

from ..errors import HwgenError
from .graph import Conv, MaxPool, Tensor
from .session import evaluate

__all__ = ["MACS", "ALIASES", "Quantisation", "Code", "quantisation", "Operands", "conv_layer",
           "maxpool_layer", "pointwise_layer", "alias_shape"]

MACS = {"Conv", "Gemm", "MatMul"}
ALIASES = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity"}

_CODES = (np.dtype(np.uint8), np.dtype(np.int8))
_SMALLEST = np.finfo(np.float32).tiny
_ATTRIBUTES = {
    "Conv": {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"},
    "Gemm": {"alpha", "beta", "transA", "transB"},
    "MatMul": set(),
    "MaxPool": {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order",
                "strides"},
}


@dataclass(frozen=True, eq=False)
class Quantisation:
    """Scale (float32) and zero point (int64), each of 1 value or one for each channel."""
    scale: np.ndarray
    zero: np.ndarray
    dtype: np.dtype

    def same(self, other):
        return (self.dtype == other.dtype and np.array_equal(self.scale, other.scale)
                and np.array_equal(self.zero, other.zero))

    def single(self, node, what):
        """Itself, if it is one scale and zero point for the whole tensor."""
        if self.scale.size != 1 or self.zero.size != 1:
            raise HwgenError(f"{node} quantises {what} per channel; only weights and biases may "
                             f"be: quantise activations per tensor.")
        return self


@dataclass(frozen=True, eq=False)
class Code:
    """A tensor of integer codes: the name of its source, its ONNX shape and type."""
    name: str
    shape: tuple
    dtype: np.dtype

    def tensor(self, node, quantisation):
        """The :class:`Tensor` under one reading of its codes, seen as channels, rows, columns."""
        if self.dtype != quantisation.dtype:
            raise HwgenError(f"{node} reads {self.name!r}, which is {self.dtype}, with a zero "
                             f"point of type {quantisation.dtype}: both must be the same.")
        if self.dtype not in _CODES:
            raise HwgenError(f"{node} works on {self.dtype} activations; uint8 and int8 are "
                             f"supported: quantise to 8 bits.")
        if not 2 <= len(self.shape) <= 4 or self.shape[0] != 1:
            raise HwgenError(f"{node} works on a tensor of shape {self.shape}; supported are "
                             f"(1, C), (1, C, W) and (1, C, H, W), batch 1.")
        c, *rest = self.shape[1:]
        h, w = {0: (1, 1), 1: (1, *rest), 2: rest}[len(rest)]
        return Tensor(self.name, (c, h, w), self.dtype, int(quantisation.zero.item()),
                      float(quantisation.scale.item()), self.shape)


def quantisation(graph, node, scale, zero, dtype=None):
    """The constants of a scale and a zero point by name; an absent zero point is 0 of ``dtype``."""
    for name in filter(None, (scale, zero)):
        if name not in graph.constants:
            raise HwgenError(f"{node} takes its scale or zero point {name!r} from a computation; "
                             f"it must be a constant of the file.")
    values = graph.constants[scale]
    if values.dtype != np.float32:
        raise HwgenError(f"the scale {scale!r} of {node} is {values.dtype}; it must be float32.")
    if not np.all(np.isfinite(values)) or not np.all(values > 0):
        bad = values[~(np.isfinite(values) & (values > 0))].flat[0]
        raise HwgenError(f"the scale {scale!r} of {node} holds {bad}; scales must be positive and "
                         f"finite.")
    zeros = graph.constants[zero] if zero else np.zeros(1, dtype or np.uint8)
    if zeros.dtype not in (*_CODES, np.int32):
        raise HwgenError(f"the zero point {zero!r} of {node} is {zeros.dtype}; uint8 and int8 "
                         f"(int32 for a bias) are supported: quantise to 8 bits.")
    if zeros.size not in (1, values.size):
        raise HwgenError(f"{node} has {values.size} scales but {zeros.size} zero points.")
    return Quantisation(values.reshape(-1), zeros.reshape(-1).astype(np.int64), zeros.dtype)


@dataclass(frozen=True, eq=False)
class Operands:
    """What a Conv, Gemm or MatMul works on, however the file writes it.

    ``op`` is the plain operator's name, ``weight`` and ``bias`` are the stored integers (``bias``
    None if there is none), ``axis`` the weight's axis of its scales (None: unknown, by their
    number), ``lo`` and ``hi`` the bounds of the output.
    """
    node: object
    op: str
    x: str
    x_quant: Quantisation
    weight: np.ndarray
    w_quant: Quantisation
    axis: int | None
    bias: np.ndarray | None
    y: str
    y_quant: Quantisation


def _attributes(node, op):
    unknown = set(node.attributes) - _ATTRIBUTES[op]
    if unknown:
        raise HwgenError(f"{node} has the attribute {sorted(unknown)[0]!r}, which is not "
                         f"supported; {', '.join(sorted(_ATTRIBUTES[op])) or 'none'} are.")
    return node.attributes


def conv_layer(ops, x_code):
    """``(Conv, Code)`` of a multiply-accumulate operator and the code of its output."""
    node, attributes = ops.node, _attributes(ops.node, ops.op)
    weight = ops.weight
    if weight.dtype not in _CODES:
        raise HwgenError(f"{node} has {weight.dtype} weights; uint8 and int8 are supported.")
    types = ops.x_quant.dtype, weight.dtype, ops.y_quant.dtype
    if types[0] != types[2] or types[:2] == (np.int8, np.uint8):
        raise HwgenError(f"{node} takes {types[0]}, has {types[1]} weights and gives {types[2]}, "
                         f"which ONNX Runtime does not compute in integers: quantise to uint8 in "
                         f"and out, or to int8 in and out with int8 weights.")
    if ops.op == "Conv":
        if weight.ndim not in (3, 4):
            raise HwgenError(f"{node} has weights of shape {weight.shape}; 1-D and 2-D "
                             f"convolutions are supported.")
        filters = 0
    else:
        if weight.ndim != 2:
            raise HwgenError(f"{node} has weights of shape {weight.shape}; a matrix is needed.")
        if attributes.get("transA", 0):
            raise HwgenError(f"{node} has transA = 1, which is not supported: export it with "
                             f"transA = 0.")
        filters = 0 if attributes.get("transB", 0) else 1
    m = weight.shape[filters]
    if ops.w_quant.scale.size > 1 and (ops.w_quant.scale.size != m or
                                       ops.axis not in (None, filters)):
        raise HwgenError(f"{node} has {ops.w_quant.scale.size} weight scales on axis {ops.axis}; "
                         f"supported are one scale, or {m} on axis {filters}.")
    if ops.op == "Conv" and np.unique(ops.w_quant.zero).size > 1:
        raise HwgenError(f"{node} has different zero points for its filters, which ONNX Runtime "
                         f"does not compute: quantise weights symmetrically.")
    zero = np.broadcast_to(ops.w_quant.zero, m)
    weight = np.moveaxis(weight, filters, 0)
    weight = (weight - zero.reshape(m, *[1] * (weight.ndim - 1))).astype(np.int16)

    code = x_code
    if ops.op == "MatMul":    # (1, ..., K): any number of leading ones
        code = Code(code.name, (1, code.shape[-1]), code.dtype) \
            if int(np.prod(code.shape[:-1])) == 1 else code
    if ops.op != "Conv" and len(code.shape) != 2:
        raise HwgenError(f"{node} works on a tensor of shape {code.shape}; one vector of batch 1 "
                         f"is supported.")
    x = code.tensor(node, ops.x_quant.single(node, "its input"))
    if ops.op == "Conv":
        dims = weight.ndim - 2
        if len(code.shape) != dims + 2:
            raise HwgenError(f"{node} has {dims}-D weights for a tensor of shape {code.shape}.")
        geometry = _geometry(node, weight.shape[2:], x)
        groups = attributes.get("group", 1)
        # A 1-D convolution has one row.
        weight = weight.reshape(*weight.shape[:2], *geometry.pop("kernel"))
        shape = (m, *geometry.pop("output"))
        onnx_shape = (1, m, *shape[3 - dims:])
    else:
        geometry, groups = {}, 1
        weight = weight.reshape(m, -1, 1, 1)
        shape, onnx_shape = (m, 1, 1), (*x_code.shape[:-1], m)
    if groups < 1 or m % groups or x.shape[0] != weight.shape[1] * groups:
        raise HwgenError(f"{node} has weights of shape {ops.weight.shape} and group = {groups} "
                         f"for {x.shape[0]} input channels, which do not fit together.")

    y_quant = ops.y_quant.single(node, "its output")
    info = np.iinfo(y_quant.dtype)
    out = Code(ops.y, onnx_shape, y_quant.dtype)
    y = Tensor(ops.y, shape, out.dtype, int(y_quant.zero.item()), float(y_quant.scale.item()),
               onnx_shape)
    layer = Conv(node.name, x, y, weight, _bias(ops, m), _scale(ops, m), groups=groups,
                 lo=int(info.min), hi=int(info.max), **geometry)
    return layer, out


def _bias(ops, m):
    if ops.bias is None:
        return np.zeros(m, np.int32)
    if ops.bias.dtype != np.int32 or ops.bias.size not in (1, m):
        raise HwgenError(f"{ops.node} has a bias of {ops.bias.size} values of type "
                         f"{ops.bias.dtype}; it must be {m} values of int32: quantise the bias.")
    return np.broadcast_to(ops.bias.reshape(-1), m).copy()


def _scale(ops, m):
    """``float32(float32(sx * sw) / sy)``, in the order of ONNX Runtime's kernels."""
    alpha = np.float32(ops.node.attributes.get("alpha", 1))
    with np.errstate(over="ignore", under="ignore"):
        scale = alpha * ops.x_quant.scale * ops.w_quant.scale / ops.y_quant.scale
    if not np.all(np.isfinite(scale)) or alpha <= 0:
        raise HwgenError(f"{ops.node} has the output scale {scale.max()} (input scale times weight "
                         f"scale by output scale); it must be positive and finite.")
    # Below the smallest normal float32, |acc| * scale is under 1/2 whatever the scale: the same
    # results come from that smallest one, and the hardware need not know subnormal numbers.
    return np.broadcast_to(np.maximum(scale, _SMALLEST), m).copy()


def _geometry(node, kernel, x):
    """Kernel, stride, dilation, pads and output size, as pairs of rows and columns."""
    attributes, dims = node.attributes, len(kernel)

    def pair(name, default):
        values = list(attributes.get(name, [default] * dims))
        if len(values) != dims or min(values) < 1:
            raise HwgenError(f"{node} has {name} = {values}; it must hold {dims} positive "
                             f"numbers.")
        return (1, *values) if dims == 1 else tuple(values)
    if tuple(attributes.get("kernel_shape", kernel)) != tuple(kernel):
        raise HwgenError(f"{node} has kernel_shape = {attributes['kernel_shape']} but weights for "
                         f"{list(kernel)}.")
    stride, dilation = pair("strides", 1), pair("dilations", 1)
    kernel = (1, *kernel) if dims == 1 else tuple(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = x.shape[1:]
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        if max(dilation) > 1:
            raise HwgenError(f"{node} has auto_pad = {auto} with dilations, which ONNX Runtime "
                             f"does not compute: export it with explicit pads.")
        total = [(-(-n // u) - 1) * u + r - n for n, u, r in zip(size, stride, reach, strict=True)]
        if min(total) < 0:
            raise HwgenError(f"{node} has auto_pad = {auto} but windows that pass over values, "
                             f"which ONNX Runtime's kernels pad differently: export it with "
                             f"explicit pads.")
        small = [t // 2 for t in total]
        large = [t - s for t, s in zip(total, small, strict=True)]
        pads = (*small, *large) if auto == "SAME_UPPER" else (*large, *small)
    elif auto == "VALID":
        pads = (0, 0, 0, 0)
    elif auto == "NOTSET":
        pads = list(attributes.get("pads", [0] * 2 * dims))
        if len(pads) != 2 * dims or min(pads) < 0:
            raise HwgenError(f"{node} has pads = {pads}; {2 * dims} numbers of 0 or more are "
                             f"supported.")
        pads = (0, pads[0], 0, pads[1]) if dims == 1 else tuple(pads)
    else:
        raise HwgenError(f"{node} has auto_pad = {auto!r}; NOTSET, SAME_UPPER, SAME_LOWER and "
                         f"VALID are supported.")
    output = tuple((size[i] + pads[i] + pads[i + 2] - reach[i]) // stride[i] + 1
                   for i in range(2))
    if min(output) < 1:
        raise HwgenError(f"{node} has a window of {reach} that does not fit its input of "
                         f"{list(size)} with pads {list(pads)}.")
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "pads": pads,
            "output": output}


def maxpool_layer(graph, node, x_code, x_quant, y_name):
    """``(MaxPool, Code)``; ``x_quant`` is None where the file does not say how to read it."""
    attributes = _attributes(node, "MaxPool")
    if len(node.outputs) > 1:
        raise HwgenError(f"{node} also gives indices, which are not supported.")
    if any(d != 1 for d in attributes.get("dilations", [])):
        raise HwgenError(f"{node} has dilations = {list(attributes['dilations'])}; only 1 is "
                         f"supported.")
    if x_quant is None:
        x_quant = Quantisation(np.ones(1, np.float32), np.zeros(1, np.int64), x_code.dtype)
    x = x_code.tensor(node, x_quant)
    kernel = attributes["kernel_shape"]
    if len(kernel) != len(x_code.shape) - 2 or min(kernel) < 1:
        raise HwgenError(f"{node} has kernel_shape = {list(kernel)} for a tensor of shape "
                         f"{x_code.shape}.")
    geometry = _geometry(node, tuple(kernel), x)
    pads = attributes.get("pads", [])
    if any(p >= k for p, k in zip(pads, (*kernel, *kernel), strict=False)):
        raise HwgenError(f"{node} has pads = {list(pads)}, which leave windows of "
                         f"{list(kernel)} without a value: pads must be smaller than the kernel.")
    shape = _runtime_shape(graph, node, x_code)
    e, f = shape[2:] if len(shape) == 4 else (1, shape[2])
    # ceil_mode may add windows that pass the end: the pads there are what the last one needs.
    (top, left, _, _), (r, s), (u, v) = geometry["pads"], geometry["kernel"], geometry["stride"]
    pads = (top, left, max(0, (e - 1) * u + r - x.shape[1] - top),
            max(0, (f - 1) * v + s - x.shape[2] - left))
    y = Tensor(y_name, (x.shape[0], e, f), x.dtype, x.zero_point, x.scale, shape)
    layer = MaxPool(node.name, x, y, geometry["kernel"], geometry["stride"], pads)
    return layer, Code(y_name, shape, x.dtype)


def pointwise_layer(node, bounds, x_code, x_quant, y_name, y_quant):
    """``(Conv, Code)`` of a function of each value alone: DequantizeLinear, bounds, QuantizeLinear.

    It becomes a depthwise convolution of one tap, if that gives the same results for every code.
    """
    x = x_code.tensor(node, x_quant.single(node, "its input"))
    y_quant = y_quant.single(node, "its output")
    info, given = np.iinfo(y_quant.dtype), np.iinfo(x.dtype)
    codes = np.arange(given.min, given.max + 1)
    with np.errstate(all="ignore"):
        real = np.clip((codes - x.zero_point).astype(np.float32) * x_quant.scale, *bounds)
        wanted = np.clip(np.rint(real / y_quant.scale).astype(np.float64) + y_quant.zero,
                         info.min, info.max)
        scale = x_quant.scale / y_quant.scale
    lo, hi = int(wanted.min()), int(wanted.max())
    for candidate in (scale, np.nextafter(scale, np.float32(0)),
                      np.nextafter(scale, np.float32(np.inf))):
        rounded = np.rint((codes - x.zero_point).astype(np.float32) * candidate)
        if np.isfinite(candidate) and candidate >= _SMALLEST and \
                np.array_equal(np.clip(rounded + y_quant.zero, lo, hi), wanted):
            break
    else:
        raise HwgenError(f"{node} requantises from scale {x.scale} to {y_quant.scale.item()} in a "
                         f"way that one multiplication does not give exactly: quantise with equal "
                         f"scales on both sides.")
    c = x.shape[0]
    y = Tensor(y_name, x.shape, y_quant.dtype, int(y_quant.zero.item()),
               float(y_quant.scale.item()), x_code.shape)
    layer = Conv(node.name, x, y, np.ones((c, 1, 1, 1), np.int16), np.zeros(c, np.int32),
                 np.broadcast_to(candidate, c).copy(), groups=c, lo=lo, hi=hi)
    return layer, Code(y_name, x_code.shape, y_quant.dtype)


def alias_shape(graph, node, x_code):
    """Shape that an operator which moves no byte gives to its input."""
    return _runtime_shape(graph, node, x_code)


def _runtime_shape(graph, node, x_code):
    """Shape of a node's first output, by ONNX Runtime, whose shape rules are the reference."""
    floating = graph.producer[node.inputs[0]].op == "DequantizeLinear" \
        if node.inputs[0] in graph.producer else False
    dtype = np.dtype(np.float32) if floating else x_code.dtype
    model = graph.submodel([node], {node.inputs[0]: (x_code.shape, dtype)}, node.outputs[:1])
    values = evaluate(model, {node.inputs[0]: np.zeros(x_code.shape, dtype)})
    return values[node.outputs[0]].shape
