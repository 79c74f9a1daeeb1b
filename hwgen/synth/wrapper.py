"""The top for place and route: three pins, behind which every port of the accelerator is used."""

from ..emit.netlist import Netlist
from .yosys import TOP

__all__ = ["NAME", "wrapper"]

NAME = "hwgen_pins"

# Outputs that are folded into a bit, with the bit before: a LUT4.
_FOLD = 3


def wrapper(verilog):
    """The Verilog of a top with the pins ``clk``, ``shift_in`` and ``shift_out``.

    Every input of the accelerator but the clock is a bit of a shift register, every output goes
    through one LUT into another, so that synthesis can remove nothing. Between the ports and both
    lies a register for each port's bit, which may stand where the port is: a register slice, as
    between an accelerator and its bus.
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
    return f"""\
module {NAME}(clk, shift_in, shift_out);
  input clk, shift_in;
  output shift_out;
{wires}  reg [{inputs - 1}:0] drive, given;
  reg [{stages - 1}:0] fold;
  reg [{stages * _FOLD - 1}:0] observed;
  integer i;
  always @(posedge clk) begin
    drive <= {{drive, shift_in}};
    given <= drive;
    observed <= {{{spare}{every}}};
    for (i = 0; i < {stages}; i = i + 1)
      fold[i] <= ^observed[{_FOLD} * i +: {_FOLD}] ^ (i == 0 ? 1'b0 : fold[i == 0 ? 0 : i - 1]);
  end
  assign shift_out = fold[{stages - 1}];
  {TOP} {TOP}({", ".join(connections)});
endmodule
"""
