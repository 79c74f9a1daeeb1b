"""Options that several commands share."""

import functools
import math
import shlex

import click

from .. import energy
from ..config import PRESETS, resolve
from ..errors import HwgenError
from ..files import check_target
from ..host.inputs import LAYOUTS, RESIZES
from ..simulate.hardware import built, generated
from ..simulate.waves import Waves

__all__ = ["Accelerator", "accelerator", "energy_table", "fuse", "integer", "json_report",
           "memory", "preprocessing", "shapes", "tracing", "waves"]

fuse = click.option("--fuse/--no-fuse", default=True, show_default=True,
                    help="Functions of one tensor, such as activations and changes of scale, are "
                         "computed by the layer before them.")

integer = click.option("--integer", is_flag=True,
                       help="Products of quantised values that ONNX Runtime computes in float: as "
                            "exact sums of integers, on the accelerator.")

memory = click.option("--memory", type=click.IntRange(1), metavar="BYTES",
                      help="DRAM that there is; a program that needs more is refused.  "
                           "[default: 4 GiB]")


energy_table = click.option(
    "--energy", "energies", metavar="NAME|FILE.toml", default=energy.prices.DEFAULT,
    show_default=True, callback=lambda context, parameter, name: energy.table(name),
    help=f"Energy of each access: {', '.join(energy.prices.NAMES)}, or a table of your own.")


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


class Accelerator:
    """What the options of the accelerator say.

    Attributes
    ----------
    arguments : str
        The options again, to repeat a command; empty if there were none.
    """
    def __init__(self, pe, preset, path, settings, folder):
        self._base = {"preset_name": preset, "path": path, "pe": pe, "settings": settings}
        self._folder = folder
        if folder is not None and any(self._base.values()):
            raise HwgenError("--build excludes --pe, --preset, --config and --set: the folder's "
                             "configuration counts.")
        given = (("--pe", pe), ("--preset", preset), ("--config", path),
                 *(("--set", setting) for setting in settings), ("--build", folder))
        self.arguments = shlex.join(word for option, value in given if value is not None
                                    for word in (option, value))

    def design(self, preset="eyeriss"):
        """The :class:`~hwgen.simulate.hardware.Design`; ``preset`` is the base that is taken if
        the options name none."""
        if self._folder is not None:
            return built(self._folder)
        base = dict(self._base)
        if base["preset_name"] is None and base["path"] is None:
            base["preset_name"] = preset
        return generated(resolve(**base))


def _decorated(command, options):
    for option in reversed(options):
        command = option(command)
    return command


def accelerator(command):
    """Options ``--pe``, ``--preset``, ``--config``, ``--set`` and ``--build``, as the argument
    ``accelerator``, an :class:`Accelerator`."""
    @functools.wraps(command)
    def wrapped(*args, pe, preset, path, settings, build_folder, **kwargs):
        chosen = Accelerator(pe, preset, path, settings, build_folder)
        return command(*args, accelerator=chosen, **kwargs)
    return _decorated(wrapped, (
        click.option("--pe", metavar="RxC",
                     help="Shape of the PE array, 1x1 to 32x32.  [default: the preset's]"),
        click.option("--preset", metavar="NAME",
                     help=f"Configuration to start from: {', '.join(PRESETS)}.  "
                          f"[default: eyeriss; for synth, the target's]"),
        click.option("--config", "path", metavar="FILE.toml", help="The same, from a file."),
        click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
                     help="One parameter; may be given several times."),
        click.option("--build", "build_folder", metavar="DIR",
                     help="The accelerator that 'hwgen build' wrote there.")))


def _numbers(context, parameter, text):
    """``--mean`` and ``--std``: numbers separated by commas; None if not given."""
    try:
        numbers = None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = (math.nan,)
    if numbers is not None and not all(map(math.isfinite, numbers)):
        raise HwgenError(f"{parameter.opts[0]} {text!r} is not a list of numbers: write one, or "
                         f"one a channel, separated by commas.")
    return numbers


def preprocessing(command):
    """Options ``--mean``, ``--std``, ``--layout`` and ``--resize``, as arguments for
    :meth:`~hwgen.host.inputs.Preprocessing.beside`; None where nothing is given."""
    return _decorated(command, (
        click.option("--mean", callback=_numbers, metavar="M[,M,M]",
                     help="For images: subtracted from pixel / 255."),
        click.option("--std", callback=_numbers, metavar="S[,S,S]",
                     help="For images: divides what is left."),
        click.option("--layout", type=click.Choice(LAYOUTS),
                     help="For images: the input's layout.  [default: NCHW]"),
        click.option("--resize", type=click.Choice(RESIZES),
                     help="For images of another size than the input's.  [default: no]")))


def _check_json(context, parameter, path):
    check_target("--json", path)
    return path


json_report = click.option(
    "--json", "json_file", metavar="FILE", callback=_check_json,
    help="Write everything as JSON; '-' is standard output, what is printed goes to standard "
         "error.")


tracing = click.option(
    "--trace", "trace_file", metavar="FILE.json",
    callback=lambda context, parameter, path: check_target("--trace", path) or path,
    help="Record what each unit does over time, for ui.perfetto.dev and, with --json, the report.")


def waves(command):
    """Options ``--waves`` and ``--layer``, as the argument ``waves``: a
    :class:`~hwgen.simulate.waves.Waves` or None."""
    @functools.wraps(command)
    def wrapped(*args, wave_file, layer, **kwargs):
        if layer is not None and wave_file is None:
            raise HwgenError("--layer says of which layer waves are recorded: give --waves FILE, "
                             "too.")
        recorded = None if wave_file is None else Waves(wave_file, layer)
        return command(*args, waves=recorded, **kwargs)
    return _decorated(wrapped, (
        click.option("--waves", "wave_file", metavar="FILE.vcd|FILE.fst",
                     help="Record waves of the simulation, with FILE.gtkw for GTKWave beside it."),
        click.option("--layer", metavar="NAME",
                     help="Record only this layer's cycles.  [default: everything]")))
