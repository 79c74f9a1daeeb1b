"""Two accelerators in one design: no module of one is taken for the other's."""

import re
import shutil
import subprocess
import sys

import pytest

from hwgen.artifacts.build import build
from hwgen.cli import main
from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.process import run
from hwgen.simulate import hardware
from hwgen.tools import find_icarus, find_verilator
from hwgen.verilog import prefix
from hwgen.verilog.accelerator import generate

# Of the same name: only the hash tells them apart.
_CONFIGS = (Config(name="npu", rows=1, cols=2, glb_kib=16, params_depth=64),
            Config(name="npu", rows=1, cols=2, filter_spad=96, ifmap_spad=32, glb_kib=16, lanes=1,
                   bus_bits=32, xbus_bytes=1, params_depth=64, tables=False, functions=0, burst=8,
                   machine="microcoded"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """``(folder, manifests)``: accelerators in ``0`` and ``1``, and ``pair.v`` with both."""
    folder = tmp_path_factory.mktemp("pair")
    manifests = [build(config, folder / str(number), prefix.of(config))
                 for number, config in enumerate(_CONFIGS)]
    ports, instances = [], []
    for number, manifest in enumerate(manifests):
        for port in manifest["ports"]:
            size = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
            ports.append(f"  {port['direction']} wire {size}{port['name']}_{number}")
        pins = ", ".join(f".{port['name']}({port['name']}_{number})" for port in manifest["ports"])
        instances.append(f"  {manifest['verilog']['top']} npu_{number} ({pins});\n")
    (folder / "pair.v").write_text(
        "module pair (\n" + ",\n".join(ports) + "\n);\n" + "".join(instances) + "endmodule\n")
    return folder, manifests


_FILES = ("0/hwgen.v", "1/hwgen.v", "pair.v")


def test_no_module_has_the_name_of_another(pair):
    folder, manifests = pair
    names = [name for name in _FILES
             for name in re.findall(r"^module (\w+)", (folder / name).read_text(), re.M)]
    assert len(set(names)) == len(names) and "hwgen" not in names
    for manifest, config in zip(manifests, _CONFIGS, strict=True):
        assert manifest["verilog"]["top"] == f"npu_{config.hash:08x}_hwgen" in names
        assert set(manifest["verilog"]["modules"]) <= set(names)
        assert sum(manifest["figures"]["memory_bits"].values()) > 0


def test_lint_side_by_side(pair):
    tool = find_verilator()
    done = run([tool.binary, "--lint-only", "-Wall", "--top-module", "pair", "0/hwgen.vlt",
                "1/hwgen.vlt", *_FILES], cwd=pair[0], env=tool.environ())
    assert done.returncode == 0 and "%Warning" not in done.stdout, done.stdout


def test_slang_side_by_side(pair):
    pytest.importorskip("pyslang")
    script = ("from pyslang.driver import Driver; driver = Driver(); driver.addStandardArgs();"
              f"good = driver.parseCommandLine('slang --top pair {' '.join(_FILES)}') and "
              "driver.processOptions() and driver.parseAllSources() and "
              "driver.runFullCompilation(True); raise SystemExit(not good)")
    done = run([sys.executable, "-c", script], cwd=pair[0])
    assert done.returncode == 0 and "error:" not in done.stdout, done.stdout


def test_simulate_side_by_side(pair, tmp_path):
    """The smoke tests of both, at the same time in one simulation."""
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    folder, _ = pair
    for number in range(2):
        text = (folder / str(number) / "smoke.v").read_text()
        assert "$finish;" in text and "#100000 $display" in text
        text = text.replace("module smoke;", f"module smoke_{number};").replace(
            "$finish;", "").replace('#100000 $display("FAIL: no answer");', "#100000 $finish;")
        (tmp_path / f"smoke_{number}.v").write_text(text)
    done = run([find_icarus(), "-g2005", "-o", tmp_path / "run", "-s", "smoke_0", "-s", "smoke_1",
                *_FILES, *(tmp_path / f"smoke_{number}.v" for number in range(2))], cwd=folder)
    assert done.returncode == 0, done.stdout
    done = run(["vvp", "-N", tmp_path / "run"], cwd=tmp_path)
    assert re.findall(r"PASS|FAIL.*", done.stdout) == ["PASS", "PASS"], done.stdout


def test_synthesise_side_by_side(pair):
    pytest.importorskip("pyosys")
    commands = [f"read_verilog {' '.join(_FILES)}", "synth -top pair -flatten -run begin:fine",
                "check -assert", "write_json netlist.json"]
    done = subprocess.run(
        [sys.executable, "-c", "from pyosys import libyosys\ndesign = libyosys.Design()\n"
         f"for command in {commands}: libyosys.run_pass(command, design)"],
        cwd=pair[0], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    netlist = (pair[0] / "netlist.json").read_text()
    for name in ("npu_0.core.array.row_0.pe_1.product", "npu_1.core.array.pe_0_1.product"):
        assert f'"{name}' in netlist


def test_a_folder_with_a_prefix_runs_as_any_other(pair):
    folder, _ = pair
    for number, config in enumerate(_CONFIGS):
        assert hardware.built(folder / str(number)).verilog == generate(config)


def test_names_from_the_command_line(tmp_path, capsys, monkeypatch):
    from hwgen.artifacts import build as module
    text = "module pe (\n);\nendmodule\n\nmodule hwgen (\n);\n  pe pe (\n  );\nendmodule\n"
    monkeypatch.setattr(module, "generate", lambda config: text)
    folder = tmp_path / "b"
    assert main(["build", "--preset", "up5k", "--out", str(folder), "--prefix", "left"]) == 0
    assert (folder / "hwgen.v").read_text() == (
        "module left_pe (\n);\nendmodule\n\nmodule left_hwgen (\n);\n  left_pe pe (\n  );\n"
        "endmodule\n")
    core = (folder / "hwgen.core").read_text()
    assert "name: hwgen:accelerators:left_hwgen:" in core and "toplevel: left_hwgen" in core
    assert "  left_hwgen dut (" in (folder / "smoke.v").read_text()
    assert main(["build", "--preset", "up5k", "--out", str(folder), "--prefix"]) == 0
    assert re.search(r"^module up5k_[0-9a-f]{8}_hwgen \(", (folder / "hwgen.v").read_text(), re.M)
    capsys.readouterr()
    assert main(["build", "--preset", "up5k", "--out", str(folder), "--prefix", "1st"]) == 2
    assert "--prefix 1st is not allowed: use a letter" in capsys.readouterr().err
    with pytest.raises(HwgenError, match="--prefix a b is not allowed"):
        prefix.check("a b")
