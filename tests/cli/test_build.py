"""``hwgen build`` and the frame of the command line: exit codes, messages, folders."""

import hashlib
import json
import subprocess
import sys

import pytest

from hwgen import files
from hwgen.artifacts import build
from hwgen.cli import main
from hwgen.config import load_toml

_FILES = {"hwgen.v", "hwgen.vlt", "hwgen.core", "files.f", "config.toml", "manifest.json",
          "commands.md", "commands.h", "registers.rdl", "registers.md", "registers.h", "registers",
          "hwgen.h", "hwgen.c", "smoke.v", "hwgen.sdc", "hwgen.lpf"}


@pytest.fixture
def quick(monkeypatch):
    """Builds whose Verilog takes no time."""
    text = ("module pe(a);\n  input a;\nendmodule\n\nmodule hwgen(aclk, irq);\n  input aclk;\n"
            "  output irq;\n  pe pe (\n    .a(aclk)\n  );\nendmodule\n")
    monkeypatch.setattr(build, "generate", lambda config: text)


def _names(folder):
    return {path.name for path in folder.iterdir()}


def test_build(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--pe", "1x2", "--set", "burst=16"]) == 0
    folder = tmp_path / "build" / "eyeriss-1x2"
    assert _names(folder) == _FILES
    assert _names(tmp_path / "build") == {folder.name}
    out, err = capsys.readouterr()
    assert "eyeriss-1x2: 1 x 2 PEs, 26 KiB GLB" in out and "GMAC/s at 200 MHz" in out
    assert not err
    manifest = json.loads((folder / "manifest.json").read_text())
    verilog = (folder / "hwgen.v").read_bytes()
    assert manifest["verilog"]["sha256"] == hashlib.sha256(verilog).hexdigest()
    assert manifest["parameters"]["burst"] == 16
    assert load_toml(folder / "config.toml").to_dict() == manifest["parameters"]
    assert manifest["hash"] == f"0x{load_toml(folder / 'config.toml').hash:08X}"
    assert manifest["files"]["hwgen.v"] == manifest["verilog"]["sha256"]
    assert {"name": "irq", "direction": "output", "width": 1} in manifest["ports"]


def test_json_alone_on_standard_output(tmp_path, quick, capsys):
    assert main(["build", "--pe", "2x2", "--out", str(tmp_path / "b"), "--json", "-"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert values["folder"] == str(tmp_path / "b")
    assert values["figures"]["pes"] == 4
    assert "written to" in err


def test_again_replaces(tmp_path, quick):
    folder = tmp_path / "b"
    assert main(["build", "--pe", "2x2", "--out", str(folder)]) == 0
    (folder / "stale").write_text("")
    assert main(["build", "--pe", "3x3", "--out", str(folder)]) == 0
    assert _names(folder) == _FILES
    assert load_toml(folder / "config.toml").rows == 3
    assert _names(tmp_path) == {"b"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError(28, "No space left")])
def test_nothing_is_left_of_a_failure(tmp_path, quick, monkeypatch, failure, capsys):
    assert main(["build", "--pe", "2x2", "--out", str(tmp_path / "b")]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*_):
        raise failure

    monkeypatch.setattr(build.fusesoc, "core", fail)
    for folder in (tmp_path / "b", tmp_path / "new" / "deep" / "b"):
        capsys.readouterr()
        if failure is RuntimeError:
            with pytest.raises(RuntimeError):
                main(["build", "--pe", "3x3", "--out", str(folder)])
        elif failure is KeyboardInterrupt:
            assert main(["build", "--pe", "3x3", "--out", str(folder)]) == 130
        else:
            assert main(["build", "--pe", "3x3", "--out", str(folder)]) == 2
            assert capsys.readouterr().err == (
                f"error: cannot write the folder {folder}: No space left; name another with "
                f"--out.\n")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert _names(tmp_path) == {"b"}


def test_foreign_folders_stay(tmp_path, quick, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    (tmp_path / "file").write_text("")
    assert main(["build", "--out", str(tmp_path / "mine")]) == 2
    assert "holds files that hwgen did not write" in capsys.readouterr().err
    assert main(["build", "--out", str(tmp_path / "file")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["build", "--out", str(tmp_path / "file" / "b")]) == 2
    assert "cannot write the folder" in capsys.readouterr().err
    assert _names(tmp_path) == {"mine", "file"}


def test_unwritable_folder(tmp_path, quick, capsys, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    assert main(["build", "--out", str(tmp_path / "a" / "b")]) == 2
    assert capsys.readouterr().err == (
        f"error: cannot write the folder {tmp_path / 'a' / 'b'}: Permission denied; name another "
        f"with --out.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, message", [
    (["build", "--pe", "12"], "--pe '12' is not of the form RxC, as in 12x14."),
    (["build", "--pe", "33x1"], "rows = 33 is out of range: 1 to 32 are allowed."),
    (["build", "--preset", "huge"], "--preset 'huge' is unknown: choose one of eyeriss, "
                                    "ecp5-85f, ecp5-25f, up5k."),
    (["build", "--config", "none.toml"], "cannot read the configuration none.toml: No such file "
                                         "or directory."),
    (["build", "--set", "lanes"], "--set 'lanes' is not of the form KEY=VALUE."),
    (["build", "--set", "speed=9"], "'speed' is not a parameter: the parameters are name, "),
    (["build", "--fast"], "No such option"),
    (["map", "lenet5", "--layer", "conv1"],
     "No such option '--layer'. Did you mean '--layers'? See 'hwgen map --help'."),
    (["build", "extra"], "Got unexpected extra argument (extra). See 'hwgen build --help'."),
    (["build", "--pe"], "Option '--pe' requires an argument."),
    (["brew"], "No such command 'brew'."),
])
def test_bad_options(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {message}") and err.count("\n") == 1
    assert not out and not list(tmp_path.iterdir())


def test_help_and_version(capsys):
    assert main([]) == 0
    assert "build" in capsys.readouterr().out
    assert main(["build", "--help"]) == 0
    assert "--preset" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert "0.1.0" in capsys.readouterr().out


def test_module_and_exit_code():
    done = subprocess.run([sys.executable, "-m", "hwgen", "build", "--pe", "0x0"],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: rows = 0 is out of range: 1 to 32 are allowed.\n"
