"""The accelerators to simulate: generated on the spot, or built before."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, load_toml
from ..errors import HwgenError

__all__ = ["Design", "built", "generated"]


@dataclass(frozen=True)
class Design:
    """A configuration and its Verilog."""
    config: Config
    verilog: str


def generated(config):
    """The :class:`Design` of a configuration."""
    from ..verilog.accelerator import generate  # Amaranth takes long to import
    return Design(config, generate(config))


def built(folder):
    """The :class:`Design` that ``hwgen build`` wrote into ``folder``.

    Raises :exc:`HwgenError` if files are missing, or changed since.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        verilog = (folder / "hwgen.v").read_text()
        wanted = manifest["verilog"]["sha256"]
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
    return Design(load_toml(folder / "config.toml"), verilog)
