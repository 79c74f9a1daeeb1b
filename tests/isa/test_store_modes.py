"""The modes of STORE: their meaning, and that all of the set are spoken of."""

import numpy as np
import pytest

from hwgen import isa
from hwgen.config import Config
from hwgen.isa.store_modes import (
    MODE_BITS,
    MODES,
    PRODUCT,
    RAW,
    REQUANTISE,
    SUM,
    available,
)

WITH, WITHOUT = Config(), Config(tables=False)
STORE = {"zy": 128, "lo": 0, "hi": 255, "ysigned": 0,
         "scale": int(np.float32(0.5).view(np.uint32))}


def outputs(mode, psums, parameters, **changes):
    return mode.outputs({**STORE, **changes}, WITH, np.array(psums, np.int32), parameters)


def channels(bias, scale):
    """Parameter words of channels, in words of 8 lanes."""
    words = np.zeros((1, WITH.lanes, 2), np.int32)
    words[0, :len(bias), 0] = bias
    words[0, :len(scale), 1] = np.array(scale, np.float32).view(np.int32)
    return words


def tables(a, b):
    words = np.zeros((256, WITH.lanes, 2), np.int32)
    words[:, :, 0], words[:, :, 1] = np.array(a)[:, None], np.array(b)[:, None]
    return words


def test_requantise_rounds_to_even_and_clips():
    words = channels([1, 0, 0, 0], [0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(
        outputs(REQUANTISE, [[0, 3, 200, -200]], words), [[128, 130, 255, 0]])
    signed = outputs(REQUANTISE, [[0, 3, 200, -200]], words, ysigned=1, zy=0, lo=0x80, hi=100)
    assert signed.dtype == np.int8 and signed.tolist() == [[0, 2, 100, -128]]


def test_raw_keeps_the_psum_and_wraps():
    found = outputs(RAW, [[2 ** 31 - 1, 5]], channels([1, -7], [1, 1]))
    assert found.dtype == np.int32 and found.tolist() == [[-2 ** 31, -2]]


def test_sum_and_product_look_two_bytes_up():
    words = tables(np.arange(256), np.arange(256) * -2)
    psum = 3 | 5 << 8 | 0x7F0000
    assert outputs(SUM, [[psum]], words).tolist() == [[128 + round((3 - 10) / 2)]]
    assert outputs(PRODUCT, [[psum]], words).tolist() == [[128 - 15]]
    # Of a product's entries only 9 bits count.
    assert outputs(PRODUCT, [[psum]], words + 512).tolist() == [[128 - 15]]


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_scales_are_positive_and_finite(scale):
    with pytest.raises(ValueError, match="a scale is not positive finite"):
        outputs(REQUANTISE, [[1]], channels([0], [scale]))


def test_what_a_mode_needs():
    modes = REQUANTISE, SUM, PRODUCT, RAW
    assert available(WITH) == tuple(MODES.values())
    assert {REQUANTISE, RAW} <= set(available(WITHOUT)) <= set(MODES.values()) - {SUM, PRODUCT}
    assert [mode.bytes_per_output for mode in modes] == [1, 1, 1, 4]
    assert [mode.may_pool for mode in modes] == [True, True, True, False]
    # 8 lanes, 4 of them with tables, 32 bytes of a word.
    assert [mode.psum_reads(WITH, 9) for mode in modes] == [2, 3, 3, 5]
    assert SUM.psum_reads(WITH, np.array([1, 4, 5])).tolist() == [1, 1, 2]


def test_numbers_fit_the_field():
    field = next(field for field, _ in isa.COMMANDS["STORE"].fields() if field.name == "mode")
    assert field.bits == MODE_BITS and max(MODES) < 1 << MODE_BITS
    assert all(mode.number == number for number, mode in MODES.items())
    for mode in MODES.values():
        assert f"* {mode.number}, {mode.name}: {mode.doc}" in isa.COMMANDS["STORE"].doc
        assert f"{mode.number} {mode.name}" in field.doc
        _, fields = isa.unpack(isa.pack("STORE", mode=mode.number, out_cols=3, p=5))
        assert fields["row_bytes"] == 15 * mode.bytes_per_output
