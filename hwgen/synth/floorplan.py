"""Floorplan of the accelerator on an ECP5: where its multipliers and block RAMs are.

nextpnr's placer does not see that the array is regular. Left alone with it, the multiplier and the
block RAM of a PE end up far apart, and the logic is drawn together around them until its wires no
longer fit. Here the PEs follow one another row by row along the device's lines of multipliers and
block RAMs, there and back, and the GLB's banks come where the last row is.
"""

import re

__all__ = ["floorplan"]

_PE = re.compile(r"\.array\.row_(\d+)\.pe_(\d+)\.")
_BANK = re.compile(r"\.glb\.bank_(\d+)\.")


def floorplan(cells, sites):
    """Fix the multipliers and block RAMs to sites of the device.

    Those of the output stage, the DMAs and the controller come in the middle of a line, where
    their logic has the array on one side and the GLB on the other. The banks come behind the last
    row, but among it, each behind its column's PE, where that row stands on lines without
    multipliers: there the PEs' multipliers are logic, which needs the room.

    Parameters
    ----------
    cells : dict
        Cells of the flat netlist by name; those get the attribute ``BEL``.
    sites : dict of str to list of list of str
        By cell type, the device's lines of sites from top to bottom, each from left to right.
    """
    middle = min(map(len, sites.values()), default=0) - 1       # the last line of both kinds
    for kind, lines in sites.items():
        pes, banks, others = [], [], []
        for name, cell in cells.items():
            if cell["type"] == kind:
                if found := _PE.search(name):
                    pes.append((*map(int, found.groups()), 0, name))
                elif found := _BANK.search(name):
                    banks.append((int(found[1]), 1, name))
                else:
                    others.append((name,))
        pes.sort()
        last = pes[-1][0] if pes else 0
        before = len(others) + sum(row < last for row, *_ in pes)
        if before >= sum(map(len, lines[:middle + 1])):
            array = sorted(pes + [(last, *bank) for bank in banks])
        else:
            array = pes + sorted(banks)
        first = (len(lines[middle]) - len(others)) // 2
        reserved = lines[middle][first:first + len(others)]
        path = [site for i, line in enumerate(lines) for site in line[::-1 if i % 2 else 1]
                if site not in reserved]
        for (*_, name), site in zip(sorted(others) + array, reserved + path, strict=False):
            cells[name]["attributes"]["BEL"] = site
