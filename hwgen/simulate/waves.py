"""Waves of a simulation: a file of one layer or of everything, and a view of it for GTKWave."""

import os
import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Self

from vcd.gtkw import GTKWSave

from ..compiler.program import Program, Segment
from ..errors import HwgenError
from ..files import check_target, place, write_whole
from ..host.driver import SimulationError

__all__ = ["FORMATS", "Waves", "dumping", "view"]

FORMATS = ("vcd", "fst")     # by suffix

# What is worth a look, as the ports of modules: the first of them that the design has.
_GROUPS = {
    "clock, reset, interrupt": (("hwgen", r"aclk|aresetn|irq"),),
    "AXI4-Lite": (("hwgen", r"s_axi_.*"),),
    "AXI4": (("hwgen", r"m_axi_.*(addr|len|data|last|valid|ready|resp)"),),
    "controller": (("controller", r"(?!clk|rst).*"), ("engine", r"(?!clk|rst).*")),
    "row 0, or the array": (("array_row", r"(?!clk|rst).*"), ("pe_array", r"(?!clk|rst).*")),
    "a PE": (("pe", r"(?!clk|rst).*"),),
    "drain": (("drain", r"(?!clk|rst).*"), ("output_unit", r"(?!clk|rst).*")),
}


class Waves:
    """A wave file, whole or not at all, and FILE.gtkw beside it.

    A context manager around a simulation that records into :attr:`part`. The file takes its name
    at the end: of a simulation that came to its end, or that the accelerator stopped, where it is
    needed most.

    Parameters
    ----------
    path : path
        Its suffix is the format: ``.vcd`` or ``.fst``.
    layer : str
        Record only the programs of this layer; None for everything. Who runs programs turns the
        recording on for those that are :meth:`wanted`.

    Attributes
    ----------
    part : pathlib.Path
        The file while it is written.
    form : str
        One of :data:`FORMATS`.

    Raises
    ------
    HwgenError
        The suffix is another one, or the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike, layer: str | None = None) -> None:
        self.path, self.layer = Path(path), layer
        self.form = self.path.suffix[1:]
        if self.form not in FORMATS:
            raise HwgenError(f"--waves {path} has no suffix that names a format: choose .vcd, or "
                             f".fst, which is smaller.")
        check_target("--waves", path)
        self.part = self.path.with_name(f"{self.path.stem}.part{self.path.suffix}")
        self.view: str | None = None         # the text of the file for GTKWave, from the simulation

    def check(self, program: Program) -> None:
        """Raise :exc:`HwgenError` if no part of ``program`` is the layer."""
        names = dict.fromkeys(layer.name for segment in program.segments
                              for layer in segment.layers)
        if self.layer is not None and self.layer not in names:
            raise HwgenError(f"--layer {self.layer!r} is no layer that the accelerator runs; those "
                             f"are {', '.join(names) or 'none'}.")

    def wanted(self, segments: Iterable[Segment]) -> bool:
        """Whether the program of ``segments`` is to be recorded."""
        return self.layer is None or any(layer.name == self.layer for segment in segments
                                         for layer in segment.layers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, SimulationError):
            self.part.unlink(missing_ok=True)
            return
        if self.part.exists():
            place(self.part, self.path)
            if self.view is not None:
                write_whole(f"{self.path}.gtkw",
                            lambda file: file.write(self.view.encode()))


def dumping(verilog: str, top: str) -> str:
    """``verilog`` with what makes Icarus write waves of module ``top``.

    ``+waves=FILE`` names the file; register ``recording`` of the top, 0 at the start unless
    ``+record``, turns it on and off.
    """
    dump = f"""
  reg recording = 0;
  reg dump_opened = 0;
  reg [8*4096-1:0] dump_file;
  initial if ($test$plusargs("record")) recording = 1;
  always @(recording)
    if (dump_opened) begin
      if (recording) $dumpon; else $dumpoff;
    end else if (recording && $value$plusargs("waves=%s", dump_file)) begin
      dump_opened = 1;
      $dumpfile(dump_file);
      $dumpvars(0, {top});
    end
endmodule"""
    before, module, rest = re.split(rf"^(module {top}\b)", verilog, maxsplit=1, flags=re.M)
    return before + module + rest.replace("\nendmodule", dump, 1)


def _modules(verilog: str) -> dict[str, tuple[dict[str, int], dict[str, str]]]:
    """``{module: (ports, {instance: module})}``; ports as ``{name: bits}``."""
    bodies = dict(re.findall(r"^module (\w+)(.*?)^endmodule", re.sub("//.*", "", verilog),
                             re.M | re.S))
    port = r"\b(?:input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?\\?(\w+)"
    child = r"^ +(\w+)(?: #\([^;]*?\))? \\?(\w+) +\("
    return {name: ({port: int(msb or 0) + 1 for msb, port in re.findall(port, body)},
                   {instance: module for module, instance in re.findall(child, body, re.M)
                    if module in bodies}) for name, body in bodies.items()}


def view(verilog: str, dump: str | os.PathLike, *, top: str = "hwgen", scope: str = "") -> str:
    """The text of a file for GTKWave that shows the useful signals of a dump, in groups.

    Parameters
    ----------
    verilog : str
        The design.
    dump : path
        The wave file, which need not exist yet.
    scope : str
        What the simulator puts before the name of the top module, as in ``"TOP."``.
    """
    modules, paths = _modules(verilog), {top: scope + top}
    waiting = [top]
    while waiting:               # the first instance of each module
        name = waiting.pop(0)
        for instance, module in modules[name][1].items():
            if module not in paths:
                paths[module] = f"{paths[name]}.{instance}"
                waiting.append(module)
    groups = {group: next((choice for choice in choices if choice[0] in paths), None)
              for group, choices in _GROUPS.items()}
    if top != "hwgen":
        groups = {top: (top, ".*")}
    text = StringIO()
    save = GTKWSave(text)
    save.dumpfile(os.path.basename(dump), abspath=False)
    save.treeopen(f"{scope}{top}.")
    for group, choice in groups.items():
        if choice is None:
            continue
        module, pattern = choice
        with save.group(group, closed=group not in ("clock, reset, interrupt", "controller")):
            for port, bits in modules[module][0].items():
                if re.fullmatch(pattern, port):
                    save.trace(f"{paths[module]}.{port}" + f"[{bits - 1}:0]" * (bits > 1))
    return text.getvalue()
