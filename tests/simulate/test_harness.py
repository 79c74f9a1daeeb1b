"""The simulated memory and the driver, against a small device that copies 64 bus words."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.host.driver import DeviceError, Driver, SimulationError
from hwgen.isa.registers import ErrorCode
from hwgen.simulate import cosim, verilated
from hwgen.simulate.cosim import IcarusBus
from hwgen.simulate.dram import Dram
from hwgen.simulate.verilated import VerilatedBus

_SOURCE = (Path(__file__).parent / "copier.v").read_text()
_CONFIG = Config()
_SIZE = 1 << 16
_WORDS = 64
_TARGET = 0x2000             # from the source
_ICARUS = pytest.mark.skipif(not shutil.which("iverilog"),
                             reason="Icarus Verilog is not installed: apt-get install iverilog")


def _library(*, bus=64):
    text = _SOURCE.replace("BUS = 64", f"BUS = {bus}")
    text = text.replace("HASH = 0", f"HASH = 32'h{_CONFIG.hash:08x}")
    return verilated.build(text)


def _start(dram=None, **options):
    bus = VerilatedBus(_library(**options), _SIZE, dram=dram)
    driver = Driver(bus, _CONFIG)
    image = np.random.default_rng(1).integers(0, 256, _SIZE, np.uint8)
    driver.load(image.tobytes())
    return bus, driver, image


def _copied(bus, image, program, bus_bits):
    size = _WORDS * bus_bits // 8
    expected = image.copy()
    expected[program + _TARGET:program + _TARGET + size] = image[program:program + size]
    return np.array_equal(bus.memory, expected)


@pytest.mark.parametrize("bus_bits", (32, 64, 256))
@pytest.mark.parametrize("stall", (0, 0.5))
def test_copies_whole_memory_right(bus_bits, stall):
    dram = Dram(base=0x12345000, stall=stall, seed=7)
    bus, driver, image = _start(dram, bus=bus_bits)
    with bus:
        for program in (0, 0x1000, 0):
            driver.load(image.tobytes())
            outcome = driver.run(program)
            assert _copied(bus, image, program, bus_bits)
        statistics = bus.statistics()
        assert statistics["read_beats"] == statistics["write_beats"] == 3 * _WORDS
        assert statistics["read_bursts"] == statistics["write_bursts"] == 3 * _WORDS // 8
        assert outcome.cycles > 2 * _WORDS


def test_a_beat_a_cycle_after_the_latency():
    bus, driver, _ = _start(Dram(read_latency=40, write_latency=10))
    with bus:
        cycles = driver.run(0).cycles
    assert 2 * _WORDS + 50 <= cycles <= 2 * _WORDS + 60


@pytest.mark.parametrize("rates, cycles", [
    ({"read_bytes": 4}, 3 * _WORDS), ({"write_bytes": 2}, 5 * _WORDS),
    ({"total_bytes": 2.4}, 2 * _WORDS * 8 / 2.4)])
def test_bandwidth_limits(rates, cycles):
    bus, driver, _ = _start(Dram(read_latency=0, write_latency=0, **rates))
    with bus:
        assert driver.run(0).cycles == pytest.approx(cycles, abs=20)


def test_outstanding_reads_hide_latency_only_when_allowed():
    bus, driver, _ = _start(Dram(read_latency=100, outstanding=1))
    with bus:
        assert driver.run(0).cycles > 8 * 100


@pytest.mark.parametrize("fault, code, address", [
    ({"fail_read": 0x4000 + 24}, ErrorCode.AXI_READ, 0x4000 + 24),
    ({"fail_write": 0x4000 + _TARGET + 64}, ErrorCode.AXI_WRITE, 0x4000 + _TARGET + 64)])
def test_injected_errors_reach_the_driver_and_recovery_works(fault, code, address):
    bus, driver, image = _start(Dram(base=0x4000, **fault))
    with bus:
        with pytest.raises(DeviceError, match=code.name) as caught:
            driver.run(0)
        assert caught.value.code is code and caught.value.info == address
        bus.dram = Dram(base=0x4000)
        driver.recover()
        driver.load(image.tobytes())
        driver.run(0)
        assert _copied(bus, image, 0, 64)


def test_an_access_outside_of_the_memory_is_an_error():
    bus, driver, _ = _start()
    with bus, pytest.raises(DeviceError, match="AXI_READ"):
        driver.run(_SIZE)


@pytest.mark.parametrize("bug, program, message", [
    (0, 0xFE0, "crosses 4 KiB"), (2, 0, "AR channel changed"), (3, 0, "WLAST"),
    (4, 0, "AWVALID fell"), (5, 0, "W channel changed"), (6, 0, "not INCR")])
def test_protocol_violations_are_found(bug, program, message):
    bus, driver, _ = _start(Dram(stall=0.7))
    with bus, pytest.raises(SimulationError, match=message):
        driver.run(program, watchdog=bug)


def test_progress_is_called_between_slices():
    bus, driver, _ = _start()
    calls = []
    with bus:
        driver.run(0, slice_cycles=50, progress=lambda: calls.append(bus.statistics()["cycles"]))
    assert len(calls) > 2 and calls == sorted(calls)


def test_another_configuration_is_refused():
    with VerilatedBus(_library(), _SIZE) as bus, pytest.raises(HwgenError, match="hash"):
        Driver(bus, Config(rows=3))


def test_a_failed_build_leaves_its_messages_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(HwgenError, match="could not build the simulator"):
        verilated.build("module hwgen; nonsense")
    assert [path.suffix for path in (tmp_path / "hwgen").iterdir()] == [".log"]


@_ICARUS
def test_a_build_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    notices = []
    paths = {cosim.build(_SOURCE, notice=lambda: notices.append(1)) for _ in range(2)}
    assert len(notices) == len(paths) == 1
    assert list((tmp_path / "hwgen").iterdir()) == list(paths)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    with pytest.raises(HwgenError, match="cannot write the simulator cache"):
        verilated.build(_SOURCE)


@pytest.mark.parametrize("field, value", [
    ("base", 100), ("outstanding", 0), ("stall", 1.0), ("read_latency", -1), ("total_bytes", -2)])
def test_memory_settings_out_of_range(field, value):
    with pytest.raises(HwgenError, match=field):
        Dram(**{field: value})


@_ICARUS
@pytest.mark.parametrize("stall", (0, 0.5))
def test_icarus_copies_whole_memory_right(stall):
    text = _SOURCE.replace("HASH = 0", f"HASH = 32'h{_CONFIG.hash:08x}")
    image = np.random.default_rng(1).integers(0, 256, 0x4000, np.uint8)
    expected = image.copy()
    expected[0x1000 + _TARGET:][:512] = image[0x1000:][:512]
    with IcarusBus(cosim.build(text), dram=Dram(base=0x70000000, stall=stall)) as bus:
        driver = Driver(bus, _CONFIG)
        driver.load(image.tobytes())
        outcome = driver.run(0x1000)
        assert 2 * _WORDS < outcome.cycles <= bus.statistics()["cycles"]
        assert bus.read(0, len(image)) == expected.tobytes()


def test_icarus_missing_is_one_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HwgenError, match="apt-get install iverilog"):
        cosim.build(_SOURCE)


@_ICARUS
def test_a_design_that_icarus_refuses():
    with pytest.raises(HwgenError, match="could not compile"):
        cosim.build("module hwgen; nonsense")


def test_a_missing_compiler_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(verilated.shutil, "which", lambda tool: None)
    with pytest.raises(HwgenError, match=r"^g\+\+ was not found"):
        verilated.build(_SOURCE)


def test_a_cache_with_a_space_in_its_name(tmp_path, monkeypatch):
    cache = tmp_path / "the cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    bus, _, _ = _start()
    bus.close()
    assert [path.suffix for path in (cache / "hwgen").iterdir()] == [".so"]
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    with pytest.raises(HwgenError, match="make does not take folders with spaces"):
        _library(bus=32)


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    """Full for the sources, and for the compiler."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for size in "16k", "128k":
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", tmp_path],
                          capture_output=True).returncode:
            pytest.skip("no leave to mount a small disk")
        try:
            with pytest.raises(HwgenError, match="cannot write .*: No space left on device"):
                _library()
            assert not list((tmp_path / "hwgen").iterdir())
        finally:
            subprocess.run(["umount", tmp_path], check=True)
