"""Requantisation against NumPy's float32, more than a million vectors on Verilator."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.rtl.parallel.store.requant import Requant
from hwgen.tools import find_verilator
from hwgen.verilog.emitter import Emitter
from sim.runner import SIMULATORS, each_test, run_block
from sim.tb_requant import compare, vectors
from tests.seed import SEED

_HARNESS = Path(__file__).resolve().parents[2] / "sim" / "requant.cpp"


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_requant")
def test_equals_numpy_when_stalled(case, simulator):
    run_block(Requant, case, simulator=simulator)


def test_a_million_results_equal_numpy(tmp_path):
    v = vectors(np.random.default_rng(SEED), 1_200_000)
    (tmp_path / "requant.v").write_text(Emitter().emit(Requant())["requant"])
    (tmp_path / "vectors").write_bytes(v.tobytes())
    verilator = find_verilator()
    subprocess.run([verilator.binary, "--cc", "--exe", "--build", "-O3", "-Wno-fatal", "--Mdir",
                    tmp_path / "obj", "-CFLAGS", f"-DLATENCY={Requant.LATENCY} "
                    f"-DSCALE_DELAY={Requant.SCALE_DELAY} -DRANGE_DELAY={Requant.RANGE_DELAY}",
                    tmp_path / "requant.v", _HARNESS], env=verilator.environ(), check=True)
    subprocess.run([tmp_path / "obj" / "Vrequant", tmp_path / "vectors", tmp_path / "outputs"],
                   check=True)
    compare(v, (tmp_path / "outputs").read_bytes())
