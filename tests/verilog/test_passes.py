"""Each pass over a small module: what it makes of it."""

import pytest

from hwgen.verilog import passes
from hwgen.verilog.reader import parse
from hwgen.verilog.writer import write

_HEAD = """module m(clk, rst, en, a, b, y);
  input clk, rst, en;
  input [7:0] a, b;
  output [7:0] y;
"""


def _after(step, body, head=_HEAD):
    """The text of a module with a body, after a pass, without its header."""
    ports = "".join(f"  {line.strip()};\n" for item in head.split(";\n")[1:] if item.strip()
                    for line in _single(item))
    module = parse(f"{head.split(';')[0]};\n{ports}{body}endmodule\n")["m"]
    step(module)
    return write(module).partition(");\n")[2].removesuffix("endmodule\n").strip("\n")


def _single(declaration):
    """Port declarations of one name each."""
    first, *others = declaration.strip().split(", ")
    kind = first.rpartition(" ")[0]
    return [first, *(f"{kind} {name}" for name in others)]


def test_registers_get_the_names_of_the_source():
    assert _after(passes.name_registers, r"""
  reg [7:0] \$5 = 8'h01;
  wire [7:0] row;
  always @(posedge clk)
    \$5 <= a;
  assign row = \$5 ;
  assign y = \$5 ;
""").startswith("  reg [7:0] row;\n\n  assign y = row;\n")


def test_registers_are_assigned_where_they_are_clocked():
    text = _after(passes.clock_registers, r"""
  reg [7:0] count = 8'h01;
  reg [7:0] \$5 ;
  always @(posedge clk)
    count <= \$5 ;
  always @* begin
    \$5 = count;
    if (en) begin
      \$5 [3:0] = a[3:0];
    end
  end
""")
    assert "    if (en) begin\n      count[3:0] <= a[3:0];\n    end\n" in text
    assert "@*" not in text


def test_a_next_value_that_is_read_stays_a_net():
    text = _after(passes.clock_registers, r"""
  reg [7:0] count = 8'h01;
  reg [7:0] \$5 ;
  always @(posedge clk)
    count <= \$5 ;
  always @* begin
    \$5 = count;
    if (en) begin
      \$5 = a;
    end
  end
  assign y = \$5 ;
""")
    assert "    count <= \\count$next ;\n" in text and "assign y = \\count$next ;" in text


def test_parts_are_joined():
    assert _after(passes.join_parts, r"""
  assign y[3:0] = a[3:0];
  assign y[7:4] = b[3:0];
""") == "  assign y = {b[3:0], a[3:0]};"


def test_equal_expressions_have_one_net():
    assert _after(passes.share, r"""
  wire [8:0] \$1 ;
  wire [7:0] \$2 ;
  wire [7:0] \$3 ;
  wire [7:0] \$4 ;
  assign \$1 = a + b;
  assign \$2 = a + b;
  assign \$4 = \$3 & a;
  assign \$3 = a + b;
  assign y = \$4 | \$1 [8:1];
""") == r"""  wire [8:0] \$1  = a + b;
  wire [7:0] \$2  = a + b;
  wire [7:0] \$4  = \$2  & a;
  assign y = \$4  | \$1 [8:1];"""


def test_fields_are_read_by_name():
    assert _after(passes.name_fields, r"""
  wire [5:0] \a.size ;
  wire [1:0] other;
  wire \$1 ;
  assign \a.size = a[7:2];
  assign other = a[1:0];
  assign \$1 = a[7:2] == a[4:3];
  assign y = { a[7:2], a[1:0] };
""").splitlines()[-2:] == [
        "  wire \\$1  = \\a.size  == \\a.size [2:1];", "  assign y = {\\a.size , other};"]


def test_what_nothing_reads_is_left_out():
    assert _after(passes.drop_unread, r"""
  wire [7:0] one, two;
  assign one = a;
  assign two = one;
  assign y = b;
""") == "  assign y = b;"


def test_outputs_of_instances_that_nothing_reads():
    assert ".q(unused_q)" in _after(passes.mark_unused, r"""
  wire q, r;
  other sub (
    .q(q),
    .r(r)
  );
  assign y = r;
""")


def test_results_have_no_bits_that_nothing_reads():
    assert _after(passes.narrow, r"""
  wire [8:0] \$1 ;
  wire [8:0] \$2 ;
  assign \$1 = a + b;
  assign \$2 = a - b;
  assign y = \$1 [7:0] ^ { \$2 [8], \$2 [6:0] };
""") == r"""  wire [7:0] \$1  = a + b;
  wire [8:0] \$2  = a - b;
  assign y = \$1  ^ {\$2 [8], \$2 [6:0]};"""


def test_registers_of_the_same_conditions_share_a_block():
    text = _after(passes.merge_clocked, r"""
  reg [7:0] p, q, r;
  always @(posedge clk) begin
    if (en) begin
      p <= a;
      if (a[0]) begin
        p <= b;
      end
    end else if (a[1]) begin
      p <= 8'h01;
    end
    if (rst) begin
      p <= 8'h00;
    end
  end
  always @(posedge clk) begin
    if (b[0]) begin
      q <= b;
    end
    if (en) begin
    end else if (a[1]) begin
      q <= a;
    end
    if (rst) begin
      q <= 8'h00;
    end
  end
  always @(posedge clk) begin
    if (b[1]) begin
      r <= a;
    end
    if (rst) begin
      r <= 8'h00;
    end
  end
""")
    assert text[text.index("  always"):] == """\
  always @(posedge clk) begin
    if (b[0]) begin
      q <= b;
    end
    if (en) begin
      p <= a;
      if (a[0]) begin
        p <= b;
      end
    end else if (a[1]) begin
      p <= 8'd1;
      q <= a;
    end
    if (rst) begin
      p <= 8'd0;
      q <= 8'd0;
    end
  end

  always @(posedge clk) begin
    if (b[1]) begin
      r <= a;
    end
    if (rst) begin
      r <= 8'd0;
    end
  end"""


@pytest.mark.parametrize("temporary, width, value, reader, written", [
    ("sum", 8, "a + b", "{0}", "a + b"),
    ("sum kept whole by its place", 9, "a + b", "{0}[7:0]", "a + b"),
    ("carry", 9, "a + b", "{0}[8:1]", None),
    ("sum in something wider", 8, "a + b", "{{{0}}} + 9'h000", "{a + b} + 9'd0"),
    ("sum that would not wrap", 8, "a + b", "{0} + 9'h000", None),
    ("sum that never wraps", 9, "a + b", "({0} + 10'h000) >> 1", "(a + b + 10'd0) >> 32'd1"),
    ("complement that would be widened", 1, "~ en", "b + {0}", None),
    ("complement", 8, "~ a", "b & {0}", "b & ~a"),
    ("comparison", 1, "a == b", "b + {0}", "b + (a == b)"),
    ("comparison of less than the net", 4, "a == b", "{{ {0}, {0} }}", None),
    ("sign", 9, "$signed(a) + $signed(b)", "{0}[7:0]", "$signed(a) + $signed(b)"),
    ("sign beside another", 8, "$signed(a) + $signed(b)", "{0} & a", None),
    ("sides of a comparison, one", 9, "a + b", "{0} == 9'h080", "(a + b) == 9'd128"),
    ("sides of a comparison, the wider", 9, "a + b", "{0} == 8'h80", None)])
def test_temporaries_are_written_where_they_are_read(temporary, width, value, reader, written):
    size = f"[{width - 1}:0] " if width > 1 else ""
    text = _after(passes.inline, f"  wire {size}\\$1 ;\n  assign \\$1 = {value};\n"
                                 f"  assign y = {reader.format(chr(92) + '$1 ')};\n")
    assert ("$1" in text) == (written is None)
    if written:
        assert text == f"  assign y = {written};"


def test_a_combinational_block_does_not_read_what_it_assigns():
    text = _after(passes.inline, r"""
  reg p, q;
  wire \$1 ;
  assign \$1 = p & en;
  always @* begin
    p = 1'h0;
    q = \$1 ;
  end
""")
    assert r"    q = \$1 ;" in text


def test_zero_and_what_is_always_true():
    assert _after(passes.fold, r"""
  reg [7:0] p;
  assign y = { 4'h0, ! a, a <= 8'hff, (a >= 8'h00) & en, 1'h0 + b[0] };
  always @(posedge clk) begin
    if (a <= 8'hff) begin
      p <= b;
    end
  end
""") == """  reg [7:0] p;

  assign y = {4'd0, a == 8'd0, 1'b1, en, b[0]};

  always @(posedge clk) begin
    p <= b;
  end"""


def test_branches_that_do_nothing():
    text = _after(passes.drop_empty_branches, r"""
  reg [7:0] p;
  always @(posedge clk) begin
    if (a == b) begin
    end else if (en) begin
      p <= a;
    end
    casez (a)
      8'h01:
          /* empty */;
      8'h02:
          p <= b;
      8'h03:
          if (en) begin
          end
    endcase
  end
""")
    assert text[text.index("  always"):] == """\
  always @(posedge clk) begin
    if (a != b) begin
      if (en) begin
        p <= a;
      end
    end
    case (a)
      8'd2: p <= b;
      default: ;
    endcase
  end"""


def test_an_empty_item_hides_a_later_one():
    text = _after(passes.drop_empty_branches, r"""
  reg [7:0] p;
  always @(posedge clk) begin
    casez (a)
      8'b0000000?:
          /* empty */;
      8'b00000000, 8'h02:
          p <= b;
    endcase
  end
""")
    assert "    casez (a)\n      8'b0000000?: ;\n      8'd0, 8'd2: p <= b;\n" in text


def test_states_have_names():
    assert _after(passes.name_states, r"""
  (* enum_value_00 = "IDLE" *)
  (* enum_value_01 = "RUN" *)
  reg [1:0] state = 2'h0;
  always @(posedge clk) begin
    casez (state)
      2'h0:
          state <= en ? 2'h1 : 2'h0;
    endcase
  end
  assign y = state != 2'h1;
""") == """  localparam [1:0] IDLE = 2'd0;
  localparam [1:0] RUN = 2'd1;

  reg [1:0] state;

  assign y = state != RUN;

  always @(posedge clk) begin
    case (state)
      IDLE: state <= en ? RUN : IDLE;
    endcase
  end

  initial begin
    state = IDLE;
  end"""


def test_temporaries_are_named():
    assert _after(passes.name_temporaries, r"""
  wire [7:0] \$1 ;
  wire \$2 ;
  wire [7:0] \$3 ;
  wire [7:0] \$4 ;
  reg [7:0] count;
  assign \$1 = a + 8'h03;
  assign \$2 = b == 8'h00;
  assign \$3 = a & b;
  assign \$4 = \$3 ^ a;
  assign y = { \$1 [7:4], \$4 [2:0], \$2 };
  always @(posedge clk) begin
    count <= \$3 ;
  end
""").splitlines()[2:7] == [
        "  wire [7:0] a_plus_3 = a + 8'd3;", "  wire b_is_0 = b == 8'd0;",
        "  wire [7:0] count_next = a & b;", "  wire [7:0] y_term = count_next ^ a;",
        "  assign y = {a_plus_3[7:4], y_term[2:0], b_is_0};"]


def test_names_are_plain():
    text = _after(passes.plain_names, r"""
  wire [3:0] \a.low ;
  wire row, \row$3 , \row$7 , \_job.size ;
  assign y = { \a.low , row, \row$3 , \row$7 , \_job.size };
  other \row$9 (
    .x(a)
  );
""")
    assert "  assign y = {a__low, row, row_2, row_3, job__size};\n" in text
    assert "  other row_4 (\n" in text


def test_operands_are_as_wide_as_their_operation():
    assert _after(passes.size_operands, r"""
  wire [8:0] sum;
  assign sum = a + en;
  assign y = { 3'h0, a[3:0] + 1'h1, b == 4'h3 };
""") == """  wire [8:0] sum = {1'd0, a} + {8'd0, en};
  assign y = {3'd0, a[3:0] + 4'd1, b == 8'd3};""".replace("{1'd0,", "{1'b0,")


def test_combinational_blocks_of_the_same_conditions():
    """``q`` and ``r`` are joined; ``s`` depends on ``q``, by way of ``t``."""
    text = _after(passes.merge_combinational, r"""
  reg q, r, s;
  wire t;
  assign t = q & a[0];
  always @* begin
    q = 1'h0;
    if (en) begin
      q = a[1];
    end
  end
  always @* begin
    r = 1'h1;
    if (en) begin
      r = a[2];
    end
  end
  always @* begin
    s = 1'h0;
    if (en) begin
      s = t;
    end
  end
""")
    assert text[text.index("  always"):text.index("  initial")] == """\
  always @* begin
    if (start_comb) begin end
    q = 1'b0;
    r = 1'b1;
    if (en) begin
      q = a[1];
      r = a[2];
    end
  end

  always @* begin
    if (start_comb) begin end
    s = 1'b0;
    if (en) begin
      s = t;
    end
  end

"""
