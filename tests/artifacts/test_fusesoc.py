"""The FuseSoC core file: its targets, run by FuseSoC."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from hwgen.artifacts import fusesoc
from hwgen.config import Config
from hwgen.tools import find_verilator
from hwgen.verilog import lint
from hwgen.verilog.accelerator import generate

_CONFIGS = (Config(name="small", rows=1, cols=2, glb_kib=16, params_depth=64),
            Config(name="tiny", rows=1, cols=2, filter_spad=96, ifmap_spad=32, glb_kib=16, lanes=1,
                   bus_bits=32, xbus_bytes=1, params_depth=64, tables=False, functions=0,
                   burst=8, machine="microcoded"))

# A `yosys` of the Python packages pyosys, which has no Tcl of its own, and tkinter.
_YOSYS = """\
#!{python}
import sys, tkinter
from pyosys import libyosys
design, tcl = libyosys.Design(), tkinter.Tcl()
tcl.createcommand("yosys", lambda *_: "")
tcl.createcommand("run_pass", lambda *words: libyosys.run_pass(" ".join(words), design))
tcl.eval("proc unknown args {{run_pass {{*}}$args}}")
tcl.eval("source " + sys.argv[-1].removeprefix("tcl "))
"""


@pytest.fixture(scope="module", params=_CONFIGS, ids=lambda config: config.machine)
def library(request, tmp_path_factory):
    """``(folder, core's name)`` of a library with a core."""
    config, folder = request.param, tmp_path_factory.mktemp("library")
    verilog = generate(config)
    for name, text in (("hwgen.v", verilog), ("hwgen.vlt", lint.waivers(verilog)),
                       ("hwgen.core", fusesoc.core(config)),
                       ("smoke.v", fusesoc.smoke_test(config))):
        (folder / name).write_text(text)
    return folder, f"hwgen:accelerators:{config.name}"


def _run(library, target, work, env=None):
    pytest.importorskip("fusesoc")
    folder, name = library
    done = subprocess.run(
        [sys.executable, "-c", "from fusesoc.main import main; main()", "--cores-root", folder,
         "run", "--target", target, "--work-root", work, name], cwd=work, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "deprecated" not in done.stdout, done.stdout
    return done


def test_lint(library, tmp_path):
    tool = find_verilator()
    done = _run(library, "lint", tmp_path, tool.environ())
    assert done.returncode == 0 and not re.search(r"^%", done.stdout, re.M), done.stdout


def test_sim(library, tmp_path):
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    done = _run(library, "sim", tmp_path)
    assert done.returncode == 0 and re.search("^PASS$", done.stdout, re.M), done.stdout


def test_sim_fails_on_a_broken_design(library, tmp_path):
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    folder, name = library
    broken = tmp_path / "library"
    shutil.copytree(folder, broken)
    verilog = (folder / "hwgen.v").read_text()
    assert "32'h4e475748" in verilog
    (broken / "hwgen.v").write_text(verilog.replace("32'h4e475748", "32'h4e475749"))
    done = _run((broken, name), "sim", tmp_path)
    assert done.returncode and "FAIL: register 000 holds 4e475749" in done.stdout


def test_synth(library, tmp_path):
    pytest.importorskip("pyosys")
    pytest.importorskip("tkinter")
    yosys = tmp_path / "bin" / "yosys"
    yosys.parent.mkdir()
    yosys.write_text(_YOSYS.format(python=sys.executable))
    yosys.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    done = _run(library, "synth", work, os.environ | {
        "PATH": f"{yosys.parent}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout[-3000:]
    netlist, = work.glob("*.json")
    assert '"DSP48E1"' in netlist.read_text() or '"RAMB36E1"' in netlist.read_text()
