"""The accelerators to simulate: generated on the spot, or built before."""

import functools
import hashlib
import json
import os
from pathlib import Path

from ..config import Config, load_toml
from ..errors import HwgenError
from ..verilog import prefix as prefixes

__all__ = ["Design", "built", "generated"]


class Design:
    """A configuration and its Verilog.

    Attributes
    ----------
    config : Config
    verilog : str
        Generated when it is first asked for, unless it was given.
    """
    def __init__(self, config: Config, verilog: str | None = None) -> None:
        self.config = config
        if verilog is not None:
            self.verilog = verilog

    @functools.cached_property
    def verilog(self) -> str:
        from ..verilog.accelerator import generate  # Amaranth takes long to import
        return generate(self.config)


def generated(config: Config) -> Design:
    """The :class:`Design` of a configuration."""
    return Design(config)


def built(folder: str | os.PathLike) -> Design:
    """The :class:`Design` that ``hwgen build`` wrote into ``folder``; its modules without prefix.

    Raises :exc:`HwgenError` if files are missing, or changed since.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        verilog = (folder / "hwgen.v").read_text()
        wanted, prefix = (manifest["verilog"][key] for key in ("sha256", "prefix"))
    except OSError as error:
        raise HwgenError(f"--build {folder} is not a built accelerator ({error.strerror}: "
                         f"{error.filename}): make one with 'hwgen build --out "
                         f"{folder}'.") from None
    except (ValueError, KeyError, TypeError):
        raise HwgenError(f"the manifest {folder / 'manifest.json'} is damaged: build the "
                         f"accelerator again.") from None
    if hashlib.sha256(verilog.encode()).hexdigest() != wanted:
        raise HwgenError(f"the Verilog in {folder} is not what its manifest states (sha256): it "
                         f"was changed; build the accelerator again.")
    return Design(load_toml(folder / "config.toml"),
                  prefixes.remove(verilog, prefix) if prefix else verilog)
