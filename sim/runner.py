"""cocotb benches as tests of pytest: an item for each cocotb test; a block is built once.

What is built stays in ``build/sim``, named by a hash of all that it is made from. With
``pytest --waves`` each simulation writes a VCD file and a view of it for GTKWave into
``build/waves``, in the place that its test has in ``tests``.
"""

import ast
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb
import pytest
from cocotb_tools.runner import Icarus, Verilator

from hwgen.simulate.waves import dumping, view
from hwgen.tools import find_verilator
from hwgen.verilog.emitter import Emitter
from tests.seed import SEED

__all__ = ["SIMULATORS", "BenchTest", "each_test", "run_block"]

SIMULATORS = ("icarus", "verilator")
WAVES = False                # set by pytest --waves
_ROOT = Path(__file__).resolve().parent.parent
_BUILT = ".built"            # stands in a folder whose simulation is whole
# Testbenches run for seconds, so that compiling fast beats running fast.
_ARGUMENTS = {"icarus": ("-g2012",), "verilator": ("-Wno-fatal", "-O3")}
_MAKE = "OPT_FAST=-O0 OPT_GLOBAL=-O0"


@dataclass(frozen=True)
class BenchTest:
    """One cocotb test: the module that holds it, as in ``sim.tb_pe``, and its name."""
    bench: str
    name: str

    def __str__(self):
        return self.name

    @property
    def pattern(self):
        """Matches its full name, and those of the tests that ``cocotb.parametrize`` makes of it."""
        return rf"^{re.escape(self.bench)}\.{re.escape(self.name)}(/|$)"


@functools.cache
def _names(bench):
    """The cocotb tests of a module, in its order, read from its text: an import would need what
    the simulator gives."""
    text = (_ROOT / f"{bench.replace('.', '/')}.py").read_text()
    return tuple(node.name for node in ast.parse(text).body
                 if isinstance(node, ast.AsyncFunctionDef)
                 and any(ast.unparse(mark).startswith("cocotb.test")
                         for mark in node.decorator_list))


def each_test(bench, pattern=""):
    """A decorator that calls a pytest test for each cocotb test, as its argument ``case``.

    Parameters
    ----------
    bench : str
        Module of the bench.
    pattern : str
        Regular expression that the beginning of a cocotb test's name matches.
    """
    cases = [BenchTest(bench, name) for name in _names(bench) if re.match(pattern, name)]
    assert cases, f"{bench} has no cocotb test that matches {pattern!r}"
    return pytest.mark.parametrize("case", cases, ids=str)


@functools.cache
def _emit(block, config):
    """``(Verilog, top module)`` of a block."""
    made = block() if config is None else block(config)
    return "\n".join(Emitter().emit(made).values()), made.module_name


def run_block(block, case, *, simulator, config=None, seed=None, **options):
    """Run one cocotb test on a block; fails with the message of its exception.

    Parameters
    ----------
    block : callable
        Gives the :class:`~hwgen.rtl.block.Block` under test, of ``config`` unless that is None. The
        bench sees its ports, and ``clk`` and ``rst``.
    case : BenchTest
    simulator : str
        ``"icarus"`` or ``"verilator"``. Icarus missing skips the test.
    config : Config
        ``CONFIG`` of :mod:`sim.settings`.
    seed : int
        ``SEED`` there; :data:`tests.seed.SEED` by default.
    options
        What else the bench asks :func:`sim.settings.option` for; anything that JSON can write.
    """
    if simulator == "icarus" and not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    text, top = _emit(block, config)
    waves = _wave_file() if WAVES else None
    given = {"seed": SEED if seed is None else seed, "options": options}
    if config is not None:
        given["config"] = config.to_dict()
    runner, folder = _build(text, top, simulator, waves)
    results = folder / f"results-{os.getpid()}.xml"
    try:
        runner.test(hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=case.bench,
                    test_filter=case.pattern, build_dir=folder, test_dir=_ROOT,
                    results_xml=str(results), seed=given["seed"],
                    extra_env={"HWGEN_BENCH": json.dumps(given)})
    except (RuntimeError, SystemExit):
        pass                 # cocotb's answer to a failure; the results tell more
    finally:
        if waves is not None and waves.exists():
            Path(f"{waves}.gtkw").write_text(view(text, waves, top=top, scope=runner.scope))
            print(f"waves: {waves.relative_to(_ROOT)}")
    _check(results, case)


def _wave_file():
    """``build/waves/rtl/test_pe/test_name-parameters.vcd`` of the pytest test that runs."""
    path, _, name = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0].partition("::")
    name = re.sub(r"[^\w.-]+", "-", name).strip("-")
    file = _ROOT / "build" / "waves" / Path(path).relative_to("tests").with_suffix("") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f"{name}.vcd")


class _Icarus(Icarus):
    """Icarus, with the plain VCD of :func:`~hwgen.simulate.waves.dumping`."""
    scope, file = "", None

    def _test_command(self):
        command, = super()._test_command()              # ends with -none: no waves
        return [command if self.file is None else
                [*command, "-vcd", "+record", f"+waves={self.file}"]]


class _Verilator(Verilator):
    scope, file = "", None

    def _test_command(self):
        command, = super()._test_command()
        return [command if self.file is None else
                [*command, "--trace", "--trace-file", str(self.file)]]


@contextmanager
def _environment(changes):
    saved = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _build(text, top, simulator, waves):
    """``(runner, folder)`` of the simulation, which is compiled unless an earlier one serves."""
    changes, runner = {}, {"icarus": _Icarus, "verilator": _Verilator}[simulator]()
    arguments = list(_ARGUMENTS[simulator])
    runner.file = waves
    if waves is not None and simulator == "icarus":
        text = dumping(text, top)
    elif waves is not None:
        arguments.append("--trace-vcd")
    if simulator == "verilator":
        verilator = find_verilator()
        changes = {**verilator.env, "PATH": verilator.environ()["PATH"]}
        changes["MAKEFLAGS"] = f"{changes.get('MAKEFLAGS', '')} {_MAKE}"
        binary = verilator.binary
    else:
        binary = shutil.which("iverilog")
    key = hashlib.sha256(repr((text, simulator, arguments, _MAKE, cocotb.__version__, binary,
                               os.stat(binary).st_mtime_ns)).encode()).hexdigest()[:16]
    folder = _ROOT / "build" / "sim" / f"{top}-{simulator}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)         # other processes of the same test run
        if not (folder / _BUILT).exists():
            source = folder / f"{top}.v"
            source.write_text(text)
            with _environment(changes):
                runner.build(sources=[source], hdl_toplevel=top, build_dir=folder,
                             build_args=arguments, timescale=("1ns", "1ps"), always=True,
                             waves=waves is not None and simulator == "verilator")
            (folder / _BUILT).touch()
    return runner, folder


def _check(results, case):
    """Fail the pytest test if the cocotb test did, or did not run to its end."""
    if not results.exists():
        pytest.fail(f"{case.bench}: the simulation ended before {case.name} did", pytrace=False)
    ran = list(ElementTree.parse(results).iter("testcase"))
    results.unlink()
    for test in ran:
        for failure in (*test.iter("failure"), *test.iter("error")):
            pytest.fail(f"{case.bench}.{test.get('name')}: {failure.get('type', 'failed')}: "
                        f"{failure.get('message')}\n\n{failure.text or ''}", pytrace=False)
    assert ran, f"{case.bench} ran no test {case.name}"
