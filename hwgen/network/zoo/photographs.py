"""Real photographs as inputs: crops of the sample images that scikit-image carries."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import HwgenError

__all__ = ["centre", "crops", "normalise"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)    # of ImageNet's pixels, in 0..1
_FILES = "astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg"
_SMALLEST = 0.6              # side of a crop over the photograph's shorter side


def crops(count, shape, seed):
    """Random crops, the photographs in turn, resized.

    Parameters
    ----------
    count : int
    shape : tuple of int
        ``(C, H, W)`` of the results: C is 3 for colour, 1 for grey.
    seed : int
        Of the crops' places and sizes.

    Returns
    -------
    list of numpy.ndarray
        Pixels, uint8, each of shape ``(1, C, H, W)``.

    Raises
    ------
    HwgenError
        scikit-image is missing.
    """
    rng, images, made = np.random.default_rng(seed), [_open(name) for name in _FILES], []
    for index in range(count):
        image = images[index % len(images)]
        side = int(min(image.size) * rng.uniform(_SMALLEST, 1))
        left, top = (int(rng.integers(length - side + 1)) for length in image.size)
        made.append(_crop(image, left, top, side, shape))
    return made


def centre(index, shape):
    """From the largest centred square of photograph ``index``; as one of :func:`crops`."""
    image = _open(_FILES[index % len(_FILES)])
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return _crop(image, left, top, side, shape)


def normalise(pixels):
    """Pixels as networks for ImageNet want them: over 255, less the mean, over the deviation.

    Grey pixels get the means of red, green and blue.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape ``(1, 1 or 3, H, W)``.

    Returns
    -------
    numpy.ndarray
        float32, of the same shape.
    """
    mean, std = (np.float32(np.mean(values) if pixels.shape[1] == 1 else values).reshape(-1, 1, 1)
                 for values in (_MEAN, _STD))
    return (pixels.astype(np.float32) / np.float32(255) - mean) / std


def _open(name):
    package = importlib.util.find_spec("skimage")
    if package is None:
        raise HwgenError("the photographs come with scikit-image, which is not installed: run "
                         "'pip install scikit-image', or install hwgen with its extra 'zoo'.")
    path = Path(package.submodule_search_locations[0], "data", name)
    try:
        return Image.open(path).convert("RGB")
    except OSError as error:
        raise HwgenError(f"the photograph {name} of scikit-image cannot be read ({error}): "
                         f"reinstall scikit-image.") from None


def _crop(image, left, top, side, shape):
    """What has the proportions of ``shape`` in a square, resized."""
    channels, height, width = shape
    longest = max(height, width)
    image = image.convert("L" if channels == 1 else "RGB")
    image = image.resize((width, height), Image.Resampling.BILINEAR,
                         box=(left, top, left + side * width / longest,
                              top + side * height / longest))
    pixels = np.asarray(image).reshape(1, height, width, channels)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
