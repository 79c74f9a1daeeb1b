"""A built accelerator: everything that ``hwgen build`` writes, as a folder that appears whole."""

import hashlib
import json
import signal
from concurrent.futures import ProcessPoolExecutor

from .. import __version__
from ..files import replacing
from ..verilog import lint
from ..verilog import prefix as prefixes
from ..verilog.accelerator import generate
from ..verilog.contents import Netlist
from . import command_files as commands
from . import constraints, fusesoc, summary
from . import register_files as registers

__all__ = ["build", "MANIFEST"]

MANIFEST = "manifest.json"


def build(config, folder, prefix=None):
    """Generate the accelerator of ``config`` into ``folder``.

    What stood in ``folder`` is replaced at the very end, at once; an error or an interrupt leaves
    everything as it was.

    Parameters
    ----------
    config : Config
    folder : path
        Made, with its parents, if it does not exist.
    prefix : str
        What the names of all modules begin with, before an underscore; by default nothing.

    Returns
    -------
    dict
        The manifest, as in ``manifest.json``.

    Raises
    ------
    HwgenError
        ``folder`` cannot be written, or holds something else than a built accelerator; ``prefix``
        is no name.
    """
    if prefix is not None:
        prefixes.check(prefix)
    # The register documents take seconds as well: another core makes them meanwhile.
    with (replacing(folder, "hwgen.v") as new,
          ProcessPoolExecutor(1, initializer=_quietly) as pool):
        documents = pool.submit(registers.write, config, new)
        plain = generate(config)
        verilog = prefixes.add(plain, prefix) if prefix else plain
        top = f"{prefix}_hwgen" if prefix else "hwgen"
        texts = {
            "hwgen.v": verilog,
            "hwgen.vlt": lint.waivers(verilog),
            "hwgen.core": fusesoc.core(config, top),
            "smoke.v": fusesoc.smoke_test(config, top),
            "files.f": fusesoc.file_list(),
            "hwgen.sdc": constraints.sdc(config),
            "hwgen.lpf": constraints.lpf(config),
            "config.toml": config.to_toml(),
            "commands.md": f"# Commands of hwgen\n\n{commands.markdown()}",
            "commands.h": commands.c_header(),
            **commands.c_driver(),
        }
        for name, text in texts.items():
            (new / name).write_text(text)
        documents.result()
        manifest = _manifest(config, Netlist(plain), verilog, prefix, new)
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _quietly():
    """Leave Ctrl-C, which a terminal sends to a worker as well, to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _manifest(config, netlist, verilog, prefix, folder):
    before = f"{prefix}_" if prefix else ""
    return {
        "hwgen": __version__,
        "name": config.name,
        "hash": f"0x{config.hash:08X}",
        "parameters": config.to_dict(),
        "figures": summary.figures(config, netlist),
        "verilog": {
            "file": "hwgen.v",
            "top": f"{before}hwgen",
            "prefix": prefix,
            "bytes": len(verilog.encode()),
            "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
            "modules": {f"{before}{name}": count for name, count in sorted(netlist.counts.items())},
        },
        "ports": netlist.ports,
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                  for path in sorted(folder.iterdir()) if path.is_file()},
    }
