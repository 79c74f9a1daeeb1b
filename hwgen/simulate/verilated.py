"""The design as a shared library: verilated, compiled with harness.cpp, and called by ctypes."""

import ctypes
import os
import re
import shutil
import subprocess
import weakref
from importlib import resources

import numpy as np

from ..errors import HwgenError
from ..host.driver import SimulationError
from ..process import run
from ..tools import find_verilator
from . import cache
from .dram import Dram

__all__ = ["VerilatedBus", "build"]

_TOP = "hwgen"
_COMPILE = "-fPIC -fno-plt"
# -O2 makes a 12x14 array 10 % faster than -O1, and its compilation a sixth slower; -Os makes it
# slower.
_MAKE = "OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O2"
# Inlining whole rows of PEs into one module makes files that take minutes to compile. The dataflow
# optimiser would put a row's driver in place of its input, and number the tables that it makes: see
# _shared.
_VERILATE = ["-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "--noassert",
             "--inline-mult", "100", "--output-split", "20000", "-fno-dfg", "-fno-table",
             "-Wno-fatal", "-Wno-lint"]
# Modules whose instances are to share their functions.
_SHARED = ("array_row", "glb_bank", "requant")


class _Settings(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "base", "fail_read", "fail_write", "flip_last", "seed")] + [
        (name, ctypes.c_uint32) for name in ("read_latency", "write_latency", "read_rate",
                                             "write_rate", "total_rate", "outstanding", "stall")]

    @classmethod
    def of(cls, dram):
        nowhere = (1 << 64) - 1
        return cls(base=dram.base, seed=dram.seed,
                   fail_read=nowhere if dram.fail_read is None else dram.fail_read,
                   fail_write=nowhere if dram.fail_write is None else dram.fail_write,
                   flip_last=nowhere if dram.flip_last is None else dram.flip_last,
                   read_latency=dram.read_latency, write_latency=dram.write_latency,
                   read_rate=round(dram.read_bytes * 1024),
                   write_rate=round(dram.write_bytes * 1024),
                   total_rate=round(dram.total_bytes * 1024), outstanding=dram.outstanding,
                   stall=round(dram.stall * 256))


def _identity(verilator):
    """Text that changes with the Verilator used: its version and the binary itself."""
    text = subprocess.run([verilator.binary, "--version"], capture_output=True, text=True,
                          env=verilator.environ()).stdout
    stat = os.stat(verilator.binary)
    return f"{text} {stat.st_size} {stat.st_mtime_ns}"


def _shared(verilog):
    """A Verilator control file that makes the instances of a module run the same functions.

    Verilator schedules the whole design, and writes functions for each instance; those that come
    out the same become one. They do if nothing of what surrounds an instance stands in them: what
    drives an input that differs between instances, a constant or another row's register. Public
    inputs keep it out. With functions for each of 12 rows a simulated cycle runs through 280 KB of
    code, which the processor cannot fetch as fast as it runs it; with shared ones, through 130 KB.
    """
    lines = ["`verilator_config"]
    pins = {}
    for module, body in re.findall(r"^  (\w+) \S+ +\($(.*?)^  \);$", verilog, re.M | re.S):
        if module in _SHARED:
            for port, value in re.findall(r"^    \.(\w+) ?\((.*)\),?$", body, re.M):
                pins.setdefault((module, port), set()).add(value)
    for module in _SHARED:
        text = re.search(rf"^module {module}\(.*?^endmodule$", verilog, re.M | re.S)
        for port in re.findall(r"^  input (?:\[\d+:0\] )?(\w+);$", text[0] if text else "", re.M):
            if len(pins.get((module, port), ())) > 1:
                lines.append(f'public_flat_rd -module "{module}" -var "{port}"')
    return "\n".join(lines) + "\n"


def _check_fst():
    """Refuse FST where the headers of the libraries that Verilator writes it with are missing."""
    found = subprocess.run(["g++", "-E", "-x", "c++", "-"], capture_output=True, text=True,
                           input="#include <lz4.h>\n#include <zlib.h>\n")
    if found.returncode:
        raise HwgenError("Verilator writes FST with the libraries lz4 and zlib, whose headers were "
                         "not found: install them ('apt-get install liblz4-dev zlib1g-dev'), or "
                         "name a .vcd file.")


def build(verilog, *, trace=None, notice=None):
    """Compile the design, whose top module is ``hwgen``, unless a cached library serves.

    Takes about a minute of CPU time for a 12x14 array, on two cores, milliseconds from the cache.
    The library appears in the cache folder at once and whole.

    Parameters
    ----------
    verilog : str
        The whole design.
    trace : str
        ``"vcd"`` or ``"fst"``: build for recording waves, which makes it slower.
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
    control = _shared(verilog)
    entry = cache.Entry(".so", verilog, harness, _identity(verilator), _COMPILE, _MAKE,
                        " ".join(_VERILATE), control, str(trace))
    if entry.path.exists():
        return entry.path
    for tool in ("g++", "make", "perl"):
        if not shutil.which(tool):
            raise HwgenError(f"{tool} was not found: it is needed to compile the simulator; "
                             f"install it ('apt-get install g++ make perl').")
    if trace == "fst":
        _check_fst()
    if notice is not None:
        notice()
    with entry.workspace() as work:
        (work / "design.v").write_text(verilog)
        (work / "harness.cpp").write_text(harness)
        (work / "shared.vlt").write_text(control)
        command = [verilator.binary, "--cc", "--exe", "--build", "-j", "2", "--prefix", "Vdesign",
                   "--top-module", _TOP, "--Mdir", "obj", "-o", "harness.so", *_VERILATE,
                   "-CFLAGS", _COMPILE, "-LDFLAGS", "-shared",
                   *([f"--trace-{trace}"] if trace else []), "harness.cpp", "shared.vlt",
                   "design.v"]
        environ = verilator.environ()
        environ["TMPDIR"] = str(work)
        environ["MAKEFLAGS"] = f"{environ.get('MAKEFLAGS', '')} {_MAKE}".strip()
        result = run(command, cwd=work, env=environ)
        built = work / "obj" / "harness.so"
        if result.returncode or not built.exists():
            raise entry.failure("Verilator could not build the simulator", result)
        entry.keep(built)
    return entry.path


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
            ("record", None, handle, ctypes.c_int),
            ("bus_bytes", u32)):
        function = getattr(lib, f"harness_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


class VerilatedBus:
    """A simulated accelerator and its memory; a :class:`~hwgen.host.driver.Bus`.

    Parameters
    ----------
    library : path
        What :func:`build` returned.
    size : int
        Bytes of memory; an access beyond answers DECERR.
    dram : Dram
    waves : Waves
        Where to record to, see :meth:`record`; wants a library built for its format.

    Attributes
    ----------
    memory : numpy.ndarray
        The memory itself, uint8.
    """
    def __init__(self, library, size, *, dram=None, waves=None):
        lib = _load(library)
        self._lib = lib
        bus_bytes = lib.harness_bus_bytes()
        self.memory = np.zeros(-(-size // bus_bytes) * bus_bytes, np.uint8)
        self._handle = lib.harness_create(self.memory.ctypes.data, len(self.memory))
        self._destroy = weakref.finalize(self, lib.harness_destroy, self._handle)
        self.dram = dram or Dram()
        if waves is not None:
            if not lib.harness_trace(self._handle, os.fsencode(waves.part)):
                raise HwgenError(f"cannot record waves to {waves.path}: the file cannot be "
                                 f"written, or the simulator was built without tracing.")
            self.record(waves.layer is None)

    def record(self, on):
        """Whether the cycles from now on go into the wave file."""
        self._lib.harness_record(self._handle, on)

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

    def allocate(self, size):
        if size > len(self.memory):
            raise HwgenError(f"the program needs {size} bytes of memory, but the simulation has "
                             f"{len(self.memory)}: simulate with more.")
        return self._dram.base

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

        ``cycles``; ``read_beats``, ``write_beats``, ``read_bursts``, ``write_bursts`` of AXI4;
        ``longest_burst`` in beats; ``outside``, beats for which there was no memory.
        """
        values = (ctypes.c_uint64 * 7)()
        self._lib.harness_statistics(self._handle, values)
        return dict(zip(("cycles", "read_beats", "write_beats", "read_bursts", "write_bursts",
                         "longest_burst", "outside"), values, strict=True))
