"""Quantisation by ONNX Runtime's own quantiser."""

import logging
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from ..errors import HwgenError
from .ort_session import reason, session

__all__ = ["FORMATS", "TYPES", "quantise", "quiet"]

FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


class _Readings(CalibrationDataReader):
    def __init__(self, samples):
        self._samples = iter(samples)

    def get_next(self):
        return next(self._samples, None)


def quantise(source, path, samples, operators, *, form="qdq", activations="uint8",
             per_channel=True):
    """Quantise a float model to 8 bits, calibrated by the extremes over samples.

    Parameters
    ----------
    source, path : path
        ONNX files, the float model and the one to write; it holds all weights itself.
    samples : iterable of dict of str to numpy.ndarray
        Values of the model's inputs by name.
    operators : iterable of str
        Types of the operators that are quantised.
    form : str
        A key of :data:`FORMATS`.
    activations : str
        A key of :data:`TYPES`; weights are int8.
    per_channel : bool
        A scale for each filter rather than one for each layer.

    Raises
    ------
    HwgenError
        The quantiser fails, or its result is no valid ONNX model, or ONNX Runtime refuses that.
    """
    try:
        with quiet():
            quantize_static(source, path, _Readings(samples), quant_format=FORMATS[form],
                            op_types_to_quantize=sorted(operators), per_channel=per_channel,
                            activation_type=TYPES[activations], weight_type=QuantType.QInt8)
    except (HwgenError, OSError):
        raise
    except Exception as error:      # the quantiser's have no common base of their own
        raise HwgenError(f"ONNX Runtime's quantiser cannot quantise the model: {reason(error)}"
                         ) from None
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise HwgenError(f"the quantiser wrote a model that is not valid: "
                         f"{str(error).splitlines()[0]}.") from None
    session(Path(path).read_bytes())


@contextmanager
def quiet():
    """Without the quantiser's advice, which is about steps that were taken or are not needed."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
