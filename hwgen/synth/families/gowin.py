"""Gowin LittleBee and Arora, by nextpnr-himbaechel and Apicula."""

from .base import Family, by_type

__all__ = ["FAMILY"]


class _Gowin(Family):
    name = "gowin"
    units = {"logic_cells": "LUT4", "ff": "DFF", "bram": "BSRAM (18 kbit)", "dsp": "MULT18X18"}
    cells = by_type(
        logic_cells={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP1": 1,
                     "RAM16SDP2": 2, "RAM16SDP4": 4, "INV": 1},
        ff={f"DFF{kind}": 1 for kind in ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE", "N")},
        bram={"SP": 1, "SPX9": 1, "SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1},
        dsp={"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4})
    memories = frozenset(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4", "SP", "SPX9", "SDPB", "SDPX9B",
                          "DPB", "DPX9B"))
    synth = "synth_gowin"
    nextpnr = "nextpnr-himbaechel-gowin"
    place_arguments = ("--write", "routed.json")
    packer = "gowin_pack"
    bitstream = "hwgen.fs"

    def unwrapped(self, wrapped):
        return "" if wrapped else "-noiopads"

    def packer_arguments(self, target):
        device = target.arguments[-1].removeprefix("family=")
        return ("-d", device, "-o", self.bitstream, "routed.json")


FAMILY = _Gowin()
