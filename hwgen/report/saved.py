"""What ``bench``, ``run`` and ``map`` write as JSON: marked with its kind, and read back."""

import json
import shlex
from typing import Any

from .. import __version__
from ..config import Config
from ..errors import HwgenError
from ..files import is_standard_output

__all__ = ["FORMAT", "KINDS", "check", "hint", "read", "stamp"]

#: Version of the format: it grows when a field changes its meaning.
FORMAT = 1

#: The commands that write such files.
KINDS = ("bench", "run", "map")


def stamp(kind: str, config: Config | None) -> dict[str, Any]:
    """The fields that tell what a file is, and of which accelerator."""
    return {"kind": kind, "format": FORMAT, "hwgen": __version__,
            "config": config and config.name, "config_hash": config and f"0x{config.hash:08X}",
            "pe": config and f"{config.rows}x{config.cols}",
            "parameters": config and config.to_dict()}


def hint(file: str | None) -> str:
    """The line that makes the report of a command whose ``--json`` is ``file``."""
    if file is None or is_standard_output(file):
        return "report: --json RUN.json, then python -m hwgen report RUN.json --out report.html"
    return f"report: python -m hwgen report {shlex.quote(file)} --out report.html"


def read(path: str) -> list[dict[str, Any]]:
    """The results in a file: one, or one a network.

    Raises
    ------
    HwgenError
        The file cannot be read, is not JSON, or is no such result of this version, on an
        accelerator.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise HwgenError(f"cannot read the result {path}: {error.strerror}.") from None
    except ValueError as error:
        raise HwgenError(f"the result {path} is not JSON: {error}.") from None
    results = found if isinstance(found, list) else [found]
    for result in results:
        check(f"the result {path}", result)
    if not results:
        raise HwgenError(f"the result {path} is empty: give what --json of {_commands()} wrote.")
    return results


def _commands():
    return ", ".join(f"hwgen {kind}" for kind in KINDS)


def check(name: str, result: Any) -> None:
    """Refuse what is no result of this version, on an accelerator, with counts; ``name`` it."""
    if not isinstance(result, dict) or result.get("kind") not in KINDS:
        raise HwgenError(f"{name} is something else: give what --json of {_commands()} "
                         f"wrote.")
    if result.get("format") != FORMAT:
        raise HwgenError(f"{name} has format {result.get('format')!r}, of another "
                         f"version of hwgen; this one reads format {FORMAT}: run hwgen "
                         f"{result['kind']} again.")
    if result.get("parameters") is None:
        raise HwgenError(f"{name} is of the golden model alone, without an accelerator: "
                         f"run it with --sim verilator.")
    layers = result.get("layers")
    if not isinstance(layers, list) or not layers:
        raise HwgenError(f"{name} has no layers: nothing of {result.get('network')!r} "
                         f"is on the accelerator.")
    for layer in layers:
        if layer.get("where") != "host" and not isinstance(layer.get("energy"), dict):
            raise HwgenError(f"{name} lacks the counts of layer {layer.get('name')!r}: "
                             f"run hwgen {result['kind']} again.")
