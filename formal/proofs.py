"""What is proved of which block, and a broken variant of each that its properties must catch."""

import inspect
import sys
import types
from dataclasses import dataclass, field

from hwgen.rtl.common.fifo import Fifo, ShallowFifo
from hwgen.rtl.csr import CSR
from hwgen.rtl.microcoded.stream import Stream
from hwgen.rtl.parallel.controller import Controller
from hwgen.rtl.parallel.dma.read_dma import ReadDma
from hwgen.rtl.parallel.dma.write_dma import WriteDma

from .axi import CsrSpec, ReadDmaSpec, StreamSpec, WriteDmaSpec
from .engine import names, prove, reach
from .semaphores import SemaphoreSpec
from .streams import FifoSpec, ShallowFifoSpec

__all__ = ["PROOFS", "Proof"]


@dataclass(frozen=True)
class Proof:
    """The proofs of a block.

    Attributes
    ----------
    name : str
    block : type
        The block's class.
    spec : callable
        Gives the spec of a block, by default ``block``.
    what : str
        The properties in a few words, but for the bounded ones.
    bounded : dict of str to int
        Depth in cycles, of the properties whose names begin so; the others are proved unbounded.
    broken : tuple of (str, str)
        A piece of the block's source and what takes its place in the broken variant.
    """
    name: str
    block: type
    spec: object
    what: str
    broken: tuple
    bounded: dict = field(default_factory=dict)

    def goals(self):
        """``{depth: properties}``; None is unbounded."""
        goals = {}
        for name in names(lambda: self.spec(self.block))[0]:
            depth = next((depth for start, depth in self.bounded.items()
                          if name.startswith(start)), None)
            goals.setdefault(depth, []).append(name)
        return goals

    def prove(self, depth, goal):
        return prove(lambda: self.spec(self.block), goal, depth)

    def covers(self):
        """``{cover: cycle}``, in which it is met at the earliest, or None."""
        def make():
            return self.spec(self.block)
        return {name: reach(make, name) for name in names(make)[1]}

    def caught_at(self, depth=40):
        """The cycle in which a property of the broken variant fails; None: not within ``depth``."""
        def make():
            return self.spec(_variant(self.block, *self.broken))
        return prove(make, names(make)[0], depth).failed_at


def _variant(block, old, new):
    """The class that the block's source would give with ``old`` replaced by ``new``."""
    module = sys.modules[block.__module__]
    text = inspect.getsource(module)
    assert text.count(old) == 1, f"{old!r} is not once in {module.__name__}"
    changed = types.ModuleType(module.__name__)
    changed.__package__ = module.__package__
    exec(compile(text.replace(old, new), module.__file__, "exec"), changed.__dict__)
    return getattr(changed, block.__name__)


_FIFO = "order and count of words, payload stands, offered in time"
_AXI = "AR and AW: payload stands, 4 KiB, lengths, no burst in halt"
PROOFS = {proof.name: proof for proof in (
    *(Proof(f"fifo, depth {depth}", Fifo, lambda block, depth=depth: FifoSpec(depth, block=block),
            _FIFO, ("self.i.ready.eq(~full)", "self.i.ready.eq(1)")) for depth in (2, 4, 8)),
    *(Proof(f"shallow_fifo, depth {depth}", ShallowFifo,
            lambda block, depth=depth: ShallowFifoSpec(depth, block=block), _FIFO,
            ("fetch.eq((read.addr != write.addr) & (~self.o.valid | self.o.ready))",
             "fetch.eq(read.addr != write.addr)")) for depth in (2, 4, 8)),
    Proof("csr", CSR, CsrSpec,
          "AXI4-Lite: payload stands, one response each, none unasked, writes in time",
          ("& ~accept & ~self.axi_bvalid)", "& ~accept)")),
    Proof("read_dma", ReadDma, ReadDmaSpec, _AXI,
          ("with m.If(self.halt):", "with m.If(self.halt & 0):")),
    Proof("write_dma", WriteDma, WriteDmaSpec,
          "AW and W: payload stands; words, INCR; no burst in halt",
          ("packer.ends | position.all() | (count", "packer.ends | (count"),
          bounded={"aw: no burst crosses": 16, "aw: no burst is too long": 16}),
    Proof("stream", Stream, StreamSpec, f"{_AXI}; W stands, WLAST, counts of beats, quiet",
          ("final.eq(beats == 1)", "final.eq(beats == 2)")),
    *(Proof(f"controller, semaphore {number}", Controller,
            lambda block, number=number: SemaphoreSpec(number, block),
            "granted only what was given, one at a time, who asked; fewer than 6 signals wait",
            ("taken.eq(take.payload)]", "taken.eq(0)]")) for number in (0, 6)),
)}
