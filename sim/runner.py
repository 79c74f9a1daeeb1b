"""Running a block's cocotb testbench under Icarus or Verilator, from pytest."""

import hashlib
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from cocotb_tools.runner import get_runner

from hwgen.rtl.block import Emitter
from hwgen.tools import find_verilator

__all__ = ["SIMULATORS", "run_block", "run_verilog"]

SIMULATORS = ("icarus", "verilator")
_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def _environment(changes):
    saved = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def run_block(block, testbench, *, simulator, env=None, seed=None):
    """Emit ``block`` and run the cocotb tests of module ``testbench`` on it.

    Parameters
    ----------
    block : Block
        The device under test; the testbench sees its ports, and ``clk`` and ``rst``.
    testbench : str
        Module name, for instance ``"sim.tb_requant"``.
    simulator : str
        ``"icarus"`` or ``"verilator"``. Icarus missing skips the test.
    env : dict of str to str
        Variables that the testbench reads from ``os.environ``.
    seed : int
        Seed of the testbench's random numbers, ``HWGEN_SEED`` in the environment by default, else
        1. The testbench reads it from ``HWGEN_SEED`` too.
    """
    text = "\n".join(Emitter().emit(block).values())
    run_verilog(text, block.module_name, testbench, simulator=simulator, env=env, seed=seed)


def run_verilog(text, toplevel, testbench, *, simulator, env=None, seed=None):
    """The same for Verilog text."""
    if simulator == "icarus" and not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    seed = int(os.environ.get("HWGEN_SEED", 1)) if seed is None else seed
    print(f"HWGEN_SEED={seed}")
    key = hashlib.sha256((text + testbench + simulator).encode()).hexdigest()[:16]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder = _ROOT / "build" / "sim" / f"{toplevel}-{simulator}-{key}-{worker}"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{toplevel}.v"
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    changes = {"HWGEN_SEED": str(seed), "COCOTB_RANDOM_SEED": str(seed),
               "PYTHONPATH": str(_ROOT), **(env or {})}
    args = ["-g2012"] if simulator == "icarus" else ["-Wno-fatal", "-O3"]
    if simulator == "verilator":
        verilator = find_verilator()
        changes |= verilator.env
        # Testbenches run for seconds, so that compiling fast beats running fast.
        changes["MAKEFLAGS"] = changes.get("MAKEFLAGS", "") + " OPT_FAST=-O0 OPT_GLOBAL=-O0"
        changes["PATH"] = verilator.environ()["PATH"]
    with _environment(changes):
        runner = get_runner(simulator)
        runner.build(sources=[source], hdl_toplevel=toplevel, build_dir=folder, build_args=args,
                     timescale=("1ns", "1ps"))
        results = runner.test(hdl_toplevel=toplevel, test_module=testbench, build_dir=folder,
                              test_dir=_ROOT, results_xml=str(folder / "results.xml"),
                              extra_env=changes, seed=seed)
    from cocotb_tools.check_results import get_results
    total, failed = get_results(results)
    assert total > 0 and failed == 0, f"{failed} of {total} tests of {testbench} failed"
