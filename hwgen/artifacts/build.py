"""A built accelerator: everything that ``hwgen build`` writes, as a folder that appears whole."""

import hashlib
import json
import signal
from concurrent.futures import ProcessPoolExecutor

from .. import __version__
from ..files import replacing
from ..verilog import lint
from ..verilog.accelerator import generate
from ..verilog.contents import Netlist
from . import command_files as commands
from . import fusesoc, summary
from . import register_files as registers

__all__ = ["build", "MANIFEST"]

MANIFEST = "manifest.json"


def build(config, folder):
    """Generate the accelerator of ``config`` into ``folder``.

    What stood in ``folder`` is replaced at the very end, at once; an error or an interrupt leaves
    everything as it was.

    Parameters
    ----------
    config : Config
    folder : path
        Made, with its parents, if it does not exist.

    Returns
    -------
    dict
        The manifest, as in ``manifest.json``.

    Raises
    ------
    HwgenError
        ``folder`` cannot be written, or holds something else than a built accelerator.
    """
    # The register documents take seconds as well: another core makes them meanwhile.
    with (replacing(folder, "hwgen.v") as new,
          ProcessPoolExecutor(1, initializer=_quietly) as pool):
        documents = pool.submit(registers.write, config, new)
        verilog = generate(config)
        texts = {
            "hwgen.v": verilog,
            "hwgen.vlt": lint.waivers(verilog),
            "hwgen.core": fusesoc.core(config),
            "smoke.v": fusesoc.smoke_test(config),
            "files.f": fusesoc.file_list(),
            "config.toml": config.to_toml(),
            "commands.md": f"# Commands of hwgen\n\n{commands.markdown()}",
            "commands.h": commands.c_header(),
            **commands.c_driver(),
        }
        for name, text in texts.items():
            (new / name).write_text(text)
        documents.result()
        manifest = _manifest(config, verilog, new)
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _quietly():
    """Leave Ctrl-C, which a terminal sends to a worker as well, to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _manifest(config, verilog, folder):
    netlist = Netlist(verilog)
    return {
        "hwgen": __version__,
        "name": config.name,
        "hash": f"0x{config.hash:08X}",
        "parameters": config.to_dict(),
        "figures": summary.figures(config, netlist),
        "verilog": {
            "file": "hwgen.v",
            "top": "hwgen",
            "bytes": len(verilog.encode()),
            "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
            "modules": dict(sorted(netlist.counts.items())),
        },
        "ports": netlist.ports,
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                  for path in sorted(folder.iterdir()) if path.is_file()},
    }
