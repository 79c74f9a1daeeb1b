"""Requantisation against NumPy's float32, more than a million vectors on Verilator."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.rtl.block import Emitter
from hwgen.rtl.parallel.store.requant import Requant
from hwgen.tools import find_verilator
from sim.runner import SIMULATORS, run_block
from sim.tb_requant import compare, vectors

_HARNESS = Path(__file__).resolve().parents[2] / "sim" / "requant.cpp"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_stalled(simulator):
    run_block(Requant(), "sim.tb_requant", simulator=simulator)


def test_million(tmp_path):
    seed = int(os.environ.get("HWGEN_SEED", 1))
    print(f"HWGEN_SEED={seed}")
    v = vectors(np.random.default_rng(seed), 1_200_000)
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
