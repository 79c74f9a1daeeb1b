"""The driver on mapped device files, behind which a thread runs the simulated accelerator."""

import mmap
import os
import pty
import re
import select
import threading
import tty
from contextlib import contextmanager

import numpy as np
import pytest

from hwgen import isa
from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.host import device, driver
from hwgen.host.device import MappedBus, Window
from hwgen.host.driver import DeviceError, Driver
from hwgen.host.network_runner import execute
from hwgen.isa.registers import COUNTERS, REGISTERS, Access, ErrorCode
from hwgen.simulate.dram import Dram
from hwgen.simulate.verilated import VerilatedBus

_ADDRESS = 0x4000_0000       # of the memory
_PAGE = 4096
_SKIP = 0x200                # where the registers begin in the UIO device's map
_CONFIG = Config(name="small", rows=2, cols=3, glb_kib=24)
_OFFSET = {name: register.offset // 4 for name, register in REGISTERS.items()}
_INPUTS = ("IRQ_ENABLE", "BASE_LO", "BASE_HI", "PROGRAM", "WATCHDOG")
_OUTPUTS = [name for name, register in REGISTERS.items() if register.fields[0].access in
            (Access.CONST, Access.RO)] + ["IRQ_STATUS"]


class _Device(threading.Thread):
    """An accelerator behind ordinary files: register file, memory file, a terminal for interrupts.

    Writes to the registers have no effect at once: the thread looks for them, and runs the
    simulation when it finds a start. It begins in the state that a failed program left.

    Attributes
    ----------
    memory : numpy.ndarray
        The memory that is mapped.
    interrupt : str
        The terminal: takes what enables the interrupt, and gives a count for each.
    enables, interrupts : int
        How many of both there were.
    """
    def __init__(self, folder, lenet):
        super().__init__(daemon=True)
        self.simulation = VerilatedBus(lenet.library, lenet.program.memory_bytes,
                                       dram=Dram(base=_ADDRESS))
        self.simulation.reset()
        size = len(self.simulation.memory)
        for name, length in (("registers", _SKIP + _PAGE), ("memory", size)):
            (folder / name).write_bytes(bytes(length))
        self._registers = np.memmap(folder / "registers", np.uint32, "r+", offset=_SKIP)
        self.memory = np.memmap(folder / "memory", np.uint8, "r+")
        self._terminal, slave = pty.openpty()
        tty.setraw(slave)
        self.interrupt = os.ttyname(slave)
        self._slave = slave
        self._over = threading.Event()
        self.enables = self.interrupts = 0
        self._show()
        self._registers[_OFFSET["STATUS"]] = 4

    def _show(self):
        for name in _OUTPUTS:
            self._registers[_OFFSET[name]] = self.simulation.read32(REGISTERS[name].offset)

    def run(self):
        registers, simulation = self._registers, self.simulation
        while not self._over.wait(0.0005):
            while select.select([self._terminal], [], [], 0)[0]:
                assert os.read(self._terminal, 4) == (1).to_bytes(4, "little")
                self.enables += 1
            cleared = int(registers[_OFFSET["IRQ_STATUS"]])
            if cleared == 3:
                simulation.write32(REGISTERS["IRQ_STATUS"].offset, cleared)
                registers[_OFFSET["IRQ_STATUS"]] = 0
            control = int(registers[_OFFSET["CTRL"]])
            if not control:
                continue
            registers[_OFFSET["CTRL"]] = 0
            for name in _INPUTS:
                simulation.write32(REGISTERS[name].offset, int(registers[_OFFSET[name]]))
            simulation.memory[:] = self.memory
            simulation.write32(REGISTERS["CTRL"].offset, control)
            came = False
            while control == 1 and not came:
                came = simulation.wait(10_000)
            while control == 2 and simulation.read32(REGISTERS["STATUS"].offset):
                pass
            self.memory[:] = simulation.memory
            self._show()
            if came:
                self.interrupts += 1
                os.write(self._terminal, self.interrupts.to_bytes(4, "little"))

    def close(self):
        self._over.set()
        self.join()
        os.close(self._terminal)
        os.close(self._slave)
        self.simulation.close()


@pytest.fixture
def fake(tmp_path, monkeypatch, lenet):
    """A running :class:`_Device`, which stands in ``/dev`` as uio0 and udmabuf0."""
    made = _Device(tmp_path, lenet)
    devices, classes = tmp_path / "dev", tmp_path / "class"
    maps = classes / "uio" / "uio0" / "maps" / "map0"
    buffer = classes / "u-dma-buf" / "udmabuf0"
    for folder, values in ((maps, {"addr": "0xA0000000", "size": f"0x{_SKIP + _PAGE:x}",
                                    "offset": f"0x{_SKIP:x}"}),
                           (buffer, {"phys_addr": f"0x{_ADDRESS:08x}",
                                     "size": str(len(made.simulation.memory))})):
        folder.mkdir(parents=True)
        for name, value in values.items():
            (folder / name).write_text(value + "\n")
    devices.mkdir()
    (devices / "uio0").symlink_to(tmp_path / "registers")
    (devices / "udmabuf0").symlink_to(tmp_path / "memory")
    (devices / "uio1").symlink_to(made.interrupt)
    (devices / "mem").symlink_to(tmp_path / "memory")
    monkeypatch.setattr(driver, "_POLLS", 1 << 20)       # a write takes the thread milliseconds
    monkeypatch.setattr(device, "_DEVICES", devices)
    monkeypatch.setattr(device, "_CLASSES", classes)
    made.folder = tmp_path
    made.start()
    yield made
    made.close()


@contextmanager
def _bus(**changes):
    with MappedBus(changes.pop("registers", None) or Window.uio("uio0"),
                   changes.pop("memory", None) or Window.udmabuf("udmabuf0"),
                   **{"interrupt": "uio1", **changes}) as bus:
        yield bus


def test_a_network_on_mapped_files(fake, lenet):
    """Every layer's output and counters are those of the simulator's own bus."""
    with _bus() as bus:
        driver = Driver(bus, lenet.config)
        layers = list(execute(lenet.network, lenet.program, driver, lenet.inputs))
    assert len(layers) == len(lenet.layers) > 3
    for layer, same in zip(layers, lenet.layers, strict=True):
        np.testing.assert_array_equal(layer.value, lenet.expected[layer.tensor])
        assert layer.counters == same.counters and set(layer.counters) == set(COUNTERS)
    assert fake.interrupts == len(lenet.program.segments) <= fake.enables


def test_an_error_and_recovery(fake, lenet):
    segment, place = lenet.program.segments[0], len(fake.simulation.memory) - 64
    with _bus() as bus:
        driver = Driver(bus, lenet.config)
        driver.load(lenet.program.image, len(fake.simulation.memory))
        bus.write(place, isa.pack("BEGIN", magic=isa.MAGIC, hash=7))
        with pytest.raises(DeviceError, match="HASH, info 0x7") as caught:
            driver.run(place)
        assert caught.value.code is ErrorCode.HASH
        with pytest.raises(HwgenError, match="cannot start a program: STATUS is 0x4; after an err"):
            driver.run(segment.offset)
        driver.recover()
        assert driver.run(segment.offset).counters == lenet.layers[0].counters


@pytest.mark.parametrize("interrupt", ("none", "lost"))
def test_polling(fake, lenet, interrupt):
    """Without an interrupt, and with one that never comes, from a memory within a larger file."""
    start, size = 3 * mmap.PAGESIZE + 512, len(fake.simulation.memory)
    larger = np.memmap(fake.folder / "larger", np.uint8, "w+", shape=start + size)
    fake.memory = larger[start:]
    memory = Window(path=fake.folder / "larger", address=_ADDRESS, size=size, offset=start)
    terminal, slave = pty.openpty()
    tty.setraw(slave)
    (fake.folder / "dev" / "uio2").symlink_to(os.ttyname(slave))
    with _bus(memory=memory, interrupt=None if interrupt == "none" else "uio2") as bus:
        driver = Driver(bus, lenet.config)
        layers = list(execute(lenet.network, lenet.program, driver, lenet.inputs))
    assert [layer.counters for layer in layers] == [layer.counters for layer in lenet.layers]
    assert not larger[:start].any() and fake.enables == 0
    os.close(terminal)
    os.close(slave)


def test_windows(fake):
    """Where the kernel's documentation of UIO has the maps; physical addresses are offsets."""
    second = fake.folder / "class" / "uio" / "uio0" / "maps" / "map1"
    second.mkdir()
    for name, value in (("addr", "0xB0000000"), ("size", "0x3000"), ("offset", "0x40")):
        (second / name).write_text(value)
    devices = fake.folder / "dev"
    assert Window.uio("uio0", 1) == Window(path=devices / "uio0", address=0xB0000040,
                                           size=0x3000 - 0x40, offset=mmap.PAGESIZE + 0x40)
    assert Window.physical(0xA0000000, 8192) == Window(path=devices / "mem", address=0xA0000000,
                                                       size=8192, offset=0xA0000000)


# Refusals.

def _refuses(message, **changes):
    config = changes.pop("config", _CONFIG)
    with pytest.raises(HwgenError, match=message) as caught, _bus(**changes) as bus:
        Driver(bus, config)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_no_such_device(fake):
    (fake.folder / "dev" / "uio0").unlink()
    _refuses("there is no device .*uio0: load the kernel driver")
    with pytest.raises(HwgenError, match="there is no .*uio7/maps/map0: .*uio7/maps has nothing"):
        Window.uio("uio7")
    with pytest.raises(HwgenError, match="there is no .*map1: .*uio0/maps has map0"):
        Window.uio("uio0", 1)
    with pytest.raises(HwgenError, match="there is no .*udmabuf1: .*u-dma-buf has udmabuf0"):
        Window.udmabuf("udmabuf1")
    (fake.folder / "class" / "u-dma-buf" / "udmabuf0" / "size").write_text("big")
    with pytest.raises(HwgenError, match="cannot read phys_addr and size in .*'big'"):
        Window.udmabuf("udmabuf0")


def test_no_permission(fake, monkeypatch):
    opening = os.open

    def refuse(path, *arguments, **options):
        if str(path).endswith("udmabuf0"):
            raise PermissionError(13, "Permission denied")
        return opening(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    _refuses("no permission to open .*udmabuf0 for reading and writing")


def test_regions_too_small(fake, lenet):
    _refuses("maps 256 bytes of registers, but the accelerator has 4096",
             registers=Window.physical(0xA0000000, 256))
    _refuses("begins at 0x40000100, .* a multiple of 4096",
             memory=Window.physical(0x40000100, 1 << 20))
    size = len(fake.simulation.memory)
    _refuses(f"cannot map {size + 1} bytes at offset 0x0 of .*memory",
             memory=Window(path=fake.folder / "memory", address=0, size=size + 1))
    small = Window(path=fake.folder / "memory", address=_ADDRESS, size=_PAGE)
    with _bus(memory=small) as bus, pytest.raises(HwgenError, match=re.escape(
            f"the program needs {lenet.program.memory_bytes} bytes of memory, but ")):
        list(execute(lenet.network, lenet.program, Driver(bus, lenet.config), lenet.inputs))


def test_memory_beyond_the_address_bits(fake, lenet):
    high = Window(path=fake.folder / "memory", address=(1 << 32) - _PAGE, size=2 * _PAGE)
    with _bus(memory=high) as bus, pytest.raises(HwgenError, match="beyond the 32 address bits"):
        Driver(bus, lenet.config).load(bytes(_PAGE + 1))


def test_another_device(fake):
    """And none of its registers is written."""
    registers = Window(path=fake.folder / "else", address=0, size=_PAGE)
    (fake.folder / "else").write_bytes(b"\xff" * _PAGE)
    _refuses("ID register holds 0xFFFFFFFF in place of 0x4E475748", registers=registers)
    assert (fake.folder / "else").read_bytes() == b"\xff" * _PAGE
    _refuses("was built with configuration hash", config=Config(rows=3))


def test_a_uio_device_without_an_interrupt(fake):
    (fake.folder / "dev" / "uio2").symlink_to("/dev/full")
    _refuses(r"the UIO device gives no interrupt \(No space left on device\)", interrupt="uio2")
