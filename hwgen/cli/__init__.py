"""The command line: finds the commands, and turns errors into one sentence and an exit code."""

import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import warnings
from contextlib import suppress

import click

from .. import __version__
from ..errors import HwgenError
from ..process import Terminated
from . import commands

__all__ = ["cli", "main"]

_REFUSED = 2
_CLOSED = 128 + signal.SIGPIPE


class _Commands(click.Group):
    """The modules of :mod:`hwgen.cli.commands`, imported when used."""

    def list_commands(self, ctx):
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx, name):
        if name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f"{commands.__name__}.{name}").command


@click.group(cls=_Commands, invoke_without_command=True)
@click.version_option(__version__, prog_name="hwgen")
@click.pass_context
def cli(ctx):
    """Generates row-stationary CNN inference accelerators, and runs networks on them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args=None):
    """Run the command line; returns the exit code.

    0 is success, 2 bad input or options, 128 and the signal's number a signal (130 is Ctrl-C), 141
    that nobody reads what is printed; each with one sentence on stderr. Other codes are the
    command's own.
    """
    try:
        code = cli.main(args, prog_name="hwgen", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BaseException as error:
        code, message = _told(error)
        if message is None:
            raise
    _flush(sys.stdout)
    with suppress(OSError):         # closed as well
        print(f"error: {message}", file=sys.stderr)
    _flush(sys.stderr)
    return code


def _told(error):
    """``(exit code, sentence)`` of what ended a command; the sentence is None if it is a bug."""
    end = _interrupt(error)
    if end is not None:
        warnings.simplefilter("ignore")         # Amaranth's, of hardware that is not used now
        return end.code, str(end)
    if isinstance(error, HwgenError):
        return _REFUSED, str(error)
    if isinstance(error, click.ClickException):
        message = error.format_message()
        message += "" if message.endswith((".", "?")) else "."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            message += f" See '{error.ctx.command_path} --help'."
        return _REFUSED, message
    if isinstance(error, (SystemExit, BrokenPipeError)):    # rich and click exit at a closed pipe
        return _CLOSED, "standard output was closed before all was printed."
    if isinstance(error, OSError):
        what = error.filename or \
            f"standard output, or a temporary file in {tempfile.gettempdir()} (TMPDIR),"
        return _REFUSED, f"{what} cannot be read or written: {error.strerror}."
    return None, None


def _interrupt(error):
    """The interrupt that an exception is, or comes from, as of modules whose import it ends."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error if error is None or isinstance(error, Terminated) else Terminated(signal.SIGINT)


def _flush(stream):
    """Write what a stream still holds; if that fails, let it go nowhere, so that the interpreter
    can end."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
