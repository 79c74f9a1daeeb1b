"""Memories: each is a module of its own, so that a macro of another technology can stand in."""

from amaranth import Module, Shape
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..block import Block

__all__ = ["MaskedRam", "Ram", "Rom"]


def _write_port(depth, shape, enables=1):
    return Out(wiring.Signature({"en": In(enables), "addr": In(range(depth)), "data": In(shape)}))


def _read_port(depth, shape):
    return Out(wiring.Signature({"en": In(1, init=1), "addr": In(range(depth)),
                                 "data": Out(shape)}))


class Ram(Block):
    """A memory with a port to write and a port to read, both synchronous.

    ``read.data`` come a cycle after ``read.en``, and stand until the next read. A word must not be
    read in the cycle in which it is written: what comes then is undefined, and nothing uses it.
    Nothing depends on what the memory holds at power-up. Throughput is a read and a write a cycle.

    Parameters
    ----------
    shape : shape-like
        A word.
    depth : int
        Words, at least 2.
    style : str
        What the memory becomes on an FPGA, its attribute ``ram_style``: ``auto`` or ``block``.

    Members
    -------
    write : en, addr, data
        A word is written.
    read : en, addr, data
        A word is read.
    """

    module_name = "ram"
    has_reset = False

    def __init__(self, shape, depth, style="auto"):
        self._shape, self._depth, self._style = shape, depth, style
        self.parameters = {"DEPTH": depth, "WIDTH": Shape.cast(shape).width, "RAM_STYLE": style}
        super().__init__({"write": _write_port(depth, shape), "read": _read_port(depth, shape)})

    def pattern(self):
        return Ram(24, 64)

    def body(self, platform):
        return _body(self, memory.Memory(
            shape=self._shape, depth=self._depth, init=[],
            attrs={"no_rw_check": 1, "ram_style": self._style}))


class MaskedRam(Block):
    """A memory as :class:`Ram`, of which single bytes can be written.

    Parameters
    ----------
    width, depth : int
        Bits of a word, a multiple of 8, and words, at least 2.

    Members
    -------
    write : en, addr, data
        Those bytes of a word are written whose bit of ``en`` is set.
    read : en, addr, data
        A word is read.
    """

    has_reset = False

    def __init__(self, width, depth):
        self._width, self._depth = width, depth
        self.module_name = f"masked_ram_{depth}x{width}"
        super().__init__({"write": _write_port(depth, width, width // 8),
                          "read": _read_port(depth, width)})

    def body(self, platform):
        return _body(self, memory.Memory(shape=self._width, depth=self._depth, init=[],
                                         attrs={"no_rw_check": 1}), granularity=8)


class Rom(Block):
    """A memory that nothing writes: ``read.data`` come a cycle after ``read.en``.

    Parameters
    ----------
    width : int
        Bits of a word.
    words : list of int
        What it holds.

    Members
    -------
    read : en, addr, data
        A word is read.
    """

    module_name = "rom"
    has_reset = False

    def __init__(self, width, words):
        self._width, self._words = width, words
        super().__init__({"read": _read_port(len(words), width)})

    def body(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=self._width, depth=len(self._words), init=self._words,
            attrs={"ram_style": "block"})
        _connect(m, words.read_port(), self.read)
        return m


def _body(ram, words, **options):
    m = Module()
    m.submodules.words = words
    write = words.write_port(**options)
    m.d.comb += [write.en.eq(ram.write.en), write.addr.eq(ram.write.addr),
                 write.data.eq(ram.write.data)]
    _connect(m, words.read_port(), ram.read)
    return m


def _connect(m, port, read):
    m.d.comb += [port.en.eq(read.en), port.addr.eq(read.addr), read.data.eq(port.data)]
