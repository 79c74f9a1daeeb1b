"""The quantised network and its golden model; knows NumPy and ONNX, but no hardware."""
