"""The disassembler against the commands that were assembled."""

import re

import numpy as np
import pytest

from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.isa import disassemble as listing

from ..compiler.layers import conv, network, pool, tensor

_NAMES = {name: 1 << bit for bit, name in enumerate(listing._SEMAPHORES)}


@pytest.fixture(scope="module")
def program():
    rng = np.random.default_rng(1)
    first = conv(rng, tensor("x", (6, 13, 13), rng), 12, (3, 3), name="first", pads=(1, 1, 1, 1))
    second = conv(rng, first.y, 40, (1, 1), name="second")
    return compile_network(network(first, second, pool(second.y, (2, 2), (2, 2))),
                           Config(rows=4, cols=3, glb_kib=16, params_depth=64, tables=False))


def number(text):
    """The number that a field's text stands for."""
    if re.fullmatch(r"\d+\.\d+\.\d+", text):
        off, bank, sub = map(int, text.split("."))
        return off << 8 | bank << 3 | sub
    if text[0].isalpha():
        return sum(_NAMES[name] for name in text.split("+"))
    return int(text, 0)


def test_the_text_says_all_that_the_bytes_say(program):
    for segment in program.segments:
        lines = list(listing.listing(program.image, segment.offset, program.config))
        assert len(lines) * isa.COMMAND_BYTES == segment.size
        for index, line in enumerate(lines):
            at = segment.offset + index * isa.COMMAND_BYTES
            name, values = isa.unpack(program.image[at:at + isa.COMMAND_BYTES])
            address, command, *fields = line.partition(";")[0].split()
            assert int(address, 16) == at and command == name
            found = dict(field.split("=") for field in fields)
            assert {key: number(value) for key, value in found.items()} == \
                {key: value for key, value in values.items() if value}


def test_filters_are_described(program):
    segment = program.segments[0]
    m = segment.mapping
    lines = [line for line in listing.listing(program.image, segment.offset, program.config)
             if " FILTER " in line]
    passes = -(-m.chunk * 3 // 4)
    assert lines and all(f"; {passes} passes, " in line for line in lines)
    assert all(line.endswith(f"packets of {m.p * m.q * 3} weights a PE") for line in lines)
    assert ";" not in "".join(listing.listing(program.image, segment.offset))


def test_programs_are_found_in_an_image(program):
    assert list(listing.programs(program.image)) == [(segment.offset, segment.size)
                                                     for segment in program.segments]


@pytest.mark.parametrize("damage, message", [
    (lambda image: b"", "does not start with a program: its first bytes are missing"),
    (lambda image: b"\x07" + image[1:], "does not start with a program"),
    (lambda image: image[:200], "has no END: the image is cut off"),
    (lambda image: image[:64] + b"\x99" + image[65:], "0x00000040 has opcode 153, which is "),
])
def test_refusals(program, damage, message):
    with pytest.raises(HwgenError, match=message):
        list(listing.programs(damage(program.image)))


def test_damaged_packets_do_not_stop_the_listing(program):
    """Random bytes in place of the filters: the commands are listed all the same."""
    code = sum(segment.size for segment in program.segments)
    noise = np.random.default_rng(1).integers(0, 256, len(program.image) - code, np.uint8)
    image = program.image[:code] + noise.tobytes()
    segment = program.segments[0]
    assert len(list(listing.listing(image, segment.offset, program.config))) * 64 == segment.size
