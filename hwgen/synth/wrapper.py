"""The top for place and route: three pins, behind which every port of the accelerator is used."""

from ..verilog.contents import Netlist
from .yosys import TOP

__all__ = ["NAME", "wrapper"]

NAME = "hwgen_pins"

# Outputs that are folded into a bit, with the bit before: a LUT4.
_FOLD = 3


def wrapper(verilog, slices=True):
    """The Verilog of a top with the pins ``clk``, ``shift_in`` and ``shift_out``.

    Every input of the accelerator but the clock is a bit of a shift register, every output goes
    through one LUT into another, so that synthesis can remove nothing. Between the ports and both
    lies, with ``slices``, a register for each port's bit, which may stand where the port is: a
    register slice, as between an accelerator and its bus. Without, inputs come from the shift
    register and outputs go to the LUTs at once, for devices with few cells.
    """
    connections, outputs, inputs = [], [], 0
    for port in Netlist(verilog).ports:
        name, width = port["name"], port["width"]
        if name == "aclk":
            connections.append(".aclk(clk)")
        elif port["direction"] == "input":
            connections.append(f".{name}(given[{inputs + width - 1}:{inputs}])")
            inputs += width
        else:
            connections.append(f".{name}({name})")
            outputs.append((name, width))
    observed = sum(width for _, width in outputs)
    stages = -(-observed // _FOLD)
    wires = "".join(f"  wire [{width - 1}:0] {name};\n" for name, width in outputs)
    every = ", ".join(name for name, _ in outputs)
    spare = f"{stages * _FOLD - observed}'d0, " if stages * _FOLD > observed else ""
    given, fold = f"[{inputs - 1}:0]", f"  reg [{stages - 1}:0] fold;\n"
    width, outward = f"[{stages * _FOLD - 1}:0]", f"{{{spare}{every}}}"
    if slices:
        registers = f"  reg {given} drive, given;\n{fold}  reg {width} observed;\n"
        moved = f"    given <= drive;\n    observed <= {outward};\n"
    else:
        registers = (f"  reg {given} drive;\n  wire {given} given = drive;\n{fold}"
                     f"  wire {width} observed = {outward};\n")
        moved = ""
    return f"""\
module {NAME}(clk, shift_in, shift_out);
  input clk, shift_in;
  output shift_out;
{wires}{registers}  integer i;
  always @(posedge clk) begin
    drive <= {{drive, shift_in}};
{moved}    for (i = 0; i < {stages}; i = i + 1)
      fold[i] <= ^observed[{_FOLD} * i +: {_FOLD}] ^ (i == 0 ? 1'b0 : fold[i == 0 ? 0 : i - 1]);
  end
  assign shift_out = fold[{stages - 1}];
  {TOP} {TOP}({", ".join(connections)});
endmodule
"""
