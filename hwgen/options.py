"""Options that several commands share."""

import click

from .config import PRESETS

__all__ = ["configuration"]


def configuration(command):
    """Options ``pe``, ``preset``, ``path`` and ``settings``, for :func:`hwgen.config.resolve`."""
    for option in reversed((
            click.option("--pe", metavar="RxC",
                         help="Shape of the PE array, 1x1 to 32x32.  [default: the preset's]"),
            click.option("--preset", metavar="NAME",
                         help=f"Configuration to start from: {', '.join(PRESETS)}.  "
                              f"[default: eyeriss]"),
            click.option("--config", "path", metavar="FILE.toml", help="The same, from a file."),
            click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
                         help="One parameter; may be given several times."))):
        command = option(command)
    return command
