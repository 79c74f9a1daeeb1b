"""``hwgen synth`` without its tools: what is refused, reported and estimated."""

import json
import sys
from collections import Counter

import pytest

from hwgen import tools
from hwgen.cli import main, options
from hwgen.cli.commands import synth
from hwgen.config import Config, preset, resolve
from hwgen.errors import HwgenError
from hwgen.simulate.hardware import Design
from hwgen.synth import estimate, flow, nextpnr, yosys
from hwgen.synth.resources import Places, Resources
from hwgen.synth.targets import RESOURCES, TARGETS, target
from hwgen.synth.wrapper import wrapper

_VERILOG = """\
module unit(clk, rst, q);
  input clk;
  input rst;
  output [7:0] q;
endmodule

module csr(clk, rst, q);
  input clk;
  input rst;
  input q;
endmodule

module core(clk, rst, q);
  input clk;
  input rst;
  output [7:0] q;
  wire [7:0] read_data;
  unit glb (
    .clk(clk),
    .q(read_data)
  );
endmodule

module hwgen(aclk, aresetn, irq);
  input aclk;
  input aresetn;
  output irq;
  core core (
    .clk(aclk)
  );
endmodule
"""


def _cell(kind, **ports):
    """A cell as Yosys writes it; upper case ports that begin with O, Q, S, Z or COUT drive."""
    drives = ("O", "Q", "S", "Z", "COUT")
    return {"type": kind, "connections": {port: [bit] for port, bit in ports.items()},
            "port_directions": {port: "output" if port.startswith(drives) else "input"
                                for port in ports}}


@pytest.fixture
def quick(monkeypatch):
    """Synthesis that takes no time: a result that fits and runs at 70 MHz where it is placed."""
    def result(config, verilog, target, *, place=False, keep=False, **_):
        amounts = {"logic_cells": 1000, "ff": 900, "bram": 3, "dsp": 2}
        path = [{"block": "NoC", "path": "core.feed", "signals": ["command", "group"],
                 "logic_ns": 5.4, "routing_ns": 8.9}]
        return flow.Result(
            amounts, {"PEs": amounts}, [], seconds=1.5, tools=["yosys 1"],
            fmax_mhz=70.0 if place else None, path=path if place else [],
            routed={"logic_cells": 1010} if place else {}, files={"netlist.json": b"{}"})

    monkeypatch.setattr(synth, "synthesise", result)
    monkeypatch.setattr(synth, "find_yosys", lambda: None)
    monkeypatch.setattr(synth, "find_nextpnr", lambda program: None)
    monkeypatch.setattr(options, "generated", lambda config: Design(config, ""))
    monkeypatch.setattr(synth, "_utilisation", lambda config, notes: 0.5)


def test_json(quick, tmp_path, capsys):
    file = tmp_path / "synth.json"
    assert main(["synth", "--pe", "2x2", "--target", "ecp5-25f", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found["target"] == "ecp5-25f" and found["pe"] == "2x2" and found["fits"] is True
    assert found["logic_cells"] == 1000 and found["fmax_mhz"] is None
    assert found["by_block"]["PEs"]["dsp"] == 2 and found["seconds"] == 1.5
    assert found["gmacs_peak"] == pytest.approx(4 * 65 / 1000)
    assert found["gmacs_sustained"] == pytest.approx(2 * 65 / 1000)
    assert "It fits Lattice ECP5 LFE5U-25F." in capsys.readouterr().out


@pytest.mark.parametrize("clock, code", [("65", 0), ("75", 1)])
def test_clock(quick, tmp_path, capsys, clock, code):
    arguments = ["synth", "--pe", "2x2", "--target", "ecp5-25f", "--pnr", "--freq", clock,
                 "--out", str(tmp_path / "out")]
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert "command > group" in out and "core.feed" in out
    assert ("70.0 MHz were reached, 75 MHz asked for" in err) == bool(code)
    assert json.loads((tmp_path / "out" / "synth.json").read_text())["fmax_mhz"] == 70.0
    assert (tmp_path / "out" / "netlist.json").read_bytes() == b"{}"


@pytest.mark.parametrize("arguments, message", [
    (["--target", "ice41"], "--target 'ice41' is unknown: choose one of ecp5-85f, "),
    (["--target", "up5k", "--pe", "12x14"], "12x14 PEs with 64 KiB of GLB cannot fit"),
    (["--target", "xc7", "--pnr"], "--pnr: there is no place and route for xc7; leave it out."),
    (["--target", "up5k", "--estimate", "--pnr"], "--estimate runs no tool: leave out --pnr"),
    (["--target", "xc7", "--build", "b", "--pe", "2x2"], "--build excludes --pe, --preset,"),
    (["--target", "up5k", "--build", "none"], "--build none is not a built accelerator"),
    (["--target", "up5k", "--json", "no/such/file"], "--json no/such/file cannot be written"),
])
def test_refusals(quick, capsys, arguments, message):
    assert main(["synth", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}") and err.count("\n") == 1


def test_missing_tools(monkeypatch, capsys):
    monkeypatch.setattr(tools.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    assert main(["synth", "--target", "up5k"]) == 2
    assert capsys.readouterr().err == (
        "error: Yosys was not found: install the Python package 'pyosys', or put it on PATH.\n")
    with pytest.raises(HwgenError, match=r"nextpnr-ice40 was not found: .*'hwgen\[pnr\]'"):
        tools.find_nextpnr("nextpnr-ice40")


def test_a_router_that_gets_no_further_is_stopped(monkeypatch, tmp_path):
    rounds = (900, 40, 9, *([12, 11] * 40))            # says more than it is waited for
    lines = "".join(f"Info:     iter={i} wires=800 overused={left} overuse={left}\n"
                    for i, left in enumerate(rounds))
    tool = tools.Tool((sys.executable, "-c", f"print({lines!r}, end='')"), "nextpnr 1")
    monkeypatch.setattr(nextpnr, "find_nextpnr", lambda program: tool)
    with pytest.raises(HwgenError, match="could not route .* LFE5U-85F: 9 wires stay in double "
                                         "use, for 60 rounds of its router; try another --seed"):
        nextpnr.run(tmp_path, target("ecp5-85f"), 75, 1)
    assert "iter=62 " in (tmp_path / "nextpnr.log").read_text()


@pytest.mark.parametrize("placer", nextpnr.PLACERS)
def test_the_placer_is_told(monkeypatch, tmp_path, placer):
    tool = tools.Tool((sys.executable, "-c", "import sys; print(sys.argv[1:]); "
                       "open('report.json', 'w').write('[7]')"), "nextpnr 1")
    monkeypatch.setattr(nextpnr, "find_nextpnr", lambda program: tool)
    assert nextpnr.run(tmp_path, target("ecp5-85f"), 75, 1, placer=placer) == [7]
    assert f"'--placer', '{placer}'" in (tmp_path / "nextpnr.log").read_text()


def test_blocks_follow_the_drivers_of_wires():
    places = Places(Config(), _VERILOG, wrapped=True)
    for name, block in (("hwgen.core.array.row_1.pe_0.sum_TRELLIS_FF_Q", "PEs"),
                        ("hwgen.core.array.row_1.step_LUT4_Z", "array rows"),
                        ("hwgen.core.read_data_TRELLIS_FF_Q_3", "GLB"),
                        ("hwgen.m_axi_araddr_TRELLIS_FF_Q", "DMA"),
                        ("hwgen.s_axi_rdata_LUT4_Z", "CSRs"),
                        ("hwgen.aresetn_LUT4_A", "wiring"),
                        ("fold_TRELLIS_FF_Q", "wrapper of the pins")):
        assert places.block(name) == block
    assert places.path("hwgen.core.read_data_TRELLIS_FF_Q_3") == "core.glb"


def test_ecp5_cells_as_nextpnr_counts_them():
    cells = {
        "csr.a_CCU2C_S0": _cell("CCU2C", CIN="0", COUT=2, S0=3),
        "csr.b_CCU2C_S0": _cell("CCU2C", CIN=2, COUT=4, S0=5),
        "csr.c_LUT4_Z": _cell("LUT4", A=4, Z=6),
        "csr.d.0.0": _cell("TRELLIS_DPR16X4", DI=6, DO=7),
        "csr.e_TRELLIS_FF_Q": _cell("TRELLIS_FF", DI=7, Q=8)}
    found = Resources({"modules": {"hwgen": {"cells": cells}}}, "hwgen", target("ecp5-25f"),
                      Places(Config(), _VERILOG))
    # Two carries, the chain's start and end; the LUT; the RAM with its write port.
    assert found.total == {"logic_cells": 4 + 2 + 2 + 1 + 4 + 2, "ff": 1, "bram": 0, "dsp": 0}
    assert found.memories["csr.d"] == {"TRELLIS_DPR16X4": 1}


def test_ice40_cells_pair():
    cells = {
        "csr.a": _cell("SB_LUT4", I0=2, I1=3, I2=4, I3=5, O=6),
        "csr.b": _cell("SB_DFFE", D=6, Q=7),
        "csr.c": _cell("SB_DFF", D=7, Q=8),
        "csr.d": _cell("SB_CARRY", I0=3, I1=4, CI=5, CO=9),
        "csr.e": _cell("SB_CARRY", I0=3, I1=8, CI=9, CO=10)}
    found = Resources({"modules": {"hwgen": {"cells": cells}}}, "hwgen", target("up5k"),
                      Places(Config(), _VERILOG))
    assert found.total["logic_cells"] == 3 and found.total["ff"] == 2


_DUMP = """
module \\pe
  attribute \\ram_style "{style}"
  cell $mem_v2 \\spad
    parameter \\MEMID "\\\\spad$7"
    parameter \\WIDTH 8
    parameter \\SIZE 448
  end
end
"""


@pytest.mark.parametrize("style, fails", [("auto", True), ("registers", False)])
def test_memory_in_registers(style, fails):
    memory, = yosys.memories(_DUMP.format(style=style),
                             "using FF mapping for memory pe.spad$7\n")
    assert (memory.module, memory.name, memory.depth, memory.width) == ("pe", "spad", 448, 8)
    assert memory.registers and memory.wanted != fails
    arguments = ([memory], {}, Config(), target("ecp5-85f"), Places(Config(), _VERILOG))
    if fails:
        with pytest.raises(HwgenError, match=r"fell to flip-flops .*pe_0\.spad \(448 x 8\)"):
            flow._memories(*arguments)
    else:
        assert flow._memories(*arguments)[0]["became"] == "flip-flops"


def test_defects_are_errors():
    with pytest.raises(HwgenError, match="the netlist is defective"):
        yosys.complaints("Warning: found logic loop in module hwgen:\n")
    assert yosys.complaints("ABC: Warning: The network is combinational.\n"
                            "Warning: Wire hwgen.a is used but has no driver.\n") == [
        "Warning: Wire hwgen.a is used but has no driver."]


def test_multipliers_beyond_the_device_are_logic():
    text = yosys.script(Config(tables=False, lanes=2), TARGETS["ecp5-85f"])
    # 168 PEs and 4 multipliers for each of 2 lanes, of 156: 20 in logic, a row and 6 more.
    assert text.count("chtype -set array_row_14_logic pe_array/row_11\n") == 1
    assert text.count("chtype -set pe_logic array_row_6_logic/pe_") == 6
    assert "chtype -set array_row_6_logic pe_array/row_10\n" in text
    up5k, device = preset("up5k"), TARGETS["up5k"]
    assert "pe_logic" not in yosys.script(up5k.replace(rows=4, cols=2), device)
    # Ten PEs, eight multipliers, of which a microcoded machine's output unit takes none.
    text = yosys.script(up5k.replace(rows=5, cols=2), device)
    assert [line for line in text.splitlines() if line.startswith("chtype")] == [
        f"chtype -set pe_logic pe_array/pe_4_{col}" for col in range(2)]


@pytest.mark.parametrize("rows, kept", [(4, "pe"), (5, "pe pe_logic")])
def test_pes_keep_their_boundaries(rows, kept):
    """Without them Yosys loses products."""
    text = yosys.script(preset("up5k").replace(rows=rows, cols=2), TARGETS["up5k"])
    assert text.index(f"keep_hierarchy 1 {kept}\n") < text.index("synth_")


def test_blocks_of_a_microcoded_accelerator():
    places = Places(preset("up5k"), _VERILOG)
    for name, block in (("core.array.pe_1_0.product_SB_MAC16_O", "PEs"),
                        ("core.array.running_0_SB_LUT4_O", "array rows"),
                        ("core.writer.word_SB_DFFE_Q", "NoC"),
                        ("core.mover.left_SB_LUT4_O", "loader"),
                        ("core.stream.left_SB_LUT4_O", "DMA"),
                        ("core.output.acc_SB_LUT4_O", "output stage"),
                        ("core.engine.pc_SB_LUT4_O", "controller"),
                        ("core.give_move_SB_LUT4_O", "controller"),
                        ("core.read_data_SB_LUT4_O", "GLB"),
                        ("csr.timer_SB_LUT4_O", "CSRs")):
        assert places.block(name) == block


def test_only_the_glb_of_a_microcoded_accelerator_loses_its_initial_values():
    start = "  initial begin\n    for (start_word ...)\n      words[start_word] = 0;\n  end\n"
    spads, glb = (f"module {name} (\n  reg words;\n{start}endmodule\n"
                  for name in ("ram", "masked_ram_16384x32"))
    for name, config, left in (
            ("up5k", preset("up5k"), spads + glb.replace(start, "") + spads),
            ("up5k", Config(), spads + glb + spads),
            ("ecp5-25f", preset("up5k"), spads + glb + spads)):
        assert yosys.source(spads + glb + spads, config, TARGETS[name]) == left


def test_more_single_port_rams_than_the_device_has():
    flow._check_limits(Counter(SB_SPRAM256KA=4), TARGETS["up5k"])
    with pytest.raises(HwgenError, match="the design needs 5 SB_SPRAM256KA and Lattice iCE40 UP5K "
                                         "has 4: choose a smaller GLB"):
        flow._check_limits(Counter(SB_SPRAM256KA=5), TARGETS["up5k"])


def test_wrapper_uses_every_port():
    text = wrapper(_VERILOG)
    assert "hwgen hwgen(.aclk(clk), .aresetn(given[0:0]), .irq(irq));" in text
    assert "given <= drive;" in text
    assert "observed <= {2'd0, irq};" in text
    text = wrapper(_VERILOG, slices=False)
    assert "wire [0:0] given = drive;" in text and "wire [2:0] observed = {2'd0, irq};" in text
    assert "<= drive;" not in text and "observed <=" not in text


def test_estimate_of_every_target():
    for entry in TARGETS.values():
        config = preset(entry.preset)
        if estimate._fitted(estimate._model(), config, entry.family.name):
            found = estimate.estimate(config, entry)
            assert found.total["dsp"] <= config.rows * config.cols + 5 * config.lanes
            assert all(found.total[name] >= 0 for name in RESOURCES)
            assert found.total["logic_cells"] > 100 * config.rows * config.cols


def test_estimate_of_microcoded_accelerators():
    device = TARGETS["up5k"]
    totals = {}
    for pe in ("2x3", "3x3"):
        config = resolve(preset_name="up5k", pe=pe)
        estimate.refuse(config, device)
        totals[pe] = estimate.estimate(config, device).total
    assert totals["2x3"]["dsp"] == 6 and totals["3x3"]["dsp"] == 8
    assert totals["3x3"]["bram"] - totals["2x3"]["bram"] == 6
    assert totals["3x3"]["logic_cells"] > totals["2x3"]["logic_cells"] + 200
    with pytest.raises(HwgenError, match=r"4x4 PEs .* about .* of 5,280 LC .*, 4\d of 30 SB_RAM40"):
        estimate.refuse(resolve(preset_name="up5k", pe="4x4"), device)
    with pytest.raises(HwgenError, match="no model of microcoded accelerators on ecp5-25f; leave"):
        estimate.estimate(config, TARGETS["ecp5-25f"])


def test_a_model_is_fitted_to_designs_of_its_kind():
    reports = []
    for pes, pe in ((1, "1x1"), (6, "2x3"), (8, "4x2"), (9, "3x3")):
        config = resolve(preset_name="up5k", pe=pe)
        logic = max(pes - 8, 0)
        reports.append({"target": "up5k", "parameters": config.to_dict(), "by_block": {
            "PEs": {"logic_cells": 3 * pes + 214 * logic, "ff": 34 * logic},
            "NoC": {"logic_cells": 60 + 4 * pes, "ff": 40},
            "GLB": {"logic_cells": 200, "ff": 0}}})
    model = estimate.fit(reports)
    assert list(model) == ["microcoded"] and list(model["microcoded"]) == ["coefficients"]
    found = model["microcoded"]["coefficients"]["ice40"]
    assert found["logic_cells"]["PEs"] == pytest.approx([3])
    assert found["logic_cells"]["NoC"] == pytest.approx([60, 4])
    assert found["logic_cells"]["GLB"] == pytest.approx([200])
    assert found["ff"]["PEs"] == pytest.approx([0]) and found["ff"]["NoC"][0] == pytest.approx(40)
    assert set(found["ff"]) == set(estimate._model()["microcoded"]["coefficients"]["ice40"]["ff"])


def test_gates_without_an_area_are_refused():
    netlist = {"modules": {"hwgen": {"cells": {"a": {"type": "$_DFFE_PP_"}}}}}
    with pytest.raises(HwgenError, match="area in NAND2 is unknown: .*_DFFE_PP_"):
        Resources(netlist, "hwgen", TARGETS["gates"],
                  Places(Config(), "module hwgen(a);\nendmodule\n"))
