"""The register map: every CSR, field by field, and the error codes.

This module is the one source of truth: the RTL (hwgen/rtl/csr.py), the SystemRDL, HTML, Markdown
and C header, and the runtime are built from it. It imports no hardware description.

Registers are 32 bits wide, little-endian, in an address space of 4096 bytes. An address without a
register answers SLVERR (reads give 0), and so does a write to a register without a field that can
be written. Bits outside all fields read as 0 and ignore writes.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from .. import __version__, isa

__all__ = ["ADDRESS_BITS", "COUNTER_BITS", "Access", "Field", "Register", "Counter", "ErrorCode",
           "REGISTERS", "COUNTERS", "LIMIT_UNIT"]

ADDRESS_BITS = 12
COUNTER_BITS = 48            # 23 minutes of 1024 MACs a cycle at 200 MHz
LIMIT_UNIT = 4096            # cycles that the register LIMIT counts in


class Access(StrEnum):
    """What software and hardware may do with a field."""
    CONST = "const"          # fixed by the configuration; software reads it
    RO = "ro"                # software reads it, hardware sets it
    RW = "rw"                # software reads and writes it
    W1C = "w1c"              # software clears it by writing 1; hardware sets it, and wins
    PULSE = "pulse"          # writing 1 does something once; reads as 0

    @property
    def writable(self):
        return self in (Access.RW, Access.W1C, Access.PULSE)


@dataclass(frozen=True)
class Field:
    """One field of a register.

    Attributes
    ----------
    lsb, bits : int
        Its place: bits ``lsb`` to ``lsb + bits - 1``.
    reset : int or function of a :class:`~hwgen.config.Config`
        Value after reset; of a constant field, its value. :meth:`value` gives it as a number.
    """
    name: str
    lsb: int
    bits: int
    access: Access
    doc: str
    reset: object = 0

    def value(self, config):
        """The reset value in an accelerator built for ``config``."""
        return self.reset(config) if callable(self.reset) else self.reset


@dataclass(frozen=True)
class Register:
    """One 32-bit register; ``offset`` in bytes."""
    name: str
    offset: int
    doc: str
    fields: tuple

    @property
    def writable(self):
        """Whether any field can be written."""
        return any(field.access.writable for field in self.fields)

    def value(self, config):
        """The register's reset value in an accelerator built for ``config``."""
        return sum(field.value(config) << field.lsb for field in self.fields)


@dataclass(frozen=True)
class Counter:
    """One performance counter: registers ``NAME_LO`` and ``NAME_HI`` from ``offset``.

    ``bits`` is the width of its event input. :meth:`most` is the most that it counts in a cycle.
    """
    name: str
    offset: int
    bits: int
    doc: str

    def most(self, config):
        """The most that it counts in a cycle of an accelerator built for ``config``."""
        limit = {"MACS": config.rows * config.cols, "XBUS_WRITES": config.rows * config.cols,
                 "FILTER_WRITES": config.rows * config.cols, "GLB_READS": max(config.cols, 2),
                 "GLB_WRITES": max(config.cols, 2), "OUTPUTS": config.lanes}
        return limit.get(self.name, 1)


class ErrorCode(IntEnum):
    """What stopped the core; :attr:`doc` is a sentence for the user."""

    doc: str

    def __new__(cls, value: int, doc: str = "") -> "ErrorCode":
        member = int.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    NONE = 0, "No error."
    AXI_READ = 1, "The memory answered a read with an error; ERROR_INFO is the address."
    AXI_WRITE = 2, "The memory answered a write with an error; ERROR_INFO is the address."
    OPCODE = 3, "A command has an illegal opcode; ERROR_INFO is the opcode."
    MAGIC = 4, ("The program does not begin with BEGIN and its magic number: there is no program "
                "at this address; ERROR_INFO is the magic number found.")
    HASH = 5, ("The program was compiled for another configuration; ERROR_INFO is the hash found, "
               "CONFIG_HASH the one wanted.")
    WATCHDOG = 6, "The program did not get on for WATCHDOG cycles; ERROR_INFO is 0."
    FILTER = 7, "A filter packet lacks its mark, the filter stream is corrupt; ERROR_INFO is 0."
    SEMAPHORE = 8, ("A semaphore was signalled more than 63 times beyond what was taken; "
                    "ERROR_INFO is the mask of such semaphores.")
    MODE = 9, ("A STORE is in a mode that needs tables, which the accelerator was built without; "
               "ERROR_INFO is the mode.")
    RLAST = 10, ("The memory ended a read burst too early or not at all: RLAST is not in the last "
                 "beat that was asked for; ERROR_INFO is the address.")
    WINDOW = 11, ("An access was about to leave the memory that SIZE allows, and was not made; "
                  "ERROR_INFO is its address.")
    FIELD = 12, ("A field of a command that must be 1 or more, such as a number of columns, is 0; "
                 "ERROR_INFO is 0.")
    LIMIT = 13, "The program ran for as many cycles as LIMIT allows; ERROR_INFO is 0."
    PROGRAM = 14, "PROGRAM is not a multiple of 64: nothing was run; ERROR_INFO is PROGRAM."


_CONST, _RO, _RW, _W1C, _PULSE = Access


def _word(access, doc, reset=0):
    return (Field("VALUE", 0, 32, access, doc, reset),)


_VERSION = [int(part) for part in __version__.split(".")]

_REGISTERS = [
    Register("ID", 0x000, "Identity of the device.",
             _word(_CONST, "0x4E475748: the bytes H, W, G, N.", isa.MAGIC)),
    Register("VERSION", 0x004, "Version of the generator that built the device.", (
        Field("PATCH", 0, 8, _CONST, "Patch version.", _VERSION[2]),
        Field("MINOR", 8, 8, _CONST, "Minor version.", _VERSION[1]),
        Field("MAJOR", 16, 8, _CONST, "Major version.", _VERSION[0]),
    )),
    Register("CONFIG_HASH", 0x008, "Hash of the configuration; programs carry it in BEGIN.",
             _word(_CONST, "The hash.", lambda c: c.hash)),
    Register("SHAPE", 0x00C, "Shape of the array and of its ports.", (
        Field("ROWS", 0, 8, _CONST, "Rows of the array.", lambda c: c.rows),
        Field("COLS", 8, 8, _CONST, "Columns of the array.", lambda c: c.cols),
        Field("LANES", 16, 8, _CONST, "Psums in a bank word.", lambda c: c.lanes),
        Field("XBUS_BYTES", 24, 8, _CONST, "Ifmap values an X-bus delivers in a cycle.",
              lambda c: c.xbus_bytes),
    )),
    Register("SPAD", 0x010, "Storage of a PE and of the parameter memory.", (
        Field("FILTER", 0, 11, _CONST, "Weights of one half of the filter spad.",
              lambda c: c.filter_spad),
        Field("IFMAP", 11, 8, _CONST, "Values of the ifmap spad.", lambda c: c.ifmap_spad),
        Field("PARAMS", 19, 12, _CONST, "Output channels of the parameter memory.",
              lambda c: c.params_depth),
        Field("ZERO_GATE", 31, 1, _CONST, "Multipliers are held while the ifmap value is zero.",
              lambda c: int(c.zero_gate)),
    )),
    Register("GLB", 0x014, "Size of the global buffer.", (
        Field("BANK_DEPTH", 0, 16, _CONST, "Words of each of the COLS banks.",
              lambda c: c.bank_depth),
        Field("KIB", 16, 16, _CONST, "KiB of the banks and the parameter memory together.",
              lambda c: c.glb_kib),
    )),
    Register("BUS", 0x018, "The AXI4 master.", (
        Field("BYTES", 0, 8, _CONST, "Bytes of a bus word.", lambda c: c.bus_bytes),
        Field("ADDR_BITS", 8, 8, _CONST, "Width of an address.", lambda c: c.addr_bits),
        Field("BURST", 16, 16, _CONST, "Longest burst, in beats.", lambda c: c.burst),
    )),
    Register("CTRL", 0x040, "Start and soft reset.", (
        Field("START", 0, 1, _PULSE,
              "Runs the program at PROGRAM. Ignored while BUSY, ERROR or RESETTING; clears DONE, "
              "ERROR_CODE and the counters."),
        Field("SOFT_RESET", 1, 1, _PULSE,
              "Stops the core, lets the AXI bursts under way end, and resets all but the CSRs; "
              "RESETTING is high meanwhile. Wins over START."),
    )),
    Register("STATUS", 0x044, "State of the core. All 0: ready, nothing run since reset.", (
        Field("BUSY", 0, 1, _RO, "A program runs."),
        Field("DONE", 1, 1, _RO, "The last program ended well; until START or SOFT_RESET."),
        Field("ERROR", 2, 1, _RO,
              "The last program was stopped by an error; until SOFT_RESET, which alone makes the "
              "core able to start again."),
        Field("RESETTING", 3, 1, _RO, "A soft reset is under way."),
    )),
    Register("IRQ_ENABLE", 0x048, "Causes that raise irq: it is high while an enabled one stands.",
             (Field("DONE", 0, 1, _RW, "Raise irq when a program ended well."),
              Field("ERROR", 1, 1, _RW, "Raise irq when a program was stopped by an error."))),
    Register("IRQ_STATUS", 0x04C, "Causes that stand, whether enabled or not.", (
        Field("DONE", 0, 1, _W1C, "A program ended well."),
        Field("ERROR", 1, 1, _W1C, "A program was stopped by an error."),
    )),
    Register("BASE_LO", 0x050, "Address of the memory image.",
             _word(_RW, "Bits 31 to 0. Added to every offset in a program, a multiple of 4096. "
                        "Writes are ignored while BUSY.")),
    Register("BASE_HI", 0x054, "Address of the memory image, high part.",
             _word(_RW, "Bits 63 to 32; those from ADDR_BITS on are 0. Writes are ignored while "
                        "BUSY.")),
    Register("PROGRAM", 0x058, "Where the next program begins.",
             _word(_RW, "Byte offset from BASE, a multiple of 64: else START ends with an "
                        "error. Used at START, so the next can be set while BUSY.")),
    Register("WATCHDOG", 0x05C, "Limit of standing still.",
             _word(_RW, "Cycles without progress that end a program with an error; 0: never. "
                        "Progress is a word read from DRAM or written to it, a command, a "
                        "multiplication of the array.", 1 << 20)),
    Register("ERROR_CODE", 0x060, "What stopped the program; 0 from START on.", (
        Field("CODE", 0, 4, _RO, "0 none, "
              + ", ".join(f"{e.value} {e.name}" for e in ErrorCode if e) + "."),
    )),
    Register("ERROR_INFO_LO", 0x064, "More about the last error: address, opcode, magic or hash.",
             _word(_RO, "Bits 31 to 0.")),
    Register("ERROR_INFO_HI", 0x068, "More about the last error, high part.",
             _word(_RO, "Bits 63 to 32.")),
    Register("ERROR_COMMAND", 0x06C, "Where the controller is, or was at the error.",
             _word(_RO, "Index of the command that is being fetched, checked or queued, BEGIN "
                        "being 0; it stands still from an error to the next START. For ERROR_CODE "
                        "3 to 5, 9 and 12 it is the culprit; otherwise that is a command shortly "
                        "before, still in a queue or a unit.")),
    Register("SIZE", 0x070, "Size of the memory image: the window that programs may touch.", (
        Field("PAGES", 12, 20, _RW,
              "Pages of 4096 bytes from BASE on: a program that wants to read or write beyond ends "
              "with an error before it does; 0: all that offsets reach, 4 GiB. As bytes, the "
              "register's value is a multiple of 4096. Writes are ignored while BUSY."),
    )),
    Register("LIMIT", 0x074, "Limit of a program's cycles.", (
        Field("VALUE", 0, 24, _RW,
              f"Units of {LIMIT_UNIT} cycles: a program that has run for so many ends with an "
              "error; 0: never. It may be stopped 80 cycles late."),
    )),
]

_COUNTERS = [
    ("CYCLES", 1, "Cycles from START to the end or the error."),
    ("MACS", 11, "Multiply-accumulates issued, those by zero padding included."),
    ("ARRAY_BUSY", 1, "Cycles in which the bottom row, which takes part in every pass, computed."),
    ("START", 1, "Cycles before the bottom row's first."),
    ("STALL_DRAM", 1, "Cycles in which the bottom row waited for what DRAM had not yet given: the "
                      "ifmap tile or weights."),
    ("STALL_IFMAP", 1, "Cycles in which the bottom row waited for ifmap values on their way into "
                       "or out of the GLB."),
    ("STALL_FILTER", 1, "Cycles in which the bottom row waited for weights on their way to it."),
    ("STALL_PSUM", 1, "Cycles in which the bottom row waited for psums from above or for room "
                      "below."),
    ("STALL_OUTPUT", 1, "Cycles in which the bottom row waited for psums of an earlier block to be "
                        "drained."),
    ("STALL_IDLE", 1, "Cycles in which the array had no pass to run, for none of these reasons."),
    ("FINISH", 1, "Cycles after the bottom row's last."),
    ("DRAM_READ_WORDS", 1, "Bus words read from DRAM, commands included."),
    ("DRAM_WRITE_WORDS", 1, "Bus words written to DRAM."),
    ("GLB_READS", 6, "Words read from GLB banks."),
    ("GLB_WRITES", 6, "Words written to GLB banks, partly or wholly."),
    ("YBUS_WORDS", 1, "Ifmap words sent down the Y-bus."),
    ("XBUS_WRITES", 11, "Writes to ifmap spads, each of up to XBUS_BYTES values to one PE."),
    ("FILTER_WRITES", 11, "Weights written to filter spads."),
    ("OUTPUTS", 4, "Psums that left the output stage, before pooling."),
]

COUNTERS = {name: Counter(name, 0x100 + 8 * index, bits, doc)
            for index, (name, bits, doc) in enumerate(_COUNTERS)}

for _counter in COUNTERS.values():
    _REGISTERS += [
        Register(f"{_counter.name}_LO", _counter.offset, f"{_counter.doc} Low part.",
                 _word(_RO, "Bits 31 to 0. Reading it latches the high part, so that a pair is "
                            "consistent; while BUSY the value may be 72 cycles old.")),
        Register(f"{_counter.name}_HI", _counter.offset + 4, f"{_counter.doc} High part.",
                 (Field("VALUE", 0, COUNTER_BITS - 32, _RO,
                        f"Bits {COUNTER_BITS - 1} to 32 of the counter whose LO was read last."),)),
    ]

REGISTERS = {register.name: register for register in _REGISTERS}
