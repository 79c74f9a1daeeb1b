"""The quantised network and its golden model; knows NumPy and ONNX Runtime, but no hardware."""
