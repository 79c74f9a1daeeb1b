"""Programs that make no sense: the bus stays right, they are stopped, and the next one is exact."""

import functools
import itertools

import numpy as np
import pytest

from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.host.driver import DeviceError, Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.isa.registers import LIMIT_UNIT, ErrorCode
from hwgen.network import golden
from hwgen.simulate import verilated
from hwgen.simulate.dram import Dram
from hwgen.simulate.hardware import generated
from hwgen.simulate.verilated import VerilatedBus
from hwgen.verify.random_layers import random_case
from sim.commands import allowed
from tests.seed import SEED

_CONFIGS = (
    Config(name="parallel", rows=2, cols=3, glb_kib=24),
    Config(name="microcoded", rows=2, cols=3, filter_spad=96, ifmap_spad=32, glb_kib=16, lanes=1,
           bus_bits=32, xbus_bytes=1, params_depth=64, tables=False, functions=0, burst=8,
           machine="microcoded"))
_PAGE = 4096
_BASE = 0x10_0000
_WATCHDOG = 3000


@functools.cache
def _prepared(config):
    """A random layer, its network and program, what its tensors must be, and the simulator."""
    case = random_case(5, 50_000)
    network = onnx_import.load(case.model, tables=config.tables)
    return (case, network, compile_network(network, config), golden.run(network, case.inputs),
            verilated.build(generated(config).verilog))


class Device:
    """A simulated accelerator with a layer's program in memory, and room for others behind it.

    Attributes
    ----------
    place : int
        Where :meth:`write` puts programs; a page of its own, and one more behind it.
    """

    def __init__(self, config):
        self.config = config
        self._case, self._network, self.program, self._expected, library = _prepared(config)
        self.place = -(-self.program.memory_bytes // _PAGE) * _PAGE
        self.bus = VerilatedBus(library, self.place + 2 * _PAGE, dram=Dram(base=_BASE))
        self.driver = Driver(self.bus, config)
        self.open()

    def open(self):
        """Let programs use all of the memory."""
        self.driver.load(self.program.image, len(self.bus.memory))

    def write(self, *commands, at=None):
        """Write a program, from BEGIN to END; returns its place."""
        at = self.place if at is None else at
        begin = isa.pack("BEGIN", magic=isa.MAGIC, hash=self.config.hash)
        self.bus.write(at, b"".join((begin, *commands, isa.pack("END"))))
        return at

    def stopped(self, program, **limits):
        """Run a program that must be stopped; returns the error."""
        with pytest.raises(DeviceError) as caught:
            self.driver.run(program, **{"watchdog": _WATCHDOG, **limits})
        return caught.value

    def check(self):
        """Soft reset, and the layer, exactly."""
        self.driver.recover()
        self.bus.dram = Dram(base=_BASE)
        for layer in execute(self._network, self.program, self.driver, self._case.inputs):
            np.testing.assert_array_equal(layer.value, self._expected[layer.tensor])
        self.open()


@pytest.fixture(params=_CONFIGS, ids=lambda config: config.name)
def device(request):
    made = Device(request.param)
    with made.bus:
        yield made


def _random_field(rng, field):
    """A value of a field: any, a small one, an end, or what is not allowed."""
    low = -(1 << field.bits - 1) if field.signed else 0
    high = low + (1 << field.bits) - 1
    return int(rng.choice((rng.integers(low, high + 1), min(int(rng.integers(0, 5)), high),
                           low, high, max(field.least, low)), p=(0.15, 0.5, 0.05, 0.05, 0.25)))


def _random_command(rng):
    kind = rng.random()
    if kind < 0.02:
        return rng.bytes(isa.COMMAND_BYTES)
    names = [c.name for c in isa.COMMANDS.values() if c.name not in ("BEGIN", "END")]
    command = isa.COMMANDS[rng.choice(names)]
    values = {field.name: _random_field(rng, field) for field, _ in command.fields()}
    if kind < 0.6:                                 # or nothing but what is derived is wrong
        values = {name: value for name, value in values.items() if not next(
            field for field, _ in command.fields() if field.name == name).derive}
    if kind < 0.8:
        values |= {field.name: max(values.get(field.name, 1), 1)
                   for field, _ in command.fields() if field.least and field.name in values}
    for name in values:
        if name.endswith(("wait", "signal", "written")) and rng.random() < 0.8:
            values[name] = 0
    return isa.pack(command.name, **values)


@pytest.mark.parametrize("part", range(4))
def test_random_commands(device, part):
    """Whatever the commands: no rule of the bus is broken (the harness looks at each burst), the
    program ends well, or is stopped by an error, the watchdog or the limit, and a soft reset makes
    the device as new. In every second program the window is the memory's first half."""
    rng = np.random.default_rng((SEED, part))
    bus, found = device.bus, set()
    limit = 8 * LIMIT_UNIT
    for number in range(75):
        image = rng.integers(0, 256, len(bus.memory), np.uint8)
        bus.memory[:device.place] = image[:device.place]
        place = device.write(*(_random_command(rng) for _ in range(rng.integers(1, 9))))
        bus.dram = Dram(base=_BASE, read_latency=int(rng.integers(4, 60)),
                        stall=float(rng.choice((0, 0.3))), seed=number + 1)
        windowed = number % 2 == 1
        if windowed:
            device.driver.load(b"", len(bus.memory))
            bus.write(0, bytes(8))
        before = bus.statistics()["outside"]
        try:
            device.driver.run(place, watchdog=_WATCHDOG, limit=limit)
            found.add("done")
        except DeviceError as error:
            found.add(error.code.name)
            assert error.code not in (ErrorCode.MAGIC, ErrorCode.HASH, ErrorCode.PROGRAM)
            device.driver.recover()
        assert device.driver.counters()["CYCLES"] < limit + 100
        assert bus.statistics()["longest_burst"] <= device.config.burst
        if windowed:
            assert bus.statistics()["outside"] == before
        if number % 15 == 0:
            device.check()
    device.check()
    assert {"FIELD", "WATCHDOG", "WINDOW"} <= found, found


@pytest.mark.parametrize("name, field", [
    (name, field.name) for name, command in isa.COMMANDS.items()
    for field, _ in command.fields() if field.least])
def test_fields_that_are_not_allowed(device, name, field):
    """Each stops the program with the command's index before anything is done for it: a FILTER of
    no beats, a LOAD of no columns, a STORE of no bytes."""
    before = device.bus.memory.copy()
    error = device.stopped(device.write(allowed("PARAMS"), allowed(name, **{field: 0}),
                                        allowed("PARAMS")))
    assert (error.code, error.info, error.command) == (ErrorCode.FIELD, 0, 2)
    before[device.place:] = device.bus.memory[device.place:]
    np.testing.assert_array_equal(device.bus.memory, before)
    if field in ("words", "row_bytes"):
        device.check()


def test_programs_that_do_nothing_useful(device):
    """A LOAD that pads for ever and a STORE that looks at one window for ever read and write the
    GLB all the time: the watchdog stops them, or the limit of cycles."""
    pads = allowed("LOAD", cols=0xFFFF, groups=0xFFFF, tpad=63, bpad=63, q=255)
    error = device.stopped(device.write(pads))
    assert (error.code, error.info) == (ErrorCode.WATCHDOG, 0)
    assert device.driver.counters()["CYCLES"] < 2 * _WATCHDOG
    device.driver.recover()
    writes = allowed("STORE", out_rows=1 << 13, psum_cols=1, strip_words=1, words_per_column=1,
                     psum_rows=1, group_stride=0)
    error = device.stopped(device.write(*[writes] * 4), limit=1)
    assert (error.code, error.info) == (ErrorCode.LIMIT, 0)
    cycles = device.driver.counters()["CYCLES"]
    assert LIMIT_UNIT - 100 < cycles < LIMIT_UNIT + 100
    device.check()


@pytest.mark.parametrize("bit", range(6))
def test_crooked_programs(device, bit):
    program = device.write() + (1 << bit)
    error = device.stopped(program)
    assert (error.code, error.info) == (ErrorCode.PROGRAM, program)
    assert not any(device.driver.counters().values())
    if bit == 3:
        device.check()


def test_the_window(device):
    """What reads or writes beyond it is stopped, with the address, and nothing beyond is touched;
    the last page of it may be read and written to its end."""
    bus, config = device.bus, device.config
    size = device.place + _PAGE                    # of the window: the memory has a page more
    word = config.bus_bytes
    device.driver.load(device.program.image, size)
    assert word * 4 <= 128 and 8 * config.lanes % word == 0
    store = {"psum_cols": 1, "strip_words": 1, "words_per_column": 1, "psum_rows": 1}

    def kinds(distance):
        """Commands whose first word is so far from the window's end."""
        offset = size + distance
        yield "read", offset, allowed("LOAD", addr=offset, rows=1)
        yield "read", offset, allowed("PARAMS", addr=offset)
        yield "read", offset, allowed("FILTER", addr=offset)
        yield "write", offset, allowed("STORE", addr=offset, **store)

    wrap = (1 << 32) - size
    for distance in (-8 * config.lanes, 0, 4 * word, wrap - word):
        for kind, offset, command in kinds(distance):
            guard = bus.memory[size:].copy()
            compute = () if command[0] != isa.COMMANDS["FILTER"].opcode else (allowed("COMPUTE"),)
            before = bus.statistics()
            if distance < 0:
                try:
                    device.driver.run(device.write(command, *compute), watchdog=_WATCHDOG)
                except DeviceError as error:
                    assert error.code in (ErrorCode.FILTER, ErrorCode.WATCHDOG) and compute
            else:
                error = device.stopped(device.write(command, *compute))
                assert (error.code, error.info) == (ErrorCode.WINDOW, (_BASE + offset) % (1 << 32))
            after = bus.statistics()
            assert after["outside"] == before["outside"]
            if distance >= 0 and kind == "write":
                assert after["write_bursts"] == before["write_bursts"]
            np.testing.assert_array_equal(bus.memory[size:], guard)
            device.driver.recover()
            device.driver.load(device.program.image, size)
    device.check()


def test_the_window_cuts_a_run_of_bursts(device):
    """A run that begins in the window and leaves it: the part within is read or written."""
    bus, config = device.bus, device.config
    size = device.place + _PAGE
    device.driver.load(device.program.image, size)
    beats = 2 * config.burst
    start = size - config.burst * config.bus_bytes
    load = allowed("LOAD", addr=start, rows=1, cols=beats * config.bus_bytes,
                   q=1, row_is_contiguous=1)
    error = device.stopped(device.write(load))
    assert (error.code, error.info) == (ErrorCode.WINDOW, _BASE + size)
    device.driver.recover()
    bus.memory[start:] = 0x55
    columns = beats * config.bus_bytes
    store = allowed("STORE", addr=start, psum_cols=columns, strip_words=columns, out_cols=columns,
                    words_per_column=1, pool_v=1, lo=7, hi=7)
    error = device.stopped(device.write(store))
    assert (error.code, error.info) == (ErrorCode.WINDOW, _BASE + size)
    assert (bus.memory[size:] == 0x55).all() and (bus.memory[start:size] == 7).all()
    device.check()


def test_a_program_beyond_the_window(device):
    device.driver.load(device.program.image, device.place)
    error = device.stopped(device.write())
    assert (error.code, error.info) == (ErrorCode.WINDOW, _BASE + device.place)
    device.check()


def test_semaphores_overflow(device):
    """Each counts to 63, and no further; several at a time are told together."""
    for number in range(isa.SEMAPHORES):
        mask = 1 << number
        give = allowed("PARAMS", signal=mask)
        device.driver.run(device.write(*[give] * 63))
        error = device.stopped(device.write(*[give] * 64))
        assert (error.code, error.info) == (ErrorCode.SEMAPHORE, mask)
        device.driver.recover()
    both = allowed("PARAMS", signal=0b1010_0000)
    error = device.stopped(device.write(*[both] * 64))
    assert (error.code, error.info) == (ErrorCode.SEMAPHORE, 0b1010_0000)
    device.check()


def test_semaphores_are_cleared_at_the_start(device):
    """What a program leaves is not there in the next one; each is there where it was given."""
    give = device.write(allowed("PARAMS", signal=255))
    take = [device.write(allowed("PARAMS", wait=1 << n), at=give + 512 + 256 * n)
            for n in range(isa.SEMAPHORES)]
    for number, program in enumerate(take):
        device.driver.run(give)
        assert device.stopped(program).code is ErrorCode.WATCHDOG, number
        device.driver.recover()
    for given, taken in itertools.product(range(isa.SEMAPHORES), repeat=2):
        program = device.write(allowed("PARAMS", signal=1 << given),
                               allowed("PARAMS", wait=1 << taken))
        if given == taken:
            device.driver.run(program)
        elif (given + taken) % 3 == 0:
            assert device.stopped(program, watchdog=600).code is ErrorCode.WATCHDOG
            device.driver.recover()
    device.check()
