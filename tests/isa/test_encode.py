"""Commands and headers of filter packets as bits, and back."""

import random

import pytest

from hwgen import isa


@pytest.mark.parametrize("name", isa.COMMANDS)
def test_commands_come_back(name):
    rng = random.Random(name)
    for _ in range(20):
        given = {field.name: rng.getrandbits(field.bits) - (field.signed << field.bits - 1)
                 for field, _ in isa.COMMANDS[name].fields()}
        data = isa.pack(name, **given)
        assert len(data) == isa.COMMAND_BYTES
        assert isa.unpack(data) == (name, given)


def test_fields_left_out_are_zero_or_derived():
    _, fields = isa.unpack(isa.pack("LOAD", cols=5, dram_channels=3, q=3, keep_every_col=1,
                                    rows=2, row_stride=16, group_stride=64))
    assert (fields["row_last"], fields["dram_channels_last"], fields["group_step"]) == (14, 2, 48)
    assert fields["row_is_contiguous"] == 1 and fields["pad"] == 0


@pytest.mark.parametrize("name, fields, message", [
    ("LOAD", {"q": 256}, "LOAD.q = 256 does not fit 0 to 255"),
    ("STORE", {"row0": -129}, "STORE.row0 = -129 does not fit -128 to 127"),
    ("END", {"wait": 1}, "END has no field wait"),
])
def test_what_does_not_fit_is_refused(name, fields, message):
    with pytest.raises(ValueError, match=message):
        isa.pack(name, **fields)


def test_unknown_opcodes_are_refused():
    with pytest.raises(ValueError, match="opcode 200 is unknown"):
        isa.unpack(bytes([200]) + bytes(63))


def test_filter_headers_come_back():
    given = isa.FilterHeader(mask=0x80000001, size=1024, row0=31, last=True)
    data = isa.filter_header(**given._asdict())
    assert len(data) == 8 and isa.unpack_filter_header(data) == given
    with pytest.raises(ValueError, match="filter packet without its mark"):
        isa.unpack_filter_header(bytes(8))
