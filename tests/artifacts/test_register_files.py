"""The register map's files, against hwgen/isa/registers.py."""

import shutil
import subprocess

import pytest
from systemrdl import RDLCompiler

from hwgen.artifacts import register_files as registers
from hwgen.config import Config
from hwgen.isa.registers import REGISTERS, Access, ErrorCode


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registers")
    registers.write(Config(), folder)
    return folder


def test_systemrdl(folder):
    compiler = RDLCompiler()
    compiler.compile_file(str(folder / "registers.rdl"))
    found = {reg.inst_name: reg for reg in compiler.elaborate().top.registers()}
    assert list(found) == list(REGISTERS)
    for name, register in REGISTERS.items():
        assert found[name].absolute_address == register.offset
        fields = {field.inst_name: field for field in found[name].fields()}
        assert list(fields) == [field.name for field in
                                sorted(register.fields, key=lambda field: field.lsb)]
        for field in register.fields:
            node = fields[field.name]
            assert (node.lsb, node.width) == (field.lsb, field.bits)
            assert node.get_property("reset") == field.value(Config())
            assert node.is_sw_writable == field.access.writable
            assert node.is_sw_readable == (field.access != Access.PULSE)
            assert node.get_property("desc") == field.doc


def test_documents(folder):
    text = (folder / "registers.md").read_text()
    assert all(name in text for name in REGISTERS)
    assert all(f"| {code.value} | {code.name} | {code.doc} |" in text for code in ErrorCode)
    assert (folder / "registers" / "index.html").is_file()


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_c_header(folder):
    lines = [f"_Static_assert(__builtin_offsetof(hwgen_t, {name}) == {register.offset}, \"\");"
             for name, register in REGISTERS.items()]
    lines += [f"_Static_assert(HWGEN__{name}__{field.name}_bp == {field.lsb}, \"\");"
              for name, register in REGISTERS.items() for field in register.fields]
    source = folder / "check.c"
    source.write_text("\n".join(['#include "registers.h"', *lines, ""]))
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", str(source)],
                   check=True)
