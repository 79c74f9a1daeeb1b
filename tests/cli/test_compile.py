"""``hwgen compile`` and ``hwgen disassemble``: files, determinism, refusals."""

import hashlib
import json

import pytest

from hwgen import isa
from hwgen.cli import main
from hwgen.compiler import compile_network, save
from hwgen.config import resolve
from hwgen.importer import onnx_import

_LENET = "examples/lenet5/lenet5.onnx"
_FILES = {"program.bin", "manifest.json", "program.h", "listing.txt", "mappings.txt",
          "mapping.toml"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled") / "lenet5"
    assert main(["compile", _LENET, "--pe", "4x4", "--out", str(folder)]) == 0
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files(folder):
    assert set(contents(folder)) == _FILES
    manifest = json.loads((folder / "manifest.json").read_text())
    config = resolve(pe="4x4")
    program = compile_network(onnx_import.load(_LENET), config, joined=True)
    image = (folder / "program.bin").read_bytes()
    assert image == program.image
    assert manifest["image"] == {"file": "program.bin", "bytes": len(image),
                                 "sha256": hashlib.sha256(image).hexdigest()}
    assert manifest["config_hash"] == f"0x{config.hash:08X}"
    assert manifest["parameters"] == config.to_dict()
    assert set(manifest["tensors"]) == set(program.tensors)
    for name, place in program.tensors.items():
        tensor = manifest["tensors"][name]
        assert (tensor["offset"], tensor["size"]) == (place.offset, place.size)
        assert (tensor["dram_channels"], tensor["dtype"]) == (place.dram_channels, str(place.dtype))
    for segment, entry in zip(program.segments, manifest["segments"], strict=True):
        assert (entry["name"], entry["offset"], entry["size"]) == (segment.name, segment.offset,
                                                                   segment.size)
        assert entry["predicted_cycles"] == segment.cycles and entry["reasons"]
        name, fields = isa.unpack(image[entry["offset"]:entry["offset"] + isa.COMMAND_BYTES])
        assert name == "BEGIN" and fields["hash"] == config.hash
    assert [[node["op"] for node in part["nodes"]] for part in manifest["host_parts"]] == \
        [["QuantizeLinear"], ["DequantizeLinear"]]
    files = contents(folder)
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest()
                                 for name, data in files.items() if name != "manifest.json"}


def test_the_same_bytes_again(folder, tmp_path):
    """Whatever the folder is called; and the same mappings, given as they were written, into a
    folder that is there."""
    again = tmp_path / "another"
    report = tmp_path / "manifest.json"
    for extra in ([], ["--mapping", str(folder / "mapping.toml"), "--json", str(report)]):
        assert main(["compile", _LENET, "--pe", "4x4", "--out", str(again), *extra]) == 0
        assert (again / "mapping.toml").read_bytes() == (folder / "mapping.toml").read_bytes()
        if not extra:
            assert contents(again) == contents(folder)
    found = json.loads(report.read_text())
    assert found.pop("placement")["accelerator_share"] == 1
    assert found == json.loads((again / "manifest.json").read_text())
    assert not any(str(tmp_path).encode() in data for data in contents(again).values())


def test_nothing_is_left_of_a_failure(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(save, "_manifest", fail)
    assert main(["compile", _LENET, "--pe", "4x4", "--out", str(tmp_path / "a" / "b")]) == 130
    assert not list(tmp_path.iterdir())


def test_disassemble(folder, tmp_path, capsys):
    report = tmp_path / "commands.json"
    assert main(["disassemble", str(folder), "--json", str(report)]) == 0
    out = capsys.readouterr().out
    listing = (folder / "listing.txt").read_text()
    assert [line for line in out.splitlines() if line] == \
        [line for line in listing.splitlines() if line]
    assert "; conv1, conv2, fc3, fc4, fc5" in out and " packets of " in out
    programs = json.loads(report.read_text())
    image = (folder / "program.bin").read_bytes()
    for program in programs:
        for command in program["commands"]:
            at = command["address"]
            assert isa.pack(command["command"], **command["fields"]) == image[at:at + 64]
    assert main(["disassemble", str(folder), "--layer", "fc5"]) == 0
    assert capsys.readouterr().out.count("BEGIN") == 1
    assert main(["disassemble", str(folder / "program.bin")]) == 0
    bare = capsys.readouterr().out
    assert bare.count("BEGIN") == len(programs) == 1 and " packets of " not in bare
    assert main(["compile", _LENET, "--pe", "4x4", "--layerwise", "--out",
                 str(tmp_path / "apart")]) == 0
    capsys.readouterr()
    assert main(["disassemble", str(tmp_path / "apart"), "--layer", "fc5"]) == 0
    assert capsys.readouterr().out.startswith("; fc5\n")


@pytest.mark.parametrize("arguments, message", [
    (["compile", "none.onnx", "--out", "x"], "none.onnx"),
    (["compile", _LENET], "Missing option '--out'."),
    (["compile", _LENET, "--out", "x", "--memory", "1000"], "lenet5' needs"),
    (["compile", _LENET, "--out", "x", "--shape", "1x1x28x28"], "is not NAME=SIZES"),
    (["compile", _LENET, "--out", "x", "--shape", "a=1x0"], "is not NAME=SIZES"),
    (["compile", _LENET, "--out", "x", "--shape", "a=1x5"], "'a' is not an input of lenet5"),
    (["compile", _LENET, "--out", "hwgen"], "holds files that hwgen did not write"),
    (["compile", _LENET, "--pe", "4x4", "--build", "x", "--out", "y"],
     "--build excludes --pe, --preset"),
    (["compile", _LENET, "--build", "nowhere", "--out", "y"], "is not a built accelerator"),
    (["disassemble", "nowhere"], "nowhere is not a compiled network (No such file or directory)"),
    (["disassemble", "hwgen"], "hwgen is not a compiled network"),
    (["disassemble", "README.md"], "the image does not start with a program"),
])
def test_refusals(arguments, message, capsys, tmp_path):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ") and message in err and err.count("\n") == 1 and not out


def test_damaged_folders(folder, tmp_path, capsys):
    for name, data, message in (
            ("program.bin", b"\0", "is not what its manifest states (sha256)"),
            ("manifest.json", b"{}", "is damaged: compile again."),
            ("manifest.json", b"\xff", "is damaged: compile again.")):
        damaged = tmp_path / "damaged"
        damaged.mkdir(exist_ok=True)
        for file, original in contents(folder).items():
            (damaged / file).write_bytes(data if file == name else original)
        assert main(["disassemble", str(damaged)]) == 2
        assert message in capsys.readouterr().err
    assert main(["disassemble", str(folder), "--layer", "conv9"]) == 2
    assert "--layer 'conv9' is not in" in capsys.readouterr().err
