"""What can be synthesised for: the devices of targets.toml."""

import tomllib
from dataclasses import dataclass, field
from importlib import resources

from ..errors import HwgenError
from ..machines import machine_of
from .families import Family, families

__all__ = ["Target", "TARGETS", "RESOURCES", "target"]

#: What is counted, in the order of the tables.
RESOURCES = ("logic_cells", "ff", "bram", "dsp")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device, or a kind of cells.

    Attributes
    ----------
    name, title : str
        As on the command line; as in a data sheet.
    family : Family
    preset : str
        Configuration to start from unless another is named.
    options : str
        Of the family's Yosys command.
    arguments : tuple of str
        Arguments of nextpnr that name the device.
    capacity : dict of str to int, or None
        What the device holds of each of :data:`RESOURCES`; None if no device is meant.
    limits : dict of str to int
        How many the device has of cells that are none of the resources.
    single_port_ram : bool
        The device has RAM with one port, which a GLB with one port becomes.
    sites : dict of str to list of list of str
        By cell type, lines of sites for the floorplan, see :mod:`~hwgen.synth.floorplan`; empty
        if it is left to nextpnr's placer.
    """
    name: str
    title: str
    family: Family
    preset: str
    options: str = ""
    arguments: tuple = ()
    capacity: dict = None
    limits: dict = field(default_factory=dict)
    single_port_ram: bool = False
    sites: dict = field(default_factory=dict)

    def array_dsps(self, config):
        """Multiplier blocks that the output stage leaves to the array.

        A device must be meant.
        """
        return max(self.capacity["dsp"] - self.output_dsps(config), 0)

    def output_dsps(self, config):
        """Multiplier blocks of the output stage."""
        return machine_of(config).synthesis.output_dsps(config, self.family.requantisation_dsps)

    def logic_multipliers(self, config):
        """PEs that find no multiplier block and have one in logic instead."""
        if not self.family.logic_multiplier:
            return 0
        return max(config.rows * config.cols - self.array_dsps(config), 0)


def _lines(site, columns, lines, numbers, stride):
    """Lines of sites, as targets.toml describes them."""
    return [[site.format(x=x + stride * n, y=y, n=n) for x in columns for n in numbers]
            for y in lines]


def _target(name, *, family, arguments=(), sites=None, **values):
    return Target(name=name, family=families()[family], arguments=tuple(arguments),
                  sites={kind: _lines(**entry) for kind, entry in (sites or {}).items()}, **values)


#: The targets by name.
TARGETS = {name: _target(name, **table) for name, table in tomllib.loads(
    resources.files(__package__).joinpath("targets.toml").read_text()).items()}


def target(name):
    """The target of that name; raises :exc:`HwgenError` if there is none."""
    try:
        return TARGETS[name]
    except KeyError:
        raise HwgenError(f"--target {name!r} is unknown: choose one of "
                         f"{', '.join(TARGETS)}.") from None
