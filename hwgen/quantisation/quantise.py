"""A float model quantised, and how near the result is to it."""

import math
import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import HwgenError
from ..files import check_target, write_whole
from ..host.inputs import Preprocessing
from ..importer import onnx_import
from ..network import quantiser
from ..network.ort_session import reason, session
from ..report.placement import Placement
from .float_model import FloatModel
from .samples import Samples

__all__ = ["OPERATORS", "Output", "Quantised", "quantise"]

#: What is quantised: operators with weights, and those between them that the array or its output
#: stage takes. Other float operators keep their precision on the host.
OPERATORS = frozenset((
    "Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu",
    "Reshape", "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"))


@dataclass(frozen=True)
class Output:
    """One output of the quantised model beside the float model's, over all samples.

    Attributes
    ----------
    sqnr_db : float or None
        Ratio of the float values' energy to that of the differences, in dB; None if nothing
        differs.
    largest_difference : float
    agreement : float or None
        Share of the samples whose largest value is at the same place; None if the output is no
        vector of classes.
    """
    sqnr_db: float
    largest_difference: float
    agreement: float

    def to_dict(self):
        """Plain data, ready for JSON, which knows no infinity."""
        return {key: str(value) if value is not None and not math.isfinite(value) else value
                for key, value in vars(self).items()}


@dataclass(frozen=True)
class Quantised:
    """What :func:`quantise` made.

    Attributes
    ----------
    model : bytes
        The quantised ONNX model.
    float_bytes : int
        Size of the float model.
    samples : int
    outputs : dict of str to Output
    placement : ~hwgen.report.placement.Placement
        What of it runs on the accelerator, and why the rest does not.
    """
    model: bytes
    float_bytes: int
    samples: int
    outputs: dict
    placement: Placement

    def to_dict(self):
        """Plain data, ready for JSON."""
        return {"float_bytes": self.float_bytes, "bytes": len(self.model), "samples": self.samples,
                "outputs": {name: output.to_dict() for name, output in self.outputs.items()},
                "placement": self.placement.to_dict()}


def quantise(source, calibration, out=None, *, shapes=None, preprocessing=None, samples=None,
             activations="uint8", per_channel=True, form="qdq", progress=None,
             notice=lambda text: None):
    """Quantise a float ONNX model to 8 bits, calibrated on samples, and compare it with the float
    model on the same samples.

    Parameters
    ----------
    source : path or bytes
        The float model.
    calibration : path or list of path
        Images, ``.npy`` and ``.npz`` files, and folders of them; see
        :class:`~hwgen.quantisation.samples.Samples`.
    out : path, optional
        Where to write the quantised model, whole or not at all.
    shapes : dict of str to tuple, optional
        Shapes of inputs for which the file leaves dimensions open; an open batch is 1.
    preprocessing : ~hwgen.host.inputs.Preprocessing, optional
        What becomes of images.
    samples : int, optional
        At most so many of the samples, spread evenly.
    activations : str
        ``uint8`` or ``int8``; weights are int8.
    per_channel : bool
        A weight scale for each filter rather than one for each layer.
    form : str
        ``qdq`` or ``qoperator``.
    progress : callable, optional
        Called with what is being done, how many samples are done, and how many there are.
    notice : callable
        Called with a sentence if an image is resized.

    Returns
    -------
    Quantised

    Raises
    ------
    HwgenError
        An option is unknown, the model is not a float model that can be quantised, the samples do
        not suit it, or the result cannot be written.
    """
    check_target("--out", out)
    for name, value, allowed in (("activations", activations, ("uint8", "int8")),
                                 ("form", form, ("qdq", "qoperator"))):
        if value not in allowed:
            raise HwgenError(f"{name} = {value!r} is unknown: choose {' or '.join(allowed)}.")
    if samples is not None and samples < 1:
        raise HwgenError(f"samples = {samples} is out of range: 1 or more are allowed.")
    if isinstance(calibration, str | PathLike):
        calibration = [calibration]
    model = FloatModel(source, shapes or {})
    data = Samples(calibration, model, preprocessing or Preprocessing(), limit=samples,
                   notice=notice)

    def going(what):
        for index, sample in enumerate(data):
            if progress is not None:
                progress(what, index, len(data))
            yield sample
    with tempfile.TemporaryDirectory(prefix="hwgen-quantise-") as folder:
        prepared, target = Path(folder, "float.onnx"), Path(folder, "quantised.onnx")
        model.prepare(prepared)
        quantiser.quantise(prepared, target, going("calibrating"), OPERATORS, form=form,
                           activations=activations, per_channel=per_channel)
        content = target.read_bytes()
        outputs = _compared(model.serialise(), content, going("comparing"))
    result = Quantised(content, model.size, len(data), outputs,
                       Placement.of(onnx_import.load(content)))
    if out is not None:
        write_whole(out, lambda file: file.write(content))
    return result


class _Comparison:
    """What adds up of an output over the samples."""

    def __init__(self):
        self.signal = self.noise = self.largest = 0.0
        self.equal, self.classes = [], True

    def add(self, exact, got):
        if not np.issubdtype(exact.dtype, np.number) or exact.shape != got.shape or not exact.size:
            self.classes = False
            return
        exact, got = exact.astype(np.float64), got.astype(np.float64)
        self.signal += float(np.sum(exact ** 2))
        self.noise += float(np.sum((exact - got) ** 2))
        self.largest = max(self.largest, float(np.abs(exact - got).max()))
        self.classes = self.classes and 1 < exact.size == max(exact.shape)
        if self.classes:
            self.equal.append(exact.argmax() == got.argmax())

    def output(self):
        if not math.isfinite(self.noise) or not math.isfinite(self.signal):
            sqnr = -math.inf
        elif self.noise and self.signal:
            sqnr = 10 * math.log10(self.signal / self.noise)
        else:
            sqnr = None if not self.noise else -math.inf
        return Output(sqnr, self.largest, float(np.mean(self.equal)) if self.classes else None)


def _compared(exact, quantised, samples):
    """``{output: Output}`` of two serialised models over the samples."""
    sessions = session(exact), session(quantised)
    names = [output.name for output in sessions[0].get_outputs()]
    found = {name: _Comparison() for name in names}
    for sample in samples:
        try:
            results = [runtime.run(names, sample) for runtime in sessions]
        except Exception as error:      # ONNX Runtime's have no common base
            raise HwgenError(f"ONNX Runtime cannot run the model: {reason(error)}") from None
        for name, *values in zip(names, *results, strict=True):
            found[name].add(*values)
    return {name: comparison.output() for name, comparison in found.items()}
