"""Images of every kind as inputs: by value, or refused by a sentence."""

import struct
import subprocess
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.host.inputs import Preprocessing, load

_GREY = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8) + np.uint16(600)
_COLOURS = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)


def loaded(path, channels=1, dtype=np.float32, *, shape=(8, 8), notes=None, **preprocessing):
    network = SimpleNamespace(name="net", inputs={"x": ((1, channels, *shape), dtype)})
    return load([(None, path)], network, Preprocessing(**preprocessing),
                notice=(notes if notes is not None else []).append)["x"]


@pytest.mark.parametrize("end", ["png", "tif", "pgm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_of_16_bits(tmp_path, end, channels):
    path = tmp_path / f"x.{end}"
    Image.fromarray(_GREY).save(path)
    wanted = np.broadcast_to(_GREY.astype(np.float32) / np.float32(65535), (1, channels, 8, 8))
    assert np.array_equal(loaded(path, channels), wanted)
    codes = loaded(path, channels, np.uint8)
    assert codes.dtype == np.uint8 and np.array_equal(codes, np.rint(wanted * 255))
    normalised = loaded(path, channels, mean=(0.5,), std=(0.25,))
    assert np.allclose(normalised, (wanted - 0.5) / 0.25, atol=1e-6)


def test_grey_of_16_bits_is_resized_by_value(tmp_path):
    Image.fromarray(np.repeat(np.repeat(_GREY, 2, 0), 2, 1)).save(tmp_path / "x.png")
    small = loaded(tmp_path / "x.png", resize="stretch")
    assert np.abs(small - _GREY / 65535).max() < 0.05 and small.max() > 0.9 > 0.1 > small.min()


def test_a_bitmap_of_one_bit(tmp_path):
    Image.fromarray(_GREY > 30000).save(tmp_path / "x.png")
    assert np.array_equal(loaded(tmp_path / "x.png")[0, 0], _GREY > 30000)


def test_a_palette(tmp_path):
    image = Image.fromarray(_COLOURS).quantize(16)
    image.save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as found:
        assert found.mode == "P"
    wanted = np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None]
    assert len(np.unique(wanted)) > 16 and np.array_equal(
        loaded(tmp_path / "x.png", 3, np.uint8), wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "palette", "colour key"])
def test_transparency(tmp_path, mode):
    """Nowhere: as if it were not there. Somewhere: refused."""
    image = Image.fromarray(_COLOURS)
    path, options = tmp_path / "x.png", {}
    if mode == "palette":
        image = image.quantize(16)
        options = {"transparency": bytes([255] * 16)}, {"transparency": bytes([0] + [255] * 15)}
        clear, some = image, image
    elif mode == "colour key":
        clear, some = image, image
        options = {"transparency": (1, 2, 3)}, {"transparency": tuple(map(int, _COLOURS[0, 0]))}
    else:
        clear = image.convert("RGBA")
        some = clear.copy()
        some.putpixel((3, 3), (1, 2, 3, 128))
        clear, some = (made.convert("LA") if mode == "LA" else made for made in (clear, some))
        path, options = (tmp_path / "x.tif" if mode == "PA" else path), ({}, {})
    clear.save(path, **options[0])
    wanted = image.convert("L" if mode == "LA" else "RGB").convert("RGB")
    assert np.array_equal(loaded(path, 3, np.uint8),
                          np.asarray(wanted).transpose(2, 0, 1)[None])
    some.save(path, **options[1])
    with pytest.raises(HwgenError, match="is transparent in places"):
        loaded(path, 3)


@pytest.mark.parametrize("values", [np.float32, np.int32])
def test_values_of_32_bits_are_refused(tmp_path, values):
    Image.fromarray((_GREY / 65535).astype(values)).save(tmp_path / "x.tif")
    with pytest.raises(HwgenError, match="has values of 32 bits, and what is white among them"):
        loaded(tmp_path / "x.tif")


def test_colours_of_16_bits_are_told(tmp_path):
    """Pillow takes the upper 8."""
    wide = (_COLOURS.astype(int) * 256 + 77).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in wide)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data))
    (tmp_path / "x.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
    notes = []
    got = loaded(tmp_path / "x.png", 3, np.uint8, notes=notes)
    assert np.array_equal(got, _COLOURS.transpose(2, 0, 1)[None])
    assert notes == [f"{tmp_path / 'x.png'} has 16 bits a colour, of which the upper 8 are taken."]


def test_in_the_command(tmp_path):
    """A digit of 16 bits is seen as the one of 8."""
    with Image.open("examples/lenet5/digits/7.png") as digit:
        Image.fromarray(np.asarray(digit).astype(np.uint16) * 257).save(tmp_path / "7.png")
    said = [subprocess.run([sys.executable, "-m", "hwgen", "run", "examples/lenet5/lenet5.onnx",
                            "--input", path, "--sim", "golden"], capture_output=True, check=True
                           ).stdout for path in ("examples/lenet5/digits/7.png",
                                                 tmp_path / "7.png")]
    assert said[0] == said[1]
