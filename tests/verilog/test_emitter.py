"""The Verilog of small blocks: what is in it, and where it stands."""

import enum
import re

from amaranth import Elaboratable, Module, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwgen.rtl.block import Block
from hwgen.verilog.emitter import Emitter


class _Level(enum.IntEnum):
    LOW = 0
    HIGH = 2


class _Accumulator(Block):
    """Adds what it is given. It has a table, which is of no use.

    Members
    -------
    x : In(signed(8))
        What is added.
    valid, clear : In(1)
        Whether it is, and whether the sum begins anew: both of them stand here at such a length
        that they need a line of their own.
    """

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
    assert "  reg [7:0] count;\n" in text
    assert "table_addr" not in text
    assert not re.search(r"\b_\d|[\w.]\$|\$\d", text)
    assert "  input  wire        \\program ,\n" in text


def test_ports_and_comments():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert text.startswith("""\
// Adds what it is given.
// tests/verilog/test_emitter.py
module accumulator (
  input  wire        clk,
  input  wire        rst,
  input  wire  [7:0] x,          // What is added.
  // Whether it is, and whether the sum begins anew: both of them stand here at such a length that
  // they need a line of their own.
  input  wire        valid,
  input  wire        clear,
""")
    assert text.index("output reg  [23:0] total,") < text.index("output reg   [7:0] next\n);")


def test_registers_are_assigned_where_they_are_clocked():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert """
  always @(posedge clk) begin
    if (valid & ~clear & \\program ) begin
      count <= count_plus_1;
      total <= $signed(total) + $signed(total_next);
    end
    case (x[1:0])
      2'd1: count <= 8'd0;
      default: ;
    endcase
    if (rst) begin
      count <= 8'd0;
      total <= 24'd0;
    end
  end
""" in text


def test_initial_values():
    text = Emitter().emit(_Accumulator())["accumulator"]
    assert "    \\table [0] = 16'h0007;\n    \\table [1] = 16'h0008;\n" in text
    assert ("    for (start_word = 2; start_word < 200; start_word = start_word + 1)\n"
            "      \\table [start_word] = 16'h0000;\n") in text
    last = text[text.rindex("  initial begin"):]
    assert "    start_comb = 1'b0;\n" in last and "    total = 24'd0;\n" in last


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


def test_states_have_names():
    class Levels(Block):
        module_name = "levels"

        def __init__(self):
            super().__init__({"up": In(1), "high": Out(1)})

        def body(self, platform):
            m = Module()
            level = Signal(_Level)
            with m.Switch(level):
                with m.Case(_Level.LOW):
                    with m.If(self.up):
                        m.d.sync += level.eq(_Level.HIGH)
            m.d.comb += self.high.eq(level == _Level.HIGH)
            return m

    text = Emitter().emit(Levels())["levels"]
    assert "  localparam [1:0] LOW = 2'd0;\n  localparam [1:0] HIGH = 2'd2;\n" in text
    assert "      LOW: begin\n" in text and "level <= HIGH;" in text
    assert "assign high = level == HIGH;" in text and "    level = LOW;\n" in text


def test_submodules_that_are_no_blocks():
    class Inner(Elaboratable):
        def __init__(self, x, y):
            self._ports = x, y

        def elaborate(self, platform):
            m = Module()
            x, y = self._ports
            m.d.sync += y.eq(x)
            return m

    class Outer(Block):
        module_name = "outer"

        def __init__(self):
            super().__init__({"x": In(4), "y": Out(4)})

        def body(self, platform):
            m = Module()
            m.submodules.inner = Inner(self.x, self.y)
            return m

    text = Emitter().emit(Outer())["outer"]
    assert text.count("\nmodule ") == 2 and "module outer_inner (" in text
    assert "  outer_inner inner (" in text
