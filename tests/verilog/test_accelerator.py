"""The Verilog of whole accelerators: reproducible, small, accepted by other tools."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from hwgen.config import Config, resolve
from hwgen.verilog import lint
from hwgen.verilog.accelerator import generate

_CASES = {
    "1x1": {"pe": "1x1"},
    "up5k": {"preset_name": "up5k"},
    "wide": {"pe": "3x5", "settings": ["bus_bits=256", "lanes=8", "burst=128", "xbus_bytes=8",
                                       "params_depth=2048"]},
    "narrow": {"pe": "2x2", "settings": ["bus_bits=32", "lanes=1", "xbus_bytes=1",
                                         "tables=false", "zero_gate=true", "addr_bits=64",
                                         "burst=256"]},
}

# Minutes each in Icarus and Verilator.
_LONG = {
    **{name: {"preset_name": name} for name in ("eyeriss", "ecp5-85f", "ecp5-25f")},
    **{pe: {"pe": pe} for pe in ("32x32", "32x1", "1x32", "17x23")},
}


@pytest.fixture(scope="module", params=[
    *_CASES, *(pytest.param(name, marks=pytest.mark.long) for name in _LONG)])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "hwgen.v").write_text(generate(resolve(**(_CASES | _LONG)[request.param])))
    (folder / "hwgen.vlt").write_text(lint.WAIVERS)
    return folder


def test_verilator(folder):
    assert lint.verilator(folder) == ""


@pytest.mark.parametrize("standard", ["2005", "2012"])
def test_icarus(folder, standard):
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    assert lint.icarus(folder, standard) == ""


def test_yosys(folder):
    pytest.importorskip("pyosys")
    assert lint.yosys(folder) == ""


def test_lint_complains(tmp_path):
    (tmp_path / "hwgen.vlt").write_text(lint.WAIVERS)
    (tmp_path / "hwgen.v").write_text("module hwgen(input a, output b);\nendmodule\n")
    assert "UNUSEDSIGNAL" in lint.verilator(tmp_path)
    (tmp_path / "hwgen.v").write_text("module hwgen(output b);\n  missing m(b);\nendmodule\n")
    assert "missing" in lint.yosys(tmp_path)
    if shutil.which("iverilog"):
        assert "missing" in lint.icarus(tmp_path)


def test_the_same_in_every_process(small):
    config, verilog = small
    script = ("import sys; from hwgen.config import Config;"
              "from hwgen.verilog.accelerator import generate;"
              "sys.stdout.write(generate(Config(name='small', rows=2, cols=3, glb_kib=16)))")
    for seed in ("0", "4711"):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                              check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        assert done.stdout == verilog


def test_header_and_modules(small):
    config, verilog = small
    assert verilog.startswith(f"// hwgen 0.1.0: configuration small, hash 0x{config.hash:08X}\n")
    modules = re.findall(r"^module (\w+)", verilog, re.M)
    assert len(set(modules)) == len(modules)
    assert modules[-1] == "hwgen" and modules.count("pe") == 1
    assert not re.search(r"/home|/usr|/tmp|site-packages|\.py\b", verilog)


def test_size_of_the_default():
    assert len(generate(Config()).encode()) < 400_000
