"""Floorplan of the accelerator on an ECP5: where its multipliers and block RAMs are.

nextpnr's placer does not see that the array is regular. Left alone with it, the multiplier and the
block RAM of a PE end up far apart, and the logic is drawn together around them until its wires no
longer fit. Here the PEs follow one another row by row along the device's lines of multipliers and
block RAMs, there and back, and the GLB's banks come where the last row ends.
"""

import re

__all__ = ["floorplan"]

_ARRAY = (re.compile(r"\.array\.row_(\d+)\.pe_(\d+)\."), re.compile(r"\.glb\.bank_(\d+)\."))


def _order(name):
    """Sorts the cells of the PEs by row and column, then those of the GLB's banks; the others'
    come first."""
    for i, pattern in enumerate(_ARRAY):
        if found := pattern.search(name):
            return (1 + i, *map(int, found.groups()), name)
    return 0, name


def floorplan(cells, sites):
    """Fix the multipliers and block RAMs to sites of the device.

    Those of the output stage, the DMAs and the controller come in the middle of a line, where
    their logic has the array on one side and the GLB on the other.

    Parameters
    ----------
    cells : dict
        Cells of the flat netlist by name; those get the attribute ``BEL``.
    sites : dict of str to list of list of str
        By cell type, the device's lines of sites from top to bottom, each from left to right.
    """
    middle = min(map(len, sites.values()), default=0) - 1       # the last line of both kinds
    for kind, lines in sites.items():
        order = sorted(_order(name) for name, cell in cells.items() if cell["type"] == kind)
        others = sum(key[0] == 0 for key in order)
        first = (len(lines[middle]) - others) // 2
        reserved = lines[middle][first:first + others]
        path = [site for i, line in enumerate(lines) for site in line[::-1 if i % 2 else 1]
                if site not in reserved]
        for (*_, name), site in zip(order, reserved + path, strict=False):
            cells[name]["attributes"]["BEL"] = site
