"""Wave files: of one layer or of everything, whole or not at all, and their view for GTKWave."""

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from vcd.reader import TokenKind, tokenize

import sim.runner
from hwgen.cli import main
from hwgen.config import Config, preset
from hwgen.errors import HwgenError
from hwgen.host.driver import Driver, SimulationError
from hwgen.rtl.microcoded.mover import Mover
from hwgen.simulate import cosim, verilated
from hwgen.simulate.cosim import IcarusBus
from hwgen.simulate.verilated import VerilatedBus
from hwgen.simulate.waves import Waves, view
from hwgen.verilog.accelerator import generate

ICARUS = pytest.mark.skipif(not shutil.which("iverilog"),
                            reason="Icarus Verilog is not installed: apt-get install iverilog")
COPIER = (Path(__file__).parent / "copier.v").read_text().replace("BUS = 64", "BUS = 32") \
    .replace("HASH = 0", f"HASH = 32'h{Config().hash:08x}")
SIZE = 1 << 16


def changes(path):
    """``{signal: number of its changes}`` of a VCD file; names as GTKWave has them."""
    names, scope, counts = {}, [], {}
    text = path.read_bytes().replace(b"$rootio", b"rootio")     # a name that pyvcd does not take
    for token in tokenize(BytesIO(text)):
        if token.kind is TokenKind.SCOPE:
            scope.append(token.scope.ident)
        elif token.kind is TokenKind.UPSCOPE:
            scope.pop()
        elif token.kind is TokenKind.VAR:
            name = ".".join([*scope, token.var.ref_str])
            names.setdefault(token.var.id_code, []).append(name)
            counts[name] = 0
        elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
            change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else \
                token.vector_change
            for name in names[change.id_code]:
                counts[name] += 1
    return counts


def shown(path):
    """The signals of a view."""
    return re.findall(r"^[A-Za-z][\w.]*(?:\[\d+:0\])?$", Path(path).read_text(), re.M)


def copy(simulator, waves):
    """The small device of copier.v at work; gives its cycles."""
    build, bus = (cosim.build, IcarusBus) if simulator == "icarus" else \
        (verilated.build, lambda image, **how: VerilatedBus(image, SIZE, **how))
    with waves, bus(build(COPIER, trace=waves.form), waves=waves) as device:
        driver = Driver(device, Config())
        driver.load(np.arange(SIZE, dtype=np.uint8).tobytes())
        driver.run(0)
        return device.statistics()["cycles"]


@pytest.mark.parametrize("simulator", [pytest.param("icarus", marks=ICARUS), "verilator"])
def test_everything_is_recorded(simulator, tmp_path):
    cycles = copy(simulator, Waves(tmp_path / "a.vcd"))
    scope = "hwgen." if simulator == "icarus" else "TOP.hwgen."
    found = changes(tmp_path / "a.vcd")
    assert abs(found[f"{scope}aclk"] - 2 * cycles) < 50
    assert found[f"{scope}m_axi_wvalid"] > 2 and found[f"{scope}m_axi_wdata[31:0]"] > 32
    assert [path.name for path in tmp_path.iterdir()] == ["a.vcd"]


def test_fst_is_written_or_refused(tmp_path):
    """Icarus writes it; Verilator if the headers of lz4 and zlib are there."""
    if shutil.which("iverilog"):
        copy("icarus", Waves(tmp_path / "a.fst"))
        assert (tmp_path / "a.fst").stat().st_size > 500
    headers = subprocess.run(["g++", "-E", "-x", "c++", "-"], capture_output=True, text=True,
                             input="#include <lz4.h>\n#include <zlib.h>\n")
    if headers.returncode:
        with pytest.raises(HwgenError, match="lz4 and zlib, whose headers were not found"):
            copy("verilator", Waves(tmp_path / "b.fst"))
    else:
        copy("verilator", Waves(tmp_path / "b.fst"))
        assert (tmp_path / "b.fst").stat().st_size > 500
    assert not list(tmp_path.glob("*.part*"))


def test_a_file_is_kept_of_a_stop_and_not_of_an_interrupt(tmp_path):
    for error, kept in (SimulationError("stopped"), True), (KeyboardInterrupt(), False):
        path = tmp_path / f"{kept}.vcd"
        waves = Waves(path)
        with pytest.raises(type(error)), waves, \
                VerilatedBus(verilated.build(COPIER, trace="vcd"), SIZE, waves=waves) as bus:
            bus.reset()
            raise error
        assert path.exists() == kept and not waves.part.exists()


def test_a_library_without_tracing_refuses_to_record(tmp_path):
    with pytest.raises(HwgenError, match="built without tracing"):
        VerilatedBus(verilated.build(COPIER), SIZE, waves=Waves(tmp_path / "a.vcd"))


@ICARUS
@pytest.mark.long
def test_one_layer_is_recorded_with_a_view(tmp_path, capfd):
    """Of a random graph on a tiny array; the view shows what the file has."""
    path = tmp_path / "layer.vcd"
    command = ["verify", "--graphs", "--count", "1", "--seed", "2", "--preset", "up5k", "--pe",
               "1x2", "--sim", "icarus", "--waves", str(path)]
    assert main([*command, "--layer", "nowhere"]) == 2
    refusal = capfd.readouterr().err
    names = re.search("those are (.*)\\.", refusal)[1].split(", ")
    assert "--layer 'nowhere' is no layer" in refusal and len(names) > 1 and not path.exists()
    assert main([*command, "--layer", names[0]]) == 0
    one = changes(path)
    signals = shown(f"{path}.gtkw")
    assert len(signals) > 60 and not set(signals) - set(one)
    assert "hwgen.aclk" in signals and any(".core.engine." in name for name in signals)
    assert sum(one[name] > 4 for name in signals) > 30
    assert main(command) == 0
    assert 10_000 < one["hwgen.aclk"] < 0.6 * changes(path)["hwgen.aclk"]


@pytest.mark.parametrize("config", [Config(name="small", rows=2, cols=3, glb_kib=16),
                                    preset("up5k")], ids=lambda config: config.name)
def test_a_view_has_every_group(config, tmp_path):
    text = view(generate(config), tmp_path / "a.fst", scope="TOP.")
    for group in ("clock, reset, interrupt", "AXI4-Lite", "AXI4", "controller",
                  "row 0, or the array", "a PE", "drain"):
        assert f"-{group}\n" in text
    assert "TOP.hwgen.m_axi_rdata[" in text and '[dumpfile] "a.fst"' in text


@pytest.mark.parametrize("options, sentence", [
    (["--waves", "a.txt"], "--waves a.txt has no suffix that names a format"),
    (["--waves", "/nowhere/a.vcd"], "--waves /nowhere/a.vcd cannot be written"),
    (["--layer", "x"], "--layer says of which layer waves are recorded"),
    (["--waves", "a.vcd"], "--waves records one simulation: give --count 1"),
    (["--waves", "a.vcd", "--count", "1", "--sim", "golden"], "--waves is for simulations of the")])
def test_refusals_are_one_sentence(options, sentence, capfd):
    assert main(["verify", *options]) == 2
    said = capfd.readouterr().err
    assert sentence in said and said.count("\n") == 1


@pytest.mark.parametrize("simulator", [pytest.param("icarus", marks=ICARUS), "verilator"])
@sim.runner.each_test("sim.tb_mover")
def test_a_block_is_recorded(case, simulator, monkeypatch, capfd):
    """As with ``pytest --waves``."""
    monkeypatch.setattr(sim.runner, "WAVES", True)
    sim.runner.run_block(Mover, case, simulator=simulator)
    path = Path(re.search("^waves: (.*)$", capfd.readouterr().out, re.M)[1])
    assert path == Path(f"build/waves/simulate/test_waves/test_a_block_is_recorded-moves-"
                        f"{simulator}.vcd")
    found, signals = changes(path), shown(f"{path}.gtkw")
    assert len(signals) > 10 and not set(signals) - set(found)
    assert sum(found[name] > 10 for name in signals) > 8
