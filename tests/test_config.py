"""Configurations: what is refused and how, files, and the options of the command line."""

import copy
import dataclasses
import pickle
import re
import tomllib
from importlib import resources

import pytest

from hwgen import config
from hwgen.config import (
    ABOUT,
    PRESETS,
    Config,
    load_toml,
    parse_pe,
    parse_setting,
    preset,
    presets,
    resolve,
)
from hwgen.errors import HwgenError


@pytest.mark.parametrize("changes, message", [
    ({"rows": 0}, "rows = 0 is out of range: 1 to 32 are allowed."),
    ({"machine": "serial"}, "machine = serial is not allowed: choose one of microcoded, parallel"),
    ({"cols": 33}, "cols = 33 is out of range: 1 to 32 are allowed."),
    ({"filter_spad": 7}, "filter_spad = 7 is out of range: 8 to 1024"),
    ({"ifmap_spad": 48}, "ifmap_spad = 48 is not allowed: choose one of 16, 32, 64, 128."),
    ({"glb_kib": 1}, "glb_kib = 1 is out of range: 2 to 4096"),
    ({"lanes": 3}, "lanes = 3 is not allowed: choose one of 1, 2, 4, 8."),
    ({"bus_bits": 48}, "bus_bits = 48 is not allowed: choose one of 32, 64, 128, 256."),
    ({"xbus_bytes": 3}, "xbus_bytes = 3 is not allowed"),
    ({"params_depth": 100}, "params_depth = 100 is not allowed"),
    ({"addr_bits": 31}, "addr_bits = 31 is out of range: 32 to 64"),
    ({"burst": 4}, "burst = 4 is not allowed"),
    ({"clock_mhz": 0}, "clock_mhz = 0 is out of range"),
    ({"name": "a/b"}, "name = 'a/b' is not allowed: use a letter"),
    ({"name": ""}, "name = '' is not allowed"),
    ({"rows": "12"}, "rows = '12' is of type str; it must be of type int."),
    ({"zero_gate": 1}, "zero_gate = 1 is of type int; it must be of type bool."),
    ({"rows": True}, "rows = True is of type bool; it must be of type int."),
    ({"bus_bits": 256, "lanes": 4}, "lanes = 4 makes GLB words of 128 bits, less than "
                                    "bus_bits = 256: set lanes to at least 8."),
    ({"bus_bits": 256, "lanes": 8, "burst": 256},
     "burst = 256 beats of 32 bytes exceed the 4096 bytes of an AXI burst: set burst to at most "
     "128."),
    ({"bus_bits": 32, "xbus_bytes": 8}, "xbus_bytes = 8 exceeds the 4 bytes of bus_bits = 32."),
    ({"bus_bits": 128, "ifmap_spad": 16}, "ifmap_spad = 16 is too small for bus_bits = 128"),
    ({"glb_kib": 13}, "glb_kib = 13 gives each of 14 banks 2 words of 256 bits; between 32 and "
                      "32768 are allowed"),
    ({"glb_kib": 5}, "glb_kib = 5 gives each of 14 banks 0 words"),
    ({"speed": 1}, "'speed' is not a parameter: the parameters are name, rows, cols"),
])
def test_refused(changes, message):
    with pytest.raises(HwgenError, match=re.escape(message)):
        Config().replace(**changes)
    with pytest.raises(HwgenError, match=re.escape(message)):
        Config(**changes)


def test_a_preset_that_names_itself_is_refused():
    with pytest.raises(HwgenError, match="the preset big has a line `name`"):
        presets._preset("big", {"name": "big", "rows": 3})


def test_a_configuration_is_copied_and_pickled():
    config = Config(rows=3)
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


@pytest.mark.parametrize("changes, message", [
    ({"lanes": 2}, "lanes = 2 is not allowed with machine = microcoded: set it to 1, or machine to "
                   "parallel."),
    ({"bus_bits": 64, "lanes": 2}, "lanes = 2 is not allowed with machine = microcoded"),
    ({"xbus_bytes": 2}, "xbus_bytes = 2 is not allowed with machine = microcoded: set it to 1"),
    ({"tables": True}, "tables = true is not allowed with machine = microcoded: set it to false"),
    ({"addr_bits": 40}, "addr_bits = 40 is not allowed with machine = microcoded: set it to 32"),
    ({"glb_kib": 65}, "glb_kib = 65 is not allowed with machine = microcoded, whose GLB has "
                      "16-bit addresses: set it to at most 64, or machine to parallel."),
])
def test_refused_with_the_microcoded_machine(changes, message):
    with pytest.raises(HwgenError, match=re.escape(message)):
        preset("up5k").replace(**changes)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    config = preset(name)
    assert config.name == name
    assert config.bank_depth >= 32


def test_default_has_the_chips_storage():
    config = Config()
    assert (config.rows, config.cols, config.glb_kib) == (12, 14, 108)
    assert config.pe_bytes <= 520


@pytest.mark.parametrize("name", PRESETS)
def test_toml_round_trip(tmp_path, name):
    path = tmp_path / "c.toml"
    path.write_text(PRESETS[name].to_toml())
    assert load_toml(path) == PRESETS[name]


@pytest.mark.parametrize("text, message", [
    ("rows = ", "is not TOML"),
    ("[pe]\nrows = 3\n", "'pe' is not a parameter"),
    ("rows = 4.0\n", "rows = 4.0 is of type float"),
    ("row = 4\n", "'row' is not a parameter: the parameters are name, rows"),
    (b"\xff\xfe\x00", "is not TOML"),
])
def test_bad_toml(tmp_path, text, message):
    path = tmp_path / "c.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HwgenError, match=message):
        load_toml(path)


def test_missing_toml(tmp_path):
    with pytest.raises(HwgenError, match="cannot read the configuration .*: No such file"):
        load_toml(tmp_path / "none.toml")
    with pytest.raises(HwgenError, match="cannot read the configuration .*: Is a directory"):
        load_toml(tmp_path)


@pytest.mark.parametrize("text", ["12", "x", "12x", "12*14", "-1x3", "12x14x2", ""])
def test_bad_pe(text):
    with pytest.raises(HwgenError, match=f"--pe {re.escape(repr(text))} is not of the form RxC"):
        parse_pe(text)


@pytest.mark.parametrize("text, expected", [
    ("rows=3", ("rows", 3)), ("addr_bits=0x28", ("addr_bits", 40)), ("name=me", ("name", "me")),
    ("zero_gate=true", ("zero_gate", True)), ("zero_gate=False", ("zero_gate", False)),
])
def test_settings(text, expected):
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text, message", [
    ("rows", "--set 'rows' is not of the form KEY=VALUE."),
    ("rows=many", "--set 'rows=many': rows must be a whole number."),
    ("rows=1.5", "--set 'rows=1.5': rows must be a whole number."),
    ("zero_gate=1", "--set 'zero_gate=1': zero_gate must be true or false."),
])
def test_bad_settings(text, message):
    with pytest.raises(HwgenError, match=re.escape(message)):
        parse_setting(text)


def test_resolve():
    assert resolve() == resolve(pe="12x14") == Config()
    config = resolve(pe="8x8")
    assert (config.name, config.rows, config.cols) == ("eyeriss-8x8", 8, 8)
    assert config.glb_kib == 67
    assert abs(config.bank_depth - Config().bank_depth) < 16
    wide = resolve(pe="24x24")
    assert (wide.bus_bits, wide.lanes, wide.xbus_bytes, wide.ifmap_spad) == (256, 8, 8, 128)
    words = (c.bank_depth * c.subwords for c in (wide, Config()))
    assert abs(next(words) - next(words)) < 16 and wide.params_depth == 2048
    assert resolve(pe="16x16").bus_bits == 128 and resolve(pe="12x7").bus_bits == 64
    assert resolve(pe="24x24", settings=["bus_bits=128"]).bus_bits == 128
    assert resolve(pe="8x8", settings=["glb_kib=50", "name=mine"]).name == "mine"
    assert resolve(pe="8x8", settings=["glb_kib=50"]).glb_kib == 50
    assert resolve(preset_name="up5k", settings=["cols=2"]).cols == 2
    assert resolve(preset_name="up5k", pe="1x1").name == "up5k-1x1"
    assert resolve(preset_name="up5k", pe="8x8") == preset("up5k").replace(
        name="up5k-8x8", rows=8, cols=8)


def test_settings_count_together():
    """Parameters that are inconsistent one by one may be right together."""
    config = resolve(settings=["bus_bits=256", "lanes=8", "burst=128", "params_depth=2048"])
    assert (config.bus_bits, config.lanes, config.burst) == (256, 8, 128)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("pe", ["1x1", "1x32", "32x1", "32x32"])
def test_every_shape_has_a_configuration(name, pe):
    config = resolve(preset_name=name, pe=pe)
    assert f"{config.rows}x{config.cols}" == pe


def test_resolve_from_a_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('name = "mine"\nrows = 3\ncols = 3\nglb_kib = 40\n')
    config = resolve(path=path, pe="2x2")
    assert (config.name, config.rows, config.cols, config.glb_kib) == ("mine-2x2", 2, 2, 40)
    with pytest.raises(HwgenError, match="--preset and --config exclude each other"):
        resolve(path=path, preset_name="eyeriss")
    with pytest.raises(HwgenError, match="--preset 'big' is unknown: choose one of eyeriss, ecp5"):
        resolve(preset_name="big")


def test_hash():
    assert Config().hash == Config(name="other", clock_mhz=1).hash
    assert Config().hash != Config(burst=16).hash
    microcoded = preset("up5k")
    assert microcoded.hash != microcoded.replace(machine="parallel").hash


def test_presets_are_complete():
    """Each states every parameter, and what it is for."""
    with resources.files(config).joinpath("presets.toml").open("rb") as file:
        tables = tomllib.load(file)
    every = {field.name for field in dataclasses.fields(Config)} - {"name"} | {"about"}
    assert {name: set(table) for name, table in tables.items()} == dict.fromkeys(PRESETS, every)
    assert Config() == PRESETS["eyeriss"]
    assert set(ABOUT) == set(PRESETS) and all(ABOUT.values())
