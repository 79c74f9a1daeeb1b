"""Lattice iCE40, by nextpnr-ice40."""

from collections import Counter

from .base import Family, by_type

__all__ = ["FAMILY"]

# Block RAMs by the edges of their clocks.
_SB_RAM = tuple(f"SB_RAM40_4K{edges}" for edges in ("", "NR", "NW", "NRNW"))


class _ICE40(Family):
    name = "ice40"
    units = {"logic_cells": "LC (a LUT4 and its flip-flop)", "ff": "SB_DFF",
             "bram": "SB_RAM40 (4 kbit)", "dsp": "SB_MAC16"}
    cells = by_type(bram={kind: 1 for kind in _SB_RAM}, dsp={"SB_MAC16": 1})
    memories = frozenset((*_SB_RAM, "SB_SPRAM256KA"))
    register_bits = 64
    synth = "synth_ice40"
    # A multiplier block takes in the registers about it.
    logic_multiplier = {"logic_cells": 214, "ff": 34}
    block_rams = ((256, 16), (512, 8), (1024, 4), (2048, 2))
    small_words = 0
    register_slices = False             # the devices have few cells
    nextpnr = "nextpnr-ice40"
    place_arguments = ("--pcf-allow-unconstrained", "--asc", "routed.asc")
    placed = {"logic_cells": "ICESTORM_LC"}
    packer = "icepack"
    bitstream = "hwgen.bin"

    def further(self, cells):
        """Logic cells: a LUT with the flip-flop that it alone drives, and the carry beside it.

        Flip-flops and carries that find no such LUT take a cell of their own.
        """
        uses = Counter(bit for cell in cells.values() for port, bits in cell["connections"].items()
                       if cell["port_directions"][port] == "input" for bit in bits)
        luts, chains = set(), set()
        for name, cell in cells.items():
            ports = cell["connections"]
            if cell["type"] == "SB_LUT4":
                yield name, "logic_cells", 1
                luts.add(ports["O"][0])
                chains.add((ports["I1"][0], ports["I2"][0], ports["I3"][0]))
        for name, cell in cells.items():
            ports = cell["connections"]
            if cell["type"].startswith("SB_DFF"):
                yield name, "ff", 1
                data = ports["D"][0]
                if data not in luts or uses[data] != 1:
                    yield name, "logic_cells", 1
            elif cell["type"] == "SB_CARRY":
                if (ports["I0"][0], ports["I1"][0], ports["CI"][0]) not in chains:
                    yield name, "logic_cells", 1

    def packer_arguments(self, target):
        return ("routed.asc", self.bitstream)


FAMILY = _ICE40()
