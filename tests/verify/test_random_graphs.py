"""Random graphs on the RTL, equal to ONNX Runtime in every tensor, to the last bit."""

import json

import pytest
from click.testing import CliRunner

from hwgen.cli.commands.verify import command
from hwgen.verify.random_graphs import random_graph
from tests.seed import SEED

_COUNT = 110
_EQUAL = 105                # at least; the compiler may refuse a few


@pytest.mark.parametrize("pe", ("2x3", "4x4", "3x5"))
def test_graphs(pe, tmp_path):
    seed = SEED * 1_000_000 + int(pe.replace("x", "")) * 1000
    print("seed", seed)
    result = CliRunner().invoke(command, [
        "--graphs", "--count", str(_COUNT), "--seed", str(seed), "--pe", pe, "--json", "-",
        "--save", str(tmp_path / "failures")], standalone_mode=False)
    assert result.exception is None, result.exception
    found = json.loads(result.stdout)
    failures = [(case["repeat"], case["failures"]) for case in found["layers"] if case["failures"]]
    assert not failures and found["failed"] == result.return_value == 0
    assert found["count"] - found["refused"] >= _EQUAL, [
        case["refused"] for case in found["layers"] if case["refused"]]
    assert sum(case["cycles"] for case in found["layers"] if case["cycles"]) > 1000 * _COUNT


@pytest.mark.long
@pytest.mark.parametrize("pe", ("1x1", "3x3", "8x2", "12x14"))
def test_many_graphs(pe, tmp_path):
    result = CliRunner().invoke(command, [
        "--graphs", "--minutes", "10", "--seed", "5000000", "--pe", pe, "--save", str(tmp_path)],
        standalone_mode=False)
    assert result.return_value == 0, result.output


def test_every_seed_makes_a_graph():
    """Sources are small enough for other nodes to read: at these seeds, and in general."""
    for seed in (*range(1_044_085, 1_044_100), *range(1_044_700, 1_044_720)):
        assert random_graph(seed, 16_000).inputs
