"""Signals, pipes and standard streams around every command, with processes of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

_LENET = "examples/lenet5/lenet5.onnx"
_SEVEN = "examples/lenet5/digits/7.png"
_RUN = ["run", _LENET, "--input", _SEVEN]
_SECONDS = 300               # a machine may be busy


class Command:
    """A running ``hwgen``, whose temporary files and simulators are in ``folder``."""

    def __init__(self, folder, *arguments, **options):
        self.mark = uuid.uuid4().hex
        self.temporary, self.cache = folder / "tmp", folder / "the cache"
        self.temporary.mkdir()
        environment = {**os.environ, "MARK": self.mark, "TMPDIR": str(self.temporary),
                       "XDG_CACHE_HOME": str(self.cache), **options.pop("env", {})}
        self.process = subprocess.Popen(
            # A shell lets jobs in the background ignore SIGINT, and what these start does too.
            ["env", "--default-signal=INT", sys.executable, "-m", "hwgen", *arguments], text=True,
            env=environment, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})

    def others(self):
        """Names of the processes that it started, and that are alive."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdecimal() and int(folder.name) != self.process.pid and \
                        self.mark in (folder / "environ").read_text(errors="replace"):
                    found.append((folder / "comm").read_text().strip())
        return found

    def until(self, name):
        """Wait for a process of that name."""
        end = time.monotonic() + _SECONDS
        while not any(name in other for other in self.others()):
            assert self.process.poll() is None, self.process.stderr.read()
            if time.monotonic() > end:
                self.process.kill()
                raise TimeoutError(f"no {name}")
            time.sleep(0.05)

    def left(self):
        """Temporary files, but for the one that ONNX Runtime makes."""
        return [path.name for path in self.temporary.iterdir() if path.name != ".ses"]

    def ended(self):
        """``(exit code, what it printed, its sentence)``, when all of it has ended."""
        printed, said = self.process.communicate(timeout=_SECONDS)
        assert not self.others()
        assert "Traceback" not in said and "Exception ignored" not in said, said
        return self.process.returncode, printed, ["", *said.strip().splitlines()][-1]


_ICARUS = pytest.mark.skipif(not shutil.which("iverilog"),
                             reason="Icarus Verilog is not installed: apt-get install iverilog")


@pytest.mark.parametrize("number, child, arguments", [
    pytest.param(signal.SIGTERM, "vvp", [*_RUN, "--sim", "icarus", "--pe", "1x1", "--output",
                                         "out.npz"], marks=_ICARUS),
    (signal.SIGTERM, "cc1plus", [*_RUN, "--pe", "1x1", "--output", "out.npz"]),
    (signal.SIGINT, "verilator", [*_RUN, "--pe", "2x3", "--output", "out.npz"]),
    (signal.SIGTERM, "python", ["synth", "--target", "up5k", "--pe", "2x2", "--out", "out"]),
    (signal.SIGHUP, "python", ["synth", "--target", "up5k", "--pe", "2x2", "--out", "out"]),
    (signal.SIGINT, "python", ["build", "--pe", "2x2", "--out", "out"])])
def test_a_signal_ends_what_was_started(tmp_path, number, child, arguments):
    arguments = [str(tmp_path / a) if a.startswith("out") else a for a in arguments]
    command = Command(tmp_path, *arguments)
    command.until(child)
    command.process.send_signal(number)
    code, _, sentence = command.ended()
    assert (code, sentence) == (128 + number, f"error: stopped by {number.name}.")
    assert not list(tmp_path.glob("out*")) and not command.left()
    cached = command.cache / "hwgen"
    assert not cached.exists() or all(path.suffix == ".vvp" for path in cached.iterdir())


@pytest.mark.parametrize("arguments", [
    ["map", "vgg16", "--out", "out", "--json", "out.json"],
    ["compile", _LENET, "--out", "out"],
    ["bench", "vgg16", "--model-only", "--json", "out.json"],
    ["verify", "--minutes", "1", "--sim", "golden"],
    ["zoo", "mobilenet-v2", "--out", "out.onnx"],
    ["quantise", "examples/lenet5/lenet5-float.onnx", "--calibrate", "examples/lenet5/digits",
     "--out", "out.onnx"],
    [*_RUN, "--sim", "golden", "--json", "out.json"]], ids=lambda arguments: arguments[0])
def test_a_signal_leaves_nothing_half_written(tmp_path, arguments):
    """At some moment early in the command, and twice, as an impatient user sends it."""
    command = Command(tmp_path, *(str(tmp_path / a) if a.startswith("out") else a
                                  for a in arguments))
    time.sleep(1)
    for _ in range(2):
        command.process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    code, _, sentence = command.ended()
    if code:                    # some may be faster
        assert (code, sentence) == (143, "error: stopped by SIGTERM.")
        assert not list(tmp_path.glob("*out*"))
    assert not command.left()


def test_a_pipe_that_nobody_reads(tmp_path):
    command = Command(tmp_path, "map", "alexnet")
    assert command.process.stdout.readline()
    command.process.stdout.close()
    command.process.stdout = None
    assert command.ended() == (
        141, None, "error: standard output was closed before all was printed.")


def test_files_are_written_though_nobody_reads(tmp_path):
    command = Command(tmp_path, "map", "alexnet", "--brief", "--json", str(tmp_path / "a.json"))
    command.process.stdout.close()
    command.process.stdout = None
    assert command.ended()[0] == 141
    assert (tmp_path / "a.json").read_text().endswith("}\n")


@pytest.mark.parametrize("arguments", [[*_RUN, "--sim", "golden"], ["map", "alexnet"]],
                         ids=["run", "map"])
def test_a_terminal_that_knows_ascii_alone(tmp_path, arguments):
    code, printed, _ = Command(tmp_path, *arguments,
                               env={"PYTHONIOENCODING": "ascii"}).ended()
    assert code == 0 and printed.isascii() and printed.count("\n") > 10


def test_a_full_device_as_standard_output(tmp_path):
    with open("/dev/full", "w") as full:
        code, _, sentence = Command(tmp_path, "map", "alexnet", stdout=full).ended()
    assert code == 2 and "standard output" in sentence and "No space left" in sentence


def test_no_standard_output_at_all(tmp_path):
    """No file of the command takes the place of the stream."""
    with open(tmp_path / "shell", "w") as said:
        code = subprocess.run(f"exec {sys.executable} -m hwgen map alexnet --brief --json "
                              f"{tmp_path}/a.json >&-", shell=True, stderr=said).returncode
    assert (code, (tmp_path / "shell").read_text()) == (0, "")
    assert (tmp_path / "a.json").read_text().endswith("}\n")


def test_json_alone_on_standard_output(tmp_path):
    for arguments in ([*_RUN, "--sim", "golden", "--json", "-"],
                      ["map", "alexnet", "--json", "/dev/stdout"]):
        folder = tmp_path / arguments[0]
        folder.mkdir()
        code, printed, said = Command(folder, *arguments).ended()
        assert code == 0 and printed.startswith("{") and printed.endswith("}\n") and said


def test_a_folder_as_a_model(tmp_path):
    code, _, sentence = Command(tmp_path, "run", ".", "--input", _SEVEN).ended()
    assert (code, sentence) == (2, "error: cannot read the model .: Is a directory.")
