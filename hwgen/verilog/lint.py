"""Checking the Verilog with other people's tools: Verilator, Icarus Verilog, Yosys."""

import re
import sys
from pathlib import Path

from ..errors import HwgenError
from ..process import run
from ..tools import find_icarus, find_verilator

__all__ = ["WAIVERS", "verilator", "icarus", "yosys"]

#: Verilator's waivers, ``hwgen.vlt`` beside the Verilog; docs/reference/lint.md argues each.
WAIVERS = """\
`verilator_config
lint_off -rule DECLFILENAME -file "*hwgen.v"
lint_off -rule WIDTHEXPAND -file "*hwgen.v"
lint_off -rule WIDTHTRUNC -file "*hwgen.v"
lint_off -rule CMPCONST -file "*hwgen.v"
lint_off -rule UNSIGNED -file "*hwgen.v"
lint_off -rule UNUSEDSIGNAL -file "*hwgen.v" -match "Bits of signal are not used:*"
lint_off -rule UNUSEDSIGNAL -file "*hwgen.v" -match "Signal is not used: 'rst'"
lint_off -rule UNUSEDSIGNAL -file "*hwgen.v" -match "Signal is not used: '*axi_*prot'"
lint_off -rule UNUSEDSIGNAL -file "*hwgen.v" -match "Signal is not used: '*axi_?id'"
"""


def verilator(folder):
    """Complaints of ``verilator --lint-only -Wall`` about a built accelerator; none: empty."""
    tool = find_verilator()
    return _run([tool.binary, "--lint-only", "-Wall", "--top-module", "hwgen", "hwgen.vlt",
                 "hwgen.v"], cwd=folder, env=tool.environ())


def icarus(folder, standard="2005"):
    """Complaints of ``iverilog -Wall`` under a Verilog standard, ``2005`` or ``2012``."""
    return _run([find_icarus(), "-Wall", f"-g{standard}", "-tnull", "-s", "hwgen", "hwgen.v"],
                cwd=folder)


def yosys(folder):
    """Complaints of Yosys: ``hierarchy -check``, ``proc`` and ``check -assert``.

    Needs the Python package ``pyosys``; raises :exc:`HwgenError` without it.
    """
    try:
        import pyosys  # noqa: F401
    except ImportError:
        raise HwgenError("Yosys was not found: install the Python package 'pyosys'.") from None
    return _run([sys.executable, "-c", _YOSYS], r"Warning: |ERROR: ", cwd=folder)


_YOSYS = """\
from pyosys import libyosys
design = libyosys.Design()
for command in ("read_verilog hwgen.v", "hierarchy -check -top hwgen", "proc", "check -assert"):
    libyosys.run_pass(command, design)
"""


def _run(command, complaint=r"[^-]", **options):
    """The lines that begin with a complaint, of all that a tool prints; also that it failed."""
    done = run(command, **options)
    lines = [line for line in done.stdout.splitlines() if re.match(complaint, line)]
    if done.returncode:
        lines.append(f"{Path(command[0]).name} ended with exit code {done.returncode}.")
    return "\n".join(lines)
