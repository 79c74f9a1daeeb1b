"""Quantisation by ONNX Runtime's own quantiser."""

import logging
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from ...errors import HwgenError
from ..ort_session import session
from .layers import INPUT

__all__ = ["FORMATS", "TYPES", "quantise"]

FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}

_QUANTISED = ["Add", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool",
              "Relu"]


class _Photographs(CalibrationDataReader):
    def __init__(self, arrays):
        self._inputs = iter([{INPUT: array} for array in arrays])

    def get_next(self):
        return next(self._inputs, None)


def quantise(source, path, photographs, *, form="qdq", activations="uint8", per_channel=True):
    """Quantise a float model to 8 bits, calibrated by the extremes over the photographs.

    Parameters
    ----------
    source, path : path
        ONNX files, the float model and the one to write; it holds all weights itself.
    photographs : list of numpy.ndarray
        Values of the model's one input, :data:`~hwgen.network.zoo.layers.INPUT`.
    form : str
        A key of :data:`FORMATS`.
    activations : str
        A key of :data:`TYPES`; weights are int8.
    per_channel : bool
        A scale for each filter rather than one for each layer.

    Raises
    ------
    HwgenError
        The result is no valid ONNX model, or ONNX Runtime refuses it.
    """
    with _quiet():
        quantize_static(source, path, _Photographs(photographs),
                        quant_format=FORMATS[form], op_types_to_quantize=_QUANTISED,
                        per_channel=per_channel, activation_type=TYPES[activations],
                        weight_type=QuantType.QInt8)
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise HwgenError(f"the quantiser wrote a model that is not valid: "
                         f"{str(error).splitlines()[0]}.") from None
    session(Path(path).read_bytes())


@contextmanager
def _quiet():
    """Without the quantiser's advice to preprocess a model that needs none."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
