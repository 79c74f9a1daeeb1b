"""Explorations: every point or those of NSGA-II, on any workers the same; stopped and resumed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pandas
import pytest
from distributed import Client

import hwgen
from hwgen.cli import main
from hwgen.compiler import compile_network
from hwgen.config import load_toml
from hwgen.errors import HwgenError
from hwgen.explore import goals
from hwgen.explore.engine import engine
from hwgen.explore.evaluate import evaluate, load
from hwgen.explore.exploration import Exploration
from hwgen.explore.page import importance
from hwgen.explore.proof import measure, spread
from hwgen.explore.space import Space
from hwgen.explore.store import FILE, Store
from hwgen.host.layer_bench import layer_network
from hwgen.network.shapes import NETWORKS

from ..seed import SEED
from .spaces import SMALL, written

_GOALS = goals.objectives("cycles,cells")
_START = 60                 # seconds in which a scheduler or worker answers, on a busy machine


class Inline:
    """An engine that works in this process."""

    def __init__(self):
        self.done = []

    def run(self, function, common, items, stop=lambda: False):
        for item in items:
            if stop():
                return
            self.done.append(item)
            yield function(common, item)


def _explored(folder, space, *, budget=1000, seed=1, work=None, resume=False):
    read = Space.read(written(folder, space))
    with Store(folder / "out", read, resume) as store:
        exploration = Exploration(load(read), store, _GOALS, [], budget, seed=seed)
        exploration.run(work or Inline())
    return exploration


def test_every_point_of_a_small_space(tmp_path):
    exploration = _explored(tmp_path, SMALL)
    assert exploration.complete and exploration.looked_at == 10
    assert sum(count for _, count in exploration.refusals()) == 5   # a GLB of 2 KiB is too small
    front = exploration.front()
    assert [config.rows * config.cols for config, _, _ in front] == [24, 16, 12, 8]


def test_a_points_cycles_are_the_compilers(tmp_path):
    """What is summed up is what the programs of the layers are predicted to take."""
    space = Space.read(written(tmp_path))
    point = {"rows": 4, "cols": 6, "glb_kib": 28}
    found = evaluate(load(space), point)
    config, total = space.config(point), 0
    for shape in NETWORKS["lenet5"]:
        if shape.name.startswith("CONV"):
            network, _ = layer_network(shape, 0.5, np.random.default_rng(SEED))
            total += sum(s.cycles for s in compile_network(network, config).segments)
    assert found["metrics"]["cycles"] == 2 * total
    assert found["networks"][0]["cycles"] == total


def test_pandas_reads_the_results(tmp_path):
    _explored(tmp_path, SMALL)
    with closing(sqlite3.connect(tmp_path / "out" / FILE)) as db:
        points, networks, layers = (pandas.read_sql(f"SELECT * FROM {table}", db)
                                    for table in ("points", "networks", "layers"))
    assert len(points) == 10 and points.refused.notna().sum() == 5
    assert len(networks) == 5 and len(layers) == 10
    cycles = layers.assign(cycles=layers.cycles * layers["count"]).groupby("point").cycles.sum()
    assert (networks.set_index("point").cycles.sort_index() == cycles.sort_index()).all()


_LARGE = SMALL.replace("rows = [2, 4]", "rows = { from = 1, to = 8 }").replace(
    "to = 8, step = 2 }", "to = 12 }").replace("<= 30", "<= 60")


def test_the_search_depends_on_the_seed_alone(tmp_path):
    """The same points in the same order, also when most of them are known already."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, again, other = Inline(), Inline(), Inline()
    one = _explored(tmp_path / "a", _LARGE, budget=30, work=first)
    two = _explored(tmp_path / "b", _LARGE, budget=30, work=again)
    assert not one.complete
    assert first.done == again.done and len(first.done) == 30
    assert one.front() == two.front()
    three = _explored(tmp_path / "b", _LARGE, budget=30, seed=2, work=other, resume=True)
    assert three.looked_at == 30 and 0 < len(other.done) < 30


def test_resumed_it_looks_only_at_what_is_unknown(tmp_path):
    class Stopped(Exception):
        pass

    class Halting(Inline):
        def run(self, *args):
            for count, result in enumerate(super().run(*args)):
                if count == 4:
                    raise Stopped
                yield result
    with pytest.raises(Stopped):
        _explored(tmp_path, SMALL, work=Halting())
    rest = Inline()
    resumed = _explored(tmp_path, SMALL, work=rest, resume=True)
    assert resumed.looked_at == 10 and len(rest.done) == 6
    with pytest.raises(HwgenError, match="holds results already"):
        _explored(tmp_path, SMALL)
    with pytest.raises(HwgenError, match="are of another space"):
        _explored(tmp_path, SMALL.replace("weight = 2", "weight = 3"), resume=True)


# On workers.

def _scheduler(stack, folder):
    """A scheduler as a process; returns the file that has its address."""
    file = folder / "scheduler.json"
    stack.enter_context(_process(["-m", "distributed.cli.dask_scheduler", "--port", "0",
                                  "--host", "127.0.0.1", "--no-dashboard", "--no-show",
                                  "--scheduler-file", str(file)]))
    end = time.monotonic() + _START
    while not file.exists() or not file.read_text():
        assert time.monotonic() < end, "the scheduler does not start"
        time.sleep(0.1)
    return file


_WORKER = ["-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]


@contextmanager
def _process(arguments, folder=None, **environment):
    """A Python process, in that folder, that is killed at the end."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=folder,
                               env={**os.environ, **environment})
    with process:
        try:
            yield process
        finally:
            process.kill()


def _address(file):
    return json.loads(file.read_text())["address"]


def _wait_for_workers(address, count):
    with Client(address) as client:
        client.wait_for_workers(count, timeout=_START)


def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    """A scheduler and two workers, processes of their own; one is killed in the middle."""
    read = Space.read(written(tmp_path, _LARGE))
    points = list(read.points())[:24]
    with ExitStack() as stack:
        file = _scheduler(stack, tmp_path)
        workers = [stack.enter_context(_process([*_WORKER, "--scheduler-file", str(file)]))
                   for _ in range(2)]
        _wait_for_workers(_address(file), 2)
        done = []
        with engine(_address(file)) as work:
            assert work.workers == 2
            for result in work.run(evaluate, load(read), points):
                done.append(read.key(result["point"]))
                if len(done) == 5:
                    workers[0].send_signal(signal.SIGKILL)
    assert sorted(done) == sorted(map(read.key, points))


def test_workers_without_the_package_or_with_another_are_refused(tmp_path):
    with ExitStack() as stack:
        file = _scheduler(stack, tmp_path)
        address = _address(file)
        with pytest.raises(HwgenError, match="has no workers: start some"), engine(address):
            pass
        hidden = "import sys; sys.modules['hwgen'] = None; " \
                 "from distributed.cli.dask_worker import main; main()"
        with _process(["-c", hidden, *_WORKER[2:], "--scheduler-file", str(file)]):
            _wait_for_workers(address, 1)
            with pytest.raises(HwgenError, match="cannot import hwgen"), engine(address):
                pass
        other = tmp_path / "other" / "hwgen"
        shutil.copytree(Path(hwgen.__file__).parent, other)
        (other / "errors.py").write_text((other / "errors.py").read_text() + "# another\n")
        with _process([*_WORKER, "--scheduler-file", str(file)], other.parent):
            _wait_for_workers(address, 1)
            with pytest.raises(HwgenError, match="install the same on both"), engine(address):
                pass


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("hwgen.explore.engine._WAIT", "1s")
    with pytest.raises(HwgenError, match="does not answer"), engine("tcp://127.0.0.1:9"):
        pass


def test_importance_is_the_share_of_the_variance():
    rows = [({"a": a, "b": b}, {"cycles": 10 * a}) for a in (1, 2) for b in (1, 2)]
    assert importance(rows, "a", "cycles") == pytest.approx(1)
    assert importance(rows, "b", "cycles") == pytest.approx(0)


def test_a_point_is_measured_on_the_rtl(tmp_path):
    """The base itself, whose simulator other tests need as well."""
    space = Space.read(written(tmp_path, SMALL.replace('"CONV*"', '"CONV2"')))
    found = measure(load(space), {"rows": 4, "cols": 6, "glb_kib": 28})
    layer, = found["layers"]
    assert layer["layer"] == "CONV2" and layer["mismatches"] == 0
    assert layer["predicted"] == pytest.approx(layer["cycles"], rel=0.05)


def test_points_of_a_front_that_differ_most():
    front = [(None, {"cycles": cycles, "cells": cells}, str(cycles))
             for cycles, cells in ((1, 100), (2, 99), (5, 50), (9, 3), (10, 1))]
    assert [name for _, _, name in spread(front, _GOALS, 3)] == ["1", "10", "5"]
    assert len(spread(front, _GOALS, 9)) == 5
    assert spread([], _GOALS, 2) == []


@pytest.mark.long
def test_the_rtl_keeps_the_promise_of_the_front(tmp_path, capsys):
    """Two points of the front, run: every value equal, and the cycles near those predicted."""
    code = main(["explore", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--workers",
                 "2", "--verify", "2", "--constraint", "cells<=12000", "--json",
                 str(tmp_path / "r.json")])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert len(report["measured"]) == 2
    for run in report["measured"]:
        assert run["mismatches"] == 0 and run["failed"] is None
        assert [line["layer"] for line in run["layers"]] == ["CONV1", "CONV2"]
        assert run["cycles"] == sum(2 * line["cycles"] for line in run["layers"])
        assert run["predicted"] == pytest.approx(run["cycles"], rel=0.05)
    assert report["synthesis"]["estimated_cells"] == pytest.approx(report["synthesis"]["cells"],
                                                                   rel=0.1)


def test_the_command_writes_configurations_that_build_takes(tmp_path, capsys):
    code = main(["explore", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--workers",
                 "2", "--constraint", "fits=ecp5-25f", "--json", str(tmp_path / "r.json")])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "10 points of 12 combinations" in captured.out
    best = load_toml(tmp_path / "out" / "front" / "01.toml")
    assert (best.rows, best.cols) == (4, 6)
    assert main(["explore", str(written(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "holds results already" in capsys.readouterr().err
