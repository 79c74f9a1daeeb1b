"""ONNX Runtime sessions whose integer layers are exact on every machine."""

import onnxruntime as ort

from ..errors import HwgenError

__all__ = ["session", "evaluate"]


def session(model):
    """An ONNX Runtime session on the CPU.

    Parameters
    ----------
    model : bytes
        A serialised ONNX model.

    Raises
    ------
    HwgenError
        ONNX Runtime refuses the model.

    Notes
    -----
    On x86 processors with AVX2 but no VNNI, ONNX Runtime's default kernels for uint8 activations
    and int8 weights saturate pairs of products to 16 bits. ``session.x64quantprecision`` asks for
    exact ones by storing weights as uint8; where that leaves an operator without a kernel (int8
    activations in QOperator form), the default kernel is exact anyway.
    """
    for precision in "1", "0":
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.x64quantprecision", precision)
        try:
            return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:    # its exceptions have no common base of their own
            reason = str(error).splitlines()[0]
    raise HwgenError(f"ONNX Runtime refuses the model: {reason}")


def evaluate(model, inputs):
    """All outputs, by name, of a serialised model for ``inputs`` by name.

    Raises
    ------
    HwgenError
        ONNX Runtime refuses the model, or stops while it runs.
    """
    runtime = session(model)
    names = [o.name for o in runtime.get_outputs()]
    try:
        return dict(zip(names, runtime.run(names, inputs), strict=True))
    except Exception as error:
        raise HwgenError(f"ONNX Runtime cannot run the model: "
                         f"{str(error).splitlines()[0]}") from None
