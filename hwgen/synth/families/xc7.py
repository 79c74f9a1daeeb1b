"""AMD 7 series: resources only."""

from .base import Family, by_type

__all__ = ["FAMILY"]


class _XC7(Family):
    name = "xc7"
    units = {"logic_cells": "LUT6", "ff": "FDxE", "bram": "18 kbit (half a RAMB36E1)",
             "dsp": "DSP48E1"}
    cells = by_type(
        logic_cells={**{f"LUT{n}": 1 for n in range(1, 7)}, "RAM32M": 4, "RAM64M": 4,
                     "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "SRL16E": 1, "SRLC32E": 1,
                     "INV": 1},
        ff={"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1},
        bram={"RAMB18E1": 1, "RAMB36E1": 2}, dsp={"DSP48E1": 1})
    memories = frozenset(("RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D", "RAM128X1D", "RAMB18E1",
                          "RAMB36E1"))
    synth = "synth_xilinx -flatten -family xc7 -noiopad -noclkbuf"
    memory_step = "map_memory"
    requantisation_dsps = 2             # they are wider

    def after_memories(self, command):
        """Names of cells, which the commands of the other families give."""
        return [*super().after_memories(command), "autoname"]


FAMILY = _XC7()
