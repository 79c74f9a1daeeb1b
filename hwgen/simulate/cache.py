"""The user's cache of built simulators."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..errors import HwgenError
from ..files import write_whole

__all__ = ["Entry", "folder"]

_SPACE = re.compile(r"\s")


def folder():
    """Where built simulators are kept: ``$XDG_CACHE_HOME/hwgen``, else ``~/.cache/hwgen``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root).absolute() / "hwgen"


class Entry:
    """One file of the cache, named by the hash of all that it is made from.

    Attributes
    ----------
    path : pathlib.Path
        The file, if it exists: whole, for it is moved there when it is finished.
    """
    def __init__(self, suffix, *sources):
        key = hashlib.sha256("\0".join(sources).encode()).hexdigest()[:32]
        self.path = folder() / f"{key}{suffix}"

    @contextmanager
    def workspace(self):
        """A temporary folder, beside the entry unless make cannot work there.

        Raises :exc:`HwgenError` if it, or the cache, cannot be written.
        """
        parent = self.path.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            place = tempfile.gettempdir() if _SPACE.search(str(parent)) else parent
            if _SPACE.search(str(place)):
                raise HwgenError(f"no simulator can be built in {parent} or {place}: make does "
                                 f"not take folders with spaces in their names; set "
                                 f"XDG_CACHE_HOME or TMPDIR to one without.")
            with tempfile.TemporaryDirectory(dir=place, prefix="build-") as name:
                yield Path(name)
        except OSError as error:
            raise HwgenError(f"cannot write the simulator cache {parent}: {error.strerror}; set "
                             f"XDG_CACHE_HOME to a folder that can be written.") from None

    def keep(self, file):
        """Make a finished file of the workspace the entry's."""
        with open(file, "rb") as source:
            write_whole(self.path, lambda target: shutil.copyfileobj(source, target))

    def failure(self, what, result):
        """The exception for a failed :class:`subprocess.CompletedProcess` in the workspace: one
        that says ``what`` failed and in which file its messages are, or that the disk is full."""
        full = os.strerror(errno.ENOSPC)
        if full in result.stdout:
            return OSError(errno.ENOSPC, full)
        path = self.path.with_suffix(".log")
        write_whole(path, lambda file: file.write(result.stdout.encode()))
        return HwgenError(f"{what} (exit code {result.returncode}): its messages are in {path}.")
