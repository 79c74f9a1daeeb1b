"""What all tests share: options, the seed in reports, and a small network on a small array."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.host.driver import Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.network import golden
from hwgen.simulate import verilated
from hwgen.simulate.hardware import generated
from hwgen.simulate.verilated import VerilatedBus
from hwgen.verilog.accelerator import generate
from sim import runner
from tests.seed import SEED

_LENET = Path(__file__).parents[1] / "examples" / "lenet5"


def pytest_addoption(parser):
    parser.addoption("--waves", action="store_true", help="Write the waves of each simulation of a "
                     "block into build/waves, as VCD, with a view for GTKWave.")


def pytest_configure(config):
    runner.WAVES = config.getoption("--waves")


def pytest_report_header():
    return f"HWGEN_SEED={SEED}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """A failure says the seed that repeats it."""
    report = (yield).get_result()
    if report.failed:
        report.sections.append(("seed", f"HWGEN_SEED={SEED}"))


@pytest.fixture(scope="session")
def lenet():
    """LeNet-5 on a 2x3 array: ``config``, ``library`` (the simulator), ``network``, ``program``,
    ``inputs``, ``expected`` (every tensor) and ``layers`` (what the simulator's own bus gives)."""
    config = Config(name="small", rows=2, cols=3, glb_kib=24)
    library = verilated.build(generated(config).verilog)
    network = onnx_import.load(_LENET / "lenet5.onnx")
    program = compile_network(network, config)
    (name, (shape, _)), = network.inputs.items()
    inputs = {name: np.random.default_rng(1).random(shape, np.float32)}
    with VerilatedBus(library, program.memory_bytes) as bus:
        layers = list(execute(network, program, Driver(bus, config), inputs))
    return SimpleNamespace(config=config, library=library, network=network, program=program,
                           inputs=inputs, expected=golden.run(network, inputs), layers=layers)


@pytest.fixture(scope="session")
def small():
    """A small configuration and its Verilog."""
    config = Config(name="small", rows=2, cols=3, glb_kib=16)
    return config, generate(config)
