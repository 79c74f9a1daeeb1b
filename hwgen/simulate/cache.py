"""The user's cache of built simulators."""

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..errors import HwgenError

__all__ = ["Entry", "folder"]


def folder():
    """Where built simulators are kept: ``$XDG_CACHE_HOME/hwgen``, else ``~/.cache/hwgen``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "hwgen"


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
        """A temporary folder beside the entry; raises :exc:`HwgenError` if it cannot be made."""
        parent = self.path.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            work = tempfile.TemporaryDirectory(dir=parent, prefix="build-")
        except OSError as error:
            raise HwgenError(f"cannot write the simulator cache {parent}: {error.strerror}; set "
                             f"XDG_CACHE_HOME to a folder that can be written.") from None
        with work as name:
            yield Path(name)

    def log(self, text):
        """Keep the messages of a failed build; returns their path."""
        path = self.path.with_suffix(".log")
        path.write_text(text)
        return path
