"""The Python interface: its page, as doctests, and what it refuses."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hwgen
from hwgen.simulate.dram import Dram

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "use" / "python.md"
LENET = ROOT / "examples" / "lenet5" / "lenet5.onnx"


def test_the_examples_of_the_page(monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 12
    said = []
    found = doctest.DocTestRunner().run(test, out=said.append)
    assert not found.failed, "".join(said)


def test_the_page_names_everything():
    page = PAGE.read_text()
    assert [name for name in hwgen.__all__ if f"{name}`" not in page and f"{name}(" not in page] \
        == []


def test_the_import_is_light():
    """No package is imported before it is used."""
    code = ("import sys, hwgen; heavy = {'numpy', 'onnx', 'amaranth', 'click', 'rich'}; "
            "print(sorted(heavy & set(sys.modules))); hwgen.configuration('2x2'); "
            "print('amaranth' in sys.modules)")
    took = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert took.stdout.split("\n")[:2] == ["[]", "False"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hwgen.nothing  # noqa: B018
    assert set(hwgen.__all__) <= set(dir(hwgen))


def test_a_build_and_a_program_as_folders(tmp_path):
    config = hwgen.configuration("2x2", name="mine")
    manifest = hwgen.build(config, tmp_path / "built")
    assert manifest["parameters"]["name"] == "mine" and (tmp_path / "built" / "hwgen.v").is_file()
    compiled = hwgen.compile(hwgen.load(LENET.read_bytes()), config, joined=True)
    assert len(compiled.program.runs) == 1
    assert compiled.save(tmp_path / "program")["segments"][0]["name"] == "conv1"


def test_a_float_model_is_quantised_and_compiled(lenet):
    quantised = hwgen.quantise(LENET.with_name("lenet5-float.onnx"), LENET.parent / "digits")
    compiled = hwgen.compile(hwgen.load(quantised.model), lenet.config)
    (name, image), = lenet.inputs.items()
    report = hwgen.run(compiled, image, sim="golden")
    assert report.mismatches == 0 and quantised.outputs["logits"].agreement == 1
    assert [row["where"] for row in report.rows()].count("array") == 5


def test_inputs_by_order_and_by_name(lenet):
    compiled = hwgen.compile(hwgen.load(LENET), lenet.config)
    (name, image), = lenet.inputs.items()
    reports = [hwgen.run(compiled, given, sim="golden") for given in
               (image, [image], {name: image})]
    for report in reports:
        np.testing.assert_array_equal(report.outputs["logits"], lenet.expected["logits"])
        assert report.cycles is None and report.mismatches == 0


def test_a_run_takes_dram_and_compares_on_demand(lenet):
    compiled = hwgen.compile(hwgen.load(LENET), lenet.config)
    slow = hwgen.run(compiled, lenet.inputs, check=False, dram=Dram(read_latency=400))
    assert slow.mismatches is None
    assert slow.cycles > sum(layer.cycles for layer in lenet.layers)
    np.testing.assert_array_equal(slow.outputs["logits"], lenet.expected["logits"])


def test_without_tables_functions_stay_on_the_host(lenet):
    config = lenet.config.replace(tables=False)
    assert hwgen.compile(hwgen.load(LENET), config).config == config


@pytest.mark.parametrize("options, sentence", [
    (dict(inputs=[]), "0 inputs were given; lenet5 has 1: 'image'"),
    (dict(inputs={"x": np.zeros(1)}), "'x'"),
    (dict(sim="none"), "sim = 'none' is unknown: choose one of verilator, icarus, golden"),
    (dict(inputs="7.png"), "'7.png' is no array"),
    (dict(layer="conv1"), "give waves, too"),
    (dict(waves="a.png"), "--waves a.png has no suffix"),
    (dict(dram=3), "dram is a int: give what hwgen.simulate.dram.Dram makes."),
    (dict(waves="a.vcd", layer="none"), "--layer 'none' is no layer")])
def test_refusals(options, sentence, lenet):
    compiled = hwgen.compile(hwgen.load(LENET), lenet.config)
    with pytest.raises(hwgen.HwgenError, match=sentence):
        hwgen.run(compiled, **{"inputs": lenet.inputs} | options)


@pytest.mark.parametrize("call, sentence", [
    (lambda model, config: hwgen.run(model, []),
     "compiled is a Model: give what hwgen.compile makes."),
    (lambda model, config: hwgen.compile("lenet5.onnx", config),
     "model is a str: give what hwgen.load makes."),
    (lambda model, config: hwgen.compile(model, "4x4"),
     "config is a str: give what hwgen.configuration or hwgen.Config makes."),
    (lambda model, config: hwgen.build("4x4", "folder"), "config is a str")])
def test_arguments_of_another_type(call, sentence, lenet):
    with pytest.raises(hwgen.HwgenError, match=sentence):
        call(hwgen.load(LENET), lenet.config)


@pytest.mark.parametrize("option, sentence", [
    (dict(activations="int4"), "activations = 'int4' is unknown: choose uint8 or int8."),
    (dict(form="float"), "form = 'float' is unknown: choose qdq or qoperator."),
    (dict(samples=0), "samples = 0 is out of range: 1 or more are allowed.")])
def test_options_of_quantise(option, sentence):
    with pytest.raises(hwgen.HwgenError, match=sentence):
        hwgen.quantise(LENET.with_name("lenet5-float.onnx"), LENET.parent / "digits", **option)
