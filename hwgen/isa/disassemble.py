"""Disassembler: a program's bytes as text, one line for each command."""

import numpy as np

from .. import isa
from ..errors import HwgenError

__all__ = ["programs", "commands", "listing"]

_SEMAPHORES = ("tile", "tile-free", "block", "block-free", "params", "params-free",
               "layer-written", "7")
_MASKS = {"wait", "signal", "signal_written", "feed_wait", "feed_signal", "psum_wait",
          "psum_signal"}
_HEX = {"addr", "magic", "hash", "multicast_mask"}
_SIZE = isa.COMMAND_BYTES


def programs(image):
    """The programs that stand one behind another from the start of an image.

    Parameters
    ----------
    image : bytes

    Yields
    ------
    (int, int)
        Byte offset of ``BEGIN``, and bytes up to and with ``END``.

    Raises
    ------
    HwgenError
        The image does not start with a program, or one has no end.
    """
    at = 0
    begin = isa.COMMANDS["BEGIN"].opcode.to_bytes() + isa.MAGIC.to_bytes(4, "little")
    while image[at:at + len(begin)] == begin:
        size = _length(image, at)
        yield at, size
        at += size
    if at == 0:
        raise HwgenError("the image does not start with a program: its first bytes are "
                         f"{image[:len(begin)].hex(' ') or 'missing'}, not BEGIN's "
                         f"{begin.hex(' ')}; give a program.bin of 'hwgen compile'.")


def _length(image, start):
    end = isa.COMMANDS["END"].opcode
    for at in range(start, len(image) - _SIZE + 1, _SIZE):
        if image[at] not in isa.OPCODES:
            raise HwgenError(f"the command at 0x{at:08x} has opcode {image[at]}, which is unknown: "
                             f"the image is damaged, or made for another version.")
        if image[at] == end:
            return at + _SIZE - start
    raise HwgenError(f"the program at 0x{start:08x} has no END: the image is cut off.")


def commands(image, offset=0):
    """The commands of the program at byte ``offset`` of an image, from ``BEGIN`` to ``END``.

    Yields
    ------
    (int, str, dict of str to int)
        Byte offset, name, fields.

    Raises
    ------
    HwgenError
        An unknown opcode, or a program without ``END``.
    """
    for at in range(offset, offset + _length(image, offset), _SIZE):
        yield at, *isa.unpack(image[at:at + _SIZE])


def listing(image, offset=0, config=None):
    """Disassemble the program at byte ``offset`` of an image.

    A line has the command's address, its name, and its fields that are not zero: semaphores by
    what the compiler counts with them, GLB addresses as ``bank word.bank.ifmap word``, DRAM
    addresses in hexadecimal.

    Parameters
    ----------
    image : bytes
        Memory from DRAM offset 0: programs and data.
    offset : int
    config : Config, optional
        The accelerator that the image is for; with it a FILTER also says what its packets hold.

    Yields
    ------
    str

    Raises
    ------
    HwgenError
        As :func:`commands`.
    """
    for at, name, values in commands(image, offset):
        line = f"{at:08x}  {name:<8}" + " ".join(
            f"{field.name}={_text(field, values[field.name])}"
            for field, _ in isa.COMMANDS[name].fields() if values[field.name])
        if name == "FILTER" and config:
            line += f"  ; {_packets(image, config, values['addr'], values['words'])}"
        yield line.rstrip()


def _text(field, value):
    """A field's value as people read it."""
    if field.name in _MASKS:
        return "+".join(name for bit, name in enumerate(_SEMAPHORES) if value >> bit & 1)
    if field.name == "scale":
        return str(np.uint32(value).view(np.float32))
    if field.glb:
        return f"{value >> 8}.{value >> 3 & 31}.{value & 7}"
    return f"0x{value:x}" if field.name in _HEX else str(value)


def _packets(image, config, addr, words):
    """What the filter packets of a FILTER hold."""
    word, end = config.bus_bytes, addr + words * config.bus_bytes
    passes, packets, weights = 0, 0, set()
    while addr < end:
        try:
            header = isa.unpack_filter_header(image[addr:addr + 8])
        except ValueError:
            return f"no filter packet at 0x{addr:x}"
        groups, rows = -(-header.size // word), max(config.rows - header.row0, 0)
        addr += max(8, word) + groups * word * rows
        packets += 1
        passes += header.last
        weights.add(header.size)
    return (f"{passes} passes, {packets} packets of "
            f"{' or '.join(map(str, sorted(weights)))} weights a PE")
