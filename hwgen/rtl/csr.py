"""The control and status registers: an AXI4-Lite slave over :mod:`hwgen.isa.registers`."""

import enum

from amaranth import Array, C, Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .. import isa
from ..isa.registers import (
    ADDRESS_BITS,
    COUNTER_BITS,
    COUNTERS,
    LIMIT_UNIT,
    REGISTERS,
    Access,
    ErrorCode,
)
from .block import Block
from .common.ram import Ram

__all__ = ["CSR", "EVENTS"]

#: What the core counts: a field for each counter but CYCLES, which the block counts by itself.
EVENTS = data.StructLayout({counter.name.lower(): counter.bits
                            for counter in COUNTERS.values() if counter.name != "CYCLES"})

# Counters that the sweep visits, those that do not exist included.
_SLOTS = 1 << (len(COUNTERS) - 1).bit_length()
_COUNTERS_FROM = min(counter.offset for counter in COUNTERS.values())
_LATE = 16                   # cycles after the end in which events still count
_SETTLE = 24 + _SLOTS        # cycles from the end to its report: the sweep's last sums are made
_QUIET = 8                   # cycles for which the DMAs must be idle before the core is reset
_RESET = 8                   # cycles of core reset
_OKAY, _SLVERR = 0, 2


class _State(enum.IntEnum):
    """Where a program, or a soft reset, is."""
    READY = 0
    RUN = 1
    SETTLE = 2
    HALT = 3
    RESET = 4


class _ReadState(enum.IntEnum):
    """A read of a register: the look-up takes a cycle or more."""
    IDLE = 0
    LOOK = 1


class CSR(Block):
    """Registers, interrupt, performance counters and soft reset.

    It is reset by the device's reset only, and so outlives a soft reset of the core.

    AXI4-Lite: one read and one write at a time, independent of each other. A write is taken when
    both address and data are there, byte strobes are respected, and its response comes 2 cycles
    later; a read's data comes 2 cycles after its address, that of a counter's low part up to 33
    cycles. An address without a register, and a write to a register that has nothing to write,
    answer SLVERR without any effect, all else OKAY. The lowest two address bits are ignored.

    A counter is a few bits of its own, and 48 bits in a block RAM to which a sweep over all
    counters adds those bits, one counter a cycle. So the program's end is reported 57 cycles after
    ``done`` or ``error``: late events are counted for 16 of them, then summed up. The sweep also
    compares CYCLES with LIMIT each time that it comes by.

    A START whose PROGRAM is not a multiple of 64 never reaches the core: it is reported as an error
    57 cycles later.

    Soft reset: ``halt`` rises, and once ``dma_idle`` has been high for 8 cycles ``core_reset`` is
    high for 8. It needs a memory that answers what it has been asked.

    Parameters
    ----------
    config : Config

    Members
    -------
    axi_aw*, axi_w*, axi_b*, axi_ar*, axi_r*
        AXI4-Lite slave, 32 bits of data, 12 of address.
    start : Out(1)
        Starts the controller; one cycle.
    expired : Out(1)
        The program has run for as many cycles as LIMIT allows.
    program : Out(32), base : Out(addr_bits), pages : Out(20), watchdog : Out(32)
        Registers PROGRAM, BASE, SIZE and WATCHDOG.
    done, error : In(1)
        From the controller, one cycle; ``error`` wins.
    error_code : In(4), error_info : In(addr_bits)
        Valid with ``error``.
    command_index : In(32)
        The register ERROR_COMMAND; stands still from ``error`` to the next ``start``.
    halt : Out(1)
        The DMAs shall begin no new burst.
    dma_idle : In(1)
        No AXI transaction is under way.
    core_reset : Out(1)
        Resets the core; from a register.
    busy : Out(1)
        STATUS.BUSY: from START until the end is reported.
    irq : Out(1)
        High while IRQ_STATUS and IRQ_ENABLE have a bit in common; from a register.
    events : In(EVENTS)
        How much to add to each counter in this cycle; counts while BUSY.
    """

    module_name = "csr"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "axi_awaddr": In(ADDRESS_BITS), "axi_awprot": In(3),
            "axi_awvalid": In(1), "axi_awready": Out(1),
            "axi_wdata": In(32), "axi_wstrb": In(4),
            "axi_wvalid": In(1), "axi_wready": Out(1),
            "axi_bresp": Out(2), "axi_bvalid": Out(1), "axi_bready": In(1),
            "axi_araddr": In(ADDRESS_BITS), "axi_arprot": In(3),
            "axi_arvalid": In(1), "axi_arready": Out(1),
            "axi_rdata": Out(32), "axi_rresp": Out(2),
            "axi_rvalid": Out(1), "axi_rready": In(1),
            "start": Out(1),
            "program": Out(32),
            "base": Out(config.addr_bits),
            "pages": Out(20),
            "watchdog": Out(32),
            "expired": Out(1),
            "done": In(1),
            "error": In(1),
            "error_code": In(4),
            "error_info": In(config.addr_bits),
            "command_index": In(32),
            "halt": Out(1),
            "dma_idle": In(1),
            "core_reset": Out(1),
            "busy": Out(1),
            "irq": Out(1),
            "events": In(EVENTS),
        })

    def body(self, platform):
        m = Module()
        fields = self._fields()
        written = self._write(m, fields)
        running, late, fresh = self._control(m, fields, written)
        visited, count = self._counters(m, running, late, fresh)
        limit = fields["LIMIT", "VALUE"]
        unit = exact_log2(LIMIT_UNIT)
        m.d.sync += self.expired.eq(running & (visited == list(COUNTERS).index("CYCLES"))
                                    & limit.any() & (count[unit:][:len(limit)] >= limit))
        self._read(m, fields, visited, count)
        return m

    def _fields(self):
        """The value behind each field but the counters': ``{(register, field): value}``."""
        fields = {}
        for register in REGISTERS.values():
            if register.offset >= _COUNTERS_FROM:
                continue
            for field in register.fields:
                bits = field.bits
                if register.name in ("BASE_HI", "ERROR_INFO_HI"):
                    bits = self._config.addr_bits - 32
                value = field.value(self._config)
                if field.access in (Access.CONST, Access.PULSE):
                    fields[register.name, field.name] = C(value, bits)
                else:
                    name = f"{register.name}_{field.name}".lower()
                    fields[register.name, field.name] = Signal(bits, init=value, name=name)
        return fields

    def _write(self, m, fields):
        """The write channels; returns the ones written to W1C and PULSE fields, for one cycle."""
        written = {}
        accept = Signal()
        m.d.comb += [self.axi_awready.eq(accept), self.axi_wready.eq(accept)]
        m.d.sync += accept.eq(self.axi_awvalid & self.axi_wvalid & ~accept & ~self.axi_bvalid)
        with m.If(self.axi_bready):
            m.d.sync += self.axi_bvalid.eq(0)
        with m.If(accept):
            m.d.sync += [self.axi_bvalid.eq(1), self.axi_bresp.eq(_SLVERR)]
        with m.Switch(self.axi_awaddr[2:]):
            for register in REGISTERS.values():
                if not register.writable:
                    continue
                locked = C(0)
                if register.name in ("BASE_LO", "BASE_HI", "SIZE"):
                    locked = fields["STATUS", "BUSY"] | fields["STATUS", "RESETTING"]
                with m.Case(register.offset >> 2), m.If(accept):
                    m.d.sync += self.axi_bresp.eq(_OKAY)
                    for field in register.fields:
                        stored = fields[register.name, field.name]
                        if field.access == Access.RW:
                            for byte in range(4):
                                low, high = (min(max(edge - field.lsb, 0), len(stored))
                                             for edge in (8 * byte, 8 * byte + 8))
                                with m.If(self.axi_wstrb[byte] & ~locked):
                                    m.d.sync += stored[low:high].eq(
                                        self.axi_wdata[field.lsb + low:])
                        else:
                            name = f"{register.name}_{field.name}_written".lower()
                            one = Signal(name=name)
                            written[register.name, field.name] = one
                            m.d.comb += one.eq(self.axi_wdata[field.lsb]
                                               & self.axi_wstrb[field.lsb // 8])
        return written

    def _control(self, m, fields, written):
        """START, soft reset, status, errors and interrupt.

        Returns ``(running, late, fresh)``: a program runs; it has just ended and its last events
        still come in; the counters begin from 0.
        """
        def field(path):
            return fields[tuple(path.split("."))]

        m.d.comb += [
            self.program.eq(field("PROGRAM.VALUE")),
            self.base.eq(Cat(field("BASE_LO.VALUE"), field("BASE_HI.VALUE"))),
            self.pages.eq(field("SIZE.PAGES")),
            self.watchdog.eq(field("WATCHDOG.VALUE")),
            field("ERROR_COMMAND.VALUE").eq(self.command_index),
        ]
        start, reset = written["CTRL", "START"], written["CTRL", "SOFT_RESET"]
        ended, failed = field("STATUS.DONE"), field("STATUS.ERROR")
        info = Cat(field("ERROR_INFO_LO.VALUE"), field("ERROR_INFO_HI.VALUE"))
        starting = Signal()
        refused = Signal()
        fresh = Signal()
        failing = Signal(reset_less=True)
        ending = Signal()
        timer = Signal(range(_SETTLE), reset_less=True)

        m.d.sync += fresh.eq(0)
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.READY):
                with m.If(reset):
                    m.d.sync += state.eq(_State.HALT)
                with m.Elif(start & ~failed):
                    m.d.comb += [refused.eq(self.program[:exact_log2(isa.COMMAND_BYTES)].any()),
                                 starting.eq(~refused)]
                    m.d.sync += [ended.eq(0), field("ERROR_CODE.CODE").eq(0), fresh.eq(1)]
                    m.d.sync += state.eq(_State.RUN)
                    with m.If(refused):
                        m.d.sync += [failing.eq(1), timer.eq(0), info.eq(self.program),
                                     field("ERROR_CODE.CODE").eq(ErrorCode.PROGRAM)]
                        m.d.sync += state.eq(_State.SETTLE)
            with m.Case(_State.RUN):
                m.d.sync += [timer.eq(0), failing.eq(self.error)]
                with m.If(reset):
                    m.d.sync += state.eq(_State.HALT)
                with m.Elif(self.error):
                    m.d.sync += [field("ERROR_CODE.CODE").eq(self.error_code),
                                 info.eq(self.error_info)]
                    m.d.sync += state.eq(_State.SETTLE)
                with m.Elif(self.done):
                    m.d.sync += state.eq(_State.SETTLE)
            with m.Case(_State.SETTLE):
                m.d.sync += timer.eq(timer + 1)
                with m.If(reset):
                    m.d.sync += state.eq(_State.HALT)
                with m.Elif(timer == _SETTLE - 1):
                    m.d.comb += ending.eq(1)
                    m.d.sync += [ended.eq(~failing), failed.eq(failing)]
                    m.d.sync += state.eq(_State.READY)
            with m.Case(_State.HALT):
                m.d.sync += [ended.eq(0), failed.eq(0)]
                m.d.sync += timer.eq(Mux(self.halt & self.dma_idle, timer + 1, 0))
                with m.If(self.halt & (timer == _QUIET)):
                    m.d.sync += [timer.eq(0), self.core_reset.eq(1)]
                    m.d.sync += state.eq(_State.RESET)
            with m.Case(_State.RESET):
                m.d.sync += timer.eq(timer + 1)
                with m.If(timer == _RESET - 1):
                    m.d.sync += self.core_reset.eq(0)
                    m.d.sync += state.eq(_State.READY)

        resetting = (state == _State.HALT) | (state == _State.RESET)
        running, late = (state == _State.RUN), (state == _State.SETTLE) & (timer < _LATE)
        m.d.comb += [
            field("STATUS.BUSY").eq((state == _State.RUN) | (state == _State.SETTLE)),
            field("STATUS.RESETTING").eq(resetting),
            self.busy.eq(field("STATUS.BUSY")),
        ]
        m.d.sync += [self.start.eq(starting), self.halt.eq(resetting)]
        m.d.sync += self.irq.eq(0)
        for cause, stands in (("DONE", ~failing), ("ERROR", failing)):
            status = field(f"IRQ_STATUS.{cause}")
            m.d.sync += status.eq(status & ~written["IRQ_STATUS", cause] | ending & stands)
            with m.If(status & field(f"IRQ_ENABLE.{cause}")):
                m.d.sync += self.irq.eq(1)
        return running, late, fresh

    def _counters(self, m, running, late, fresh):
        """The performance counters and their sweep.

        Returns ``(visited, count)``: the slot that the sweep has come to, and its counter, but for
        what has come up since the visit before.
        """
        m.submodules.counters = memory = Ram(COUNTER_BITS, _SLOTS, "block")
        read_port, write_port = memory.read, memory.write
        slot, fetched, visited = (Signal(range(_SLOTS), name=name)
                                  for name in ("slot", "fetched", "visited"))
        most = {name: counter.most(self._config) for name, counter in COUNTERS.items()}
        recent = Signal(range(_SLOTS * max(most.values()) + 1), reset_less=True)
        stale = Signal(range(_SLOTS + 1), init=_SLOTS)     # visits that still find an old value
        fetched_stale = Signal(init=1)
        count = Signal(COUNTER_BITS, reset_less=True)
        m.d.sync += [
            slot.eq(slot + 1), fetched.eq(slot), visited.eq(fetched),
            fetched_stale.eq(stale.any()), count.eq(Mux(fetched_stale, 0, read_port.data))]
        with m.If(fresh):
            m.d.sync += stale.eq(_SLOTS)
        with m.Elif(stale.any()):
            m.d.sync += stale.eq(stale - 1)
        # The sweep writes the slot two before the one that it reads. A stale value, of the program
        # before or from before the reset, counts as 0.
        m.d.comb += [
            read_port.addr.eq(slot),
            write_port.addr.eq(visited),
            write_port.data.eq(count + recent),
            write_port.en.eq(visited < len(COUNTERS)),
        ]
        # What has come up since the visit before, but for the events of this cycle.
        since = Array(Signal(range(_SLOTS * most[name] + 1), name=name.lower())
                      for name in COUNTERS)
        m.d.sync += recent.eq(since[fetched])
        for number, (name, up) in enumerate(zip(COUNTERS, since, strict=True)):
            event = running if name == "CYCLES" else self.events[name.lower()]
            new = Signal(range(most[name] + 1), name=f"{name}_new".lower())
            m.d.sync += [new.eq(Mux(running | late, event, 0)),
                         up.eq(Mux(fetched == number, 0, up) + new)]
            with m.If(fresh):
                m.d.sync += up.eq(0)
        return visited, count

    def _read(self, m, fields, visited, count):
        """The read channels."""
        address = Signal(ADDRESS_BITS - 2, reset_less=True)
        high = Signal(COUNTER_BITS - 32)
        value = Signal(32)
        found = Signal()
        low = Signal()
        ready = Signal()
        m.d.comb += [found.eq(1), ready.eq(1)]
        with m.Switch(address):
            for register in REGISTERS.values():
                if register.offset < _COUNTERS_FROM:
                    with m.Case(register.offset >> 2):
                        for field in register.fields:
                            stored = fields[register.name, field.name]
                            m.d.comb += value[field.lsb:field.lsb + len(stored)].eq(stored)
            with m.Case(*(counter.offset >> 2 for counter in COUNTERS.values())):
                m.d.comb += [value.eq(count), low.eq(1),
                             ready.eq(visited == address[1:][:len(visited)])]
            with m.Case(*(counter.offset + 4 >> 2 for counter in COUNTERS.values())):
                m.d.comb += value.eq(high)
            with m.Default():
                m.d.comb += found.eq(0)

        m.d.sync += self.axi_arready.eq(0)
        read_state = Signal(_ReadState)
        with m.Switch(read_state):
            with m.Case(_ReadState.IDLE):
                m.d.sync += address.eq(self.axi_araddr[2:])
                with m.If(self.axi_rready):
                    m.d.sync += self.axi_rvalid.eq(0)
                with m.If(self.axi_arvalid & ~self.axi_rvalid):
                    m.d.sync += self.axi_arready.eq(1)
                    m.d.sync += read_state.eq(_ReadState.LOOK)
            with m.Case(_ReadState.LOOK):
                with m.If(ready):
                    m.d.sync += [
                        self.axi_rvalid.eq(1),
                        self.axi_rdata.eq(value),
                        self.axi_rresp.eq(Mux(found, _OKAY, _SLVERR)),
                    ]
                    with m.If(low):
                        m.d.sync += high.eq(count[32:])
                    m.d.sync += read_state.eq(_ReadState.IDLE)
