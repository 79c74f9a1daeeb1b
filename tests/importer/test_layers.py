"""Random single layers in every form of quantised ONNX: golden model against ONNX Runtime."""


import numpy as np
import pytest

from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from tests.seed import SEED

from .models import Builder


class Layer:
    """Random operands of one layer: ``x`` codes in, ``y`` codes out."""

    def __init__(self, rng, form, op, xtype, wtype):
        self.rng, self.form, self.op = rng, form, op
        self.xtype, self.wtype = np.dtype(xtype), np.dtype(wtype)
        self.per_channel = bool(rng.integers(2))
        self.b = Builder()

    def codes(self, dtype, shape):
        """Random codes, often all near the ends of the range."""
        info = np.iinfo(dtype)
        if self.rng.integers(2):
            return self.rng.integers(info.min, info.max + 1, shape).astype(dtype)
        return self.rng.choice([info.min, info.max, info.max - 1], shape).astype(dtype)

    def zero(self, dtype, shape=()):
        info = np.iinfo(dtype)
        value = self.rng.choice([info.min, info.max, 0, self.rng.integers(info.min, info.max)])
        return np.full(shape, value, dtype)

    def spatial(self):
        """Random attributes of a sliding window and an input shape that fits them."""
        rng, dims = self.rng, int(self.rng.integers(1, 3))
        kernel = [int(k) for k in rng.integers(1, 5, dims)]
        attributes = {"kernel_shape": kernel, "strides": [int(s) for s in rng.integers(1, 4, dims)]}
        dilation = [1] * dims
        if self.op == "Conv" and rng.integers(3) == 0:
            attributes["dilations"] = dilation = [int(d) for d in rng.integers(1, 4, dims)]
        # ONNX Runtime has no SAME with dilation, nor one for a pool whose stride passes the kernel.
        same = max(dilation) == 1 and all(s <= k for k, s in zip(kernel, attributes["strides"],
                                                                 strict=True))
        auto = rng.choice(["NOTSET", "VALID", *["SAME_UPPER", "SAME_LOWER"] * same])
        if auto == "NOTSET":
            attributes["pads"] = [int(rng.integers(0, k)) for k in kernel * 2]
            if self.op == "MaxPool":
                attributes["ceil_mode"] = int(rng.integers(2))
        else:
            attributes["auto_pad"] = str(auto)
        size = [(k - 1) * d + 1 + int(rng.integers(0, 8))
                for k, d in zip(kernel, dilation, strict=True)]
        return attributes, size

    def build(self):
        """``(model bytes, float input)``."""
        rng, b = self.rng, self.b
        exponent = rng.uniform(-20, 15) if rng.integers(4) == 0 else rng.uniform(-3, 0)
        self.sx, self.zx = np.float32(10 ** exponent), self.zero(self.xtype)
        if self.op in ("Conv", "MaxPool"):
            self.attributes, size = self.spatial()
            groups = int(rng.choice([1, 1, 2, 5])) if self.op == "Conv" else 1
            share = int(rng.integers(1, 9))
            shape = (1, groups * share, *size)
            if self.op == "Conv":
                self.attributes["group"] = groups
                self.m = groups * int(rng.integers(1, 5))
                self.wshape, self.axis = (self.m, share, *self.attributes["kernel_shape"]), 0
        else:
            k, self.m = (int(v) for v in rng.integers(1, 200, 2))
            rows = int(rng.choice([1, 1, rng.integers(2, 20)]))
            shape = (rows, k)
            if self.op == "MatMul" and rng.integers(2):
                shape = ((1, rows, k), (k,), (2, rows, 1, k))[rng.integers(3)]
            transposed = self.op == "Gemm" and bool(rng.integers(2))
            self.attributes = {"transB": int(transposed)} if self.op == "Gemm" else {}
            if self.op == "Gemm" and rng.integers(3) == 0:
                self.attributes["transA"], shape = 1, shape[::-1]
            self.wshape, self.axis = ((self.m, k), 0) if transposed else ((k, self.m), 1)
        codes = self.codes(self.xtype, shape)
        self.x = b.input("x", shape)
        self.x = b.quantised("QuantizeLinear", self.x, "xq", self.sx, self.zx)
        if self.op == "MaxPool":
            self.pool()
        else:
            self.mac()
        return b.bytes(), (codes.astype(np.float32) - self.zx.astype(np.float32)) * self.sx

    def pool(self):
        b, x = self.b, self.x
        if self.form == "qdq":
            x = b.quantised("DequantizeLinear", x, "xd", self.sx, self.zx)
            y = b.node("MaxPool", [x], "yf", **self.attributes)
            y = b.quantised("QuantizeLinear", y, "yq", self.sx, self.zx)
        else:
            y = b.node("MaxPool", [x], "yq", **self.attributes)
        b.output(b.quantised("DequantizeLinear", y, "y", self.sx, self.zx))

    def mac(self):
        rng, b = self.rng, self.b
        count = (self.m,) if self.per_channel else ()
        weight = self.codes(self.wtype, self.wshape)
        sw = (10 ** rng.uniform(-4, -1, count)).astype(np.float32)
        zw = self.zero(self.wtype, count)
        taps = weight.size // self.m
        # Results of a few codes to a few thousand, so that rounding and saturation both matter.
        sy = np.float32(self.sx * sw.mean() * 40 * taps ** 0.5 * 10 ** rng.uniform(-1, 1.5))
        zy = self.zero(self.xtype)
        bias = None
        if self.op != "MatMul" and rng.integers(4):
            limit = int(rng.choice([4000, 4000, 2**31 - 1]))
            bias = rng.integers(-limit - 1, limit + 1, self.m).astype(np.int32)
        sb = (self.sx * sw).astype(np.float32)
        if self.form == "qdq":
            y = self.qdq(weight, sw, zw, bias, sb, sy, zy)
        else:
            y = self.qoperator(weight, sw, zw, bias, sy, zy)
        b.output(b.quantised("DequantizeLinear", y, "y", sy, zy))

    def qdq(self, weight, sw, zw, bias, sb, sy, zy):
        b, channel = self.b, {"axis": self.axis} if self.per_channel else {}
        inputs = [b.quantised("DequantizeLinear", self.x, "xd", self.sx, self.zx),
                  b.quantised("DequantizeLinear", b.constant("w", weight), "wd", sw, zw, **channel)]
        if bias is not None:
            inputs.append(b.quantised("DequantizeLinear", b.constant("b", bias), "bd", sb,
                                      np.zeros(sb.shape, np.int32),
                                      **({"axis": 0} if self.per_channel else {})))
        y = b.node(self.op, inputs, "yf", **self.attributes)
        if zy == np.iinfo(zy.dtype).min and self.rng.integers(2):
            y = b.node("Relu", [y], "yr")
        return b.quantised("QuantizeLinear", y, "yq", sy, zy)

    def qoperator(self, weight, sw, zw, bias, sy, zy):
        b = self.b
        x = [self.x, b.constant("sx", self.sx), b.constant("zx", self.zx)]
        w = [b.constant("w", weight), b.constant("sw", sw), b.constant("zw", zw)]
        y = [b.constant("sy", sy), b.constant("zy", zy)]
        bias = [b.constant("b", bias)] if bias is not None else []
        if self.op == "Gemm":
            return b.node("QGemm", x + w + (bias or [""]) + y, "yq", domain="com.microsoft",
                          alpha=float(self.rng.choice([1.0, 1.0, 0.3])), **self.attributes)
        return b.node(f"QLinear{self.op}", x + w + y + bias, "yq", **self.attributes)


@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul", "MaxPool"])
@pytest.mark.parametrize("form", ["qdq", "qoperator"])
@pytest.mark.parametrize("xtype, wtype", [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")])
def test_random_layers(op, form, xtype, wtype):
    for seed in range(SEED, SEED + (12 if op in ("Conv", "MaxPool") else 24)):
        rng = np.random.default_rng([seed, len(op), form == "qdq"])
        model, x = Layer(rng, form, op, xtype, wtype).build()
        network = onnx_import.load(model)
        assert len(network.layers) == 3
        golden_values = golden.run(network, {"x": x})
        for name, expected in Reference(model, network).run({"x": x}).items():
            np.testing.assert_array_equal(golden_values[name], expected, f"seed {seed}, {name}",
                                          strict=True)
