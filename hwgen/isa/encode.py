"""The bits of the command stream: commands, GLB addresses, headers of filter packets."""

from typing import NamedTuple

from ..machines import machine_of
from .commands import COMMAND_BYTES, COMMANDS, OPCODES

__all__ = ["FILTER_MAGIC", "FilterHeader", "filter_header", "forbidden", "glb_address", "pack",
           "unpack", "unpack_filter_header"]

#: The byte at the end of a filter packet's header.
FILTER_MAGIC = 0xF1


def pack(name, **values):
    """The 64 bytes of a command; fields left out are 0, or derived from the others.

    Raises :exc:`ValueError` for an unknown field or a value that does not fit, which is a bug in
    the caller: the compiler refuses such layers before it packs.
    """
    command = COMMANDS[name]
    word = command.opcode
    given = {field.name: int(values.get(field.name, 0)) for field, _ in command.fields()}
    for field, lsb in command.fields():
        value = given[field.name]
        if field.derive and field.name not in values:
            value = field.derive(given) & (1 << field.bits) - 1
        values.pop(field.name, None)
        low, high = (-(1 << field.bits - 1), (1 << field.bits - 1) - 1) if field.signed else \
                    (0, (1 << field.bits) - 1)
        if not low <= value <= high:
            raise ValueError(f"{name}.{field.name} = {value} does not fit {low} to {high}")
        word |= (value & (1 << field.bits) - 1) << lsb
    if values:
        raise ValueError(f"{name} has no field {', '.join(values)}")
    return word.to_bytes(COMMAND_BYTES, "little")


def unpack(data):
    """``(name, {field: value})`` of 64 bytes; raises :exc:`ValueError` for an unknown opcode."""
    word = int.from_bytes(data, "little")
    command = OPCODES.get(word & 0xFF)
    if command is None:
        raise ValueError(f"opcode {word & 0xFF} is unknown")
    values = {}
    for field, lsb in command.fields():
        value = word >> lsb & (1 << field.bits) - 1
        if field.signed and value >> field.bits - 1:
            value -= 1 << field.bits
        values[field.name] = value
    return command.name, values


def forbidden(name, values):
    """Names of the fields of a command at whose values the accelerator stops, in order; of those
    in ``values``."""
    return [field.name for field, _ in COMMANDS[name].fields()
            if field.least and values.get(field.name) == 0]


def glb_address(config, word):
    """The 24-bit GLB address of ifmap word ``word``, counted from the start of the GLB."""
    return machine_of(config).glb_address(config, word)


class FilterHeader(NamedTuple):
    """What heads a filter packet.

    Attributes
    ----------
    mask : int
        Columns whose PEs take the packet's weights, bit j for column j.
    size : int
        Bytes for each PE: ``p * tap_cols * tap_channels`` weights, in the order
        ``[p][tap_cols][tap_channels]``.
    row0 : int
        First array row that takes part: ``rows`` less the pairs of the pass.
    last : bool
        The last packet of its pass.
    """
    mask: int
    size: int
    row0: int
    last: bool


def filter_header(*, mask, size, row0, last):
    """The 8 bytes of a :class:`FilterHeader`.

    The packet goes on with ``ceil(size / bus_bytes)`` groups of bus words, one word for each array
    row from ``row0`` down. With a 32-bit bus the header takes two words, with a wider one it is
    padded to one word.
    """
    value = mask | size << 32 | row0 << 43 | int(last) << 48 | FILTER_MAGIC << 56
    return value.to_bytes(8, "little")


def unpack_filter_header(data):
    """The :class:`FilterHeader` of 8 bytes; raises :exc:`ValueError` if its mark is missing."""
    value = int.from_bytes(data, "little")
    if value >> 56 != FILTER_MAGIC:
        raise ValueError("filter packet without its mark")
    return FilterHeader(value & 0xFFFFFFFF, value >> 32 & 0x7FF, value >> 43 & 31,
                        bool(value >> 48 & 1))
