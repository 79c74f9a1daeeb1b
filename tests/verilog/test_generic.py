"""Modules with parameters are, for each value of them, what the block of that size is."""

import re

import pytest

from hwgen.config import resolve
from hwgen.rtl.common.fifo import Fifo, ShallowFifo
from hwgen.rtl.common.ram import Ram
from hwgen.rtl.top import Top
from hwgen.verilog import passes
from hwgen.verilog.emitter import Emitter
from hwgen.verilog.generic import generalise
from hwgen.verilog.netlist import Const, Module, Net, Ref
from hwgen.verilog.reader import elaborate, parse
from hwgen.verilog.writer import write

_BLOCKS = [
    (Fifo, 3, 4), (Fifo, 65, 128), (ShallowFifo, 76, 16), (ShallowFifo, 24, 64),
    (Ram, 8, 448, "auto"), (Ram, 33, 3, "block"),
]


def _quoted(value):
    return f'"{value}"' if isinstance(value, str) else str(value)


def _text(module):
    """The text of a module without comments and parameters, constants as those of fixed sizes."""
    module.comments, module.parameters = [], {}
    for net in module.nets.values():
        net.comment, net.init = "", None        # which the reader leaves out
    for memory in module.memories.values():
        memory.values = []
    text = re.sub(r"\{\{(\d+)\{1'b0\}\}, 1'b1\}", lambda m: f"{int(m[1]) + 1}'d1", write(module))

    def constant(match):
        width, bit = map(int, match.groups())
        value = ((1 << width) - 1) * bit
        return f"1'b{bit}" if width == 1 else (
            f"{width}'d{value}" if value < 256 else f"{width}'h{value:x}")
    return re.sub(r"\{(\d+)\{1'b([01])\}\}", constant, text)


@pytest.mark.parametrize("kind, arguments", [(kind, arguments) for kind, *arguments in _BLOCKS])
def test_each_size_is_the_block_of_that_size(kind, arguments):
    block = kind(*arguments)
    values = block.parameters
    generic = Emitter().emit(block)
    chosen = ", ".join(f".{name}({_quoted(value)})" for name, value in values.items())
    instance = f"module top ();\n  {block.module_name} #({chosen}) it ();\nendmodule\n"
    found = elaborate("\n".join([*generic.values(), instance]), "top")
    given = found[f"{block.module_name} #({', '.join(map(_quoted, values.values()))})"]
    given.name = block.module_name

    block.pattern = lambda: block           # as if there were no parameters
    fixed = Emitter().read(block)[block.module_name]
    passes.run(fixed)
    for module in (given, fixed):
        for instance in module.instances:
            instance.module, instance.parameters = instance.module.partition(" ")[0], {}
    assert _text(given) == _text(fixed)


def test_every_size_of_a_design_has_one_module():
    text = "\n".join(Emitter().emit(Top(resolve(pe="2x3"))).values())
    assert {name for name in parse(text) if re.search(r"fifo|ram(_|$)", name)} == {
        "fifo", "shallow_fifo", "ram", "masked_ram_224x256"}
    modules = elaborate(text, "hwgen")
    assert {'fifo #(128, 65, "block")', "shallow_fifo #(16, 65)", 'ram #(448, 8, "auto")',
            'ram #(128, 65, "block")'} <= set(modules)
    ram = modules['ram #(448, 8, "auto")']
    assert (ram.nets["read__data"].width, ram.nets["read__addr"].width) == (8, 9)
    words = ram.memories["words"]
    assert (words.depth, words.width, words.attributes["ram_style"]) == (448, 8, '"auto"')
    assert all(modules[instance.module] for module in modules.values()
               for instance in module.instances)


@pytest.mark.parametrize("preset", ["ecp5-25f", "up5k"])
def test_every_memory_has_a_module_of_its_own(preset):
    text = "\n".join(Emitter().emit(Top(resolve(preset_name=preset))).values())
    for module in parse(text).values():
        if module.memories:
            assert re.fullmatch(r"ram|rom|masked_ram_\d+x\d+", module.name)
            assert list(module.memories) == ["words"] and not module.instances
            assert {"clk", "read__en", "read__addr", "read__data"} <= set(module.ports)


def test_a_constant_that_depends_on_the_size_is_refused():
    module = Module("odd", nets={"x": Net("x", 24)}, assigns=[(Ref("x"), Const(24, 5))])
    with pytest.raises(ValueError, match="odd: .* has no text for other sizes"):
        generalise(module, {"DEPTH": 64, "WIDTH": 24})
