"""The whole accelerator: random layers, errors and recovery, counters against other counts."""

import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from hwgen import isa
from hwgen.cli import main
from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.host.driver import DeviceError, Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.isa.registers import REGISTERS, ErrorCode
from hwgen.network import golden
from hwgen.rtl.top import Top
from hwgen.simulate import verilated
from hwgen.simulate.dram import Dram
from hwgen.simulate.hardware import generated
from hwgen.simulate.verilated import VerilatedBus
from hwgen.verify.random_graphs import random_graph
from hwgen.verify.random_layers import random_case
from sim.commands import allowed
from sim.runner import each_test, run_block
from tests.seed import SEED

_LENET = Path(__file__).parents[2] / "examples" / "lenet5"
_SMALL = Config(name="small", rows=2, cols=3, glb_kib=24)
_MICROCODED = Config(name="microcoded", rows=2, cols=3, filter_spad=96, ifmap_spad=32, glb_kib=16,
                  lanes=1, bus_bits=32, xbus_bytes=1, params_depth=64, tables=False, functions=0,
                  burst=8, machine="microcoded")
_CONFIGS = {
    "2x3": _SMALL,
    "2x3, microcoded": _MICROCODED,
    "3x1, microcoded": _MICROCODED.replace(rows=3, cols=1, glb_kib=8, filter_spad=37),
    "1x18, microcoded": _MICROCODED.replace(rows=1, cols=18, glb_kib=64, burst=256),
    "1x1, 32-bit bus, 1 lane": Config(name="tiny", rows=1, cols=1, glb_kib=8, lanes=1, bus_bits=32,
                                      xbus_bytes=1, ifmap_spad=32, params_depth=64,
                                      tables=False, burst=8),
    "5x4, 256-bit bus, 8 lanes": Config(name="wide", rows=5, cols=4, glb_kib=40, lanes=8,
                                        bus_bits=256, xbus_bytes=8, ifmap_spad=128,
                                        params_depth=256, tables=False),
}


class _Prepared:
    """A random layer or graph, compiled, with what its tensors must be."""
    def __init__(self, config, seed, max_macs, make=random_case):
        self.case = make(seed, max_macs)
        self.network = onnx_import.load(self.case.model, tables=config.tables)
        self.expected = golden.run(self.network, self.case.inputs)
        self.program = compile_network(self.network, config)

    def check(self, driver):
        """Run it; returns the layers."""
        layers = []
        for layer in execute(self.network, self.program, driver, self.case.inputs):
            np.testing.assert_array_equal(layer.value, layer.expected(self.expected),
                                          self.case.text)
            layers.append(layer)
        return layers


@functools.cache
def _verilog(config):
    return generated(config).verilog


def _library(config):
    return verilated.build(_verilog(config))


@pytest.mark.parametrize("name", _CONFIGS)
def test_random_layers(name):
    config = _CONFIGS[name]
    library = _library(config)
    for seed in range(8):
        layer = _Prepared(config, seed, 20_000 * config.rows * config.cols)
        with VerilatedBus(library, layer.program.memory_bytes, dram=layer.case.dram) as bus:
            layer.check(Driver(bus, config))


@pytest.mark.parametrize("name", _CONFIGS)
def test_random_graphs(name):
    """Branches, all kinds of layers, host parts; with tables and without."""
    config = _CONFIGS[name]
    library, layers = _library(config), 0
    for seed in range(6):
        graph = _Prepared(config, seed, 5_000 * config.rows * config.cols, random_graph)
        with VerilatedBus(library, graph.program.memory_bytes, dram=graph.case.dram) as bus:
            layers += len(graph.check(Driver(bus, config)))
    assert layers > 20


def test_layers_follow_one_another_without_a_reset():
    layers = [_Prepared(_SMALL, seed, 50_000) for seed in range(20, 26)]
    size = max(layer.program.memory_bytes for layer in layers)
    with VerilatedBus(_library(_SMALL), size) as bus:
        driver = Driver(bus, _SMALL)
        for layer in layers:
            layer.check(driver)


@pytest.mark.parametrize("simulator", ("icarus", "verilator"))
@each_test("sim.tb_top")
def test_on_cocotbext_axi(case, simulator):
    run_block(Top, case, simulator=simulator, config=_SMALL, count=3, macs=6000)


# The commands.

@pytest.fixture
def folder(tmp_path):
    """The small accelerator, as ``hwgen build`` leaves it, as far as ``--build`` looks."""
    verilog = _verilog(_SMALL)
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    (tmp_path / "hwgen.v").write_text(verilog)
    (tmp_path / "config.toml").write_text(_SMALL.to_toml())
    manifest = {"verilog": {"sha256": digest, "prefix": ""}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_run_recognises_a_digit(folder, capfd):
    report = folder / "report.json"
    code = main(["run", str(_LENET / "lenet5.onnx"), "--input", str(_LENET / "digits" / "7.png"),
                 "--layerwise", "--build", str(folder), "--json", str(report)])
    assert code == 0 and "class 7" in capfd.readouterr().out
    found = json.loads(report.read_text())
    assert found["pe"] == "2x3" and found["totals"]["macs"] == 416520
    assert found["totals"]["cycles"] == sum(layer["cycles"] for layer in found["layers"])
    for layer in found["layers"]:
        assert layer["mismatches_golden"] == layer["mismatches_onnxruntime"] == 0
        if layer["where"] == "host":
            assert layer["cycles"] == layer["dram_read_bytes"] == 0
            continue
        assert layer["counters"]["CYCLES"] == layer["cycles"]
        assert layer["dram_read_bytes"] == layer["counters"]["DRAM_READ_WORDS"] * _SMALL.bus_bytes
        assert 0 < layer["utilisation"] <= 1


def test_run_reports_a_stop(folder, capfd, monkeypatch):
    monkeypatch.setattr(Driver, "run", lambda *_, **__: (_ for _ in ()).throw(
        DeviceError(ErrorCode.OPCODE, 0xEE, 7)))
    assert main(["run", str(_LENET / "lenet5.onnx"), "--build", str(folder),
                 "--input", str(_LENET / "digits" / "7.png")]) == 1
    text = " ".join(capfd.readouterr().err.split())
    assert "stopped in layer 'conv1'" in text and "OPCODE, info 0xEE) at command 7" in text


# A stop with an error, then a soft reset, then a program that runs right.

@pytest.fixture(params=(_SMALL, _MICROCODED), ids=lambda config: config.name)
def device(request):
    """``(bus, driver, layer)``: the layer's program is in memory, and nothing has run."""
    config = request.param
    layer = _Prepared(config, 5, 50_000)
    with VerilatedBus(_library(config), layer.program.memory_bytes + 4096) as bus:
        driver = Driver(bus, config)
        driver.load(layer.program.image, len(bus.memory))
        yield bus, driver, layer


def _stopped(driver, program, code):
    with pytest.raises(DeviceError) as caught:
        driver.run(program, watchdog=5000)
    assert caught.value.code is code
    return caught.value


def _begin(config, change=0):
    return isa.pack("BEGIN", magic=isa.MAGIC, hash=config.hash ^ change)


def _write(bus, commands):
    """Write a program to the end of the memory; returns its place."""
    place = len(bus.memory) - 4096
    place -= place % 64
    bus.write(place, b"".join(commands))
    return place


@pytest.mark.parametrize("fault", ("fail_read", "fail_write"))
def test_bus_errors(device, fault):
    bus, driver, layer = device
    segment = layer.program.segments[0]
    tensor = layer.program.tensors[segment.inputs[0] if fault == "fail_read" else segment.y]
    bus.dram = Dram(**{fault: tensor.offset})
    with pytest.raises(DeviceError) as caught:
        layer.check(driver)
    assert caught.value.code is (ErrorCode.AXI_READ if fault == "fail_read"
                                 else ErrorCode.AXI_WRITE)
    assert caught.value.info == tensor.offset
    bus.dram = Dram()
    driver.recover()
    layer.check(driver)


def test_an_address_outside_of_the_memory(device):
    bus, driver, layer = device
    bus.write32(REGISTERS["SIZE"].offset, 0)       # no window
    place = -(-len(bus.memory) // 64) * 64
    error = _stopped(driver, place, ErrorCode.AXI_READ)
    assert error.info == place
    driver.recover()
    layer.check(driver)


@pytest.mark.parametrize("change, commands, code, info, index", [
    (None, [isa.pack("END")], ErrorCode.MAGIC, 0, 0),
    (None, [b"\x01\x12\x34\x56\x78\x9a".ljust(64, b"\0")], ErrorCode.MAGIC, 0x78563412, 0),
    (1, [], ErrorCode.HASH, None, 0),
    (1 << 31, [], ErrorCode.HASH, None, 0),
    (0, [b"\xEE".ljust(64, b"\0")], ErrorCode.OPCODE, 0xEE, 1),
    (0, [isa.pack("PARAMS", count=1), _begin(_SMALL)], ErrorCode.OPCODE, 1, 2),
])
def test_bad_programs(device, change, commands, code, info, index):
    bus, driver, layer = device
    config = driver.config
    if change is not None:
        commands = [_begin(config, change), *commands]
    error = _stopped(driver, _write(bus, commands), code)
    assert error.info == (config.hash ^ change if info is None else info)
    assert error.command == index
    driver.recover()
    layer.check(driver)


@pytest.mark.parametrize("compute", (False, True))
def test_what_waits_for_ever(device, compute):
    """A command for a semaphore, or the array for ifmap values."""
    bus, driver, layer = device
    stuck = [allowed("LOAD", wait=1)]
    if compute:
        stuck = [allowed("FILTER", addr=0, words=16 // driver.config.bus_bytes),
                 allowed("COMPUTE", window=32, strip_ifmap_rows=1, multicast_mask=1, active_cols=1)]
        bus.write(0, isa.filter_header(mask=1, size=1, row0=1, last=True) + bytes(8))
    place = _write(bus, [_begin(driver.config), *stuck, isa.pack("END")])
    assert _stopped(driver, place, ErrorCode.WATCHDOG).info == 0
    driver.recover()
    driver.load(layer.program.image)
    layer.check(driver)


def test_a_filter_stream_without_marks(device):
    bus, driver, layer = device
    words = 64 // driver.config.bus_bytes
    place = _write(bus, [_begin(driver.config), allowed("FILTER", addr=0, words=words),
                         allowed("COMPUTE", window=1), isa.pack("END")])
    bus.write(0, bytes(64))
    assert _stopped(driver, place, ErrorCode.FILTER).info == 0
    driver.recover()
    driver.load(layer.program.image)
    layer.check(driver)


def test_a_mode_without_tables(device):
    bus, driver, layer = device
    if driver.config.tables:
        pytest.skip("this one has tables")
    mode = isa.store_modes.PRODUCT.number
    place = _write(bus, [_begin(driver.config), allowed("STORE", mode=mode), isa.pack("END")])
    assert _stopped(driver, place, ErrorCode.MODE).info == mode
    driver.recover()
    layer.check(driver)


def test_counters_agree_with_the_memory(device):
    bus, driver, layer = device
    layer.check(driver)
    before = bus.statistics()
    outcome = driver.run(layer.program.segments[0].offset)
    after = bus.statistics()
    counters = outcome.counters
    assert counters["DRAM_READ_WORDS"] == after["read_beats"] - before["read_beats"]
    assert counters["DRAM_WRITE_WORDS"] == after["write_beats"] - before["write_beats"]
    assert 0 < counters["CYCLES"] <= after["cycles"] - before["cycles"]
    assert counters["MACS"] >= layer.program.segments[0].macs
    causes = [name for name in counters if name.startswith("STALL_")]
    booked = counters["START"] + counters["ARRAY_BUSY"] + counters["FINISH"]
    assert booked + sum(counters[name] for name in causes) == counters["CYCLES"]
    assert len(causes) == 6 and min(counters["START"], counters["FINISH"]) > 0


def test_a_soft_reset_at_any_time(device):
    """A running program is stopped by a soft reset; the next one is exact. The memory is slow, so
    that many bursts are under way."""
    bus, driver, layer = device
    rng = np.random.default_rng(SEED)
    bus.dram = Dram(read_latency=4, write_latency=4)
    layer.check(driver)
    shortest = driver.run(layer.program.segments[0].offset).cycles
    for round_ in range(12):
        bus.dram = Dram(read_latency=int(rng.integers(4, 120)), write_latency=60,
                        stall=float(rng.choice((0, 0.3))), seed=round_ + 1)
        _run_for(bus, layer, int(rng.integers(1, 0.8 * shortest)))
        driver.recover()
        before = bus.statistics()
        bus.wait(300)                              # nothing is under way, nothing begins
        after = bus.statistics()
        assert after["cycles"] >= before["cycles"] + 300
        assert after == before | {"cycles": after["cycles"]}
        layer.check(driver)


def _run_for(bus, layer, cycles):
    """Start the layer's program; returns so many cycles later, while it runs."""
    bus.write32(REGISTERS["PROGRAM"].offset, layer.program.segments[0].offset)
    bus.write32(REGISTERS["CTRL"].offset, 1)
    bus.wait(cycles)
    assert bus.read32(REGISTERS["STATUS"].offset) & 1, "the program has ended"


def test_a_short_reset_at_any_time(device):
    """``aresetn`` for 1, 2 or 3 cycles, of a running program: the harness sees that no VALID is
    high from the first edge on, and the next program is exact."""
    bus, driver, layer = device
    rng = np.random.default_rng(SEED)
    shortest = driver.run(layer.program.segments[0].offset).cycles
    for round_ in range(30):
        bus.dram = Dram(read_latency=int(rng.integers(4, 60)), stall=0.9 if round_ % 2 else 0,
                        seed=round_ + 1)
        _run_for(bus, layer, int(rng.integers(1, 0.8 * shortest)))
        bus.reset(round_ % 3 + 1)
        bus.dram = Dram()
        if round_ % 5 == 0:
            layer.check(Driver(bus, driver.config))
        else:
            Driver(bus, driver.config).run(layer.program.segments[0].offset)


@pytest.mark.parametrize("program, beat", ((False, 0), (False, 1), (True, 0), (True, 7)))
def test_rlast_in_the_wrong_place(device, program, beat):
    """Of a tensor or of the program: in the last beat of its burst RLAST is missing, in the others
    it is early. The program stops, soft reset ends, the next program is exact."""
    bus, driver, layer = device
    segment = layer.program.segments[0]
    start = segment.offset if program else layer.program.tensors[segment.inputs[0]].offset
    address = start + beat * driver.config.bus_bytes
    bus.dram = Dram(flip_last=address)
    with pytest.raises(DeviceError) as caught:
        layer.check(driver)
    assert caught.value.code is ErrorCode.RLAST
    assert caught.value.info == address
    bus.dram = Dram()
    driver.recover()
    layer.check(driver)
