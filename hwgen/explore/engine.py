"""Where work is done: Dask workers, on this machine or on a cluster."""

import hashlib
import logging
import os
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from .. import __version__
from ..errors import HwgenError

__all__ = ["Engine", "engine"]

_WAIT = "10s"               # for a scheduler to answer
_LOST = {"distributed.comm.timeouts.connect": "5s"}     # then what a worker did is done again
_AHEAD = 3                  # tasks handed out for each worker: one runs, the next wait


@cache
def identity():
    """Version and sources of the package: what workers must have in common."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"


@contextmanager
def engine(scheduler=None, workers=None):
    """An :class:`Engine`.

    Parameters
    ----------
    scheduler : str or None
        Address of a Dask scheduler, whose workers are used; None starts workers here, which end
        with the ``with``.
    workers : int or None
        How many to start here; None: one for each core.

    Raises
    ------
    HwgenError
        The scheduler does not answer or has no workers, or a worker has no hwgen or another one.
    """
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_LOST))
        if scheduler is None:
            scheduler = stack.enter_context(LocalCluster(
                n_workers=workers or os.cpu_count(), threads_per_worker=1, dashboard_address=None,
                silence_logs=logging.CRITICAL))
        try:
            client = stack.enter_context(Client(scheduler, timeout=_WAIT))
        except (OSError, ValueError) as error:
            raise HwgenError(f"--scheduler {scheduler!r} does not answer ({error}): start one with "
                             f"'dask scheduler', and give its address, as tcp://HOST:8786.") \
                from None
        _check(client, scheduler)
        yield Engine(client)


def _check(client, scheduler):
    """Refuse workers that would compute something else."""
    if not client.scheduler_info()["workers"]:
        raise HwgenError(f"--scheduler {scheduler!r} has no workers: start some with 'dask worker "
                         f"{scheduler}'.")
    for address, theirs in client.run(identity, on_error="return").items():
        if isinstance(theirs, Exception):
            raise HwgenError(f"the worker {address} cannot import hwgen: install hwgen "
                             f"{__version__} there.")
        _same(address, theirs)


def _same(address, theirs):
    if theirs != identity():
        raise HwgenError(f"the worker {address} has hwgen {theirs}, here is {identity()}: install "
                         f"the same on both.")


def _guarded(wanted, function, common, item):
    """Do a task, unless the worker came later and has another version."""
    if identity() != wanted:
        return "version", identity()
    return "result", function(common, item)


class Engine:
    """Does tasks on the workers of a Dask client."""

    def __init__(self, client):
        self._client = client

    @property
    def workers(self):
        """How many there are now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def run(self, function, common, items, stop=lambda: False):
        """Yield ``function(common, item)`` of every item, as they are done, in any order.

        A task whose worker dies is done again by another. Only a few tasks are handed out ahead,
        so memory does not grow with the number of items.

        Parameters
        ----------
        function : callable
            Of a module of hwgen; gives a dict.
        common : object
            Sent to each worker once.
        items : iterable
        stop : callable
            Asked before each further task is handed out; true ends it.

        Raises
        ------
        HwgenError
            A worker that came later has another version, or one task has killed several workers.
        """
        common = self._client.scatter(common, broadcast=True, hash=False)
        items, running = iter(items), as_completed()

        def hand_out():
            item = None if stop() else next(items, None)
            if item is not None:
                running.add(self._client.submit(_guarded, identity(), function, common, item,
                                                pure=False))
        for _ in range(_AHEAD * max(self.workers, 1)):
            hand_out()
        for future in running:
            try:
                kind, value = future.result()
            except KilledWorker as error:
                raise HwgenError(f"a task has ended {error.allowed_failures + 1} workers, the last "
                                 f"one {error.last_worker.address}: they may have too little "
                                 f"memory.") from None
            if kind == "version":
                _same("that came later", value)
            future.release()
            hand_out()
            yield value
