"""Integer layers from ONNX operators: what each operator and its attributes mean, exactly."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...network.graph import Conv, Tensor

__all__ = ["CODES", "OnHost", "Quantisation", "Code", "planes", "quantisation", "unusable", "view",
           "Operands", "conv_layer", "attributes_of", "window"]

CODES = (np.dtype(np.uint8), np.dtype(np.int8))

_SMALLEST = np.finfo(np.float32).tiny
_ATTRIBUTES = {
    "Conv": {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"},
    "Gemm": {"alpha", "beta", "transA", "transB"},
    "MatMul": set(),
    "MaxPool": {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order",
                "strides"},
    "AveragePool": {"auto_pad", "ceil_mode", "channels_last", "count_include_pad", "dilations",
                    "kernel_shape", "pads", "strides"},
}


class OnHost(Exception):
    """No integer layer computes this node exactly; the text is a sentence that says why."""


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
            raise OnHost(f"{node} quantises {what} per channel; only weights and biases may "
                         f"be: quantise activations per tensor")
        return self


def view(shape):
    """``(C, H, W)`` of a tensor's ONNX shape; what stands before the last three is in C."""
    dims = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    *front, h, w = (*dims, 1, 1) if len(dims) < 2 else (*dims[:-1], 1, dims[-1]) \
        if len(dims) == 2 else dims
    return int(np.prod(front, dtype=np.int64)), h, w


@dataclass(frozen=True, eq=False)
class Code:
    """A tensor of integer codes: the name of its source, its ONNX shape and type.

    ``stored`` is the ``(C, H, W)`` shape that the source has.
    """
    name: str
    shape: tuple
    dtype: np.dtype
    stored: tuple

    def tensor(self, quantisation=None):
        """The :class:`Tensor` of the source under one reading of its codes."""
        zero, scale = (0, 1.0) if quantisation is None else (int(quantisation.zero.item()),
                                                             float(quantisation.scale.item()))
        return Tensor(self.name, self.stored, self.dtype, zero, scale, self.shape)

    def spatial(self, node, quantisation):
        """The same seen as channels, rows, columns, as a sliding window needs it; the images of a
        batch are channels of their own."""
        tensor = self.tensor(quantisation)
        return replace(tensor, shape=planes(node, self.shape))


def planes(node, shape):
    """``(N * C, H, W)`` of a tensor of N images in ONNX's order."""
    if not 2 <= len(shape) <= 4:
        raise OnHost(f"{node} works on a tensor of shape {shape}; the accelerator takes "
                     f"(N, C), (N, C, W) and (N, C, H, W)")
    n, c, *size = shape
    return (n * c, *(1,) * (2 - len(size)), *size)


def unusable(scales):
    """A scale among ``scales`` that means nothing, or None; filters of zeros may have 0."""
    wrong = ~np.isfinite(scales) | (scales < 0) | (scales == 0) & ~np.any(scales > 0)
    return scales[wrong].flat[0] if wrong.any() else None


def quantisation(graph, node, scale, zero, dtype=None):
    """The constants of a scale and a zero point by name.

    Without ``scale`` it is 1, an absent zero point is 0 of ``dtype``.
    """
    for name in filter(None, (scale, zero)):
        if name not in graph.constants:
            raise OnHost(f"{node} takes its scale or zero point {name!r} from a computation; "
                         f"it must be a constant of the file")
    values = graph.constants[scale] if scale else np.ones(1, np.float32)
    if values.dtype != np.float32:
        raise OnHost(f"the scale {scale!r} of {node} is {values.dtype}; it must be float32")
    bad = unusable(values)
    if bad is not None:
        raise OnHost(f"the scale {scale!r} of {node}, which ONNX Runtime made of others, is {bad}")
    zeros = graph.constants[zero] if zero else np.zeros(1, dtype or np.uint8)
    if zeros.dtype not in (*CODES, np.int32):
        raise OnHost(f"the zero point {zero!r} of {node} is {zeros.dtype}; uint8 and int8 "
                     f"(int32 for a bias) are supported: quantise to 8 bits")
    if scale and zeros.size not in (1, values.size):
        raise OnHost(f"{node} has {values.size} scales but {zeros.size} zero points")
    return Quantisation(values.reshape(-1), zeros.reshape(-1).astype(np.int64), zeros.dtype)


@dataclass(frozen=True, eq=False)
class Operands:
    """What a Conv, Gemm or MatMul works on, however the file writes it.

    ``op`` is the plain operator's name, ``weight`` and ``bias`` are the stored integers (``bias``
    None if there is none). Without ``y_quant`` the output is the int32 sum.
    """
    node: object
    op: str
    x: str
    x_quant: Quantisation
    weight: np.ndarray
    w_quant: Quantisation
    bias: np.ndarray | None
    y: str
    y_quant: Quantisation | None


def attributes_of(node, op):
    """The attributes of a node, if all are among those of the plain operator ``op``."""
    unknown = set(node.attributes) - _ATTRIBUTES[op]
    if unknown:
        raise OnHost(f"{node} has the attribute {sorted(unknown)[0]!r}, which is not "
                     f"supported; {', '.join(sorted(_ATTRIBUTES[op])) or 'none'} are")
    return node.attributes


def conv_layer(ops, x_code):
    """The :class:`Conv` of a multiply-accumulate operator.

    Raises
    ------
    OnHost
        ONNX Runtime does not compute it in integers, or the accelerator has no such layer.
    """
    node, attributes = ops.node, attributes_of(ops.node, ops.op)
    weight = ops.weight
    if weight.dtype not in CODES:
        raise OnHost(f"{node} has {weight.dtype} weights; uint8 and int8 are supported")
    types = ops.x_quant.dtype, weight.dtype, ops.y_quant.dtype if ops.y_quant else np.int32
    if ops.y_quant and (types[0] != types[2] or types[:2] == (np.int8, np.uint8)):
        raise OnHost(f"{node} takes {types[0]}, has {types[1]} weights and gives {types[2]}, "
                     f"which ONNX Runtime does not compute in integers: quantise to uint8 in "
                     f"and out, or to int8 in and out with int8 weights")
    if ops.op == "Conv":
        if weight.ndim not in (3, 4):
            raise OnHost(f"{node} has weights of shape {weight.shape}; 1-D and 2-D "
                         f"convolutions are supported")
        filters = 0
    else:
        if weight.ndim > 2 and math.prod(weight.shape[:-2]) == 1 and \
                len(x_code.shape) >= weight.ndim:
            weight = weight.reshape(weight.shape[-2:])
        if weight.ndim != 2:
            raise OnHost(f"{node} has weights of shape {weight.shape}; a matrix is needed")
        filters = 0 if attributes.get("transB", 0) else 1
    m = weight.shape[filters]
    if ops.w_quant.scale.size not in (1, m):
        raise OnHost(f"{node} has {ops.w_quant.scale.size} weight scales; supported are one "
                     f"scale, or {m} on axis {filters}")
    if node.op == "ConvInteger" and np.unique(ops.w_quant.zero).size > 1:
        raise OnHost(f"{node} has different zero points for its filters, which ONNX Runtime does "
                     f"not compute: quantise weights symmetrically")
    zero = np.broadcast_to(ops.w_quant.zero, m)
    weight = np.moveaxis(weight, filters, 0)
    weight = (weight - zero.reshape(m, *[1] * (weight.ndim - 1))).astype(np.int16)

    x_quant = ops.x_quant.single(node, "its input")
    if x_code.dtype != x_quant.dtype or x_code.dtype not in CODES:
        raise OnHost(f"{node} reads {x_code.name!r}, which is {x_code.dtype}, with a zero point of "
                     f"type {x_quant.dtype}; both must be uint8 or both int8")
    batch = 1
    if ops.op == "Conv":
        x, dims = x_code.spatial(node, x_quant), weight.ndim - 2
        if len(x_code.shape) != dims + 2:
            raise OnHost(f"{node} has {dims}-D weights for a tensor of shape {x_code.shape}")
        geometry = window(node, weight.shape[2:], x)
        groups, (batch, channels) = attributes.get("group", 1), x_code.shape[:2]
        # A 1-D convolution has one row.
        weight = weight.reshape(*weight.shape[:2], *geometry.pop("kernel"))
        shape = (batch * m, *geometry.pop("output"))
        onnx_shape = (batch, m, *shape[3 - dims:])
    else:
        across, groups, weight = attributes.get("transA", 0), 1, weight.reshape(m, -1, 1, 1)
        x, geometry = _matrix(node, x_code, x_quant, across)
        lead = x_code.shape[1:] if across else x_code.shape[:-1]
        shape, onnx_shape = (math.prod(lead), 1, m) if geometry else (m, 1, 1), (*lead, m)
        channels = x.shape[2 if geometry.get("turned", (False,))[0] else 0]
    if groups < 1 or m % groups or channels != weight.shape[1] * groups:
        raise OnHost(f"{node} has weights of shape {ops.weight.shape} and group = {groups} "
                     f"for {channels} input channels, which do not fit together")

    # The images of a batch are groups of channels, with the same weights.
    weight, groups = np.tile(weight, (batch, 1, 1, 1)), groups * batch
    if ops.y_quant is None:
        y = Tensor(ops.y, shape, np.dtype(np.int32), 0, 1.0, onnx_shape)
        m *= batch
        return Conv(node.name, x, y, weight, np.zeros(m, np.int32), np.ones(m, np.float32),
                    groups=groups, lo=0, hi=0, **geometry)
    y_quant = ops.y_quant.single(node, "its output")
    info = np.iinfo(y_quant.dtype)
    y = Tensor(ops.y, shape, y_quant.dtype, int(y_quant.zero.item()), float(y_quant.scale.item()),
               onnx_shape)
    return Conv(node.name, x, y, weight, np.tile(_bias(ops, m), batch),
                np.tile(_scale(ops, m), batch), groups=groups, lo=int(info.min), hi=int(info.max),
                **geometry)


def _matrix(node, code, quant, across):
    """``(x, fields)``: the vectors that a matrix product takes, the rows of ``code`` (``across``:
    its columns), as an input and the further fields of a :class:`Conv`."""
    depth = code.shape[0 if across else -1]
    rows = math.prod(code.shape) // depth
    if rows == 1:
        return Code(code.name, (1, depth), code.dtype, code.stored).spatial(node, quant), {}
    shape = (depth, 1, rows) if across else (rows, 1, depth)
    return replace(code.tensor(quant), shape=shape), {"turned": (not across, True)}


def _bias(ops, m):
    if ops.bias is None:
        return np.zeros(m, np.int32)
    if ops.bias.dtype != np.int32 or ops.bias.size not in (1, m):
        raise OnHost(f"{ops.node} has a bias of {ops.bias.size} values of type "
                     f"{ops.bias.dtype}; it must be {m} values of int32: quantise the bias")
    return np.broadcast_to(ops.bias.reshape(-1), m).copy()


def _scale(ops, m):
    """``float32(float32(sx * sw) / sy)``, in the order of ONNX Runtime's kernels."""
    alpha = np.float32(ops.node.attributes.get("alpha", 1))
    with np.errstate(over="ignore", under="ignore"):
        scale = alpha * ops.x_quant.scale * ops.w_quant.scale / ops.y_quant.scale
    if not np.all(np.isfinite(scale)) or alpha <= 0:
        raise OnHost(f"{ops.node} has the output scale {scale.max()} (input scale times weight "
                     f"scale by output scale); it must be positive and finite")
    # Below the smallest normal float32, |acc| * scale is under 1/2 whatever the scale: the same
    # results come from that smallest one, and the hardware need not know subnormal numbers.
    return np.broadcast_to(np.maximum(scale, _SMALLEST), m).copy()


def window(node, kernel, x):
    """Kernel, stride, dilation, pads and output size, of each of rows and columns; of three values
    each for windows of three dimensions. The pads of a convolution are negative where its windows
    leave values out at the edge.
    """
    attributes, dims = node.attributes, len(kernel)

    def pair(name, default):
        values = list(attributes.get(name, [default] * dims))
        if len(values) != dims or min(values) < 1:
            raise OnHost(f"{node} has {name} = {values}; it must hold {dims} positive "
                         f"numbers")
        return (1, *values) if dims == 1 else tuple(values)
    if tuple(attributes.get("kernel_shape", kernel)) != tuple(kernel):
        raise OnHost(f"{node} has kernel_shape = {attributes['kernel_shape']} but weights for "
                     f"{list(kernel)}")
    stride, dilation = pair("strides", 1), pair("dilations", 1)
    kernel = (1, *kernel) if dims == 1 else tuple(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = x.shape[1:]
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        if max(dilation) > 1:
            raise OnHost(f"{node} has auto_pad = {auto} with dilations, which ONNX Runtime "
                         f"does not compute: export it with explicit pads")
        pads = _same(node, auto, size, stride, reach)
    elif auto == "VALID":
        pads = (0,) * 2 * len(kernel)
    elif auto == "NOTSET":
        pads = list(attributes.get("pads", [0] * 2 * dims))
        if len(pads) != 2 * dims or min(pads) < 0:
            raise OnHost(f"{node} has pads = {pads}; {2 * dims} numbers of 0 or more are "
                         f"supported")
        pads = (0, pads[0], 0, pads[1]) if dims == 1 else tuple(pads)
    else:
        raise OnHost(f"{node} has auto_pad = {auto!r}; NOTSET, SAME_UPPER, SAME_LOWER and "
                     f"VALID are supported")
    output = tuple((n + before + after - r) // u + 1 for n, before, after, r, u in zip(
        size, pads[:len(kernel)], pads[len(kernel):], reach, stride, strict=True))
    if min(output) < 1:
        raise OnHost(f"{node} has a window of {reach} that does not fit its input of "
                     f"{list(size)} with pads {list(pads)}")
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "pads": pads,
            "output": output}


def _same(node, auto, size, stride, reach):
    """The pads of ``auto_pad`` = SAME_UPPER or SAME_LOWER."""
    upper, pads = auto == "SAME_UPPER", []
    for n, u, r in zip(size, stride, reach, strict=True):
        total = (-(-n // u) - 1) * u + r - n
        if total < 0 and node.op not in ("QLinearConv", "ConvInteger"):
            raise OnHost(f"{node} has auto_pad = {auto} but windows that pass over values, "
                         f"which ONNX Runtime's kernels pad differently: export it with "
                         f"explicit pads")
        if total < 0:    # as ONNX Runtime's convolutions have it: towards 0
            before = -((-total - 1 - (not upper)) // 2) if total < -1 else 0
        else:
            before = total // 2 if upper else total - total // 2
        pads.append((before, total - before))
    return tuple(p[0] for p in pads) + tuple(p[1] for p in pads)
