"""Families and targets: data of the devices, and that nobody else asks which family it is."""

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from hwgen import synth
from hwgen.config import PRESETS, preset
from hwgen.synth.families import families
from hwgen.synth.targets import RESOURCES, TARGETS

PACKAGE = Path(synth.__file__).parents[1]


def test_only_families_know_which_family_it_is():
    asked = re.compile(rf"[\"'](?:{'|'.join(families())})[\"']")
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        # A machine's estimate may scale the coefficients of a family.
        if inside.parts[0] != "machines" and inside.parts[:2] != ("synth", "families"):
            assert not asked.findall(path.read_text()), inside


def test_targets_are_data():
    with resources.files(synth).joinpath("targets.toml").open("rb") as file:
        tables = tomllib.load(file)
    assert list(tables) == list(TARGETS)
    for name, target in TARGETS.items():
        assert target.name == name and target.family.name == tables[name]["family"]
        assert target.preset in PRESETS
        if target.capacity:
            assert set(target.capacity) == set(target.family.units) == set(RESOURCES)
        assert bool(target.arguments) == bool(target.family.nextpnr) == bool(target.capacity)
        assert set(target.limits) <= target.family.memories


def test_sites_of_the_largest_device():
    sites = TARGETS["ecp5-85f"].sites
    lines = sites["MULT18X18D"]
    assert [len(line) for line in lines] == [52, 52, 52]
    assert lines[0][:5] == ["X4/Y10/MULT18_0", "X5/Y10/MULT18_1", "X8/Y10/MULT18_4",
                            "X9/Y10/MULT18_5", "X13/Y10/MULT18_0"]
    assert sites["DP16KD"][3][-2:] == ["X118/Y82/EBR2", "X120/Y82/EBR3"]
    assert sum(map(len, sites["DP16KD"])) == TARGETS["ecp5-85f"].capacity["bram"]


@pytest.mark.parametrize("name", TARGETS)
def test_commands_map_memories_apart(name):
    target = TARGETS[name]
    first, dump, *rest = target.family.commands(target.options, "top", False)
    assert first.startswith(f"{target.family.synth} ") and " -top top -run begin:" in first
    assert target.options in first
    assert dump == "tee -q -o memories.txt dump t:$mem_v2" and rest
    if target.family.device:
        assert rest[0] == first.replace(f"begin:{target.family.memory_step}",
                                        f"{target.family.memory_step}:")


def test_pads_only_where_there_are_pins():
    gowin, target = families()["gowin"], TARGETS["gowin-gw2a-18"]
    assert "-noiopads" in gowin.commands(target.options, "top", False)[0]
    assert "-noiopads" not in gowin.commands(target.options, "top", True)[0]


@pytest.mark.parametrize("name, arguments", [
    ("ecp5-85f", ("--compress", "routed.config", "hwgen.bit")),
    ("up5k", ("routed.asc", "hwgen.bin")),
    ("gowin-gw2a-18", ("-d", "GW2A-18", "-o", "hwgen.fs", "routed.json")),
    ("gowin-gw1n-9", ("-d", "GW1N-9C", "-o", "hwgen.fs", "routed.json"))])
def test_bitstreams(name, arguments):
    assert TARGETS[name].family.packer_arguments(TARGETS[name]) == arguments
    assert TARGETS[name].family.bitstream in arguments


def test_carries_that_nothing_reads_are_disconnected():
    def carry(carry_in, carry_out):
        return {"type": "CCU2C", "port_directions": {"CIN": "input", "COUT": "output"},
                "connections": {"CIN": [carry_in], "COUT": [carry_out]}}
    cells = {"first": carry("0", 2), "last": carry(2, 3)}
    families()["ecp5"].before_placement({"cells": cells})
    assert cells["first"]["connections"]["COUT"] == [2]
    assert cells["last"]["connections"]["COUT"] == ["x"]


@pytest.mark.parametrize("name, config, dsps", [
    ("ecp5-85f", "ecp5-85f", 4 * 2 + 2), ("xc7", "eyeriss", 2 * 8 + 4), ("up5k", "up5k", 0)])
def test_multipliers_of_the_output_stage(name, config, dsps):
    assert TARGETS[name].output_dsps(preset(config)) == dsps
