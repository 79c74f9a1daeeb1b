"""cocotb testbench of `csr` (tests/rtl/test_csr.py)."""

import random
from itertools import repeat

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from hwgen.isa.registers import COUNTERS, REGISTERS, Access, ErrorCode
from sim.settings import CONFIG, SEED

LATE = 16                    # cycles after the end in which events count


class Bench:
    """The block, an AXI4-Lite master that pauses at random, and a core that counts its events."""

    def __init__(self, dut):
        self.dut = dut
        self.rng = random.Random(SEED)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "axi"), dut.clk, dut.rst)
        self.master.write_if.log.setLevel("WARNING")
        self.master.read_if.log.setLevel("WARNING")
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.starts = 0
        self.reset_cycles = 0

    async def begin(self, *, pauses=True, core=True):
        dut = self.dut
        for name in ("done", "error", "error_code", "error_info", "command_index", "events"):
            getattr(dut, name).value = 0
        dut.dma_idle.value = 1
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        write, read = self.master.write_if, self.master.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel,
                        read.ar_channel, read.r_channel) if pauses else ():
            density = self.rng.choice((0, 0.3, 0.8))
            channel.set_pause_generator(self._pauses(density))
        if core:
            cocotb.start_soon(self._core())

    def _pauses(self, density):
        while True:
            yield self.rng.random() < density

    async def _core(self):
        """Drive random events for ever, and count those that the counters must count."""
        dut, rng = self.dut, self.rng
        events = dict.fromkeys(COUNTERS, 0)
        window = None                    # cycles left after the end; None: not running
        running = False
        while True:
            await RisingEdge(dut.clk)
            int(dut.halt.value), int(dut.irq.value), int(dut.busy.value)
            self.reset_cycles += int(dut.core_reset.value)
            if dut.start.value:
                self.starts += 1
                running, window = True, None
                self.counts = dict.fromkeys(COUNTERS, 0)
            if running and (window is None or window):
                for name, count in events.items():
                    self.counts[name] += count
                self.counts["CYCLES"] += window is None
            if window:
                window -= 1
            if running and window is None and (dut.done.value or dut.error.value):
                window = LATE
            packed = lsb = 0
            for counter in COUNTERS.values():
                if counter.name != "CYCLES":
                    most = counter.most(CONFIG)
                    events[counter.name] = rng.choice((0, most, rng.randint(0, most)))
                    packed |= events[counter.name] << lsb
                    lsb += counter.bits
            dut.events.value = packed

    async def read(self, name):
        answer = await self.master.read(REGISTERS[name].offset, 4)
        assert answer.resp == AxiResp.OKAY, name
        return int.from_bytes(answer.data, "little")

    async def write(self, name, value):
        answer = await self.master.write(REGISTERS[name].offset, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, name

    async def counter(self, name):
        return await self.read(f"{name}_LO") | await self.read(f"{name}_HI") << 32

    async def pulse(self, name, **values):
        """Make input ``name`` high for a cycle, with ``values`` of other inputs beside it."""
        getattr(self.dut, name).value = 1
        for other, value in values.items():
            getattr(self.dut, other).value = value
        await RisingEdge(self.dut.clk)
        getattr(self.dut, name).value = 0
        for other in values:
            getattr(self.dut, other).value = self.rng.getrandbits(len(getattr(self.dut, other)))

    async def end(self):
        """Wait until BUSY is low."""
        while await self.read("STATUS") & 1:
            pass

    async def check_counters(self):
        for name in COUNTERS:
            assert await self.counter(name) == self.counts[name], name


def _implemented(register):
    """Mask of a register's bits that are there in CONFIG."""
    mask = sum((1 << field.bits) - 1 << field.lsb for field in register.fields)
    if register.name == "BASE_HI":
        mask &= (1 << CONFIG.addr_bits - 32) - 1
    return mask


@cocotb.test()
async def registers(dut):
    """Reset values, then reads and writes with every strobe, anywhere, against a model."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    for name, register in REGISTERS.items():
        assert await bench.read(name) == register.value(CONFIG), name

    values = {register.offset: register.value(CONFIG) for register in REGISTERS.values()}
    by_offset = {register.offset: register for register in REGISTERS.values()}
    offsets = [*by_offset, *(4 * rng.randrange(1024) for _ in range(20))]
    for _ in range(400):
        offset = rng.choice(offsets)
        register = by_offset.get(offset)
        if rng.random() < 0.5 or offset == REGISTERS["CTRL"].offset:
            answer = await bench.master.read(offset, 4)
            assert answer.resp == (AxiResp.OKAY if register else AxiResp.SLVERR), hex(offset)
            assert int.from_bytes(answer.data, "little") == values.get(offset, 0), hex(offset)
            continue
        first = rng.randrange(4)
        size = rng.randint(1, 4 - first)
        new = rng.getrandbits(8 * size)
        answer = await bench.master.write(offset + first, new.to_bytes(size, "little"))
        writable = register is not None and register.writable
        assert answer.resp == (AxiResp.OKAY if writable else AxiResp.SLVERR), hex(offset)
        if writable and all(field.access == Access.RW for field in register.fields):
            mask = ((1 << 8 * size) - 1 << 8 * first) & _implemented(register)
            values[offset] = values[offset] & ~mask | new << 8 * first & mask
    assert int(dut.base.value) == (values[0x050] | values[0x054] << 32)
    assert int(dut.program.value) == values[0x058]
    assert int(dut.watchdog.value) == values[0x05C]
    assert int(dut.pages.value) == values[0x070] >> 12
    assert bench.starts == 0 and bench.reset_cycles == 0


@cocotb.test()
async def concurrent(dut):
    """Reads and writes under way at once do not disturb each other."""
    bench = Bench(dut)
    await bench.begin()
    rng = bench.rng

    async def writes():
        for _ in range(60):
            value = rng.getrandbits(32)
            await bench.write("PROGRAM", value)
            assert int(dut.program.value) == value

    async def reads():
        for _ in range(60):
            name = rng.choice([name for name in REGISTERS if name not in ("PROGRAM",)])
            assert await bench.read(name) == REGISTERS[name].value(CONFIG), name

    writer, reader = cocotb.start_soon(writes()), cocotb.start_soon(reads())
    await writer
    await reader


@cocotb.test()
async def programs(dut):
    """Programs that end well or not: status, interrupt, error registers, counters."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    await bench.write("BASE_LO", 0x1234000)
    ran = 0
    for _ in range(10):
        enable = rng.randrange(4)
        await bench.write("IRQ_ENABLE", enable)
        await bench.write("CTRL", 1)
        ran += 1
        assert bench.starts == ran and dut.busy.value
        await ClockCycles(dut.clk, rng.randrange(200))
        assert await bench.read("STATUS") == 1
        await bench.write("CTRL", 1)                     # ignored: BUSY
        await bench.write("BASE_LO", 0x55555000)         # likewise
        assert await bench.read("ERROR_CODE") == 0
        error = rng.random() < 0.5
        if error:
            code, info = rng.choice(list(ErrorCode)[1:]), rng.getrandbits(CONFIG.addr_bits)
            index = rng.getrandbits(32)
            dut.command_index.value = index              # stands until the next START
            await bench.pulse("error", error_code=code.value, error_info=info)
        else:
            await bench.pulse("done")
        assert not dut.irq.value
        await bench.end()
        assert bench.starts == ran
        assert await bench.read("STATUS") == (4 if error else 2)
        assert await bench.read("IRQ_STATUS") == (2 if error else 1)
        assert int(dut.irq.value) == bool(enable & (2 if error else 1))
        await bench.check_counters()
        assert await bench.read("BASE_LO") == 0x1234000
        await bench.write("IRQ_STATUS", 1 if error else 2)       # the other cause: nothing
        assert await bench.read("IRQ_STATUS") == (2 if error else 1)
        if error:
            assert await bench.read("ERROR_CODE") == code
            assert (await bench.read("ERROR_INFO_LO")
                    | await bench.read("ERROR_INFO_HI") << 32) == info
            assert await bench.read("ERROR_COMMAND") == index
            await bench.write("CTRL", 1)                 # ignored: ERROR
            assert bench.starts == ran and await bench.read("STATUS") == 4
            await bench.write("CTRL", 3)                 # the soft reset wins
            while await bench.read("STATUS") & 8:
                pass
            assert bench.starts == ran and await bench.read("STATUS") == 0
            assert await bench.read("ERROR_CODE") == code
        await bench.write("IRQ_STATUS", 3)
        assert await bench.read("IRQ_STATUS") == 0
        await RisingEdge(dut.clk)
        assert not dut.irq.value
    await bench.write("BASE_LO", 0x55555000)
    assert await bench.read("BASE_LO") == 0x55555000


@cocotb.test()
async def crooked_programs(dut):
    """PROGRAM that is not a multiple of 64: the core is not started, the counters are 0."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    await bench.write("IRQ_ENABLE", 2)
    for bit in range(6):
        await bench.write("CTRL", 1)
        starts = bench.starts
        await ClockCycles(dut.clk, 50)
        await bench.pulse("done")
        await bench.end()
        await bench.write("IRQ_STATUS", 3)
        program = 1 << bit | rng.getrandbits(26) << 6
        await bench.write("PROGRAM", program)
        await bench.write("CTRL", 1)
        await bench.end()
        assert bench.starts == starts and dut.irq.value
        assert await bench.read("STATUS") == 4 and await bench.read("IRQ_STATUS") == 2
        assert await bench.read("ERROR_CODE") == ErrorCode.PROGRAM
        assert await bench.read("ERROR_INFO_LO") == program
        assert await bench.read("ERROR_INFO_HI") == 0
        for name in COUNTERS:
            assert await bench.counter(name) < 20 * COUNTERS[name].most(CONFIG), name
        await bench.write("CTRL", 2)
        while await bench.read("STATUS"):
            pass
        await bench.write("PROGRAM", program & ~63)
        await bench.write("IRQ_STATUS", 3)


@cocotb.test()
async def limit(dut):
    """``expired`` comes when LIMIT is reached, stays until the end, and never if LIMIT is 0."""
    bench = Bench(dut)
    await bench.begin(pauses=False, core=False)
    for units in (0, 2, 1):
        await bench.write("LIMIT", units)
        await bench.write("CTRL", 1)
        begun = get_sim_time("ns")
        if not units:
            await ClockCycles(dut.clk, 2 * 4096)
            assert not dut.expired.value
        else:
            await RisingEdge(dut.expired)
            cycles = (get_sim_time("ns") - begun) / 10
            assert units * 4096 - 10 <= cycles <= units * 4096 + 80
        await bench.pulse("error", error_code=ErrorCode.LIMIT.value) if units else \
            await bench.pulse("done")
        await bench.end()
        assert not dut.expired.value
        if units:
            assert abs(await bench.counter("CYCLES") - units * 4096) < 100
            await bench.write("CTRL", 2)
            while await bench.read("STATUS"):
                pass


@cocotb.test()
async def soft_reset(dut):
    """The core is reset only when the DMAs are idle, in any state, and then runs again."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.begin()
    for _ in range(8):
        before = bench.starts
        state = rng.choice(("ready", "running", "ending"))
        if state != "ready":
            await bench.write("CTRL", 1)
            if state == "ending":
                await bench.pulse("done")
            before += 1
        dut.dma_idle.value = 0
        bench.reset_cycles = 0
        await bench.write("CTRL", 2)
        await ClockCycles(dut.clk, 2)
        assert dut.halt.value
        for _ in range(rng.randrange(4)):                # idle for too short a time
            await ClockCycles(dut.clk, rng.randint(1, 40))
            dut.dma_idle.value = 1
            await ClockCycles(dut.clk, rng.randint(1, 6))
            dut.dma_idle.value = 0
        await bench.pulse("done")                        # of no account any more
        assert await bench.read("STATUS") == 8
        assert bench.reset_cycles == 0 and dut.halt.value
        await bench.write("CTRL", 3)                     # ignored: RESETTING
        dut.dma_idle.value = 1
        await FallingEdge(dut.core_reset)
        assert await bench.read("STATUS") == 0
        assert bench.reset_cycles == 8 and not dut.halt.value
        assert await bench.read("IRQ_STATUS") == 0
        assert bench.starts == before

        await bench.write("CTRL", 1)
        await ClockCycles(dut.clk, rng.randrange(100))
        await bench.pulse("done")
        await bench.end()
        assert await bench.read("STATUS") == 2
        await bench.check_counters()
        await bench.write("IRQ_STATUS", 1)


@cocotb.test()
async def running_counts(dut):
    """A counter read while BUSY is at most 40 cycles old."""
    bench = Bench(dut)
    await bench.begin()
    await bench.write("CTRL", 1)
    history = []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            history.append(dict(bench.counts))
    cocotb.start_soon(watch())
    await ClockCycles(dut.clk, 100)
    for _ in range(60):
        name = bench.rng.choice(list(COUNTERS))
        oldest = history[-40][name]
        value = await bench.counter(name)
        assert oldest <= value <= bench.counts[name], name


@cocotb.test()
async def carry(dut):
    """The two halves of a counter match while it passes 2**32."""
    bench = Bench(dut)
    await bench.begin(pauses=False, core=False)
    most = COUNTERS["MACS"].most(CONFIG)
    dut.events.value = most
    await bench.write("CTRL", 1)
    await Timer((2**32 // most - 400) * 10, "ns")
    last = await bench.counter("MACS")
    assert last < 2**32 < last + 2000 * most
    for _ in repeat(None, 40):
        value = await bench.counter("MACS")
        assert last < value < last + 100 * most and value % most == 0
        last = value
    assert last > 2**32
