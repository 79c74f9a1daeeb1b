"""Random layers and graphs, to be run on the RTL and compared with ONNX Runtime."""
