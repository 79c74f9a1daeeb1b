"""Synthesis with Yosys: the script, the run, and what its messages say."""

import re
from dataclasses import dataclass

from ..errors import HwgenError
from ..machines import machine_of
from ..tools import find_yosys

__all__ = ["Memory", "TOP", "VERILOG", "WORDS", "source", "script", "run", "memories",
           "complaints"]

#: The accelerator, and the top that place and route sees.
TOP = "hwgen"

# Warnings that are no defect, each with its reason.
_HARMLESS = (
    # ABC sees the logic between registers, and adders as boxes: it says so.
    r"ABC: Warning: ", r"ABC: .*The network is combinational",
    # A datapath register that a multiplier block takes in: what it holds at first is never used.
    r"Warning: Wire (pe\.product|requant\.(low|high)) has an unprocessed 'init' attribute",
)
_DEFECTS = r"[Ll]atch inferred|combinational loop|logic loop|multiple conflicting drivers"

# A GLB with one port becomes the device's RAM with one port, however small it is.
_SINGLE_PORT = 'setattr -set ram_style "huge" masked_ram_*/m:words'
#: In the module of every memory, what holds its words.
WORDS = ".words"


def source(verilog, config, target):
    """The Verilog that Yosys reads.

    RAM with one port, iCE40's, begins with undefined words, so Yosys takes it only for a memory
    without initial values. No command of Yosys takes those of the GLB away in little time: reading
    them takes minutes. A machine with such a GLB reads no word of it that it has not written.
    """
    if not _has_single_port(config, target):
        return verilog
    return re.sub(r"(^module masked_ram_(?:.*\n)+?)  initial begin\n.*\n.*\n  end\n", r"\1",
                  verilog, flags=re.M)


def _has_single_port(config, target):
    return machine_of(config).synthesis.single_port_glb and target.single_port_ram


def _logic_multipliers(config, target):
    """Commands that build the multipliers of the last PEs in logic, so that all others have one.

    Also the modules that they make.
    """
    excess = target.logic_multipliers(config)
    if not excess:
        return [], []
    lines, modules = machine_of(config).synthesis.logic_multipliers(config, excess)
    return ["proc pe", "copy pe pe_logic", "booth pe_logic", *lines], ["pe_logic", *modules]


def script(config, target, wrapper=None):
    """The Yosys script: reads ``hwgen.v``, writes ``netlist.json`` and ``memories.txt``.

    Modules that are instantiated often are synthesised once; in the netlist all is flat, and every
    cell's name begins with the path of its block.

    Parameters
    ----------
    config : Config
    target : Target
    wrapper : str
        Name of the module in ``wrapper.v`` that is the top instead of ``hwgen``.
    """
    top = wrapper or TOP
    lines = ["read_verilog hwgen.v"]
    if wrapper:
        lines.append("read_verilog wrapper.v")
    if _has_single_port(config, target):
        lines.append(_SINGLE_PORT)
    replacing, made = _logic_multipliers(config, target)
    kept = " ".join((*machine_of(config).synthesis.kept, *made, *([TOP] if wrapper else ())))
    lines += [*replacing, f"setattr -mod -set keep_hierarchy 1 {kept}"]
    lines += target.family.commands(target.options, top, wrapper is not None)
    lines += ["setattr -mod -unset keep_hierarchy *", "flatten", "opt_clean -purge",
              "check -assert", "write_json netlist.json"]
    return "\n".join([*lines, ""])


#: The script that writes the Verilog of a netlist, ``netlist.v``.
VERILOG = "read_json netlist.json\nwrite_verilog -noattr netlist.v\n"


def run(folder, text, *, name="yosys", progress=None):
    """Run a script in ``folder`` as ``NAME.ys``, with the log in ``NAME.log``; returns the log.

    ``progress`` is called with the name of each pass as it begins. Raises :exc:`HwgenError` if
    Yosys is missing or fails.
    """
    (folder / f"{name}.ys").write_text(text)
    lines = []

    def line(text):
        lines.append(text)
        found = re.match(r"[\d.]+ Executing (\w+) pass", text)
        if found and progress is not None:
            progress(found[1])

    failed = find_yosys().run([f"{name}.ys"], folder, f"{name}.log", line)
    log = "".join(lines)
    if failed:
        errors = re.findall(r"^ERROR: (.*)", log, re.M)
        raise HwgenError(f"Yosys failed: {errors[-1] if errors else lines[-1].strip()}")
    return log


@dataclass(frozen=True)
class Memory:
    """A memory as synthesis found it: in which module, its name, words, bits of a word."""
    module: str
    name: str
    depth: int
    width: int
    registers: bool              # it fell to flip-flops
    wanted: bool                 # and its attributes ask for them

    @property
    def bits(self):
        return self.depth * self.width


def memories(dump, log):
    """The :class:`Memory` objects of a dump of memory cells and the log of what became of them."""
    fallen = set(re.findall(r"using FF mapping for memory (\S+)", log))
    found = []
    for module, body in re.findall(r"^module \\(\S+)\n(.*?)^end", dump, re.M | re.S):
        for attributes, cell in re.findall(
                r"((?:^  attribute [^\n]*\n)*)^  cell \$mem_v2 [^\n]*\n(.*?)^  end", body,
                re.M | re.S):
            values = dict(re.findall(r"parameter \\(\w+) (.*)", cell))
            name = values["MEMID"].strip('"').lstrip("\\")
            if "$proc_rom" in name:
                continue         # a table of constants: logic
            found.append(Memory(
                re.sub(r"(_\d+)?_logic$", "", module),
                re.sub(r"\$\d+$", "", name).removesuffix(WORDS),
                int(values["SIZE"]), int(values["WIDTH"]), f"{module}.{name}" in fallen,
                bool(re.search(r'ram_style "(?:registers|logic)"', attributes))))
    return list(dict.fromkeys(found))


def complaints(log):
    """Warnings of a log that are not known to be harmless, each once.

    Raises :exc:`HwgenError` for a latch, a combinational loop or a net with several drivers.
    """
    lines = dict.fromkeys(re.findall(r"^.*Warning: .*$", log, re.M))
    for line in lines:
        if re.search(_DEFECTS, line):
            raise HwgenError(f"the netlist is defective; Yosys says: {line.strip()}")
    return [line.strip() for line in lines
            if not any(re.match(pattern, line) for pattern in _HARMLESS)]
