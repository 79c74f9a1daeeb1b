"""The floorplan: multipliers and block RAMs on sites of their own, neighbours beside each other."""

import re

import pytest

from hwgen.synth.floorplan import floorplan
from hwgen.synth.targets import TARGETS, target


def _cells(rows, cols, banks, others):
    """Cells as synthesis names them, in no particular order."""
    names = [(f"core.array.row_{row}.pe_{col}.x", kind) for row in range(rows)
             for col in range(cols) for kind in ("MULT18X18D", "DP16KD")]
    names += [(f"core.glb.bank_{col}.memory.0.{i}", "DP16KD") for col in range(cols)
              for i in range(banks)]
    names += [(f"core.drain.{kind}_{i}", kind) for i in range(others)
              for kind in ("MULT18X18D", "DP16KD")]
    return {name + kind: {"type": kind, "attributes": {}} for name, kind in sorted(
        names, key=lambda pair: pair[0][::-1])}


def _at(cells, name):
    """Column and line of a cell's site."""
    return tuple(map(int, re.match(r"X(\d+)/Y(\d+)/", cells[name]["attributes"]["BEL"]).groups()))


@pytest.mark.parametrize("shape", [(10, 12, 4, 10), (12, 12, 4, 10), (2, 2, 1, 1)])
def test_every_cell_has_a_site_of_its_own(shape):
    cells = _cells(*shape)
    sites = target("ecp5-85f").sites
    floorplan(cells, sites)
    for kind, lines in sites.items():
        bels = [cell["attributes"]["BEL"] for cell in cells.values()
                if cell["type"] == kind]
        assert len(set(bels)) == len(bels)
        assert set(bels) <= {site for line in lines for site in line}


def test_neighbours_stand_beside_each_other():
    cells = _cells(10, 12, 4, 10)
    floorplan(cells, target("ecp5-85f").sites)
    for row in range(10):
        for col in range(12):
            pe = f"core.array.row_{row}.pe_{col}.x"
            multiplier, ram = _at(cells, pe + "MULT18X18D"), _at(cells, pe + "DP16KD")
            assert abs(multiplier[0] - ram[0]) <= 10 and 0 < ram[1] - multiplier[1] <= 12, pe
            if col:
                before = _at(cells, f"core.array.row_{row}.pe_{col - 1}.xDP16KD")
                around = 30 if ram[1] == 70 else 5      # the line whose middle is left free
                assert abs(before[0] - ram[0]) <= around, pe


def test_the_rest_stands_in_the_middle_of_a_line():
    cells = _cells(10, 12, 4, 10)
    sites = target("ecp5-85f").sites
    floorplan(cells, sites)
    for kind, lines in sites.items():
        assert [cells[f"core.drain.{kind}_{i}{kind}"]["attributes"]["BEL"]
                for i in range(10)] == lines[2][21:31]


def test_a_device_without_sites_has_no_floorplan():
    cells = _cells(2, 2, 1, 1)
    floorplan(cells, TARGETS["up5k"].sites)
    assert not any(cell["attributes"] for cell in cells.values())
