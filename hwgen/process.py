"""This process and those that it starts: standard streams, signals, and who ends with whom."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

__all__ = ["Terminated", "kill", "run", "started", "surroundings"]

_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
_CLEANING = 5               # seconds in which another signal does not disturb the first one's work


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes
    ----------
    number : signal.Signals
    """
    def __init__(self, number):
        self.number = signal.Signals(number)
        super().__init__(f"stopped by {self.number.name}.")

    @property
    def code(self):
        """The exit code that a shell gives to such an end."""
        return 128 + self.number


class _Signals:
    """Raises :exc:`Terminated`: at once, or where it was held back, when that ends."""

    def __init__(self):
        self.held, self.pending, self.last = 0, None, -_CLEANING

    def __call__(self, number, frame):
        if time.monotonic() - self.last > _CLEANING:
            self.pending = number
            self.raise_pending()

    def raise_pending(self):
        if self.pending is not None and not self.held:
            number, self.pending, self.last = self.pending, None, time.monotonic()
            raise Terminated(number)

    @contextmanager
    def hold(self):
        if threading.current_thread() is not threading.main_thread():
            yield               # signals come to the main thread alone
            return
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
        self.raise_pending()


_signals = _Signals()


@contextmanager
def surroundings():
    """Makes a process of its own safe for any standard streams and signals.

    A standard stream that is closed is opened on nothing, so that no file takes its place.
    Characters that a stream cannot show become ``?``. SIGINT, SIGTERM and SIGHUP raise
    :exc:`Terminated`, which cleans up what it passes and ends the process with a sentence; at the
    end they are ignored, for then nothing is left to be done.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in sys.stdout, sys.stderr:
        if stream is not None:
            stream.reconfigure(errors="replace")
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _signals)
    try:
        yield
    except Terminated as end:
        print(f"error: {end}", file=sys.stderr)
        sys.exit(end.code)
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def started(command, **options):
    """A :class:`subprocess.Popen` of ``command`` that ends with the ``with``, and all that it
    started itself as well: after an exception killed, otherwise waited for.

    ``options`` are those of Popen; there is no standard input if none is given.
    """
    with _signals.hold():
        process = subprocess.Popen(command, process_group=0,
                                   **{"stdin": subprocess.DEVNULL, **options})
    try:
        with process:
            try:
                yield process
            except BaseException:
                kill(process)
                raise
    finally:
        if process.returncode is None:      # an interrupt while it was waited for
            kill(process)


def kill(process):
    """End a process of :func:`started` and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command, **options):
    """Run a command by :func:`started`; returns a :class:`subprocess.CompletedProcess` of text,
    in whose ``stdout`` all messages are."""
    with started(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                 **options) as process:
        text, _ = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, text)
