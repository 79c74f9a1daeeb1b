"""From ONNX files to networks of integer layers, each proved equal to ONNX Runtime."""
