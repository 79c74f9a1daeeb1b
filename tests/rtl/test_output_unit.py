"""The output unit against NumPy's float32, hundreds of thousands of vectors on Verilator."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.rtl.microcoded.output import OutputUnit
from hwgen.tools import find_verilator
from hwgen.verilog.emitter import Emitter
from sim.runner import SIMULATORS, each_test, run_block
from sim.tb_output_unit import cycles, vectors
from sim.tb_requant import compare
from tests.seed import SEED

_HARNESS = Path(__file__).resolve().parents[2] / "sim" / "output_unit.cpp"


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_output_unit")
def test_maxima_and_sums(case, simulator):
    run_block(OutputUnit, case, simulator=simulator)


def test_300_000_results_and_cycles_equal_numpy(tmp_path):
    v = vectors(np.random.default_rng(SEED), 300_000)
    (tmp_path / "output_unit.v").write_text(Emitter().emit(OutputUnit())["output_unit"])
    (tmp_path / "vectors").write_bytes(v.tobytes())
    verilator = find_verilator()
    subprocess.run([verilator.binary, "--cc", "--exe", "--build", "-O3", "-Wno-fatal", "--Mdir",
                    tmp_path / "obj", tmp_path / "output_unit.v", _HARNESS],
                   env=verilator.environ(), check=True)
    took = subprocess.run([tmp_path / "obj" / "Voutput_unit", tmp_path / "vectors",
                           tmp_path / "outputs"], check=True, stdout=subprocess.PIPE, text=True)
    compare(v, (tmp_path / "outputs").read_bytes())
    assert int(took.stdout) == sum(map(cycles, v["scale"].view("u4").tolist()))
