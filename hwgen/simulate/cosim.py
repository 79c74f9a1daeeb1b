"""The design in Icarus Verilog, behind the same :class:`~hwgen.host.driver.Bus`.

Icarus runs the testbench of :mod:`hwgen.simulate.cocotb_bus` in a process of its own, with the bus
models of cocotbext-axi; this side sends it one request at a time over a socket.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from ..errors import HwgenError
from ..host.driver import SimulationError
from ..process import kill, run, started
from ..tools import find_icarus
from . import cache
from .dram import Dram
from .waves import dumping

__all__ = ["IcarusBus", "build"]

_TOP = "hwgen"
_START_SECONDS = 120


def build(verilog, *, trace=None, notice=None):
    """Compile the design for Icarus, unless the cache has it; returns the ``.vvp`` file.

    With ``trace``, waves can be recorded. ``notice`` is called without arguments before a
    compilation starts. Raises :exc:`HwgenError` if Icarus Verilog is missing or refuses the design.
    """
    icarus = find_icarus()
    version = subprocess.run([icarus, "-V"], capture_output=True, text=True).stdout
    if trace:
        verilog = dumping(verilog, _TOP)
    entry = cache.Entry(".vvp", verilog, version)
    if entry.path.exists():
        return entry.path
    if notice is not None:
        notice()
    with entry.workspace() as work:
        (work / "design.v").write_text("`timescale 1ns/1ps\n" + verilog)
        result = run([icarus, "-g2012", "-s", _TOP, "-o", "sim.vvp", "design.v"], cwd=work)
        if result.returncode:
            raise entry.failure("Icarus could not compile the design", result)
        entry.keep(work / "sim.vvp")
    return entry.path


class IcarusBus:
    """A simulated accelerator and its memory.

    About a thousand cycles a second for a 12x14 array: for small networks. Of ``dram``, the base
    address, the stalls and the seed count; the bus models have their own latency.

    Parameters
    ----------
    image : path
        What :func:`build` returned.
    dram : Dram
    waves : Waves
        Where to record to, see :meth:`record`; wants a design built with ``trace``.

    Raises
    ------
    HwgenError
        cocotb or cocotbext-axi is missing.
    SimulationError
        The simulation did not start.
    """
    def __init__(self, image, *, dram=None, waves=None):
        try:
            import cocotbext.axi  # noqa: F401
            from cocotb_tools.runner import Icarus
        except ImportError as error:
            raise HwgenError(f"the Python package {error.name!r} was not found: simulation by "
                             f"Icarus needs 'pip install cocotb cocotbext-axi'.") from None
        self._dram = dram or Dram()
        self._folder = Path(tempfile.mkdtemp(prefix="hwgen-icarus-"))
        self._log = self._folder / "log"
        self._connection = None
        os.symlink(image, self._folder / "sim.vvp")

        class Runner(Icarus):
            def _test_command(self):
                command, = super()._test_command()      # ends with -none: no waves
                return [command if waves is None else
                        [*command, f"-{waves.form}", f"+waves={waves.part.resolve()}"]]

            def _execute_cmds(self, cmds, cwd, stdout=None):
                for command in cmds:
                    with started(command, cwd=cwd, env=self.env, stdout=stdout,
                                 stderr=subprocess.STDOUT) as bus._process:
                        if bus._abandoned:
                            raise RuntimeError("abandoned")
                        bus._process.wait()

        bus, self._process, self._abandoned = self, None, False
        runner = Runner()
        address = str(self._folder / "socket")
        environment = {"HWGEN_SOCKET": address, "HWGEN_BASE": str(self._dram.base),
                       "HWGEN_STALL": str(self._dram.stall), "HWGEN_SEED": str(self._dram.seed)}

        def simulate():
            with suppress(SystemExit, RuntimeError):    # the log tells why
                runner.test(hdl_toplevel=_TOP, hdl_toplevel_lang="verilog",
                            test_module="hwgen.simulate.cocotb_bus", build_dir=self._folder,
                            test_dir=self._folder, log_file=self._log,
                            results_xml=str(self._folder / "results.xml"), extra_env=environment,
                            seed=self._dram.seed)

        self._thread = threading.Thread(target=simulate, daemon=True)
        try:
            self._connection = self._connected(address)
        except BaseException as error:
            self._abandon()
            if not isinstance(error, SimulationError):      # that names the log
                shutil.rmtree(self._folder, ignore_errors=True)
            raise
        if waves is not None:
            self.record(waves.layer is None)

    def _connected(self, address):
        """The connection to the simulation, which is started here."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(1)
            listener.settimeout(0.2)
            self._thread.start()
            for _ in range(_START_SECONDS * 5):
                try:
                    accepted, _ = listener.accept()
                    break
                except TimeoutError:
                    if not self._thread.is_alive():
                        raise self._lost() from None
            else:
                raise self._lost()
        accepted.setblocking(True)
        return Connection(accepted.detach())

    def _abandon(self):
        """End the simulator, whatever it does."""
        self._abandoned = True
        if self._process is not None:
            kill(self._process)
        if self._thread.ident is not None:
            self._thread.join()

    def _lost(self):
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        reasons = [line.strip() for line in lines if "Error" in line]
        return SimulationError(f"the Icarus simulation ended: "
                               f"{reasons[-1] if reasons else 'no reason is known'} (log: "
                               f"{self._log})")

    def _ask(self, name, *arguments):
        try:
            self._connection.send((name, arguments))
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if isinstance(answer, SimulationError):
            raise answer
        return answer

    def record(self, on):
        """Whether the cycles from now on go into the wave file."""
        self._ask("record", int(on))

    def reset(self):
        self._ask("reset")

    def read32(self, offset):
        return self._ask("read32", offset)

    def write32(self, offset, value):
        self._ask("write32", offset, value)

    def allocate(self, size):
        return self._ask("allocate", size)

    def read(self, offset, size):
        return self._ask("read", offset, size)

    def write(self, offset, data):
        self._ask("write", offset, bytes(data))

    def wait(self, cycles):
        return self._ask("wait", cycles)

    def statistics(self):
        """``{"cycles": cycles since the start}``."""
        return self._ask("statistics")

    def close(self):
        """End the simulation and remove its folder; safe to repeat."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._thread.join(timeout=10)
            self._abandon()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._abandon()
        self.close()
