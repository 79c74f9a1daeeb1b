"""What can be synthesised for: devices, what they hold, and what their cells are."""

from dataclasses import dataclass, field

from ..errors import HwgenError
from ..machines import machine_of

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
    family : str
        ``ecp5``, ``ice40``, ``gowin``, ``xc7`` or ``gates``.
    preset : str
        Configuration to start from unless another is named.
    capacity : dict of str to int, or None
        What the device holds of each of :data:`RESOURCES`; None if no device is meant.
    units : dict of str to str
        What a unit of each resource is.
    synth : str
        Yosys command that maps to the cells.
    memory_step : str
        Label of that command's step that maps memories.
    cells : dict of str to tuple
        ``(resource, amount)`` of a cell by type, amounts as place and route counts them.
    memories : frozenset of str
        Cell types that a memory becomes.
    limits : dict of str to int
        How many the device has of cells that are none of the resources.
    register_bits : int
        Memories of up to so many bits may become flip-flops, where there is no small RAM.
    logic_multipliers : bool
        Multipliers that exceed the device's blocks are built in logic.
    nextpnr : str or None
        The place and route program; None if there is none.
    arguments : tuple of str
        Its arguments that name the device.
    sites : dict of str to list of list of str
        By cell type, lines of sites for the floorplan, see :mod:`~hwgen.synth.floorplan`; empty
        if it is left to nextpnr's placer.
    """
    name: str
    title: str
    family: str
    preset: str
    capacity: dict = None
    units: dict = field(default_factory=dict)
    synth: str
    memory_step: str = "map_ram"
    cells: dict
    memories: frozenset = frozenset()
    limits: dict = field(default_factory=dict)
    register_bits: int = 0
    logic_multipliers: bool = False
    nextpnr: str = None
    arguments: tuple = ()
    sites: dict = field(default_factory=dict)

    def array_dsps(self, config):
        """Multiplier blocks that the output stage leaves to the array.

        A device must be meant.
        """
        return max(self.capacity["dsp"] - self.output_dsps(config), 0)

    def output_dsps(self, config):
        """Multiplier blocks of the output stage; a requantisation takes four, two of AMD's, which
        are wider."""
        return machine_of(config).synthesis.output_dsps(config, 2 if self.family == "xc7" else 4)


def _cells(**resources):
    """``{cell: (resource, amount)}`` of ``resource={cell: amount}``."""
    return {cell: (resource, amount) for resource, cells in resources.items()
            for cell, amount in cells.items()}


# Right of each of these columns the LFE5U-85F has four multipliers in three lines and four block
# RAMs in four.
_COLUMNS = (*range(4, 59, 9), *range(69, 115, 9))
_LFE5U_85F = {
    "MULT18X18D": [[f"X{x + i}/Y{y}/MULT18_{i}" for x in _COLUMNS for i in (0, 1, 4, 5)]
                   for y in (10, 34, 58)],
    "DP16KD": [[f"X{x + 2 * i}/Y{y}/EBR{i}" for x in _COLUMNS for i in range(4)]
               for y in (22, 46, 70, 82)]}

_ECP5 = dict(
    family="ecp5", synth="synth_ecp5 -nowidelut", logic_multipliers=True, nextpnr="nextpnr-ecp5",
    units={"logic_cells": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD (18 kbit)",
           "dsp": "MULT18X18D"},
    cells=_cells(logic_cells={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}, ff={"TRELLIS_FF": 1},
                 bram={"DP16KD": 1, "PDPW16KD": 1}, dsp={"MULT18X18D": 1}),
    memories=frozenset(("TRELLIS_DPR16X4", "DP16KD", "PDPW16KD")))

_GOWIN = dict(
    family="gowin", nextpnr="nextpnr-himbaechel-gowin",
    units={"logic_cells": "LUT4", "ff": "DFF", "bram": "BSRAM (18 kbit)", "dsp": "MULT18X18"},
    cells=_cells(
        logic_cells={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP1": 1,
                     "RAM16SDP2": 2, "RAM16SDP4": 4, "INV": 1},
        ff={f"DFF{kind}": 1 for kind in ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE", "N")},
        bram={"SP": 1, "SPX9": 1, "SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1},
        dsp={"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4}),
    memories=frozenset(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4", "SP", "SPX9", "SDPB", "SDPX9B",
                        "DPB", "DPX9B")))

# Block RAMs of iCE40 by the edges of their clocks.
_SB_RAM = tuple(f"SB_RAM40_4K{edges}" for edges in ("", "NR", "NW", "NRNW"))

# Areas in the X1 cells of the Nangate 45 nm open cell library, over that of its NAND2.
_NAND2 = {"$_NOT_": 0.67, "$_NAND_": 1, "$_NOR_": 1, "$_AND_": 1.33, "$_OR_": 1.33,
          "$_XOR_": 2, "$_XNOR_": 2, "$_MUX_": 2.33, "$_AOI3_": 1.33, "$_OAI3_": 1.33,
          "$_AOI4_": 1.67, "$_OAI4_": 1.67, "$_DFF_P_": 5.67}

_TARGETS = (
    Target(name="ecp5-85f", title="Lattice ECP5 LFE5U-85F", preset="ecp5-85f",
           capacity={"logic_cells": 83640, "ff": 83640, "bram": 208, "dsp": 156},
           arguments=("--85k", "--package", "CABGA381", "--speed", "6"),
           sites=_LFE5U_85F, **_ECP5),
    Target(name="ecp5-25f", title="Lattice ECP5 LFE5U-25F", preset="ecp5-25f",
           capacity={"logic_cells": 24288, "ff": 24288, "bram": 56, "dsp": 28},
           arguments=("--25k", "--package", "CABGA381", "--speed", "6"), **_ECP5),
    Target(name="up5k", title="Lattice iCE40 UP5K", preset="up5k", family="ice40",
           capacity={"logic_cells": 5280, "ff": 5280, "bram": 30, "dsp": 8},
           units={"logic_cells": "LC (a LUT4 and its flip-flop)", "ff": "SB_DFF",
                  "bram": "SB_RAM40 (4 kbit)", "dsp": "SB_MAC16"},
           synth="synth_ice40 -dsp -device u -spram",
           cells=_cells(bram={kind: 1 for kind in _SB_RAM}, dsp={"SB_MAC16": 1}),
           memories=frozenset((*_SB_RAM, "SB_SPRAM256KA")), limits={"SB_SPRAM256KA": 4},
           register_bits=64, logic_multipliers=True, nextpnr="nextpnr-ice40",
           arguments=("--up5k", "--package", "sg48")),
    Target(name="gowin-gw2a-18", title="Gowin GW2A-18", preset="ecp5-25f",
           capacity={"logic_cells": 20736, "ff": 15552, "bram": 46, "dsp": 48},
           synth="synth_gowin -family gw2a",
           arguments=("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18"), **_GOWIN),
    Target(name="gowin-gw1n-9", title="Gowin GW1NR-9C", preset="up5k",
           capacity={"logic_cells": 8640, "ff": 6480, "bram": 26, "dsp": 20},
           synth="synth_gowin -family gw1n",
           arguments=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"), **_GOWIN),
    Target(name="xc7", title="AMD 7 series", preset="eyeriss", family="xc7",
           units={"logic_cells": "LUT6", "ff": "FDxE", "bram": "18 kbit (half a RAMB36E1)",
                  "dsp": "DSP48E1"},
           synth="synth_xilinx -flatten -family xc7 -noiopad -noclkbuf", memory_step="map_memory",
           cells=_cells(
               logic_cells={**{f"LUT{n}": 1 for n in range(1, 7)}, "RAM32M": 4, "RAM64M": 4,
                            "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "SRL16E": 1,
                            "SRLC32E": 1, "INV": 1},
               ff={"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1},
               bram={"RAMB18E1": 1, "RAMB36E1": 2}, dsp={"DSP48E1": 1}),
           memories=frozenset(("RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D", "RAM128X1D",
                               "RAMB18E1", "RAMB36E1"))),
    Target(name="gates", title="technology-independent gates", preset="eyeriss", family="gates",
           units={"logic_cells": "NAND2 equivalents, flip-flops included, memories not",
                  "ff": "D flip-flops"},
           synth="synth -flatten", memory_step="fine",
           cells={cell: ("logic_cells", area) for cell, area in _NAND2.items()}),
)

#: The targets by name.
TARGETS = {entry.name: entry for entry in _TARGETS}


def target(name):
    """The target of that name; raises :exc:`HwgenError` if there is none."""
    try:
        return TARGETS[name]
    except KeyError:
        raise HwgenError(f"--target {name!r} is unknown: choose one of "
                         f"{', '.join(TARGETS)}.") from None
