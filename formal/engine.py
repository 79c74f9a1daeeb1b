"""Proves properties of a block: Amaranth to AIGER by Yosys, then PDR or BMC by ABC.

Both come with the package ``pyosys``. The block's registers begin with any value, its memories
with any contents, and the first cycle is a reset, so that nothing is proved by the help of initial
values that an ASIC does not have. What ``reset_less`` registers hold stays free.

Ref: Een, Mishchenko, Brayton, Efficient Implementation of Property Directed Reachability, 2011.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from amaranth import Cat, ClockDomain, Module, Signal, Value
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Fragment

__all__ = ["Spec", "Result", "names", "prove", "reach"]

_SCRIPT = """read_rtlil {name}.il
hierarchy -top top
proc
flatten
delete t:$meminit_v2
setattr -unset init w:*
setattr -set init 1'0 w:formal_started
memory -nomap
memory_map
chformal -lower
async2sync
opt -full
techmap
opt -fast
dffunmap
aigmap
opt_clean
write_aiger -I -B -zinit {name}.aig
"""
_YOSYS = ("import sys; from pyosys import libyosys; design = libyosys.Design()\n"
          "[libyosys.run_pass(line, design) for line in open(sys.argv[1]).read().splitlines()]")


class Spec:
    """A block and its properties; subclasses implement :meth:`describe`.

    Attributes
    ----------
    inputs : list of Signal
        What may have any value in any cycle.
    """

    def __init__(self):
        self.inputs = []
        self.asserts, self.assumes, self.covers = {}, [], {}
        self._started = Signal(name="formal_started", reset_less=True)

    def describe(self, m):
        """Add the block under proof to ``m``, with registers and conditions about it."""
        raise NotImplementedError

    def free(self, shape=1, name=None):
        """An input of any value in any cycle."""
        signal = Signal(shape, name=name or f"free_{len(self.inputs)}")
        self.inputs.append(Value.cast(signal))
        return signal

    def fixed(self, m, shape=1, name=None):
        """Any value, the same in all cycles."""
        signal = Signal(shape, name=name or f"fixed_{len(self.inputs)}", reset_less=True)
        first = self.free(shape)
        with m.If(~self._started):
            m.d.sync += signal.eq(first)
        return signal

    def must(self, name, condition):
        """``condition`` holds in every cycle after the reset."""
        assert name not in self.asserts
        self.asserts[name] = condition

    def given(self, condition):
        """What the surroundings promise."""
        self.assumes.append(condition)

    def can(self, name, condition):
        """``condition`` can be met in some cycle after the reset."""
        self.covers[name] = condition

    def waits(self, m, name, valid, ready, payload, promise=False):
        """While ``valid`` waits for ``ready``, it and ``payload`` stand."""
        payload = Value.cast(payload)
        waited = Signal(name=f"{name}_waited")
        held = Signal(len(payload), name=f"{name}_held", reset_less=True)
        m.d.sync += [waited.eq(valid & ~ready), held.eq(payload)]
        stands = ~waited | (valid & (payload == held))
        if promise:
            self.given(stands)
        else:
            self.must(f"{name} stands while it waits", stands)

    def module(self, goal):
        """The module that asserts ``goal``, a cover's name (that it is never met) or those of
        properties, and its ports."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += domain.rst.eq(~self._started)
        m.d.sync += self._started.eq(1)
        self.describe(m)
        wanted = ([~Value.cast(self.covers[goal]).any()] if isinstance(goal, str)
                  else [self.asserts[name] for name in goal])
        good, fair = Signal(name="formal_good"), Signal(name="formal_fair")
        m.d.comb += [good.eq(Cat(Value.cast(w).any() for w in wanted).all()),
                     fair.eq(Cat(Value.cast(w).any() for w in self.assumes).all()),
                     Assert(~self._started | good), Assume(~self._started | fair)]
        return m, [domain.clk, *self.inputs]


@dataclass(frozen=True)
class Result:
    """What came of a proof.

    Attributes
    ----------
    proved : bool
        No counterexample exists, in ``depth`` cycles or, if that is None, in any number.
    depth : int or None
    failed_at : int or None
        Cycle of the counterexample, or in which a cover is met.
    seconds : float
        Of processor time, Yosys's included.
    """
    proved: bool
    depth: int | None
    failed_at: int | None
    seconds: float


def _processor_seconds():
    """Of this process and those that it waited for."""
    return sum(os.times()[:4])


def _check(make, goal, commands, timeout):
    """Run commands of ABC on the block; returns ``(what ABC says, seconds)``."""
    spec, begin = make(), _processor_seconds()
    module, ports = spec.module(goal)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "x.il").write_text(rtlil.convert(module, name="top", ports=ports,
                                                   emit_src=False))
        (folder / "x.ys").write_text(_SCRIPT.format(name="x"))
        done = subprocess.run([sys.executable, "-c", _YOSYS, "x.ys"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError(f"Yosys failed: {done.stdout[-2000:]}")
        (folder / "x.abc").write_text(f"read_aiger x.aig; fold; strash; {commands}\n")
        abc = Path(find_spec("pyosys").origin).parent / "yosys-abc"
        said = subprocess.run([abc, "-f", "x.abc"], cwd=folder, text=True, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    return said, _processor_seconds() - begin


def names(make):
    """``(properties, covers)`` of a spec, by name."""
    spec = make()
    Fragment.get(spec.module([])[0], None)       # else Amaranth warns that it was for nothing
    return list(spec.asserts), list(spec.covers)


def _result(said, seconds, depth):
    failed = re.search(r"was asserted in frame (\d+)", said)
    proved = ("Property proved" if depth is None else f"asserted in {depth} frames") in said
    if failed is None and not proved:
        raise RuntimeError(f"ABC decided nothing: {said[-500:]}")
    return Result(failed is None, depth, int(failed[1]) if failed else None, seconds)


def prove(make, goal, depth=None, timeout=600):
    """Prove properties together.

    Parameters
    ----------
    make : callable
        Gives a new :class:`Spec`.
    goal : list of str
        Their names.
    depth : int or None
        Cycles from the reset to look at; None: any number, by PDR.
    timeout : float
        Seconds.
    """
    said, seconds = _check(make, goal, "pdr" if depth is None else f"bmc3 -F {depth}", timeout)
    return _result(said, seconds, depth)


def reach(make, goal, depth=40, timeout=600):
    """The cycle in which the cover ``goal`` is met at the earliest; None within ``depth``."""
    said, seconds = _check(make, goal, f"bmc3 -F {depth}", timeout)
    return _result(said, seconds, depth).failed_at
