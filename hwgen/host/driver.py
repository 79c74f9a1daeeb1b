"""The driver: runs compiled programs on an accelerator, by registers, memory and interrupt alone.

Everything goes through a :class:`Bus`, so the same driver serves every simulator and, by
:mod:`hwgen.host.device`, real hardware.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..config import Config
from ..errors import HwgenError
from ..isa import MAGIC
from ..isa.registers import COUNTERS, LIMIT_UNIT, REGISTERS, ErrorCode

__all__ = ["Bus", "Driver", "SimulationError", "DeviceError", "Outcome"]

_DONE, _ERROR = 1, 2         # of IRQ_ENABLE and IRQ_STATUS
_START, _SOFT_RESET = 1, 2   # of CTRL
_NOT_READY = 0b1101          # of STATUS: BUSY, ERROR, RESETTING
_PAGE = 4096                 # what SIZE is a multiple of
_POLLS = 1000                # looks at a register until it is 0,
_POLL_CYCLES = 100           # and cycles between them


class Bus(Protocol):
    """How the host reaches an accelerator and its memory."""

    def reset(self) -> None:
        """Pulse ``aresetn``; nothing, where software cannot."""

    def read32(self, offset: int) -> int:
        """Value of the CSR at byte offset ``offset``."""

    def write32(self, offset: int, value: int) -> None:
        """Write a CSR."""

    def allocate(self, size: int) -> int:
        """Give the accelerator ``size`` bytes of memory, in place of what it had; returns the
        address of the first, a multiple of 4096. Raises :exc:`~hwgen.errors.HwgenError` if there
        is not as much."""

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes of that memory."""

    def write(self, offset: int, data: bytes) -> None:
        """Write ``data`` to that memory."""

    def wait(self, cycles: int) -> bool:
        """Wait for the interrupt, at most about ``cycles`` cycles; whether it came. It may come
        without a cause, which ``IRQ_STATUS`` tells."""


class SimulationError(Exception):
    """The design broke a bus protocol, or did not answer on one.

    Attributes
    ----------
    layer : str or None
        The layer that ran.
    """
    layer: str | None = None


class DeviceError(SimulationError):
    """The accelerator stopped, or hangs.

    Attributes
    ----------
    code : ErrorCode
    info : int
        Address, opcode, magic or hash; see :class:`~hwgen.isa.registers.ErrorCode`.
    command : int
        Index of the command at which the controller was.
    """
    def __init__(self, code: ErrorCode, info: int, command: int) -> None:
        self.code, self.info, self.command = code, info, command
        super().__init__(f"the accelerator stopped with error {code.value} ({code.name}, info "
                         f"0x{info:X}) at command {command}: {code.doc}")


@dataclass(frozen=True)
class Outcome:
    """What a finished program did: ``counters`` by name, ``cycles`` one of them."""
    counters: dict[str, int]

    @property
    def cycles(self) -> int:
        return self.counters["CYCLES"]


class Driver:
    """Runs programs on the accelerator behind ``bus``, which was built for ``config``.

    The device is reset, whatever state an earlier program left it in. Raises
    :exc:`~hwgen.errors.HwgenError` if it is none of ours, or another configuration; then none of
    its registers was written.
    """
    def __init__(self, bus: Bus, config: Config) -> None:
        self.bus, self.config = bus, config
        bus.reset()
        identity = self._get("ID")
        if identity != MAGIC:
            raise HwgenError(f"the device's ID register holds 0x{identity:08X} in place of "
                             f"0x{MAGIC:08X}: this is no hwgen accelerator.")
        if self._get("CONFIG_HASH") != config.hash:
            raise HwgenError(f"the device was built with configuration hash "
                             f"0x{self._get('CONFIG_HASH'):08X}, but {config.name!r} has "
                             f"0x{config.hash:08X}: use the configuration it was built with.")
        self.recover()
        self._set("IRQ_ENABLE", _DONE | _ERROR)

    def _get(self, name: str) -> int:
        return self.bus.read32(REGISTERS[name].offset)

    def _set(self, name: str, value: int) -> None:
        self.bus.write32(REGISTERS[name].offset, value)

    def load(self, image: bytes, size: int | None = None) -> None:
        """Allocate memory and write a memory image, from offset 0. Programs that touch anything
        else, beyond the last of its pages of 4096 bytes, will be stopped.

        Parameters
        ----------
        image : bytes
        size : int
            Bytes of memory that its programs need in all; those of the image if left out.

        Raises
        ------
        HwgenError
            There is not as much memory, or not where the accelerator's addresses reach.
        """
        size = len(image) if size is None else size
        base = self.bus.allocate(size)
        if base + size > 1 << self.config.addr_bits:
            raise HwgenError(f"{size} bytes of memory at 0x{base:X} lie beyond the "
                             f"{self.config.addr_bits} address bits of {self.config.name!r}: "
                             f"reserve memory below, or build with a larger addr_bits.")
        self._set("BASE_LO", base & 0xFFFFFFFF)
        self._set("BASE_HI", base >> 32)
        self._set("SIZE", -(-size // _PAGE) * _PAGE & 0xFFFFFFFF)
        self.bus.write(0, image)

    def run(self, program: int, *, watchdog: int | None = None, limit: int = 0,
            slice_cycles: int = 100_000,
            progress: Callable[[], object] | None = None) -> Outcome:
        """Run the program at byte offset ``program`` to its end.

        Parameters
        ----------
        watchdog : int
            Cycles without progress after which the device gives up, 0 for never; the register's
            reset value if left out.
        limit : int
            Cycles after which the device stops the program, rounded up to a multiple of 4096; 0 for
            never. More than the register holds, 6.9e10, is as much as it holds.
        slice_cycles : int
            The longest wait between two calls of ``progress``.
        progress : callable
            Called without arguments after each wait.

        Returns
        -------
        Outcome

        Raises
        ------
        DeviceError
            The device stopped with an error. :meth:`recover` makes it usable again.
        HwgenError
            That was not done after an earlier error.
        """
        status = self._get("STATUS")
        if status & _NOT_READY:
            raise HwgenError(f"the device cannot start a program: STATUS is 0x{status:X}; after an "
                             f"error, or a program that was abandoned, do a soft reset.")
        if watchdog is None:
            watchdog = REGISTERS["WATCHDOG"].value(self.config)
        self._set("WATCHDOG", watchdog)
        most = (1 << REGISTERS["LIMIT"].fields[0].bits) - 1
        self._set("LIMIT", min(-(-limit // LIMIT_UNIT), most))
        self._set("PROGRAM", program)
        self._set("CTRL", _START)
        cause = 0
        while not cause:
            if self.bus.wait(slice_cycles):
                cause = self._get("IRQ_STATUS")
            if progress is not None:
                progress()
        self._clear()
        if cause & _ERROR:
            raise DeviceError(ErrorCode(self._get("ERROR_CODE")),
                              self._get("ERROR_INFO_LO") | self._get("ERROR_INFO_HI") << 32,
                              self._get("ERROR_COMMAND"))
        return Outcome(self.counters())

    def counter(self, name: str) -> int:
        """A performance counter."""
        offset = COUNTERS[name].offset
        return self.bus.read32(offset) | self.bus.read32(offset + 4) << 32

    def counters(self) -> dict[str, int]:
        """Every performance counter by name."""
        return {name: self.counter(name) for name in COUNTERS}

    def recover(self) -> None:
        """Soft reset, after an error or to abandon a program; raises :exc:`HwgenError` if the
        device does not come back."""
        self._set("CTRL", _SOFT_RESET)
        self._until_zero("STATUS", "did not finish its soft reset")
        self._clear()

    def _clear(self) -> None:
        """Clear the interrupt; reading it back tells that this has arrived."""
        self._set("IRQ_STATUS", _DONE | _ERROR)
        self._until_zero("IRQ_STATUS", "does not clear its interrupt")

    def _until_zero(self, name: str, failure: str) -> None:
        for _ in range(_POLLS):
            value = self._get(name)
            if not value:
                return
            self.bus.wait(_POLL_CYCLES)
        raise HwgenError(f"the device {failure}: {name} is 0x{value:X}.")
