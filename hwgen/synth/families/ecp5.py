"""Lattice ECP5, by nextpnr-ecp5."""

from collections import Counter

from ..pack import pack
from .base import Family, by_type

__all__ = ["FAMILY"]


class _ECP5(Family):
    name = "ecp5"
    units = {"logic_cells": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD (18 kbit)",
             "dsp": "MULT18X18D"}
    cells = by_type(logic_cells={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
                    ff={"TRELLIS_FF": 1}, bram={"DP16KD": 1, "PDPW16KD": 1}, dsp={"MULT18X18D": 1})
    memories = frozenset(("TRELLIS_DPR16X4", "DP16KD", "PDPW16KD"))
    synth = "synth_ecp5 -nowidelut"
    logic_multiplier = {"logic_cells": 170, "ff": 0}
    nextpnr = "nextpnr-ecp5"
    place_arguments = ("--lpf-allow-unconstrained", "--textcfg", "routed.config")
    placed = {"logic_cells": "TRELLIS_COMB"}
    packer = "ecppack"
    bitstream = "hwgen.bit"

    def pack(self, module, progress):
        progress("packing logic")
        pack(module)

    def further(self, cells):
        """Cells that nextpnr-ecp5 adds: write ports of distributed RAM, ends of carry chains."""
        carries = {name: cell["connections"] for name, cell in cells.items()
                   if cell["type"] == "CCU2C"}
        chained = {bit: name for name, ports in carries.items() for bit in ports.get("COUT", ())}
        readers = Counter(bit for cell in cells.values()
                          for port, bits in cell["connections"].items()
                          if cell["port_directions"][port] == "input" and
                          not (cell["type"] == "CCU2C" and port == "CIN")
                          for bit in bits)
        for name, ports in carries.items():
            if ports["CIN"][0] not in chained and ports["CIN"][0] != "x":
                yield name, "logic_cells", 2
            if any(readers[bit] for bit in ports.get("COUT", ())):
                yield name, "logic_cells", 2
        for name, cell in cells.items():
            if cell["type"] == "TRELLIS_DPR16X4":
                yield name, "logic_cells", 2

    def before_placement(self, module):
        """Disconnect carry outputs that nothing reads: nextpnr would lead each into the fabric."""
        cells = module["cells"].values()
        read = {bit for cell in cells for port, bits in cell["connections"].items()
                if cell["port_directions"][port] == "input" for bit in bits}
        for cell in cells:
            if cell["type"] == "CCU2C" and read.isdisjoint(cell["connections"].get("COUT", ())):
                cell["connections"]["COUT"] = ["x"]

    def packer_arguments(self, target):
        return ("--compress", "routed.config", self.bitstream)


FAMILY = _ECP5()
