"""ONNX Runtime sessions whose integer layers are exact on every machine."""

import os
import re
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

from ..errors import HwgenError
from .unsigned_weights import unsigned_weights

__all__ = ["session", "optimised", "evaluate", "reason", "static_shapes"]

_TYPES = {f"tensor({name})": np.dtype(kind) for name, kind in (
    ("float", "f4"), ("double", "f8"), ("float16", "f2"), ("uint8", "u1"), ("int8", "i1"),
    ("uint16", "u2"), ("int16", "i2"), ("uint32", "u4"), ("int32", "i4"), ("uint64", "u8"),
    ("int64", "i8"), ("bool", "?"), ("string", "O"))}


# Optimisers that look for patterns among quantisers: what they do is done once, for a whole file.
_PATTERNS = ("DoubleQDQPairsRemover", "DynamicQuantizeMatMulFusion", "MatMulIntegerToFloatFusion",
             "NhwcTransformer", "QDQPropagationTransformer", "QDQSelectorActionTransformer",
             "TransposeOptimizer", "TransposeOptimizer_CPUExecutionProvider",
             "WeightBiasQuantization")


def session(model, *, integers=True, as_written=False, precise=True, **options):
    """An ONNX Runtime session on the CPU, at its default optimisation level.

    Parameters
    ----------
    model : bytes
        A serialised ONNX model.
    integers : bool
        Whether int8 activations stay int8.
    as_written : bool
        For what :func:`optimised` gave, and parts of that: integer operators are those that the
        model has, no others are made.
    precise : bool
        Whether products that do not fit 16 bits in pairs are right on every machine.
    options
        Further attributes of the session's options.

    Raises
    ------
    HwgenError
        ONNX Runtime refuses the model.

    Notes
    -----
    Two options make results the same on every machine:

    * ``session.qdqisint8allowed``: int8 activations stay int8. Otherwise, on x86, they become
      uint8 or are computed in float.
    * ``session.x64quantprecision``: weights are stored as uint8 where the default kernel would
      saturate pairs of products to 16 bits, which it does for uint8 activations and int8 weights
      on x86 processors with AVX2 but no VNNI. Models with int8 activations have no such kernel,
      and need none: there the default one is exact. Where such a model has uint8 activations as
      well, their weights are stored so here; see :mod:`.unsigned_weights`.
    """
    if b"DynamicQuantizeLSTM" in model:
        # It quantises the part of a batch that a thread has: as many threads as by default.
        options = {"intra_op_num_threads": 0, **options}
    # Its optimiser does not know its own operators with channels last.
    for precision in ("1", "0") if precise and b"channels_last" not in model else ("0",):
        if precise and precision == "0":
            model = unsigned_weights(model)
        settings = _settings(integers, options)
        settings.add_session_config_entry("session.x64quantprecision", precision)
        try:
            return ort.InferenceSession(
                model, settings, providers=["CPUExecutionProvider"],
                **({"disabled_optimizers": list(_PATTERNS)} if as_written else {}))
        except Exception as error:    # its exceptions have no common base of their own
            said = reason(error)
    raise HwgenError(f"ONNX Runtime refuses the model: {said}")


def _settings(integers, options):
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = 1
    settings.add_session_config_entry("session.qdqisint8allowed", str(int(integers)))
    for name, value in options.items():
        setattr(settings, name, value)
    return settings


def optimised(model, *, integers=True, whole=False):
    """The model that ONNX Runtime makes of a serialised model at its *extended* level, as an
    ``onnx.ModelProto``: what it computes in integers is an integer operator there. ``whole``: at
    the level that sessions have by default, with layouts that suit the machine.

    Raises
    ------
    HwgenError
        ONNX Runtime refuses the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "optimised.onnx")
        levels = ort.GraphOptimizationLevel
        settings = _settings(integers, {
            "optimized_model_filepath": path, "graph_optimization_level":
            levels.ORT_ENABLE_ALL if whole else levels.ORT_ENABLE_EXTENDED})
        try:
            ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        except Exception as error:    # its exceptions have no common base of their own
            raise HwgenError(f"ONNX Runtime refuses the model: {reason(error)}") from None
        return onnx.load(path)


def static_shapes(model, open_dimensions=False):
    """``{name: (shape, dtype)}`` of a serialised model's outputs, without running it.

    The shape is None where ONNX Runtime cannot tell it (with ``open_dimensions``: the rank), the
    type None for what is no tensor of NumPy's types.
    """
    runtime = session(model, graph_optimization_level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    found = {}
    for output in runtime.get_outputs():
        shape = tuple(output.shape)
        known = all(isinstance(d, int) for d in shape) or open_dimensions
        found[output.name] = shape if known else None, _TYPES.get(output.type)
    return found


def evaluate(model, inputs, **options):
    """All outputs, by name, of a serialised model for ``inputs`` by name, in a :func:`session`
    with ``options``.

    Raises
    ------
    HwgenError
        ONNX Runtime refuses the model, or stops while it runs.
    """
    runtime = session(model, **options)
    names = [o.name for o in runtime.get_outputs()]
    try:
        return dict(zip(names, runtime.run(names, inputs), strict=True))
    except Exception as error:
        raise HwgenError(f"ONNX Runtime cannot run the model: {reason(error)}") from None


def reason(error):
    """The sentence of an exception of ONNX Runtime, without its numbers and source files."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    line = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    line = re.sub(r"/\S*/onnxruntime/\S+:\d+ (?:.*?(?=\S+ was false)|.*?\) (?=[A-Z]))", "", line)
    return line.rstrip(". !") + "."
