"""Inputs of a network from files: NumPy arrays and images."""

import math
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import HwgenError
from ..files import read_toml

__all__ = ["LAYOUTS", "RESIZES", "Preprocessing", "load", "named", "picture", "shapes"]

LAYOUTS = ("NCHW", "NHWC")
RESIZES = ("no", "stretch", "crop")

_SIXTEEN = 65535             # white of 16 bits

_SHADES = " ░▒▓█"


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of an image on its way into an input.

    Attributes
    ----------
    mean, std : tuple of float
        Into a float input, each pixel of channel c becomes ``(pixel / 255 - mean[c]) / std[c]``;
        one value serves all channels, none is 0 and 1.
    layout : str
        Where the input has its channels: ``NCHW`` or ``NHWC``.
    resize : str
        For an image of another size than the input: ``no`` refuses it, ``stretch`` scales height
        and width by themselves, ``crop`` scales both alike and cuts the middle out; bilinear.
    """
    mean: tuple = ()
    std: tuple = ()
    layout: str = "NCHW"
    resize: str = "no"

    @staticmethod
    def path(model):
        """Where the preprocessing of a model is looked for: ``net.preprocessing.toml`` beside
        ``net.onnx``."""
        return Path(model).with_suffix(".preprocessing.toml")

    @classmethod
    def beside(cls, model, **given):
        """What the file beside the model says, if there is one, but for what is ``given`` (and not
        None).

        Raises :exc:`HwgenError` if the file cannot be read, or says what is not known.
        """
        path = Path(model).is_file() and cls.path(model)
        found = read_toml(path, "preprocessing") if path and path.is_file() else {}
        known = [field.name for field in fields(cls)]
        for key, value in found.items():
            if key not in known:
                raise HwgenError(f"{key!r} in {path} is unknown: the keys are {', '.join(known)}.")
            found[key] = cls._value(key, value, path)
        return cls(**{**found, **{k: v for k, v in given.items() if v is not None}})

    @staticmethod
    def _value(key, value, path):
        if key in ("mean", "std"):
            numbers = value if isinstance(value, list) else [value]
            if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
                raise HwgenError(f"{key} = {value!r} in {path} is not allowed: write a number, or "
                                 f"one a channel in brackets.")
            return tuple(numbers)
        allowed = LAYOUTS if key == "layout" else RESIZES
        if value not in allowed:
            raise HwgenError(f"{key} = {value!r} in {path} is not allowed: choose one of "
                             f"{', '.join(allowed)}.")
        return value


def named(texts):
    """``[(name, path)]`` of inputs written ``FILE`` or ``NAME=FILE``; the name of the former is
    None.

    Raises :exc:`HwgenError` if a name is given twice, or a file without a name is not the only one.
    """
    found = []
    for text in texts:
        name, equals, path = text.partition("=")
        found.append((name, Path(path)) if equals and name and not Path(text).exists()
                     else (None, Path(text)))
    names = [name for name, _ in found]
    if len(found) > 1 and None in names:
        raise HwgenError(f"--input {found[names.index(None)][1]} has no name: with several inputs "
                         f"write --input NAME=FILE for each.")
    for name in names:
        if names.count(name) > 1:
            raise HwgenError(f"--input {name}=... is given twice: give each input once.")
    return found


def shapes(files, model, preprocessing=Preprocessing()):
    """Shapes by name of inputs for which the model leaves dimensions open, as the files fix them.

    Parameters
    ----------
    files : list of (str or None, pathlib.Path)
        What :func:`named` returned.
    model : path
        The ONNX file. If it cannot be read, nothing is found.
    """
    declared, found = _declared(model), {}
    for name, path in files:
        if not path.is_file():
            continue
        if name is None and path.suffix == ".npz":
            found.update({key: array.shape for key, array in _arrays(path).items()})
            continue
        key = name if name is not None else next(iter(declared)) if len(declared) == 1 else None
        dims = declared.get(key)
        if dims is None:
            continue
        if path.suffix in (".npy", ".npz"):
            found[key] = next(iter(_arrays(path).values())).shape
        elif len(dims) == 4 and None in dims[1:]:
            with _image(path) as image:
                sizes = (1, dims[1], image.height, image.width)
            if preprocessing.layout == "NHWC":
                sizes = (1, sizes[2], sizes[3], dims[3])
            found[key] = tuple(size if known is None else known
                               for known, size in zip(dims, sizes, strict=True))
    return {key: shape for key, shape in found.items()
            if None not in shape and None in declared.get(key, (None,))}


def _declared(model):
    """``{name: dimensions}`` of a model's inputs of known rank, None for each open one."""
    try:
        graph = onnx.load(model, load_external_data=False).graph
    except (OSError, DecodeError):
        return {}
    constants = {tensor.name for tensor in graph.initializer}
    # Some exporters write an open dimension as -1.
    return {value.name: tuple(d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None
                              for d in value.type.tensor_type.shape.dim)
            if value.type.tensor_type.HasField("shape") else (None,)
            for value in graph.input if value.name not in constants}


def load(files, network, preprocessing=Preprocessing(), *, notice=lambda text: None):
    """The inputs that files hold.

    Parameters
    ----------
    files : list of (str or None, pathlib.Path)
        What :func:`named` returned. Without a name: ``.npy`` or an image (the one input), or
        ``.npz`` (every input by name). With a name: ``.npy``, an ``.npz`` of one array, an image.
        An image is for an input of 1 or 3 channels, float32 or uint8; one of 16 bits a value
        counts as much as one of 8, and white is 1.0 or 255.
    network : Network or Graph
    preprocessing : Preprocessing
        For images.
    notice : callable
        Called with a sentence if an image is resized.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    HwgenError
        A file is missing, holds none of these, or does not suit the network.
    """
    if (preprocessing.mean or preprocessing.std) and all(
            path.suffix in (".npy", ".npz") for _, path in files):
        raise HwgenError(f"--mean and --std are for images, but {files[0][1]} is a NumPy file: "
                         f"normalise the array itself.")
    found = {}
    for name, path in files:
        if not path.is_file():
            raise HwgenError(f"the input {path} is not a file: give an .npy, .npz or image file.")
        if name is not None and name not in network.inputs:
            raise HwgenError(f"{name!r} is not an input of {network.name}: its inputs are "
                             f"{', '.join(map(repr, network.inputs))}.")
        if name is None and path.suffix == ".npz":
            found.update(_arrays(path))
            continue
        if name is None:
            if len(network.inputs) != 1:
                raise HwgenError(f"{path} holds one array, but {network.name} has the inputs "
                                 f"{', '.join(map(repr, network.inputs))}: give each one with "
                                 f"--input NAME=FILE, or an .npz with all of them.")
            name, = network.inputs
        if path.suffix in (".npy", ".npz"):
            arrays = _arrays(path)
            if len(arrays) != 1:
                raise HwgenError(f"{path} holds {len(arrays)} arrays for the input {name!r}: give "
                                 f"a file of one, or the .npz without a name.")
            found[name], = arrays.values()
        else:
            found[name] = _pixels(path, name, *network.inputs[name], preprocessing, notice)
    return found


def _arrays(path):
    """``{name: array}`` of an ``.npz``; the name in an ``.npy`` is empty."""
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"": loaded}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise HwgenError(f"{path} is not a NumPy file that can be read: {error}.") from None


def _image(path):
    """The image in a file, opened."""
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        raise HwgenError(f"{path} is neither a NumPy file (.npy, .npz) nor an image that can be "
                         f"read.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise HwgenError(f"the image {path} cannot be read: {error}.") from None


def _pixels(path, name, shape, dtype, preprocessing, notice):
    """The image in a file as the input ``name``."""
    dtype, layout = np.dtype(dtype), preprocessing.layout
    at = layout.index("C")
    if len(shape) != 4 or shape[0] != 1 or shape[at] not in (1, 3):
        wanted = ", ".join("1" if d == "N" else "1 or 3" if d == "C" else d for d in layout)
        raise HwgenError(f"the image {path} cannot serve the input {name!r} of shape "
                         f"{tuple(shape)}: an image needs ({wanted}); give an .npy file, or "
                         f"another --layout.")
    if dtype not in (np.float32, np.uint8):
        raise HwgenError(f"the image {path} cannot serve the input {name!r} of type {dtype}: an "
                         f"image needs float32 or uint8; give an .npy file.")
    channels, height, width = shape[at], *(shape[layout.index(d)] for d in "HW")
    for option, values in (("--mean", preprocessing.mean), ("--std", preprocessing.std)):
        if values and dtype != np.float32:
            raise HwgenError(f"{option} is for float inputs, but {name!r} is {dtype}: leave it "
                             f"out.")
        if values and len(values) not in (1, channels):
            raise HwgenError(f"{option} has {len(values)} values: give 1 or {channels}, as the "
                             f"input {name!r} has {channels} channels.")
    if 0 in preprocessing.std:
        raise HwgenError("--std 0 is not allowed: it divides.")
    image = _converted(path, channels, notice)
    if image.size != (width, height):
        image = _resized(path, image, (width, height), preprocessing.resize, notice)
    pixels = np.asarray(image).reshape(1, height, width, -1)
    pixels, white = np.broadcast_to(pixels, (1, height, width, channels)), np.float32(255)
    if image.mode == "F":
        white = np.float32(_SIXTEEN)
    if dtype == np.float32:
        pixels = pixels.astype(np.float32) / white
        if preprocessing.mean:
            pixels = pixels - np.array(preprocessing.mean, np.float32)
        if preprocessing.std:
            pixels = pixels / np.array(preprocessing.std, np.float32)
    elif image.mode == "F":
        pixels = np.rint(pixels * (255 / _SIXTEEN)).astype(np.uint8)
    return np.ascontiguousarray(pixels if layout == "NHWC" else pixels.transpose(0, 3, 1, 2))


def _converted(path, channels, notice):
    """The image in a file: of mode ``L`` or ``RGB``; of mode ``F`` and values up to 65535, for any
    number of channels, if it is grey with 16 bits."""
    try:
        with _image(path) as file:
            opaque = file
            if file.has_transparency_data:
                opaque = file.convert("RGBA")
                if opaque.getchannel("A").getextrema()[0] < 255:
                    raise HwgenError(f"the image {path} is transparent in places, and what is "
                                     f"behind them is not known: save it without transparency.")
            if file.mode.startswith("I;16") or file.mode == "I" and file.format in ("PNG", "PPM"):
                return Image.fromarray(np.asarray(file).astype(np.float32))
            if file.mode in ("I", "F"):
                raise HwgenError(f"the image {path} has values of 32 bits, and what is white among "
                                 f"them is not known: give an .npy file, or save it with 8 or 16 "
                                 f"bits.")
            if any(";16" in str(tile[3]) for tile in file.tile):
                notice(f"{path} has 16 bits a colour, of which the upper 8 are taken.")
            return opaque.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise HwgenError(f"the image {path} cannot be read: {error}.") from None


def _resized(path, image, size, how, notice):
    said = f"{path} has {image.width}x{image.height} pixels; "
    if how == "no":
        raise HwgenError(f"{said}the input takes {size[0]}x{size[1]}: give such an image, or "
                         f"--resize stretch or crop.")
    notice(f"{said}resized to {size[0]}x{size[1]} ({how}).")
    if how == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    return image.resize(size, Image.Resampling.BILINEAR)


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
