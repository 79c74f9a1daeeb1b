"""The command set's files, against hwgen/isa/commands.py; the documents, against the generator."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hwgen import isa
from hwgen.artifacts import command_files as commands
from hwgen.artifacts import documents
from hwgen.isa.registers import ErrorCode

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_markdown_has_every_field():
    text = commands.markdown()
    for command in isa.COMMANDS.values():
        section = text.split(f"### {command.name}\n")[1].split("\n### ")[0]
        for field, lsb in command.fields():
            word, bit = divmod(lsb, 64)
            bits = f"{bit + field.bits - 1}:{bit}" if field.bits > 1 else f"{bit}"
            assert f"| `{field.name}` | {word} | {bits} | {field.doc}" in section


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_c_header_packs_as_python_does(tmp_path):
    (tmp_path / "commands.h").write_text(commands.c_header())
    body, expected = [], []
    for command in isa.COMMANDS.values():
        values = {field.name: (-index - 1 if field.signed else (1 << field.bits) - 1 - index % 2)
                  for index, (field, _) in enumerate(command.fields())}
        expected.append(isa.pack(command.name, **values))
        body += ["    clear();", f"    hwgen_put(c, HWGEN_OPCODE, HWGEN_OP_{command.name});"]
        for name, value in values.items():
            macro = f"HWGEN_{command.name}_{name.upper()}"
            body.append(f"    hwgen_put(c, {macro}, (uint64_t)({value}LL));")
        body.append("    fwrite(c, 8, HWGEN_COMMAND_WORDS, stdout);")
    checks = [f"typedef char check_{code.name}[HWGEN_ERROR_{code.name} == {code.value} ? 1 : -1];"
              for code in ErrorCode]
    (tmp_path / "pack.c").write_text("\n".join([
        "#include <stdio.h>", "#include <string.h>", '#include "commands.h"',
        *checks, "static uint64_t c[HWGEN_COMMAND_WORDS];",
        "static void clear(void) { memset(c, 0, sizeof c); }",
        "int main(void)", "{", *body, "    return hwgen_get(c, HWGEN_OPCODE) != HWGEN_OP_STORE;",
        "}", ""]))
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", "pack", "pack.c"],
                   cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "pack")], capture_output=True, check=True)
    assert done.stdout == b"".join(expected)


def test_every_block_is_on_a_page():
    pages = "".join(path.read_text() for path in _DOCS.rglob("*.md"))
    for name, block in documents.blocks().items():
        package = block.__module__.removeprefix("hwgen.rtl.").rpartition(".")[0].replace(".", "/")
        assert name == "Block" or name.startswith("_") or \
            re.search(rf"GENERATED \w+ ([\w ]*\b{name}\b|{package} -->)", pages), name


@pytest.mark.parametrize("path", sorted(_DOCS.rglob("*.md")),
                         ids=lambda path: str(path.relative_to(_DOCS)))
def test_documents_are_up_to_date(path):
    text = path.read_text()
    assert documents.refresh(text) == text, \
        "run: python -m hwgen.artifacts.documents docs"
