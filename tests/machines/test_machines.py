"""Machines: what each answers, and that nobody else asks which one it is."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hwgen
from hwgen.artifacts import summary
from hwgen.config import PRESETS, Config, preset
from hwgen.machines import Bandwidths, Order, machine_of, machines
from hwgen.synth.resources import BLOCKS, WRAPPER
from hwgen.verilog.accelerator import generate
from hwgen.verilog.contents import Netlist

PACKAGE = Path(hwgen.__file__).parent


@pytest.fixture(params=machines())
def config(request):
    """A preset of each machine, or the defaults with what it fixes."""
    for config in PRESETS.values():
        if config.machine == request.param:
            return config
    return Config(machine=request.param, **machines()[request.param].fixed)


def test_only_machines_know_which_machine_it_is():
    names = "|".join(machines())
    asked = re.compile(rf"\.compact\b|\bmachine\s*(?:[=!]=|(?:not )?in\b)|[\"'](?:{names})[\"']")
    allowed = {Path("config/parameters.py"): 1}     # the default
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] != "machines":
            found = asked.findall(path.read_text())
            assert len(found) <= allowed.get(inside, 0), (inside, found)


def test_machines_import_no_hdl_and_no_compiler():
    code = ("import sys, hwgen.machines; hwgen.machines.machines(); print(*(name for name in "
            "sys.modules if name.partition('.')[0] in ('amaranth', 'numpy') or "
            "name.startswith(('hwgen.compiler', 'hwgen.rtl', 'hwgen.cost', 'hwgen.synth'))))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_names():
    assert {"microcoded", "parallel"} <= set(machines())
    assert all(machine.name == name for name, machine in machines().items())


def test_every_question_has_an_answer(config):
    machine = machine_of(config)
    assert all(getattr(config, name) == value for name, value in machine.fixed.items())
    machine.check(config)
    assert machine.bank_depth(config) == config.bank_depth >= 32
    assert isinstance(machine.order, Order)
    assert isinstance(machine.bandwidths(config), Bandwidths)
    assert all(len(variant) == 4 for variant in machine.cost.variants)
    assert machine.cost.copy_cycles(config, 10_000) > machine.cost.copy_cycles(config, 1000) > 0
    fits = np.ones((2, len(machine.cost.variants)), bool)
    assert machine.cost.worthwhile(fits)[:, 0].all() and fits.all()


def test_memories_and_multipliers_of_the_core_are_told_apart(config):
    """Every kind that a machine names is one of the table, and its RTL has such a memory."""
    netlist = Netlist(generate(config))
    machine, found = machine_of(config), summary.figures(config, netlist)
    assert found["memory_bits"]["GLB banks"] >= config.bank_depth * config.cols * config.bank_bits
    assert {kind for kind, bits in found["memory_bits"].items() if bits} \
        == {*machine.memories.values(), "FIFOs and tables"}
    assert found["multipliers"]["array"] == config.rows * config.cols
    assert found["multipliers"]["other"] == 0


def test_glb_addresses_are_told_apart(config):
    machine = machine_of(config)
    words = [0, 1, config.subwords, config.cols * config.subwords, config.glb_words - 1]
    addresses = [machine.glb_address(config, word) for word in words]
    assert [machine.glb_word(config, address) for address in addresses] == words
    with pytest.raises(ValueError, match="GLB address 0x7 is not a"):
        machine.glb_word(config, 7)


def test_synthesis_speaks_of_the_same_blocks(config):
    synthesis = machine_of(config).synthesis
    names = {name for name, _ in synthesis.blocks}
    assert names | {"wiring", WRAPPER} == set(BLOCKS)
    assert set(synthesis.terms(config)) == set(BLOCKS) - {WRAPPER}
    assert set(synthesis.memories(config)) <= names
    assert synthesis.instances(config)["pe"][1] == config.rows * config.cols
    lines, modules = synthesis.logic_multipliers(config, config.cols)
    assert sum(line.startswith("chtype -set pe_logic ") for line in lines) == config.cols
    assert all(re.fullmatch(r"\w+", module) for module in modules)


@pytest.mark.parametrize("count", [1, 5, 13, 40])
def test_so_many_pes_get_multipliers_in_logic(count):
    """Rows of the parallel array are replaced whole, but for one."""
    config = preset("ecp5-85f")
    lines, modules = machine_of(config).synthesis.logic_multipliers(config, count)
    rows = [re.fullmatch(r"chtype -set array_row_(\d+)_logic pe_array/row_\d+", line)
            for line in lines]
    assert sum(int(row[1]) for row in rows if row) == count
    assert len(modules) == len(set(modules)) <= 2
