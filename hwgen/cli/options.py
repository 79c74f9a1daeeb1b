"""Options that several commands share."""

import click

from ..config import PRESETS
from ..errors import HwgenError

__all__ = ["configuration", "integer", "memory", "shapes"]

integer = click.option("--integer", is_flag=True,
                       help="Products of quantised values that ONNX Runtime computes in float: as "
                            "exact sums of integers, on the accelerator.")

memory = click.option("--memory", type=click.IntRange(1), metavar="BYTES",
                      help="DRAM that there is; a program that needs more is refused.  "
                           "[default: 4 GiB]")


def _shapes(context, parameter, texts):
    found = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        sizes = shape.split("x")
        if not (name and equals) or not all(n.isdecimal() and int(n) for n in sizes):
            raise HwgenError(f"--shape {text!r} is not NAME=SIZES: write, for instance, "
                             f"image=1x3x224x224.")
        found[name] = tuple(map(int, sizes))
    return found


shapes = click.option("--shape", "shapes", multiple=True, metavar="NAME=1x3x224x224",
                      callback=_shapes, help="Shape of an input that the file leaves open.")


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
