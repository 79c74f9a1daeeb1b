"""Tables of energies, and what they make of counts."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from hwgen import energy
from hwgen.cli import main
from hwgen.config import Config
from hwgen.energy.items import ITEMS, LEVELS
from hwgen.energy.prices import NAMES, PRICES

TABLE = "source = 'a'\nunit = 'pJ'\n[energy]\n" + "".join(f"{price} = 1\n" for price in PRICES)
COUNTS = energy.Counts(dict.fromkeys(ITEMS, 0))


def counted(**items):
    return energy.Counts(dict(COUNTS.items, **items))


@pytest.mark.parametrize("name", NAMES)
def test_tables_have_a_source_and_all_energies(name):
    table = energy.table(name)
    assert len(table.source) > 40 and set(table.prices) == set(PRICES)


def test_energy_of_values_and_of_ports(tmp_path):
    config = Config(rows=2, cols=2, lanes=4, bus_bits=64, xbus_bytes=4)
    assert config.bank_bits == 128
    counts = counted(macs=10, ifmap_spad_writes=3, glb_ifmap_reads=2, glb_psum_reads=5,
                     dram_ofmap_words=1, ybus_words=1000)
    of = energy.of_counts(config, counts, 5, energy.table())
    assert of.by_level == {"mac": 10, "spad": 3 * 4, "noc": 0, "glb": 6 * (2 * 8 + 5 * 4),
                           "dram": 200 * 8}
    assert of.by_kind["psum"] == 6 * 5 * 4 and of.by_kind["ofmap"] == 1600
    assert of.total == sum(of.by_level.values()) == sum(of.by_kind.values()) == 5 * of.per_mac
    assert (of + of).total == (of * 2).total == 2 * of.total and (of * 2).macs == 10

    path = tmp_path / "mine.toml"
    path.write_text(TABLE.replace("glb = 1", "glb = { energy = 10, bits = 64 }"))
    of = energy.of_counts(config, counts, 0, energy.table(str(path)))
    assert of.by_level["glb"] == 10 * (2 + 5 * 2) and of.per_mac is None
    assert of.table.name == "mine" and of.to_dict()["unit"] == "pJ"


@pytest.mark.parametrize("change, message", [
    (("source = 'a'\n", ""), "has no source"),
    (("unit = 'pJ'", "unit = 'kWh'"), "unit = 'kWh'"),
    (("[energy]", "[energies]"), "has 'energies', which is unknown"),
    (("noc = 1\n", ""), "lacks noc in \\[energy\\]"),
    (("noc = 1\n", "noc = 1\nnod = 2\n"), "has 'nod' in \\[energy\\]"),
    (("noc = 1", "noc = -1"), "noc = -1.0|noc = -1"),
    (("noc = 1", "noc = nan"), "noc = nan"),
    (("noc = 1", "noc = true"), "noc = True"),
    (("noc = 1", "noc = 'much'"), "noc = 'much'"),
    (("glb = 1", "glb = { energy = 1 }"), "a port needs energy and bits"),
    (("glb = 1", "glb = { energy = 1, bits = 0 }"), "bits = 0 for glb"),
    (("unit = ", "unit : "), "is not TOML"),
])
def test_bad_tables(change, message, tmp_path, capsys):
    path, out = tmp_path / "bad.toml", tmp_path / "out.json"
    assert change[0] in TABLE
    path.write_text(TABLE.replace(*change))
    assert main(["bench", "alexnet", "--model-only", "--energy", str(path), "--json",
                 str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and error.endswith(".\n")
    assert re.search(message, error), error
    assert not out.exists()


def test_a_table_that_is_not_there(capsys):
    assert main(["bench", "alexnet", "--model-only", "--energy", "isca17"]) == 2
    assert "neither a table nor a file: name a TOML file or one of" in capsys.readouterr().err


def test_bench_and_map_say_the_same(tmp_path, capsys):
    """Both compile a layer; energy is split by level, by kind and by layer."""
    bench, mapped = tmp_path / "bench.json", tmp_path / "map.json"
    arguments = ["alexnet", "--pe", "4x4", "--layers", "CONV[13]", "--energy", "accelergy-eyeriss"]
    assert main(["bench", *arguments, "--model-only", "--json", str(bench)]) == 0
    assert "energy in mJ, by accelergy-eyeriss" in capsys.readouterr().out
    assert main(["map", *arguments, "--brief", "--json", str(mapped)]) == 0
    assert "energy in mJ, by accelergy-eyeriss" in capsys.readouterr().out
    bench, mapped = (json.loads(path.read_text()) for path in (bench, mapped))
    assert (bench["kind"], mapped["kind"]) == ("bench", "map")
    total = 0
    for one, other in zip(bench["layers"], mapped["layers"], strict=True):
        assert one["energy"] == other["energy"] and one["counts"] == other["counts"]
        assert one["counts"]["macs"]["source"] == "commands"
        assert one["energy"]["per_mac"] == one["energy_per_mac"]
        assert set(one["energy"]["by_level"]) == set(LEVELS)
        total += one["energy"]["total"]
    assert bench["total"]["energy"]["total"] == pytest.approx(total)


def test_several_networks_take_the_same_table(tmp_path):
    out = tmp_path / "out.json"
    assert main(["bench", "alexnet", "vgg16", "--layers", "CONV5,CONV5-1", "--pe", "4x4",
                 "--model-only", "--energy", "accelergy-eyeriss", "--json", str(out)]) == 0
    assert [part["total"]["energy"]["table"] for part in json.loads(out.read_text())] \
        == ["accelergy-eyeriss"] * 2


def test_the_survey_table_is_the_default():
    """Figure 22 of the survey."""
    path = Path(energy.__file__).parent / "tables" / "isca16.toml"
    assert tomllib.loads(path.read_text())["energy"] == {
        "mac": 1, "ifmap_spad": 1, "filter_spad": 1, "psum_spad": 1, "noc": 2, "glb": 6,
        "dram": 200}
