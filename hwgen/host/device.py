"""A real accelerator under Linux: registers and memory mapped from device files.

The registers are a range of physical addresses, by ``/dev/mem`` or by a UIO device; the memory is a
region that the kernel leaves alone, by ``/dev/mem``, u-dma-buf or UIO; the interrupt, if there is
one, comes from a UIO device. The host is little-endian.
"""

import mmap
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..errors import HwgenError
from ..isa.registers import ADDRESS_BITS, REGISTERS

__all__ = ["MappedBus", "Window"]

_DEVICES, _CLASSES = Path("/dev"), Path("/sys/class")
_PAGE = 4096                 # what BASE is a multiple of
_ENABLE = (1).to_bytes(4, "little")     # written to a UIO device
_COUNT = 4                   # bytes that a UIO device gives for an interrupt
_SHORTEST = 1e-3             # seconds of a wait
_PAUSE = 50e-6               # seconds between two looks without an interrupt


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_SYNC)
    except FileNotFoundError:
        raise HwgenError(f"there is no device {path}: load the kernel driver that makes it, or "
                         f"name another.") from None
    except PermissionError:
        raise HwgenError(f"no permission to open {path} for reading and writing: run as a user "
                         f"who has it, or change the device's group.") from None
    except OSError as error:
        raise HwgenError(f"cannot open {path}: {error.strerror}.") from None


def _attributes(folder: Path, *names: str) -> list[int]:
    """The numbers in files of sysfs."""
    if not folder.is_dir():
        found = sorted(path.name for path in folder.parent.glob("*"))
        raise HwgenError(f"there is no {folder}: {folder.parent} has "
                         f"{', '.join(found) or 'nothing'}.")
    try:
        return [int((folder / name).read_text(), 0) for name in names]
    except (OSError, ValueError) as error:
        raise HwgenError(f"cannot read {' and '.join(names)} in {folder}: {error}.") from None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A range of physical addresses, and the file that maps it.

    Attributes
    ----------
    path : path
        The device file.
    address : int
        Physical address of the first byte, which is the accelerator's address of it, too.
    size : int
        Bytes.
    offset : int
        Place of the first byte in the file.
    """
    path: Path
    address: int
    size: int
    offset: int = 0

    @classmethod
    def physical(cls, address: int, size: int) -> Self:
        """``size`` bytes from ``address``, through ``/dev/mem``."""
        return cls(path=_DEVICES / "mem", address=address, size=size, offset=address)

    @classmethod
    def uio(cls, name: str, index: int = 0) -> Self:
        """Map ``index`` of the UIO device ``name``, as in ``uio0``.

        Raises :exc:`HwgenError` if sysfs has none.
        """
        address, size, skip = _attributes(_CLASSES / "uio" / name / "maps" / f"map{index}",
                                          "addr", "size", "offset")
        return cls(path=_DEVICES / name, address=address + skip, size=size - skip,
                   offset=index * mmap.PAGESIZE + skip)

    @classmethod
    def udmabuf(cls, name: str) -> Self:
        """The buffer of the u-dma-buf device ``name``, as in ``udmabuf0``, uncached.

        Raises :exc:`HwgenError` if sysfs has none.
        """
        address, size = _attributes(_CLASSES / "u-dma-buf" / name, "phys_addr", "size")
        return cls(path=_DEVICES / name, address=address, size=size)

    def map(self) -> memoryview:
        """The bytes, as a :class:`memoryview` that is the mapping's only user.

        Raises :exc:`HwgenError` if the device is missing, closed to this user or does not map.
        """
        skip = self.offset % mmap.PAGESIZE
        file = _open(self.path)
        try:
            mapped = mmap.mmap(file, skip + self.size, offset=self.offset - skip)
        except (OSError, ValueError, OverflowError) as error:
            raise HwgenError(f"cannot map {self.size} bytes at offset 0x{self.offset:X} of "
                             f"{self.path}: {error}.") from None
        finally:
            os.close(file)
        return memoryview(mapped)[skip:skip + self.size]


class MappedBus:
    """An accelerator that device files map; a :class:`~hwgen.host.driver.Bus`.

    Registers are read and written 32 bits at a time. There is no reset line: the driver's soft
    reset does its work.

    Parameters
    ----------
    registers : Window
        The AXI4-Lite slave, 4096 bytes.
    memory : Window
        The region that is the accelerator's alone; its address is a multiple of 4096.
    interrupt : str
        UIO device whose interrupt is the accelerator's, as in ``uio0``; without it, ``IRQ_STATUS``
        is read every 50 us. An interrupt that is lost costs the rest of its wait.
    clock_mhz : float
        The accelerator's clock, by which the driver's cycles become time; a wait ends after a
        millisecond at the earliest, if no interrupt comes.

    Raises
    ------
    HwgenError
        A device is missing, closed to this user or too small.
    """
    def __init__(self, registers: Window, memory: Window, *, interrupt: str | None = None,
                 clock_mhz: float = 100) -> None:
        if registers.size < 1 << ADDRESS_BITS:
            raise HwgenError(f"{registers.path} maps {registers.size} bytes of registers, but the "
                             f"accelerator has {1 << ADDRESS_BITS}: correct the device tree or the "
                             f"size given.")
        if memory.address % _PAGE:
            raise HwgenError(f"the memory begins at 0x{memory.address:X}, but the accelerator's "
                             f"must begin at a multiple of {_PAGE}: reserve it there.")
        self._window, self._hertz = memory, clock_mhz * 1e6
        self._registers: Any = None     # memoryviews, and a file descriptor; None: closed
        self._memory: Any = None
        self._interrupt: Any = None
        try:
            self._registers = registers.map()[:1 << ADDRESS_BITS].cast("I")
            self._memory = memory.map()
            if interrupt is not None:
                self._interrupt = _open(_DEVICES / interrupt)
        except HwgenError:
            self.close()
            raise

    def close(self) -> None:
        """Unmap everything; safe to repeat. Nothing else may be called."""
        self._registers = self._memory = None
        if self._interrupt is not None:
            os.close(self._interrupt)
            self._interrupt = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self) -> None:
        pass

    def read32(self, offset: int) -> int:
        return self._registers[offset // 4]

    def write32(self, offset: int, value: int) -> None:
        self._registers[offset // 4] = value

    def allocate(self, size: int) -> int:
        if size > self._window.size:
            raise HwgenError(f"the program needs {size} bytes of memory, but {self._window.path} "
                             f"maps {self._window.size} at 0x{self._window.address:X}: reserve a "
                             f"larger region.")
        return self._window.address

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._memory[offset:offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self._memory[offset:offset + len(data)] = data

    def wait(self, cycles: int) -> bool:
        seconds = max(cycles / self._hertz, _SHORTEST)
        if self._interrupt is not None:
            self._sleep(seconds)
            return self._stands()
        end = time.monotonic() + seconds
        while not self._stands() and time.monotonic() < end:
            time.sleep(_PAUSE)
        return self._stands()

    def _stands(self) -> bool:
        return bool(self.read32(REGISTERS["IRQ_STATUS"].offset))

    def _sleep(self, seconds: float) -> None:
        """Until the UIO device's interrupt, ``seconds`` at most."""
        try:
            os.write(self._interrupt, _ENABLE)
            if select.select([self._interrupt], [], [], seconds)[0]:
                os.read(self._interrupt, _COUNT)
        except OSError as error:
            raise HwgenError(f"the UIO device gives no interrupt ({error.strerror}): describe it "
                             f"in the device tree, or do without.") from None
