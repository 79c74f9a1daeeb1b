"""Samples of a model's inputs, from images and NumPy files."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import HwgenError
from ..host import inputs as input_files

__all__ = ["Samples"]

_ARRAYS = (".npy", ".npz")


class Samples:
    """Values of a model's inputs, read when they are asked for; can be gone through many times.

    Parameters
    ----------
    sources : list of path
        Files and folders. An image or ``.npy`` is for a model's one input, an ``.npz`` has every
        input by name. An array has the input's shape; or with batch 1 and many samples, those
        along the first axis, or one without that axis. Of a folder, all files of these kinds in
        the order of their names.
    model
        Its ``name`` and ``inputs``, as of :class:`~hwgen.quantisation.float_model.FloatModel`.
    preprocessing : ~hwgen.host.inputs.Preprocessing
        For images.
    limit : int or None
        At most so many, spread evenly over all that there are.
    notice : callable
        Called with a sentence if an image is resized.

    Raises
    ------
    HwgenError
        There are none, or a file does not suit the model.
    """
    def __init__(self, sources, model, preprocessing=None, *, limit=None,
                 notice=lambda text: None):
        self._model, self._notice = model, notice
        self._how = preprocessing or input_files.Preprocessing()
        files = [file for source in sources for file in _files(Path(source))]
        if not files:
            raise HwgenError("there is no calibration data: name images, .npy or .npz files, or "
                             "folders of them, with --calibrate.")
        where = [(file, index) for file in files for index in range(self._count(file))]
        if not where:
            raise HwgenError(f"there is no sample in {', '.join(map(str, sources))}: the arrays "
                             f"are empty.")
        count = min(limit or len(where), len(where))
        self._where = [where[index * len(where) // count] for index in range(count)]

    def __len__(self):
        return len(self._where)

    def __iter__(self):
        """Each sample: a dict of arrays by input."""
        last, arrays = None, None
        for file, index in self._where:
            if file != last:
                last, arrays = file, self._arrays(file)
            yield {name: np.ascontiguousarray(array[index]) for name, array in arrays.items()}

    def _count(self, file):
        """Samples in a file: an image is one."""
        if file.suffix.lower() not in _ARRAYS:
            return 1
        return len(next(iter(self._arrays(file).values())))

    def _arrays(self, file):
        """Arrays by input, with the samples along a new first axis."""
        inputs = self._model.inputs
        if len(inputs) > 1 and file.suffix.lower() != ".npz":
            raise HwgenError(f"{file} holds one array, but {self._model.name} has the inputs "
                             f"{', '.join(map(repr, inputs))}: give .npz files with all of them.")
        loaded = input_files.load([(None, file)], self._model, self._how if file.suffix.lower() not
                                  in _ARRAYS else input_files.Preprocessing(), notice=self._notice)
        if len(loaded) == len(inputs) == 1:         # whatever the array in an .npz is called
            loaded = dict(zip(inputs, loaded.values(), strict=True))
        missing = [name for name in inputs if name not in loaded]
        if missing:
            raise HwgenError(f"{file} has no array {missing[0]!r}: an .npz needs one for each "
                             f"input, {', '.join(map(repr, inputs))}.")
        stacked = {name: _stacked(file, name, loaded[name], *inputs[name]) for name in inputs}
        counts = {name: len(array) for name, array in stacked.items()}
        if len(set(counts.values())) > 1:
            shown = " and ".join(f"{n} of {name!r}" for name, n in counts.items())
            raise HwgenError(f"{file} has {shown}: give as many samples of each input.")
        return stacked


def _files(source):
    """The files that a source stands for."""
    if not source.is_dir():
        if not source.exists():
            raise HwgenError(f"--calibrate {source} does not exist: name images, .npy or .npz "
                             f"files, or folders of them.")
        return [source]
    known = {*_ARRAYS, *Image.registered_extensions()}
    found = [path for path in sorted(source.iterdir())
             if path.is_file() and path.suffix.lower() in known]
    if not found:
        raise HwgenError(f"--calibrate {source} has no image, .npy or .npz file in it.")
    return found


def _stacked(file, name, array, shape, dtype):
    """``array`` with its samples, each of ``shape``, along a new first axis."""
    if array.dtype == np.float64 and dtype == np.float32:
        array = array.astype(np.float32)
    if array.dtype != dtype:
        raise HwgenError(f"{file} has {array.dtype} for the input {name!r}, which takes {dtype}: "
                         f"convert the array.")
    if array.shape == shape:
        return array[None]
    if shape and shape[0] == 1:
        if array.shape == shape[1:]:
            return array[None, None]
        if array.shape[1:] == shape[1:]:
            return array[:, None]
    if array.shape[1:] == shape:
        return array
    raise HwgenError(f"{file} has the shape {array.shape} for the input {name!r}, which takes "
                     f"{shape}, or several of these along a first axis.")
