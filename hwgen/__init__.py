"""hwgen: a generator of row-stationary CNN inference accelerators.

The names below are the Python interface, docs/use/python.md is their page. They are imported when
they are used, so that ``import hwgen`` takes no time; everything else is in the packages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import Compiled, build, compile, configuration, load, run
    from .config import Config
    from .errors import HwgenError
    from .host.driver import SimulationError
    from .quantisation import quantise
    from .report.console import Report

__all__ = ["Compiled", "Config", "HwgenError", "Report", "SimulationError", "build", "compile",
           "configuration", "load", "quantise", "run"]

_HOMES = {"Config": "config", "HwgenError": "errors", "SimulationError": "host.driver",
          "Report": "report.console", "quantise": "quantisation"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES.get(name, 'api')}", __name__), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
