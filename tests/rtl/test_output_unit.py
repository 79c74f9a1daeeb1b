"""The output unit against NumPy's float32, hundreds of thousands of vectors on Verilator."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.rtl.block import Emitter
from hwgen.rtl.microcoded.output import OutputUnit
from hwgen.tools import find_verilator
from sim.runner import SIMULATORS, run_block
from sim.tb_output_unit import cycles, vectors
from sim.tb_requant import compare

_HARNESS = Path(__file__).resolve().parents[2] / "sim" / "output_unit.cpp"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_maxima(simulator):
    run_block(OutputUnit(), "sim.tb_output_unit", simulator=simulator)


def test_many(tmp_path):
    seed = int(os.environ.get("HWGEN_SEED", 1))
    print(f"HWGEN_SEED={seed}")
    v = vectors(np.random.default_rng(seed), 300_000)
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
