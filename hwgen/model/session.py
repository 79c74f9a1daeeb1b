"""ONNX Runtime sessions whose integer layers are exact on every machine."""

import onnxruntime as ort

from ..errors import HwgenError

__all__ = ["session", "evaluate"]


def session(model):
    """An ONNX Runtime session on the CPU, at its default optimisation level.

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
    Two options make results the same on every machine and for every choice of outputs:

    * ``session.qdqisint8allowed``: int8 activations stay int8. Otherwise, on x86, they become
      uint8 where nobody sees the codes, and layers whose codes are read are computed in float.
    * ``session.x64quantprecision``: weights are stored as uint8 where the default kernel would
      saturate pairs of products to 16 bits, which it does for uint8 activations and int8 weights
      on x86 processors with AVX2 but no VNNI. Models with int8 activations have no such kernel,
      and need none: there the default one is exact.
    """
    for precision in "1", "0":
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.qdqisint8allowed", "1")
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
