"""Files and folders of the commands: TOML is read, and all is written whole or not at all."""

import os
import shutil
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

from .errors import HwgenError

__all__ = ["check_target", "read_toml", "replacing", "write_whole"]


def read_toml(path, what):
    """The contents of a TOML file as a dict; ``what`` it is, for the sentence that refuses it."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise HwgenError(f"cannot read the {what} {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwgenError(f"the {what} {path} is not TOML: {error}.") from None


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


@contextmanager
def replacing(folder, mark):
    """A new folder that takes the place of ``folder`` if all goes well, and is gone otherwise.

    Parameters
    ----------
    folder : path
        Made, with its parents, if it does not exist.
    mark : str
        A file that only folders of this kind hold: one without it is replaced only if empty.

    Raises
    ------
    HwgenError
        ``folder`` cannot be written, or holds something else.
    """
    folder = Path(os.path.abspath(folder))
    made, old = [], None
    try:
        if folder.is_symlink() or folder.exists() and not folder.is_dir():
            raise HwgenError(f"--out {folder} is not a folder: choose another.")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
            raise HwgenError(f"--out {folder} holds files that hwgen did not write: choose another "
                             f"folder, or empty it.")
        for parent in reversed(folder.parents):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        made.append(new)
        new.chmod(0o755)
        yield new
        if folder.exists():
            old = new.with_name(f"{new.name}-old")
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old:
                old.rename(folder)
            raise
        made.clear()
    except OSError as error:
        raise HwgenError(f"cannot write the folder {folder}: {error.strerror}; name another with "
                         f"--out.") from None
    finally:
        for path in reversed(made):
            shutil.rmtree(path, ignore_errors=True)
        if old:
            shutil.rmtree(old, ignore_errors=True)
