"""The command line: finds the commands, and turns errors into one sentence and an exit code."""

import importlib
import pkgutil
import sys

import click

from .. import __version__
from ..errors import HwgenError
from . import commands

__all__ = ["cli", "main"]


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

    0 is success, 2 bad input or options (one sentence on stderr), 130 an interrupt. Other codes
    are the command's own.
    """
    try:
        return cli.main(args, prog_name="hwgen", standalone_mode=False) or 0
    except HwgenError as error:
        message = str(error)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        message = f"{error.format_message().rstrip('.')}."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            message += f" See '{error.ctx.command_path} --help'."
    print(f"error: {message}", file=sys.stderr)
    return 2
