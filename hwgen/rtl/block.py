"""Blocks: components that become one Verilog module each, however often they are instantiated.

Amaranth elaborates every instance of a component anew, so an array of 168 PEs would become 168
modules. A :class:`Block` is elaborated once for each distinct set of parameters: in its parent it
becomes an instance of a named module, and :class:`Emitter` converts that module on its own.
"""

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
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..verilog.emitter import Emitter

__all__ = ["Block"]


class Block(wiring.Component):
    """A component that is emitted as a Verilog module of its own.

    Subclasses set :attr:`module_name` (equal names mean equal hardware) and implement
    :meth:`body` in place of ``elaborate``. Without an :class:`Emitter` as the platform (as in
    Amaranth's own simulator) the body is elaborated in place.

    Attributes
    ----------
    module_name : str
        Name of the Verilog module.
    parameters : dict
        Parameters of the Verilog module, integers and strings by name. There is one module for all
        values of them, made of :meth:`pattern`.
    has_reset : bool
        False: the module has no port ``rst``, because it has no register that is reset.
    own_clock : bool
        False: the module has ports ``clk`` and ``rst``. True, for the top: the body makes its
        domain ``sync`` itself, from members of its signature.
    late_reset : bool
        True: the reset passes a register of the block's own, and so ends a cycle later. For blocks
        that stand far from where the reset comes from, and that nothing is sent at once.
    """

    module_name: str
    parameters: dict = {}
    own_clock = False
    has_reset = True
    late_reset = False

    def body(self, platform):
        """Build the block's contents; returns an ``amaranth.Module``."""
        raise NotImplementedError

    def pattern(self):
        """The block of which a module with parameters is made: see :mod:`hwgen.verilog.generic`."""
        return self

    def clock(self, clock, reset):
        """Ports that the signature does not have: ``{name: signal}``."""
        if self.own_clock:
            return {}
        return {"clk": clock, **({"rst": reset} if self.has_reset else {})}

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
        return Instance(
            self.module_name, *(("p", name, value) for name, value in self.parameters.items()),
            *(("i", name, value) for name, value in
              self.clock(ClockSignal(), ResetSignal()).items()),
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
