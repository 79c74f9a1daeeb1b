"""Configurations by name, from files and from the options of the command line."""

import dataclasses
import os
import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any

from ..errors import HwgenError
from ..files import read_toml
from ..machines import machine_of
from .parameters import Config

__all__ = ["ABOUT", "PRESETS", "preset", "load_toml", "parse_pe", "parse_setting", "resolve"]

_PRESETS = tomllib.loads(resources.files(__package__).joinpath("presets.toml").read_text())

#: What each preset is for, by name.
ABOUT = {name: table.pop("about") for name, table in _PRESETS.items()}

def _preset(name: str, table: dict[str, Any]) -> Config:
    if "name" in table:
        raise HwgenError(f"presets.toml: the preset {name} has a line `name`: its table's name is "
                         f"its name; leave the line out.")
    return Config(name=name, **table)


#: The presets by name; they stand in presets.toml.
PRESETS = {name: _preset(name, table) for name, table in _PRESETS.items()}


def preset(name: str) -> Config:
    """The preset of that name; raises :exc:`HwgenError` if there is none."""
    try:
        return PRESETS[name]
    except KeyError:
        raise HwgenError(f"--preset {name!r} is unknown: choose one of "
                         f"{', '.join(PRESETS)}.") from None


def parse_pe(text: str) -> tuple[int, int]:
    """``(rows, cols)`` of an array written ``RxC``, as in ``12x14``."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise HwgenError(f"--pe {text!r} is not of the form RxC, as in 12x14.")
    return int(match[1]), int(match[2])


def load_toml(path: str | os.PathLike) -> Config:
    """The configuration that a TOML file states; parameters left out take their defaults."""
    return Config().replace(**read_toml(path, "configuration"))


def parse_setting(text: str) -> tuple[str, Any]:
    """``(key, value)`` of a parameter written ``KEY=VALUE``, the value in the parameter's type."""
    key, equals, value = text.partition("=")
    if not equals:
        raise HwgenError(f"--set {text!r} is not of the form KEY=VALUE.")
    kind = {field.name: field.type for field in dataclasses.fields(Config)}.get(key)
    if kind is int:
        try:
            return key, int(value, 0)
        except ValueError:
            raise HwgenError(f"--set {text!r}: {key} must be a whole number.") from None
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise HwgenError(f"--set {text!r}: {key} must be true or false.")
        return key, value.lower() == "true"
    return key, value


def resolve(*, preset_name: str | None = None, path: str | os.PathLike | None = None,
            pe: str | None = None, settings: Iterable[str] = ()) -> Config:
    """The configuration that the options of the command line describe.

    Parameters
    ----------
    preset_name, path : str
        The base: a preset (``eyeriss`` if neither is given) or a TOML file.
    pe : str
        ``RxC`` in place of the base's shape. Unless set as well, the name gets the shape as a
        suffix, and a preset's buses, lanes, spads and GLB change as its machine's ``grown`` tells.
    settings : sequence of str
        ``KEY=VALUE``, in place of the base's and of what ``pe`` implies.
    """
    if preset_name is not None and path is not None:
        raise HwgenError("--preset and --config exclude each other: give one base.")
    base = load_toml(path) if path is not None else preset(preset_name or "eyeriss")
    changes = dict(parse_setting(text) for text in settings)
    if pe is not None:
        rows, cols = parse_pe(pe)
        if (rows, cols) != (base.rows, base.cols):
            implied = {"rows": rows, "cols": cols, "name": f"{base.name}-{rows}x{cols}"}
            if path is None:
                implied |= machine_of(base).grown(base, rows, cols)
            changes = implied | changes
    return base.replace(**changes)
