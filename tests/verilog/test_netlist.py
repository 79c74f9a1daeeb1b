"""Reading Verilog, and writing what was read."""

import pytest

from hwgen.verilog.netlist import (
    Assign,
    Case,
    Const,
    If,
    Net,
    Op,
    Part,
    Ref,
    Widths,
    Word,
)
from hwgen.verilog.reader import parse
from hwgen.verilog.writer import write

# As Yosys writes it.
_TEXT = r"""
module \unit (clk, en, x, y);
  reg \$auto$verilog_backend.cc:1:dump$1  = 0;
  reg \$1 ;
  input clk;
  wire clk;
  input en;
  wire en;
  input [7:0] x;
  wire [7:0] x;
  output [7:0] y;
  reg [7:0] y = 8'h2a;
  (* enum_base_type = "State" *)
  (* enum_value_0 = "IDLE" *)
  (* enum_value_1 = "RUN" *)
  reg state = 1'h0;
  wire \x.low ;
  (* no_rw_check = 32'd1 *)
  reg [7:0] memory [3:0];
  initial begin
    memory[0] = 8'h01;
    memory[1] = 8'h00;
  end
  always @(posedge clk) begin
    if (en)
      memory[x[1:0]][3:0] <= x[3:0];
  end
  always @* begin
    if (\$auto$verilog_backend.cc:1:dump$1 ) begin end
    \$1  = state;
    (* full_case = 32'd1 *)
    casez (x[3:2])
      2'h0, 2'b1?:
          \$1  = 1'h1;
      default:
          if (en) begin
            begin
              \$1  = ~ state;
            end
          end
    endcase
  end
  assign \x.low  = x[0];
  assign y = { x[7:4], {2{en}}, 2'h1 } + $signed(x);
  other sub (
    .a(x[3:0]),
    .b()
  );
endmodule
"""


def test_what_yosys_writes():
    module = parse(_TEXT)["unit"]
    assert module.ports == ["clk", "en", "x", "y"]
    assert module.nets["y"] == Net("y", 8, "output", True, Const(8, 42))
    assert module.nets["state"].states == {0: "IDLE", 1: "RUN"}
    assert not [name for name in module.nets if name.startswith("$auto")]
    memory = module.memories["memory"]
    assert (memory.width, memory.depth, memory.values[:2]) == (8, 4, ["8'h01", "8'h00"])
    assert module.assigns == [
        (Ref("x.low"), Part("x", 0, 0)),
        (Ref("y"), Op("+", (Op("{}", (Part("x", 7, 4), Op("rep", (Const(32, 2), Ref("en"))),
                                      Const(2, 1))), Op("$signed", (Ref("x"),)))))]
    write, comb = module.processes
    assert write.clock == "clk" and comb.clock is None
    assert write.body == [If(Ref("en"), [Assign(Word("memory", Part("x", 1, 0), (3, 0)),
                                                Part("x", 3, 0))], [])]
    assert comb.body[1] == Case(Part("x", 3, 2), [
        ((Const(2, 0), Const(2, "1?")), [Assign(Ref("$1"), Const(1, 1))]),
        ((), [If(Ref("en"), [Assign(Ref("$1"), Op("~", (Ref("state"),)))], [])])])
    assert module.instances[0].pins == {"a": Part("x", 3, 0)}


def test_what_is_written_is_read_again(small):
    modules = parse(small[1])
    again = parse("\n".join(write(module) for module in modules.values()))
    for name, module in modules.items():
        assert again[name].assigns == module.assigns
        assert again[name].processes == module.processes
        assert again[name].instances == module.instances
        assert again[name].constants == module.constants
        assert {net.name: (net.width, net.direction, net.register)
                for net in again[name].nets.values()} == {
            net.name: (net.width, net.direction, net.register) for net in module.nets.values()}


def test_an_escaped_name_at_the_end_of_a_line():
    parts = ", ".join(f"\\event [{bit}]" for bit in range(8)) + ", " + ", ".join(["\\event "] * 20)
    text = ("module m(event, y);\n  input [7:0] \\event ;\n  output [167:0] y;\n"
            f"  assign y = {{ {parts} }};\nendmodule\n").replace("m(event", "m(\\event ")
    module = parse(text)["m"]
    assert parse(write(module))["m"].assigns == module.assigns
    assert "\\event,\n" in write(module).replace(" ,", ",")


@pytest.mark.parametrize("text", ["  force x = y;\n", "  assign y = x @ y;\n"])
def test_the_unknown_is_refused(text):
    with pytest.raises(ValueError, match="Verilog that hwgen does not read"):
        parse(f"module m(x, y);\n  input x;\n  output y;\n{text}endmodule\n")


@pytest.mark.parametrize("expression, bits, signed", [
    ("a + c", 8, False), ("$signed(a) + $signed(c)", 8, True), ("a == c", 1, False),
    ("{ a, c }", 12, False), ("{3{c}}", 12, False), ("a >> c", 8, False), ("! a", 1, False),
    ("c ? a : c", 8, False), ("~ $signed(c)", 4, True), ("a[c +: 3]", 3, False)])
def test_widths(expression, bits, signed):
    module = parse("module m(a, c, y);\n  input [7:0] a;\n  input [3:0] c;\n  output [7:0] y;\n"
                   f"  assign y = {expression};\nendmodule\n")["m"]
    widths = Widths(module)
    (_, value), = module.assigns
    assert widths(value) == bits and widths.signed(value) == signed


def test_brackets_only_where_they_are_needed():
    head = ("module m (\n  input  wire [7:0] a,\n  input  wire [7:0] b,\n  input  wire [7:0] c,\n"
            "  output wire [7:0] y\n);\n\n")
    for expression in ("a & ~b & c", "(a & b) | c", "a | (|b)", "a - (b - c)", "(a - b) - c",
                       "(a == b) & (a < c)", "(a ? b : c) + a", "a ? b : c ? a : b", "{a, b} >> c",
                       "~(a & b)", "!(a == b)", "$signed(a) + $signed(b)", "a + b + c", "-a"):
        text = f"{head}  assign y = {expression};\nendmodule\n"
        assert write(parse(text)["m"]) == text
