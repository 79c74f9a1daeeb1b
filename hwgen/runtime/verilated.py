"""The design as a shared library: verilated, compiled with harness.cpp, and called by ctypes."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from ..errors import HwgenError
from ..tools import find_verilator
from .driver import SimulationError

__all__ = ["Dram", "VerilatedBus", "build", "cache_folder"]

_TOP = "hwgen"
_COMPILE = "-O2 -fPIC -fno-plt"


@dataclass(frozen=True, kw_only=True)
class Dram:
    """The memory behind the AXI4 master, as the simulators model it.

    Attributes
    ----------
    base : int
        Address of the first byte, a multiple of 4096.
    read_latency : int
        Cycles from a read's address to its first beat.
    write_latency : int
        Cycles from a write's last beat to its response.
    read_bytes, write_bytes, total_bytes : float
        Bytes a cycle that reads, writes, and both together may move; 0 is no limit, which leaves
        one beat a cycle each way.
    outstanding : int
        Bursts accepted ahead, 1 to 16, for reads and for writes; served in order.
    stall : float
        Chance that a channel (of AXI4 and of AXI4-Lite) stands still in a cycle, 0 to 0.9.
    seed : int
        Of the stalls.
    fail_read, fail_write : int or None
        An address; reading, or writing, the bus word that holds it answers SLVERR.
    """
    base: int = 0
    read_latency: int = 40
    write_latency: int = 10
    read_bytes: float = 0
    write_bytes: float = 0
    total_bytes: float = 0
    outstanding: int = 8
    stall: float = 0
    seed: int = 1
    fail_read: int | None = None
    fail_write: int | None = None

    def __post_init__(self):
        def check(name, good, allowed):
            if not good:
                raise HwgenError(f"{name} = {getattr(self, name)} is not allowed for the simulated "
                                 f"memory: {allowed}.")
        check("base", self.base >= 0 and self.base % 4096 == 0, "a multiple of 4096 is wanted")
        check("outstanding", 1 <= self.outstanding <= 16, "1 to 16 are allowed")
        check("stall", 0 <= self.stall <= 0.9, "0 to 0.9 are allowed")
        for name in ("read_latency", "write_latency"):
            check(name, 0 <= getattr(self, name) < 1 << 20, "0 to 1048575 cycles are allowed")
        for name in ("read_bytes", "write_bytes", "total_bytes"):
            rate = getattr(self, name)
            check(name, rate == 0 or 0.01 <= rate <= 1024,
                  "0 (no limit) or 0.01 to 1024 bytes a cycle are allowed")


class _Settings(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("base", "fail_read", "fail_write", "seed")] + [
        (name, ctypes.c_uint32) for name in ("read_latency", "write_latency", "read_rate",
                                             "write_rate", "total_rate", "outstanding", "stall")]

    @classmethod
    def of(cls, dram):
        nowhere = (1 << 64) - 1
        return cls(base=dram.base, seed=dram.seed,
                   fail_read=nowhere if dram.fail_read is None else dram.fail_read,
                   fail_write=nowhere if dram.fail_write is None else dram.fail_write,
                   read_latency=dram.read_latency, write_latency=dram.write_latency,
                   read_rate=round(dram.read_bytes * 1024),
                   write_rate=round(dram.write_bytes * 1024),
                   total_rate=round(dram.total_bytes * 1024), outstanding=dram.outstanding,
                   stall=round(dram.stall * 256))


def cache_folder():
    """Where built simulators are kept: ``$XDG_CACHE_HOME/hwgen``, else ``~/.cache/hwgen``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "hwgen"


def _identity(verilator):
    """Text that changes with the Verilator used: its version and the binary itself."""
    text = subprocess.run([verilator.binary, "--version"], capture_output=True, text=True,
                          env=verilator.environ()).stdout
    stat = os.stat(verilator.binary)
    return f"{text} {stat.st_size} {stat.st_mtime_ns}"


def build(verilog, *, trace=False, notice=None):
    """Compile the design, whose top module is ``hwgen``, unless a cached library serves.

    Takes 10 to 60 seconds for a 12x14 array on two cores, milliseconds from the cache. The library
    appears in the cache folder at once and whole.

    Parameters
    ----------
    verilog : str
        The whole design.
    trace : bool
        Build for recording waves, which makes it slower.
    notice : callable
        Called without arguments before a compilation starts.

    Returns
    -------
    pathlib.Path
        The shared library.

    Raises
    ------
    HwgenError
        Verilator or a C++ compiler is missing, the cache cannot be written, or the compilation
        fails.
    """
    verilator = find_verilator()
    harness = resources.files(__package__).joinpath("harness.cpp").read_text()
    key = hashlib.sha256("\0".join([verilog, harness, _identity(verilator), _COMPILE, str(trace)])
                         .encode()).hexdigest()[:32]
    folder = cache_folder()
    library = folder / f"{key}.so"
    if library.exists():
        return library
    for tool in ("g++", "make", "perl"):
        if not shutil.which(tool):
            raise HwgenError(f"{tool} was not found: it is needed to compile the simulator; "
                             f"install it ('apt-get install g++ make perl').")
    if notice is not None:
        notice()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(dir=folder, prefix="build-")
    except OSError as error:
        raise HwgenError(f"cannot write the simulator cache {folder}: {error.strerror}; set "
                         f"XDG_CACHE_HOME to a folder that can be written.") from None
    with work as name:
        work = Path(name)
        (work / "design.v").write_text(verilog)
        (work / "harness.cpp").write_text(harness)
        command = [verilator.binary, "--cc", "--exe", "--build", "-j", "2", "--prefix", "Vdesign",
                   "--top-module", _TOP, "--Mdir", "obj", "-o", "harness.so", "-O3",
                   "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "--noassert",
                   "-Wno-fatal", "-Wno-lint", "--output-split", "20000",
                   "-CFLAGS", _COMPILE, "-LDFLAGS", "-shared",
                   *(["--trace"] if trace else []), "harness.cpp", "design.v"]
        environ = verilator.environ()
        environ["MAKEFLAGS"] = (f"{environ.get('MAKEFLAGS', '')} OPT_FAST=-O2 OPT_SLOW=-O1 "
                                f"OPT_GLOBAL=-O2").strip()
        result = subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True)
        built = work / "obj" / "harness.so"
        if result.returncode or not built.exists():
            log = folder / f"{key}.log"
            log.write_text(result.stdout + result.stderr)
            raise HwgenError(f"Verilator could not build the simulator (exit code "
                             f"{result.returncode}): its messages are in {log}.")
        os.replace(built, library)
    return library


def _load(library):
    """The library with its functions' types declared."""
    lib = ctypes.CDLL(str(library))
    handle, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    for name, result, *arguments in (
            ("create", handle, ctypes.c_void_p, u64),
            ("destroy", None, handle),
            ("configure", None, handle, ctypes.POINTER(_Settings)),
            ("reset", None, handle, u32),
            ("run", u64, handle, u64),
            ("read", ctypes.c_int, handle, u32, ctypes.POINTER(u32)),
            ("write", ctypes.c_int, handle, u32, u32),
            ("irq", ctypes.c_int, handle),
            ("violation", ctypes.c_char_p, handle),
            ("statistics", None, handle, ctypes.POINTER(u64)),
            ("trace", ctypes.c_int, handle, ctypes.c_char_p),
            ("bus_bytes", u32)):
        function = getattr(lib, f"harness_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


class VerilatedBus:
    """A simulated accelerator and its memory; a :class:`~hwgen.runtime.driver.Bus`.

    Parameters
    ----------
    library : path
        What :func:`build` returned.
    size : int
        Bytes of memory; an access beyond answers DECERR.
    dram : Dram
    trace : path
        VCD file to record waves to; wants a library built with ``trace=True``.

    Attributes
    ----------
    memory : numpy.ndarray
        The memory itself, uint8.
    """
    def __init__(self, library, size, *, dram=None, trace=None):
        lib = _load(library)
        self._lib = lib
        bus_bytes = lib.harness_bus_bytes()
        self.memory = np.zeros(-(-size // bus_bytes) * bus_bytes, np.uint8)
        self._handle = lib.harness_create(self.memory.ctypes.data, len(self.memory))
        self._destroy = weakref.finalize(self, lib.harness_destroy, self._handle)
        self.dram = dram or Dram()
        if trace is not None and not self._lib.harness_trace(self._handle, os.fsencode(trace)):
            raise HwgenError(f"cannot record waves to {trace}: the file cannot be written, or the "
                             f"simulator was built without tracing.")

    def close(self):
        """End the simulation and the recording; safe to repeat. Nothing else may be called."""
        self._destroy()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def dram(self):
        """The memory's timing and faults; may be changed at any time."""
        return self._dram

    @dram.setter
    def dram(self, dram):
        self._dram = dram
        self._lib.harness_configure(self._handle, ctypes.byref(_Settings.of(dram)))

    @property
    def base(self):
        return self._dram.base

    def _check(self):
        violation = self._lib.harness_violation(self._handle)
        if violation is not None:
            raise SimulationError(f"AXI protocol violation: {violation.decode()}")

    def reset(self, cycles=16):
        self._lib.harness_reset(self._handle, cycles)

    def read32(self, offset):
        value = ctypes.c_uint32()
        response = self._lib.harness_read(self._handle, offset, ctypes.byref(value))
        self._answer("read", offset, response)
        return value.value

    def write32(self, offset, value):
        self._answer("write", offset, self._lib.harness_write(self._handle, offset, value))

    def _answer(self, kind, offset, response):
        self._check()
        if response:
            what = "no answer" if response < 0 else ("OKAY", "EXOKAY", "SLVERR", "DECERR")[response]
            raise SimulationError(f"AXI4-Lite {kind} of offset 0x{offset:03X}: {what}")

    def read(self, offset, size):
        return self.memory[offset:offset + size].tobytes()

    def write(self, offset, data):
        self.memory[offset:offset + len(data)] = np.frombuffer(data, np.uint8)

    def wait(self, cycles):
        self._lib.harness_run(self._handle, cycles)
        self._check()
        return bool(self._lib.harness_irq(self._handle))

    def statistics(self):
        """What the harness itself counted since the start, by name.

        ``cycles``; ``read_beats``, ``write_beats``, ``read_bursts``, ``write_bursts`` of AXI4.
        """
        values = (ctypes.c_uint64 * 5)()
        self._lib.harness_statistics(self._handle, values)
        return dict(zip(("cycles", "read_beats", "write_beats", "read_bursts", "write_bursts"),
                        values, strict=True))
