"""Every network of the zoo on the RTL of 12x14 PEs; docs/measurements/results.md has the cycles."""

import json
from importlib.util import find_spec

import pytest

from hwgen.cli import main
from hwgen.network.zoo import NETWORKS, architecture

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(find_spec("skimage") is None,
                       reason="the zoo's photographs need scikit-image: pip install hwgen[zoo]"),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, tmp_path):
    """Each layer's output equals the golden model's and ONNX Runtime's, and none of the MACs are
    left to the host."""
    model, sample, result = (str(tmp_path / file) for file in ("m.onnx", "x.npy", "r.json"))
    assert main(["zoo", name, "--out", model, "--sample", sample]) == 0
    assert main(["run", model, "--input", sample, "--pe", "12x14", "--json", result]) == 0
    with open(result) as file:
        found = json.load(file)
    assert (found["sim"], found["pe"]) == ("verilator", "12x14")
    for layer in found["layers"]:
        counts = layer["mismatches_golden"], layer["mismatches_onnxruntime"]
        assert counts == (0, 0), layer["name"]
    weighted = {layer.y.name for layer in architecture(name).layers if layer.weight}
    on_array = {layer["name"]: layer["cycles"] for layer in found["layers"]
                if layer["where"] == "array"}
    assert weighted <= set(on_array) and all(on_array.values())
    assert found["totals"]["host_macs"] == 0
