"""Gates of no technology, whose areas are those of a cell library."""

from ...errors import HwgenError
from .base import Family

__all__ = ["FAMILY"]

# Areas in the X1 cells of the Nangate 45 nm open cell library, over that of its NAND2.
_NAND2 = {"$_NOT_": 0.67, "$_NAND_": 1, "$_NOR_": 1, "$_AND_": 1.33, "$_OR_": 1.33,
          "$_XOR_": 2, "$_XNOR_": 2, "$_MUX_": 2.33, "$_AOI3_": 1.33, "$_OAI3_": 1.33,
          "$_AOI4_": 1.67, "$_OAI4_": 1.67, "$_DFF_P_": 5.67}


class _Gates(Family):
    name = "gates"
    device = False
    units = {"logic_cells": "NAND2 equivalents, flip-flops included, memories not",
             "ff": "D flip-flops"}
    cells = {cell: ("logic_cells", area) for cell, area in _NAND2.items()}
    synth = "synth -flatten"
    memory_step = "fine"

    def after_memories(self, command):
        return ["techmap", "opt -fast -full", "dfflegalize -cell $_DFF_P_ 01", "opt_clean",
                "abc -g NAND,NOR,AOI3,OAI3,AOI4,OAI4,MUX,XOR,XNOR", "opt_clean", "autoname"]

    def further(self, cells):
        """Flip-flops, whose areas count among the gates'."""
        without = {cell["type"] for cell in cells.values()
                   if not cell["type"].startswith("$scopeinfo")} - self.cells.keys() - {"$mem_v2"}
        if without:
            raise HwgenError(f"the netlist has cells whose area in NAND2 is unknown: "
                             f"{', '.join(sorted(without))}.")
        for name, cell in cells.items():
            if cell["type"] == "$_DFF_P_":
                yield name, "ff", 1


FAMILY = _Gates()
