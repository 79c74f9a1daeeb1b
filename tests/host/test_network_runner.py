"""``hwgen run`` by the golden model: what it prints and writes, and every input that it refuses."""

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from hwgen.cli import main
from hwgen.cli.commands.run import command
from hwgen.config import Config
from hwgen.errors import HwgenError
from hwgen.host.inputs import Preprocessing, load, named, picture
from hwgen.network import golden
from hwgen.network.graph import Network
from hwgen.simulate.hardware import built
from hwgen.verify.random_layers import random_case

_LENET = Path(__file__).parents[2] / "examples" / "lenet5"
_MODEL = str(_LENET / "lenet5.onnx")
_SEVEN = str(_LENET / "digits" / "7.png")


def _run(*arguments):
    return CliRunner().invoke(command, [*arguments, "--sim", "golden"], standalone_mode=False)


def _refused(*arguments):
    """The sentence with which the command refuses its arguments."""
    result = _run(*arguments)
    assert isinstance(result.exception, HwgenError), result.output
    sentence = str(result.exception)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


@pytest.fixture
def case(tmp_path):
    """A random layer: ``(model path, input path, case)``."""
    case = random_case(3, 100_000)
    model, x = tmp_path / "layer.onnx", tmp_path / "x.npy"
    model.write_bytes(case.model)
    np.save(x, case.inputs["x"])
    return str(model), str(x), case


def test_a_digit_is_shown_and_recognised(tmp_path):
    report, tensors = tmp_path / "report.json", tmp_path / "out.npz"
    result = _run(_MODEL, "--input", _SEVEN, "--json", str(report), "--output", str(tensors))
    assert result.return_value == 0 and result.exception is None
    assert "█" in result.output and "class 7" in result.output
    found = json.loads(report.read_text())
    assert found["network"] == "lenet5" and found["sim"] == "golden"
    assert [layer["macs"] for layer in found["layers"] if layer["macs"]] == [
        117600, 240000, 48000, 10080, 840]
    assert found["totals"]["macs"] == 416520 and found["totals"]["cycles"] is None
    assert found["totals"]["mismatches_golden"] == 0
    assert found["totals"]["mismatches_onnxruntime"] == 0
    (output,) = found["outputs"].values()
    assert output["top"][0] == 7 and len(output["values"]) == 10
    with np.load(tensors) as arrays:
        assert arrays["logits"].shape == (1, 10) and len(arrays) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npz", "report.json"]


@pytest.mark.parametrize("suffix", (".npy", ".npz"))
def test_numpy_inputs(case, tmp_path, suffix):
    model, x, case = case
    if suffix == ".npz":
        x = str(tmp_path / "x.npz")
        np.savez(x, x=case.inputs["x"])
    result = _run(model, "--input", x)
    assert result.return_value == 0 and result.exception is None


def test_a_difference_is_reported_with_index_and_both_values(case, monkeypatch):
    model, x, _ = case
    run = golden.run

    def wrong(network, inputs):
        values = run(network, inputs)
        values["y"].flat[5] ^= 1
        return values
    monkeypatch.setattr(golden, "run", wrong)
    result = _run(model, "--input", x)
    assert result.return_value == 1
    text = " ".join(result.output.split())
    assert re.search(r"different: layer '[^']+' against onnxruntime: 1 values differ; the first at "
                     r"\[[\d, ]+\] is -?\d+ and should be -?\d+\.", text)


def test_images_are_resized_with_a_notice_and_normalised(tmp_path, capfd):
    path = tmp_path / "big.png"
    Image.open(_SEVEN).resize((56, 56)).convert("RGB").save(path)
    assert main(["run", _MODEL, "--input", str(path), "--sim", "golden", "--mean", "0",
                 "--std", "1", "--resize", "stretch"]) == 0
    output = capfd.readouterr()
    assert "56x56 pixels; resized to 28x28" in " ".join(output.err.split())
    assert "class 7" in output.out


def test_the_command_line_prints_one_sentence_and_exits_with_2(capfd):
    assert main(["run", _MODEL, "--input", "no-such.png"]) == 2
    captured = capfd.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("make, message", [
    (lambda p: None, "is not a file"),
    (lambda p: p.write_bytes(b""), "neither a NumPy file"),
    (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\nrest"), "neither a NumPy|cannot be read"),
    (lambda p: p.write_bytes(Path(_SEVEN).read_bytes()[:80]), "neither a NumPy|cannot be read"),
])
def test_broken_images(tmp_path, make, message):
    path = tmp_path / "image.png"
    make(path)
    assert re.search(message, _refused(_MODEL, "--input", str(path)))


@pytest.mark.parametrize("suffix, content", [
    (".npy", b"no array"), (".npz", b"no archive"), (".npy", b""), (".npz", b"PK\x03\x04 cut")])
def test_broken_numpy_files(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert "is not a NumPy file" in _refused(_MODEL, "--input", str(path))


def test_objects_in_numpy_files_are_not_unpickled(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    assert "is not a NumPy file" in _refused(_MODEL, "--input", str(path))


@pytest.mark.parametrize("array, message", [
    (np.zeros((1, 1, 28, 27), np.float32), r"\(1, 1, 28, 27\).*must have shape \(1, 1, 28, 28\)"),
    (np.zeros((1, 1, 28, 28), np.float64), "float64; it must have .* float32"),
])
def test_wrong_shape_or_type(tmp_path, array, message):
    path = tmp_path / "x.npy"
    np.save(path, array)
    assert re.search(message, _refused(_MODEL, "--input", str(path)))


def test_wrong_names(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.zeros(3), b=np.zeros(3))
    assert "'a' is not an input" in _refused(_MODEL, "--input", str(path))


@pytest.mark.parametrize("options, message", [
    (["--mean", "x"], "--mean 'x' is not a list of numbers"),
    (["--mean", "1,2"], "--mean has 2 values: give 1"),
    (["--std", "0"], "--std 0 is not allowed"),
    (["--pe", "2x2", "--build", "."], "--build excludes --pe"),
    (["--joined"], "--joined is for simulations of the RTL"),
    (["--resume", "kept"], "--resume is for simulations of the RTL"),
    (["--output", "/no/such/folder/out.npz"], "--output /no/such/folder/out.npz cannot be written"),
    (["--json", "/"], "--json / cannot be written"),
])
def test_bad_options(options, message):
    assert message in _refused(_MODEL, "--input", _SEVEN, *options)


def test_mean_needs_an_image(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1, 1, 28, 28), np.float32))
    assert "--mean and --std are for images" in _refused(_MODEL, "--input", str(path),
                                                         "--mean", "0.5")
    for option, value in (("--resize", "crop"), ("--layout", "NHWC")):
        assert f"{option} is for images" in _refused(_MODEL, "--input", str(path), option, value)


def test_an_image_needs_an_input_that_is_one(case):
    model, _, case = case
    assert case.inputs["x"].shape[1] not in (1, 3) or case.inputs["x"].dtype == np.int8
    assert "cannot serve the input 'x'" in _refused(model, "--input", _SEVEN)


def test_integer_images_take_raw_pixels_and_no_mean(tmp_path):
    model = onnx.load_from_string(next(
        case.model for case in map(lambda seed: random_case(seed, 100_000), range(200))
        if case.inputs["x"].shape[1] == 1 and case.inputs["x"].dtype == np.uint8))
    path = tmp_path / "layer.onnx"
    onnx.save(model, path)
    assert _run(str(path), "--input", _SEVEN, "--resize", "crop").return_value == 0
    assert "--std is for float inputs" in _refused(str(path), "--input", _SEVEN, "--std", "2")


def test_models_that_are_none(tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(Path(_MODEL).read_bytes()[:5000])
    assert "cut.onnx" in _refused(str(path), "--input", _SEVEN)
    assert "missing.onnx" in _refused(str(tmp_path / "missing.onnx"), "--input", _SEVEN)


def test_a_picture_is_cropped_and_shaded():
    image = np.zeros((1, 1, 5, 5))
    image[0, 0, 1, 1:3] = 1, 0.5
    image[0, 0, 2, 1] = 0.25
    assert picture(image) == "██▒▒\n░░  "
    assert picture(np.zeros((1, 1, 5, 5))) is None
    assert picture(np.zeros((1, 3, 5, 5))) is None


# Several inputs, images as told, open shapes.

@pytest.fixture
def sum_of_two(tmp_path):
    """A network ``y = a + b``, inputs of shape ``(1, 2, height, 5)``: ``(model path, arrays)``."""
    shape = [1, 2, "height", 5]
    one = numpy_helper.from_array(np.float32(0.1), "one")
    zero = numpy_helper.from_array(np.uint8(7), "zero")
    half = numpy_helper.from_array(np.float32(0.2), "half")
    node = helper.make_node("QLinearAdd", ["a", "one", "zero", "b", "one", "zero", "half", "zero"],
                            ["y"], "sum", domain="com.microsoft")
    graph = helper.make_graph(
        [node], "pair", [helper.make_tensor_value_info(n, TensorProto.UINT8, shape) for n in "ab"],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)], [one, zero, half])
    path = tmp_path / "pair.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]), path)
    rng, arrays = np.random.default_rng(1), {}
    for name in "ab":
        arrays[name] = rng.integers(0, 256, (1, 2, 4, 5), np.uint8)
        np.save(tmp_path / f"{name}.npy", arrays[name])
    return str(path), arrays


def test_several_inputs_by_name_fix_open_shapes(sum_of_two, tmp_path):
    model, arrays = sum_of_two
    out = tmp_path / "out.npz"
    given = [option for n in "ab" for option in ("--input", f"{n}={tmp_path / n}.npy")]
    result = _run(model, *given, "--output", str(out))
    assert result.exception is None and result.return_value == 0
    with np.load(out) as found:
        assert list(found) == ["y"] and found["y"].shape == arrays["a"].shape
    assert "dimension 2 of the input 'b' is height" in _refused(model, *given[:2])
    assert "--input a=... is given twice" in _refused(model, *given, *given[:2])
    assert "has no name: with several inputs" in _refused(model, *given, "--input", "x.npy")
    assert "'c' is not an input of pair" in _refused(
        model, *given, "--input", f"c={tmp_path / 'a.npy'}")
    assert "dimension 2 of the input 'a' is height" in _refused(
        model, "--input", str(tmp_path / "a.npy"))


def test_images_of_another_size_are_refused_unless_told(tmp_path):
    path = tmp_path / "wide.png"
    Image.open(_SEVEN).resize((56, 28)).save(path)
    assert "has 56x28 pixels; the input takes 28x28: give such an image, or --resize" in _refused(
        _MODEL, "--input", str(path))
    results = [_run(_MODEL, "--input", str(path), "--resize", how).output
               for how in ("stretch", "crop")]
    assert "class 7" in results[0] and results[0] != results[1]


@pytest.mark.parametrize("text, message", [
    ('means = 1', "'means' in .* is unknown: the keys are mean, std, layout, resize"),
    ('mean = "x"', "mean = 'x' in .* is not allowed: write a number"),
    ('std = [1, nan]', "std = .* is not allowed"),
    ('layout = "HWC"', "layout = 'HWC' in .* choose one of NCHW, NHWC"),
    ('resize = 3', "resize = 3 in .* choose one of no, stretch, crop"),
    ('mean', "is not TOML"),
    ('layout = "NHWC"', r"an image needs \(1, H, W, 1 or 3\)"),
    ('mean = [1, 2]', "--mean has 2 values"),
])
def test_bad_preprocessing_files(tmp_path, text, message):
    model = tmp_path / "net.onnx"
    model.write_bytes(Path(_MODEL).read_bytes())
    (tmp_path / "net.preprocessing.toml").write_text(text + "\n")
    assert re.search(message, _refused(str(model), "--input", _SEVEN))


def test_a_preprocessing_file_is_applied_and_overridden(tmp_path):
    model = tmp_path / "net.onnx"
    model.write_bytes(Path(_MODEL).read_bytes())
    plain = _run(str(model), "--input", _SEVEN).output
    (tmp_path / "net.preprocessing.toml").write_text('mean = 0.5\nstd = [0.25]\n')
    told = _run(str(model), "--input", _SEVEN).output
    assert told == _run(_MODEL, "--input", _SEVEN, "--mean", "0.5", "--std", "0.25").output != plain
    assert _run(str(model), "--input", _SEVEN, "--mean", "0", "--std", "1").output == plain


def test_channels_last():
    network = Network("net", [], {"x": ((1, 28, 28, 1), np.float32)}, {})
    files = named([_SEVEN])
    last = load(files, network, Preprocessing(layout="NHWC"))["x"]
    network = Network("net", [], {"x": ((1, 1, 28, 28), np.float32)}, {})
    np.testing.assert_array_equal(last[..., 0], load(files, network)["x"][:, 0])


# What is compared, and what the report says.

@pytest.mark.parametrize("check, mismatches", [("layers", 0), ("outputs", 0), ("none", None)])
def test_checks(tmp_path, check, mismatches):
    report = tmp_path / "report.json"
    result = _run(_MODEL, "--input", _SEVEN, "--json", str(report), "--check", check)
    assert result.return_value == 0
    found = json.loads(report.read_text())
    assert found["mismatches"] == mismatches
    assert ("mismatches_golden" in found["totals"]) == (check == "layers")
    assert ("mismatches_onnxruntime" in found["totals"]) == (check != "none")
    assert {layer["mismatches"] for layer in found["layers"] if layer["where"] != "host"} == \
        {0 if check == "layers" else None}
    assert set(found["layers"][1]) >= {"name", "op", "where", "macs", "cycles", "utilisation",
                                       "dram_read_bytes", "dram_write_bytes", "mismatches"}
    assert {layer["where"] for layer in found["layers"]} == {"array", "vector", "host"}
    assert found["totals"]["accelerator_share"] == 1


# Built accelerators.

def _folder(path, *, verilog="module hwgen; endmodule\n"):
    """A folder as ``hwgen build`` leaves it, as far as ``--build`` looks."""
    path.mkdir()
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    (path / "hwgen.v").write_text(verilog)
    (path / "config.toml").write_text(Config(name="mine", rows=3).to_toml())
    (path / "manifest.json").write_text(json.dumps({"verilog": {"sha256": digest, "prefix": ""}}))
    return path


def test_a_built_accelerator_is_read(tmp_path):
    design = built(_folder(tmp_path / "mine"))
    assert design.config == Config(name="mine", rows=3)
    assert design.verilog.startswith("module hwgen")


@pytest.mark.parametrize("damage, message", [
    (lambda p: (p / "hwgen.v").write_text("module hwgen; wire x; endmodule"), "was changed"),
    (lambda p: (p / "hwgen.v").unlink(), "is not a built accelerator"),
    (lambda p: (p / "manifest.json").unlink(), "is not a built accelerator"),
    (lambda p: (p / "manifest.json").write_text("{"), "is damaged"),
    (lambda p: (p / "manifest.json").write_text("[]"), "is damaged"),
    (lambda p: (p / "config.toml").write_text("rows = 99"), "rows = 99 is out of range"),
    (lambda p: (p / "config.toml").unlink(), "cannot read the configuration"),
])
def test_a_damaged_build_is_refused(tmp_path, damage, message):
    folder = _folder(tmp_path / "mine")
    damage(folder)
    result = CliRunner().invoke(command, [_MODEL, "--input", _SEVEN, "--build", str(folder)],
                                standalone_mode=False)
    assert isinstance(result.exception, HwgenError)
    assert message in str(result.exception) and "\n" not in str(result.exception)


@pytest.mark.parametrize("pe", ("12", "0x4", "33x1", "12x14x2"))
def test_bad_shapes_are_one_sentence(pe, capfd):
    assert main(["run", _MODEL, "--input", _SEVEN, "--pe", pe]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("sim, message", [("verilator", "Verilator"), ("icarus", "iverilog")])
def test_a_missing_simulator_is_one_sentence(tmp_path, monkeypatch, sim, message):
    folder = _folder(tmp_path / "mine")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "verilator", None)
    result = CliRunner().invoke(command, [_MODEL, "--input", _SEVEN, "--build", str(folder),
                                          "--sim", sim], standalone_mode=False)
    assert isinstance(result.exception, HwgenError)
    assert message in str(result.exception) and "\n" not in str(result.exception)
