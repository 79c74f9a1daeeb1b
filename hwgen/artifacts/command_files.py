"""The command set as a document and as a C header, from hwgen/isa/commands.py; the driver in C."""

import textwrap
from importlib import resources

from .. import isa
from ..isa.registers import COUNTERS, ErrorCode

__all__ = ["markdown", "c_header", "c_driver"]


def _rows(command):
    """``(field, word, bit)`` of each field, the opcode first."""
    opcode = isa.Field("opcode", 8, str(command.opcode))
    for field, lsb in [(opcode, 0), *command.fields()]:
        word, bit = divmod(lsb, 64)
        yield field, word, bit


def markdown():
    """The command set in Markdown: a section for each command, a table of its fields."""
    text = (f"A command has {isa.COMMAND_BYTES} bytes: eight little-endian 64-bit words. Bits that "
            f"no field covers are 0.\n\n| opcode | command | queue |\n|---|---|---|\n")
    for command in isa.COMMANDS.values():
        text += (f"| {command.opcode} | [{command.name}](#{command.name.lower()}) "
                 f"| {command.queue} |\n")
    for command in isa.COMMANDS.values():
        doc = command.doc.replace("``", "`")
        text += (f"\n### {command.name}\n\n" + "\n\n".join(
            textwrap.fill(part, 98) for part in doc.split("\n\n"))
            + "\n\n| field | word | bits | meaning |\n|---|---|---|---|\n")
        for field, word, bit in _rows(command):
            bits = f"{bit + field.bits - 1}:{bit}" if field.bits > 1 else f"{bit}"
            sign = " (signed)" if field.signed else ""
            text += f"| `{field.name}` | {word} | {bits} | {field.meaning}{sign} |\n"
    return text


def c_header():
    """A C header: opcodes, error codes, counters, the place of each field, functions for fields."""
    lines = [
        "/* The command set of hwgen, see commands.md; error codes, counters. Generated. */", "",
        "#ifndef HWGEN_COMMANDS_H", "#define HWGEN_COMMANDS_H", "", "#include <stdint.h>", "",
        f"#define HWGEN_COMMAND_BYTES {isa.COMMAND_BYTES}",
        f"#define HWGEN_COMMAND_WORDS {isa.COMMAND_BYTES // 8}",
        f"#define HWGEN_MAGIC 0x{isa.MAGIC:08X}u",
        f"#define HWGEN_FILTER_MAGIC 0x{isa.FILTER_MAGIC:02X}u",
        f"#define HWGEN_SEMAPHORES {isa.SEMAPHORES}", "",
        "/* Opcodes. */"]
    lines += [f"#define HWGEN_OP_{command.name} {command.opcode}"
              for command in isa.COMMANDS.values()]
    lines += ["", "/* What ERROR_CODE reads when a program was stopped. */"]
    lines += [f"#define HWGEN_ERROR_{code.name} {code.value}" for code in ErrorCode]
    lines += ["", "/* The same with a sentence on each: X(name, code, text). */",
              "#define HWGEN_ERRORS(X) \\"]
    lines += [f'    X({code.name}, {code.value}, "{code.doc}") \\' for code in ErrorCode]
    lines += ["", "/* Performance counters: X(name in registers.h, member of a struct). */",
              "#define HWGEN_COUNTERS(X) \\"]
    lines += [f"    X({name}, {name.lower()}) \\" for name in COUNTERS]
    lines += ["", "/* Fields: 64-bit word, lowest bit, bits. */",
              "#define HWGEN_OPCODE 0, 0, 8"]
    for command in isa.COMMANDS.values():
        lines += [f"#define HWGEN_{command.name}_{field.name.upper()} {word}, {bit}, {field.bits}"
                  for field, word, bit in _rows(command) if field.name != "opcode"]
    return "\n".join(lines) + '''

/* Put a field, as in hwgen_put(command, HWGEN_LOAD_ROWS, 28); the command is cleared before. */
static inline void hwgen_put(uint64_t command[HWGEN_COMMAND_WORDS], unsigned word, unsigned bit,
                             unsigned bits, uint64_t value)
{
    command[word] |= (value & (UINT64_MAX >> (64 - bits))) << bit;
}

/* Get a field, without sign. */
static inline uint64_t hwgen_get(const uint64_t command[HWGEN_COMMAND_WORDS], unsigned word,
                                 unsigned bit, unsigned bits)
{
    return command[word] >> bit & (UINT64_MAX >> (64 - bits));
}

#endif
'''


def c_driver():
    """The driver in C, ``{file name: text}``; it needs this header and ``registers.h``."""
    folder = resources.files(__package__) / "c"
    return {name: (folder / name).read_text() for name in ("hwgen.h", "hwgen.c")}
