"""Files that commands write: whole or not at all."""

import os
from pathlib import Path

from .errors import HwgenError

__all__ = ["check_target", "write_whole"]


def check_target(option, path):
    """Refuse a file that cannot be written, before the work rather than after it."""
    if path is None:
        return
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or (
            path.exists() and not os.access(path, os.W_OK)):
        raise HwgenError(f"{option} {path} cannot be written: name a file in a folder that exists "
                         f"and can be written.")


def write_whole(path, write):
    """Write the file whole or not at all; ``write`` gets it open for bytes."""
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as file:
            write(file)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise HwgenError(f"cannot write {path}: {error.strerror}.") from None
