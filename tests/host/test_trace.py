"""Timelines: samples of the counters of a run, and the file that Perfetto opens."""

import json

import pytest

from hwgen.cli import main
from hwgen.host.trace import CAUSES, UNITS


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    plain, result, trace = (str(folder / name) for name in ("p.json", "r.json", "t.json"))
    arguments = ["bench", "lenet5", "--pe", "4x4", "--layers", "CONV*"]
    assert main([*arguments, "--json", plain]) == 0
    assert main([*arguments, "--json", result, "--trace", trace]) == 0
    found = []
    for path in (plain, result, trace):
        with open(path) as file:
            found.append(json.load(file))
    return found


def test_samples_add_up_to_the_counters(traced):
    """Nothing is lost between two samples, and none of the accelerator's cycles to them."""
    plain, result, _ = traced
    assert plain["timeline"] is None
    end = 0
    for layer, before in zip(result["layers"], plain["layers"], strict=True):
        assert layer["counters"] == before["counters"]
        samples = [one for one in result["timeline"] if one["layer"] == layer["name"]]
        assert len(samples) > 10
        assert samples[0]["begin"] == end
        assert all(a["end"] == b["begin"] for a, b in zip(samples, samples[1:], strict=False))
        end = samples[-1]["end"]
        assert end - samples[0]["begin"] == layer["cycles"]
        busy = sum(one["array"] * (one["end"] - one["begin"]) for one in samples)
        assert busy == pytest.approx(layer["counters"]["ARRAY_BUSY"])
        assert {one["doing"] for one in samples} <= set(CAUSES)
        assert samples[len(samples) // 2]["doing"] == "busy"


def test_the_events_are_those_of_the_format(traced):
    _, result, trace = traced
    events = trace["traceEvents"]
    spans = [e for e in events if e["ph"] == "X" and e["tid"] == 0]
    assert [(e["name"], e["dur"]) for e in spans] == [
        (layer["name"], layer["cycles"]) for layer in result["layers"]]
    counters = [e for e in events if e["ph"] == "C"]
    assert {e["name"] for e in counters} == set(UNITS)
    assert all(0 <= e["args"]["share"] <= 1 for e in counters)
    total = sum(layer["cycles"] for layer in result["layers"])
    assert max(e["ts"] for e in counters) == total
    assert sum(e["dur"] for e in events if e["ph"] == "X" and e["tid"] == 1) == total


@pytest.mark.parametrize("arguments, message", [
    (["bench", "lenet5", "--model-only", "--trace", "t.json"], "--trace needs a simulation"),
    (["bench", "lenet5", "alexnet", "--trace", "t.json"], "--trace records one network, and 2"),
    (["bench", "lenet5", "--trace", "/nowhere/t.json"], "--trace /nowhere/t.json cannot be"),
    (["run", "examples/lenet5/lenet5.onnx", "--input", "examples/lenet5/digits/7.png", "--sim",
      "golden", "--trace", "t.json"], "--trace is for simulations of the RTL"),
])
def test_refusals(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
