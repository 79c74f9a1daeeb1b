"""Views of a 512-bit command, for the RTL."""

from amaranth import signed
from amaranth.lib import data, stream

from ... import isa
from ...isa import store_modes

__all__ = ["COMMAND", "is_mode", "layout", "Take"]

#: The stream of commands that a unit receives.
COMMAND = stream.Signature(8 * isa.COMMAND_BYTES)

#: The stream of wait masks with which a unit takes semaphores.
Take = stream.Signature(isa.SEMAPHORES)


def layout(name):
    """The fields of command ``name``, and ``opcode``, as a layout over the whole command."""
    fields = {"opcode": data.Field(8, 0)}
    for field, lsb in isa.COMMANDS[name].fields():
        fields[field.name] = data.Field(signed(field.bits) if field.signed else field.bits, lsb)
    return data.FlexibleLayout(8 * isa.COMMAND_BYTES, fields)


def is_mode(mode, kind):
    """Whether a STORE's ``mode`` is one for which ``kind`` is true of its
    :class:`~hwgen.isa.store_modes.StoreMode`."""
    return mode.matches(*(entry.number for entry in store_modes.MODES.values() if kind(entry)))
