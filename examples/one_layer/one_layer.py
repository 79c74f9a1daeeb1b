#!/usr/bin/env python
"""One small layer, for docs/start/ten-minutes.md: ``python one_layer.py FOLDER``.

Writes ``one_layer.onnx``, a 3x3 convolution of 4 channels of 8x8 to 8 filters, and ``x.npy``, an
input. Prints how 4 array rows add up one of its outputs.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIZE, FILTERS, KERNEL = 4, 8, 8, 3
ROWS = 4                    # of the array; a row takes one filter row of one channel
SCALE, ZERO_POINT = 8, 128  # of the output


def data():
    """Input (C, H, W), uint8, and weights (M, C, R, S), int8: small numbers, always the same."""
    rng = np.random.default_rng(1)
    weights = rng.integers(-4, 5, (FILTERS, CHANNELS, KERNEL, KERNEL), dtype=np.int8)
    return rng.integers(0, 16, (CHANNELS, SIZE, SIZE), dtype=np.uint8), weights


def model(weights):
    """The layer as a QLinearConv, padded by 1 on all sides."""
    constants = {"x_scale": np.float32(1), "x_zero": np.uint8(0), "w": weights,
                 "w_scale": np.float32(1), "w_zero": np.int8(0), "y_scale": np.float32(SCALE),
                 "y_zero": np.uint8(ZERO_POINT)}
    node = helper.make_node("QLinearConv", ["x", *constants], ["y"], pads=[1, 1, 1, 1], name="conv")
    graph = helper.make_graph(
        [node], "one_layer",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, CHANNELS, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, FILTERS, SIZE, SIZE])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def by_hand(x, weights):
    """Lines: how filter 0's output in row 1, column 1 comes to be, one array row each."""
    window = x[:, :KERNEL, :KERNEL].astype(int)
    psum = 0
    pairs = [(c, r) for c in range(CHANNELS) for r in range(KERNEL)]
    for index, (c, r) in enumerate(pairs):
        number, row = divmod(index, ROWS)
        if row == 0:
            yield f"pass {number + 1}"
        taps = zip(window[c, r], weights[0, c, r], strict=True)
        products = " + ".join(f"{value:2} * {weight:2}" for value, weight in taps)
        psum += int(window[c, r] @ weights[0, c, r])
        yield f"  row {row}: channel {c}, filter row {r}: {products}  psum {psum:4}"
    output = min(max(round(psum / SCALE) + ZERO_POINT, 0), 255)
    yield f"filter 0, row 1, column 1: round({psum} / {SCALE}) + {ZERO_POINT} = {output}"


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    x, weights = data()
    onnx.save(model(weights), folder / "one_layer.onnx")
    np.save(folder / "x.npy", x[None])
    print("\n".join(by_hand(x, weights)))


if __name__ == "__main__":
    main()
