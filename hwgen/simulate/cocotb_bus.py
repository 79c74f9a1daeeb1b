"""The cocotb side: the accelerator's buses by cocotbext-axi, and a server for requests.

Runs inside a simulator, on the ports of the module ``hwgen``.
"""

import os
import random
from multiprocessing.connection import Client

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from ..host.driver import SimulationError

__all__ = ["CocotbBus", "serve"]

_PERIOD = 10


def _pauses(seed, chance):
    generator = random.Random(seed)
    while True:
        yield generator.random() < chance


class CocotbBus:
    """The methods of :class:`~hwgen.host.driver.Bus`, as coroutines.

    Parameters
    ----------
    dut
        The cocotb handle of the top module.
    base : int
        Address of the memory's first byte.
    stall : float
        Chance that a channel of either bus stands still in a cycle.
    seed : int
        Of the stalls.
    """
    def __init__(self, dut, *, base=0, stall=0, seed=1):
        self.dut, self._base = dut, base
        dut.aresetn.value = 0
        cocotb.start_soon(Clock(dut.aclk, _PERIOD, "ns").start())
        options = dict(clock=dut.aclk, reset=dut.aresetn, reset_active_level=False)
        self._memory = AxiRam(AxiBus.from_prefix(dut, "m_axi"), size=1 << 62, **options)
        self._csr = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **options)
        if stall:
            for side in (self._memory, self._csr):
                for index, channel in enumerate((
                        side.write_if.aw_channel, side.write_if.w_channel,
                        side.write_if.b_channel, side.read_if.ar_channel,
                        side.read_if.r_channel)):
                    channel.set_pause_generator(_pauses(8 * seed + index, stall))

    async def reset(self):
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 16)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def read32(self, offset):
        answer = await self._csr.read(offset, 4)
        self._check("read", offset, answer.resp)
        return int.from_bytes(answer.data, "little")

    async def write32(self, offset, value):
        answer = await self._csr.write(offset, value.to_bytes(4, "little"))
        self._check("write", offset, answer.resp)

    @staticmethod
    def _check(kind, offset, response):
        if response:
            raise SimulationError(f"AXI4-Lite {kind} of offset 0x{offset:03X}: {response.name}")

    async def allocate(self, size):
        return self._base

    async def read(self, offset, size):
        return bytes(self._memory.read(self._base + offset, size))

    async def write(self, offset, data):
        self._memory.write(self._base + offset, data)

    async def wait(self, cycles):
        if not int(self.dut.irq.value):
            await First(RisingEdge(self.dut.irq), ClockCycles(self.dut.aclk, cycles))
        return bool(int(self.dut.irq.value))

    async def record(self, on):
        self.dut.recording.value = on
        await RisingEdge(self.dut.aclk)

    async def statistics(self):
        return {"cycles": int(get_sim_time("ns")) // _PERIOD}


@cocotb.test()
async def serve(dut):
    """Answers requests of :class:`~hwgen.simulate.cosim.IcarusBus` until it hangs up."""
    bus = CocotbBus(dut, base=int(os.environ["HWGEN_BASE"]),
                    stall=float(os.environ["HWGEN_STALL"]), seed=int(os.environ["HWGEN_SEED"]))
    with Client(os.environ["HWGEN_SOCKET"]) as connection:
        while True:
            try:
                name, arguments = connection.recv()
            except EOFError:
                return
            try:
                answer = await getattr(bus, name)(*arguments)
            except SimulationError as error:
                answer = error
            connection.send(answer)
