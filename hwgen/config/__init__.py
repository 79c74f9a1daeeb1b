"""The configuration of an accelerator: parameters, presets, and what the options of the command
line mean."""

from .parameters import Config
from .presets import ABOUT, PRESETS, load_toml, parse_pe, parse_setting, preset, resolve

__all__ = ["ABOUT", "Config", "PRESETS", "preset", "load_toml", "parse_pe", "parse_setting",
           "resolve"]
