"""Models in which int8 and uint8 activations meet int8 weights, whatever the machine's kernels."""

import numpy as np
import pytest

from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden

from .models import Builder


@pytest.mark.parametrize("form", ["QLinear", "QDQ"])
def test_products_that_do_not_fit_16_bits_in_pairs(form):
    b, inputs = Builder(), {}
    for dtype in (np.int8, np.uint8):
        name = np.dtype(dtype).name
        x = b.input(f"x_{name}", (1, 64), dtype)
        inputs[x] = np.full((1, 64), np.iinfo(dtype).max, dtype)
        w = b.constant(f"w_{name}", np.full((64, 5), 127, np.int8))
        s, zx, zw = (b.constant(f"{k}_{name}", v) for k, v in (
            ("s", np.float32(1)), ("zx", dtype(0)), ("zw", np.int8(0))))
        scale = b.constant(f"sy_{name}", np.float32(64 * 127 * 2))
        if form == "QLinear":
            b.output(b.node("QLinearMatMul", [x, s, zx, w, s, zw, scale, zx], f"y_{name}"), dtype)
            continue
        parts = [b.node("DequantizeLinear", [v, s, z], f"d_{v}") for v, z in ((x, zx), (w, zw))]
        y = b.node("MatMul", parts, f"m_{name}")
        b.output(b.node("QuantizeLinear", [y, scale, zx], f"y_{name}"), dtype)
    model = b.bytes()
    network = onnx_import.load(model)
    assert len(network.layers) == 2
    values = golden.run(network, inputs)
    assert values["y_uint8"].flat[0] == round(255 / 2) and values["y_int8"].flat[0] == 64
    for name, expected in Reference(model, network).run(inputs).items():
        np.testing.assert_array_equal(values[name], expected, name)
