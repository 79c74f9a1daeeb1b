"""The accelerator: the module that a system instantiates."""

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib.wiring import In, Out

from ..machines import machine_of
from .block import Block
from .common.axi import axi_members
from .csr import CSR

__all__ = ["Top"]


class Top(Block):
    """CSRs and core, behind the ports that AMD's and Arm's tools recognise by name.

    Members
    -------
    aclk : In(1)
        The one clock; all ports are synchronous to it.
    aresetn : In(1)
        Synchronous reset, active low, for a cycle or more. ARVALID, AWVALID and WVALID are low from
        its first edge on; 2 cycles after its last one all of the core is reset. Bursts under way
        are forgotten: whatever answers them, interconnect and memory, must share the reset.
    m_axi_*
        AXI4 master: ``addr_bits`` of address, ``bus_bits`` of data, one ID (0), INCR bursts of at
        most ``burst`` beats that never cross 4 KiB. Several reads are outstanding; a write burst
        begins only when all its data are at hand.
    s_axi_*
        AXI4-Lite slave: the CSRs, 12 bits of address, 32 of data.
    irq : Out(1)
        High while an enabled cause stands.
    """

    module_name = "hwgen"
    own_clock = True

    def __init__(self, config):
        self._core = machine_of(config).core(config)
        self._csr = CSR(config)
        super().__init__({
            "aclk": In(1), "aresetn": In(1),
            **{f"m_{name}": member for name, member in axi_members(self._core).items()},
            **{f"s_{name}": member for name, member in axi_members(self._csr).items()},
            "irq": Out(1),
        })

    def body(self, platform):
        core, csr = self._core, self._csr
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.domains.core = ClockDomain("core")
        m.submodules.csr = csr
        m.submodules.core = DomainRenamer("core")(core)
        # The core's reset leaves a register, for it goes far, and passes another one in the blocks
        # that stand far away. Until these are reset the others still are, and nothing leaves.
        core_reset = Signal(init=1)
        late = Signal(init=1)
        silent = Signal(init=1)
        m.d.sync += [core_reset.eq(csr.core_reset | late), late.eq(0), silent.eq(late)]
        m.d.comb += [
            ClockSignal("sync").eq(self.aclk), ResetSignal("sync").eq(~self.aresetn),
            ClockSignal("core").eq(self.aclk), ResetSignal("core").eq(core_reset),
            core.start.eq(csr.start), core.program.eq(csr.program), core.base.eq(csr.base),
            core.pages.eq(csr.pages),
            core.watchdog.eq(csr.watchdog), core.expired.eq(csr.expired), core.halt.eq(csr.halt),
            csr.done.eq(core.done), csr.error.eq(core.error), csr.error_code.eq(core.error_code),
            csr.error_info.eq(core.error_info), csr.command_index.eq(core.command_index),
            csr.dma_idle.eq(core.dma_idle), csr.events.eq(core.events),
            self.irq.eq(csr.irq),
        ]
        for prefix, block in (("m_", core), ("s_", csr)):
            for name, member in axi_members(block).items():
                inside, outside = getattr(block, name), getattr(self, prefix + name)
                if prefix == "m_" and member.flow == Out and name.endswith("valid"):
                    inside &= ~silent
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        return m
