"""The tidied Verilog of small modules."""

import re

from amaranth import Module, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwgen.rtl.block import Block, Emitter
from hwgen.verilog.tidy import tidy


class _Accumulator(Block):
    module_name = "accumulator"

    def __init__(self):
        super().__init__({"x": In(signed(8)), "valid": In(1), "clear": In(1), "program": In(1),
                          "empty": In(0), "total": Out(signed(24)), "next": Out(8)})

    def body(self, platform):
        m = Module()
        count = Signal(8)
        table_addr = Signal(8)
        m.submodules.table = memory = Memory(shape=16, depth=200, init=[7, 8])
        read = memory.read_port()
        m.d.comb += [table_addr.eq(count), read.addr.eq(table_addr)]
        with m.If(self.valid & ~self.clear & self.program):
            m.d.sync += [count.eq(count + 1), self.total.eq(self.total + self.x * read.data)]
        with m.Switch(self.x[:2]):
            with m.Case(1):
                m.d.sync += count.eq(0)
        with m.If(self.x[7]):
            m.d.comb += self.next.eq(count + 1)
        return m


class _Pair(Block):
    module_name = "pair"

    def __init__(self):
        super().__init__({"x": In(signed(8)), "total": Out(signed(24))})

    def body(self, platform):
        m = Module()
        m.submodules.first = first = _Accumulator()
        m.submodules.second = second = _Accumulator()
        m.d.comb += [first.x.eq(self.x), first.valid.eq(1), second.x.eq(first.total[:8]),
                     second.valid.eq(1), self.total.eq(second.total)]
        return m


def test_blocks_once_leaves_first():
    texts = Emitter().emit(_Pair())
    assert list(texts) == ["accumulator", "pair"]
    assert texts["pair"].count("accumulator ") == 2


def test_names():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert text.startswith(
        "module accumulator(clk, rst, x, valid, clear, \\program , total, next);\n")
    assert "  reg [7:0] count;\n" in text
    assert "table_addr" not in text
    assert "\\$" not in text and "(* " not in text


def test_registers_are_assigned_where_they_are_clocked():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert "$next" not in text
    assert re.search(r"""
  always @\(posedge clk\) begin
    if \(_\d+\) begin
      count <= _\d+\[7:0\];
    end
    casez \(x\[1:0\]\)
      2'h1:
          count <= 8'h00;
      default: ;
    endcase
    if \(rst\) begin
      count <= 8'h00;
    end
  end
""", text)


def test_next_value_that_is_read_stays_a_signal():
    text = tidy("""module read(clk, en, y);
  reg \\$auto$verilog_backend.cc:1:dump$1  = 0;
  reg \\$1 ;
  input clk;
  wire clk;
  input en;
  wire en;
  output y;
  wire y;
  reg count = 1'h0;
  always @(posedge clk)
    count <= \\$1 ;
  always @* begin
    if (\\$auto$verilog_backend.cc:1:dump$1 ) begin end
    \\$1  = count;
    if (en) begin
      \\$1  = ~ count;
    end
  end
  assign y = \\$1 ;
endmodule
""", "read")
    assert "    count <= count$next;\n" in text and "  assign y = count$next;\n" in text
    assert "  always @* begin\n    if (start_comb) begin end\n    count$next = count;\n" in text


def test_expressions():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert " = (valid & (~ clear)) & \\program ;\n" in text
    assert "default: ;\n" in text


def test_initial_values():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert "    \\table [0] = 16'h0007;\n    \\table [1] = 16'h0008;\n" in text
    assert ("    for (start_word = 2; start_word < 200; start_word = start_word + 1)\n"
            "      \\table [start_word] = 16'h0000;\n") in text
    last = text[text.rindex("  initial begin"):]
    assert "    start_comb = 1'h0;\n" in last and "    total = 24'h000000;\n" in last


def test_unread_outputs_of_instances():
    class Half(_Pair):
        module_name = "half"

        def body(self, platform):
            m = Module()
            m.submodules.only = only = _Accumulator()
            m.d.comb += only.x.eq(self.x)
            return m

    text = Emitter().emit(Half())["half"]
    assert ".total(unused_" in text


def test_wide_complement_stays_a_signal():
    """``~`` of one bit in a wider expression would be widened first: it may not be inlined."""
    text = tidy("""module wide(a, b, y);
  wire _0;
  input a;
  wire a;
  input [3:0] b;
  wire [3:0] b;
  output [3:0] y;
  wire [3:0] y;
  wire \\$1 ;
  assign \\$1  = ~ a;
  assign y = b + \\$1 ;
endmodule
""", "wide")
    assert "  assign _1 = ~ a;\n  assign y = b + _1;\n" in text


def test_equal_expressions_of_different_width_stay_apart():
    text = tidy("""module widths(a, x, y);
  input [3:0] a;
  wire [3:0] a;
  output [4:0] x;
  wire [4:0] x;
  output [3:0] y;
  wire [3:0] y;
  wire [4:0] \\$1 ;
  wire [3:0] \\$2 ;
  wire [3:0] \\$3 ;
  assign \\$1  = a + 1'h1;
  assign \\$2  = a + 1'h1;
  assign \\$3  = a + 1'h1;
  assign x = { \\$1 [4], \\$3  };
  assign y = \\$2 ;
endmodule
""", "widths")
    assert "  assign x = { _1[4], _2 };\n  assign y = _2;\n" in text
    assert "_3" not in text
