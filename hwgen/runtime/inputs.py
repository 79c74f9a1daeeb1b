"""Inputs of a network from files: NumPy arrays and images."""

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import HwgenError

__all__ = ["load", "picture", "shapes"]

_SHADES = " ░▒▓█"


def shapes(path):
    """Shapes by name of the arrays in an ``.npz``, for models that leave dimensions open; of any
    other file, nothing."""
    if Path(path).suffix != ".npz" or not Path(path).is_file():
        return {}
    return {name: array.shape for name, array in _arrays(Path(path)).items()}


def load(path, network, *, mean=(), std=(), notice=lambda text: None):
    """The inputs that the file at ``path`` holds.

    Parameters
    ----------
    path : path
        ``.npy`` (the one input), ``.npz`` (every input by name), or an image, for a network whose
        one input is ``(1, 1 or 3, H, W)``.
    network : Network
    mean, std : tuple of float
        For images into a float input: each pixel of channel c becomes ``(pixel / 255 - mean[c]) /
        std[c]``; one value serves all channels, none is 0 and 1.
    notice : callable
        Called with a sentence if an image is resized.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    HwgenError
        The file is missing, holds none of these, or does not suit the network.
    """
    path = Path(path)
    if not path.is_file():
        raise HwgenError(f"the input {path} is not a file: give an .npy, .npz or image file.")
    if path.suffix in (".npy", ".npz"):
        if mean or std:
            raise HwgenError(f"--mean and --std are for images, but {path} is a NumPy file: "
                             f"normalise the array itself.")
        return _numpy(path, network)
    return _image(path, network, mean, std, notice)


def _arrays(path):
    """``{name: array}`` of an ``.npz``; the name in an ``.npy`` is empty."""
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"": loaded}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise HwgenError(f"{path} is not a NumPy file that can be read: {error}.") from None


def _numpy(path, network):
    arrays = _arrays(path)
    if "" not in arrays:
        return arrays
    if len(network.inputs) != 1:
        raise HwgenError(f"{path} holds one array, but {network.name} has the inputs "
                         f"{', '.join(map(repr, network.inputs))}: give an .npz with all of them.")
    return {name: arrays[""] for name in network.inputs}


def _image(path, network, mean, std, notice):
    if len(network.inputs) != 1:
        raise HwgenError(f"the image {path} cannot serve {network.name}, which has "
                         f"{len(network.inputs)} inputs: give an .npz with all of them.")
    (name, (shape, dtype)), = network.inputs.items()
    dtype = np.dtype(dtype)
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3):
        raise HwgenError(f"the image {path} cannot serve the input {name!r} of shape "
                         f"{tuple(shape)}: an image needs (1, 1 or 3, H, W); give an .npy file.")
    if dtype not in (np.float32, np.uint8):
        raise HwgenError(f"the image {path} cannot serve the input {name!r} of type {dtype}: an "
                         f"image needs float32 or uint8; give an .npy file.")
    _, channels, height, width = shape
    for option, values in (("--mean", mean), ("--std", std)):
        if values and dtype != np.float32:
            raise HwgenError(f"{option} is for float inputs, but {name!r} is {dtype}: leave it "
                             f"out.")
        if values and len(values) not in (1, channels):
            raise HwgenError(f"{option} has {len(values)} values: give 1 or {channels}, as the "
                             f"input {name!r} has {channels} channels.")
    if 0 in std:
        raise HwgenError("--std 0 is not allowed: it divides.")
    try:
        with Image.open(path) as file:
            image = file.convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise HwgenError(f"{path} is neither a NumPy file (.npy, .npz) nor an image that can be "
                         f"read.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise HwgenError(f"the image {path} cannot be read: {error}.") from None
    if image.size != (width, height):
        notice(f"{path} has {image.width}x{image.height} pixels; resized to {width}x{height}.")
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)[np.newaxis]
    if dtype == np.uint8:
        return {name: np.ascontiguousarray(pixels)}
    values = pixels.astype(np.float32) / np.float32(255)
    per_channel = (1, -1, 1, 1)
    if mean:
        values = values - np.array(mean, np.float32).reshape(per_channel)
    if std:
        values = values / np.array(std, np.float32).reshape(per_channel)
    return {name: np.ascontiguousarray(values)}


def picture(array):
    """Text that shows a small greyscale image, or None if ``array`` is none.

    ``array`` has shape ``(1, 1, H, W)``, up to 32 x 40; its values are stretched to five shades,
    two characters a pixel, and plain margins are left out.
    """
    if array.ndim != 4 or array.shape[:2] != (1, 1) or array.shape[2] > 32 or array.shape[3] > 40:
        return None
    image = array[0, 0].astype(np.float64)
    low, high = image.min(), image.max()
    if low == high:
        return None
    levels = np.rint((image - low) / (high - low) * (len(_SHADES) - 1)).astype(int)
    rows, columns = np.nonzero(levels != levels[0, 0])
    levels = levels[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
    return "\n".join("".join(_SHADES[level] * 2 for level in row) for row in levels)
