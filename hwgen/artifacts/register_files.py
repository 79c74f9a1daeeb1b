"""The register map: SystemRDL from hwgen/isa/registers.py, the other files from the SystemRDL."""

import re
import tempfile
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_markdown import MarkdownExporter
from systemrdl import RDLCompiler

from ..isa.registers import ADDRESS_BITS, REGISTERS, Access, ErrorCode

__all__ = ["systemrdl", "write", "markdown"]

_PROPERTIES = {
    Access.CONST: "sw = r; hw = na;",
    Access.RO: "sw = r; hw = w;",
    Access.RW: "sw = rw; hw = r;",
    Access.W1C: "sw = rw; hw = r; onwrite = woclr; hwset;",
    Access.PULSE: "sw = w; hw = r; singlepulse;",
}


def _string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def systemrdl(config):
    """The SystemRDL 2.0 text of the register map of ``config``'s accelerator."""
    lines = ["enum error_code {"]
    lines += [f"    {code.name} = 4'd{code.value} {{ desc = {_string(code.doc)}; }};"
              for code in ErrorCode]
    lines += ["};", "", "addrmap hwgen {",
              f"    name = {_string(f'hwgen {config.name}')};",
              '    desc = "Control and status registers, AXI4-Lite.";',
              "    default regwidth = 32;",
              "    default accesswidth = 32;",
              f"    addressing = compact; // {1 << ADDRESS_BITS} bytes"]
    for register in REGISTERS.values():
        lines += ["", "    reg {", f"        name = {_string(register.name)};",
                  f"        desc = {_string(register.doc)};"]
        for field in register.fields:
            encode = " encode = error_code;" if field.name == "CODE" else ""
            lines += ["        field {", f"            desc = {_string(field.doc)};",
                      f"            {_PROPERTIES[field.access]}{encode}",
                      f"        }} {field.name}[{field.lsb + field.bits - 1}:{field.lsb}]"
                      f" = {field.bits}'h{field.value(config):X};"]
        lines.append(f"    }} {register.name} @ 0x{register.offset:03X};")
    return "\n".join([*lines, "};", ""])


def write(config, folder):
    """Write the register map into ``folder``: SystemRDL, C header, Markdown, HTML.

    The files are ``registers.rdl``, ``registers.h``, ``registers.md`` and
    ``registers/index.html``.
    """
    source = folder / "registers.rdl"
    source.write_text(systemrdl(config))
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    root = compiler.elaborate()
    header = folder / "registers.h"
    CHeaderExporter().export(root, str(header))
    # A freestanding C11 has no assert.h, and what is asserted, the struct's size, is certain.
    header.write_text(re.sub(r"#include <assert.h>\n|\nstatic_assert\(.*\);\n", "",
                             header.read_text()))
    document = folder / "registers.md"
    MarkdownExporter().export(root.top, str(document), input_files=[source.name])
    with document.open("a") as file:
        file.write("\n### Error codes\n\n| code | name | meaning |\n|---|---|---|\n")
        file.writelines(f"| {code.value} | {code.name} | {code.doc} |\n" for code in ErrorCode)
    HTMLExporter(generate_source_links=False).export(
        root, str(folder / "registers"), title=f"hwgen {config.name}: registers", footer="")
    # The page is stamped with the time, against stale caches: the configuration serves as well.
    page = folder / "registers" / "index.html"
    page.write_text(re.sub(r"(BUILD_TS = |\?ts=)\d+", rf"\g<1>{config.hash}", page.read_text()))


def markdown(config):
    """The Markdown text of the register map."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(config, folder)
        return (folder / "registers.md").read_text()
