"""Files and folders of the commands: TOML is read, and all is written whole or not at all."""

import io
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

from .errors import HwgenError

__all__ = ["check_folder", "check_target", "is_standard_output", "place", "read_toml",
           "replacing", "write_json", "write_whole"]

_DESCRIPTOR = re.compile(r"/dev/(stderr|fd/\d+)|/proc/(self|\d+)/fd/\d+")


def read_toml(path, what):
    """The contents of a TOML file as a dict; ``what`` it is, for the sentence that refuses it."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise HwgenError(f"cannot read the {what} {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwgenError(f"the {what} {path} is not TOML: {error}.") from None


def is_standard_output(path):
    """Whether ``path`` is ``-``, or another name of standard output."""
    return path is not None and os.fspath(path) in ("-", "/dev/stdout")


def _replaced(path):
    """The file that is replaced when ``path`` is written, symbolic links followed.

    None if ``path`` is written through: a device, a FIFO or an open descriptor.
    """
    real = Path(os.path.realpath(path))
    through = _DESCRIPTOR.fullmatch(os.fspath(path)) or real.exists() and not (
        real.is_file() or real.is_dir())
    return None if through else real


def _writable(path):
    """Whether an existing file has leave to be written; that of root is not enough."""
    return os.access(path, os.W_OK) and path.stat().st_mode & 0o222


def check_target(option, path):
    """Refuse a file that cannot be written, before the work rather than after it.

    Parameters
    ----------
    option : str
        The option that names it, for the sentence.
    path : path or None
        What :func:`write_whole` is to write; None is nothing.
    """
    if path is None or is_standard_output(path):
        return
    file, option = _replaced(path), f"{option} {path}"
    if file is None:
        if not os.access(path, os.W_OK):
            raise HwgenError(f"{option} cannot be written: name another file.")
    elif file.is_dir() or file.is_symlink() or not file.parent.is_dir() or \
            not os.access(file.parent, os.W_OK):
        raise HwgenError(f"{option} cannot be written: name a file in a folder that exists and "
                         f"can be written.")
    elif file.exists() and not _writable(file):
        raise HwgenError(f"{option} is read-only: name another file, or make it writable.")


def write_whole(path, write):
    """Write a file whole or not at all.

    Parameters
    ----------
    path : path
        A file appears, or is replaced, once all is written; a symbolic link stays, and so does the
        mode of the file behind it. A device or FIFO is written through. ``-`` is standard output.
    write : callable
        Gets the file open for bytes, and can seek in it.

    Raises
    ------
    HwgenError
        The file cannot be written, or is read-only.
    """
    if is_standard_output(path):
        _print_bytes(_written(write))
        return
    check_target("the file", path)
    file = _replaced(path)
    try:
        if file is None:
            content = _written(write)
            with open(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as through:
                through.write(content)
            return
        part = file.with_name(f".hwgen-{secrets.token_hex(4)}.part")
        try:
            with open(part, "xb") as new:
                write(new)
            if file.exists():
                shutil.copymode(file, part)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise HwgenError(f"cannot write {path}: {error.strerror}.") from None


def place(part, path):
    """Give the finished file ``part`` the name ``path`` beside it, under the rules of
    :func:`write_whole`."""
    part, path = Path(part), Path(path)
    if path.is_symlink() or path.exists() and not path.is_file():
        with open(part, "rb") as source:
            write_whole(path, lambda file: shutil.copyfileobj(source, file))
        part.unlink()
    else:
        check_target("the file", path)
        os.replace(part, path)


def write_json(path, report):
    """Write plain data as JSON with :func:`write_whole`."""
    write_whole(path, lambda file: file.write(json.dumps(report, indent=1).encode() + b"\n"))


def _written(write):
    """The bytes that ``write`` writes."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _print_bytes(content):
    if sys.stdout is None:
        raise HwgenError("standard output is closed, so '-' cannot be written: name a file.")
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def check_folder(folder, mark, option="--out"):
    """Refuse a folder that :func:`replacing` would not replace, before the work.

    Parameters
    ----------
    folder : path or None
        None is nothing.
    mark, option : str
        As of :func:`replacing`.
    """
    if folder is None:
        return
    folder = Path(folder)
    if is_standard_output(folder):
        raise HwgenError(f"{option} {folder} cannot be standard output: name a folder.")
    if folder.is_symlink() or folder.exists() and not folder.is_dir():
        raise HwgenError(f"{option} {folder} is not a folder: choose another.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise HwgenError(f"{option} {folder} holds files that hwgen did not write: choose "
                         f"another folder, or empty it.")


@contextmanager
def replacing(folder, mark, option="--out"):
    """A new folder that takes the place of ``folder`` if all goes well, and is gone otherwise.

    Parameters
    ----------
    folder : path
        Made, with its parents, if it does not exist.
    mark : str
        A file that only folders of this kind hold: one without it is replaced only if empty.
    option : str
        The option that names the folder, for the sentence.

    Raises
    ------
    HwgenError
        ``folder`` cannot be written, or holds something else.
    """
    made, old = [], None
    try:
        check_folder(folder, mark, option)
        folder = Path(os.path.abspath(folder))
        for parent in reversed(folder.parents):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        made.append(new)
        new.chmod(0o755)
        yield new
        try:
            if folder.exists():
                old = new.with_name(f"{new.name}-old")
                folder.rename(old)
            new.rename(folder)
        except BaseException:       # an interrupt as well
            if old and old.exists() and not folder.exists():
                old.rename(folder)
            raise
        made.clear()
    except OSError as error:
        raise HwgenError(f"cannot write the folder {folder}: {error.strerror}; name another with "
                         f"{option}.") from None
    finally:
        for path in reversed(made):
            shutil.rmtree(path, ignore_errors=True)
        if old:
            shutil.rmtree(old, ignore_errors=True)
