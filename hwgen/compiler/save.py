"""A compiled network as a folder: memory image, manifest, C header, listing and mappings."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from .. import __version__
from ..config import Config
from ..errors import HwgenError
from ..files import replacing
from ..isa.disassemble import listing
from ..network.graph import Host
from .header import c_header
from .map import explain
from .map.loop_nest import Nest

__all__ = ["IMAGE", "MANIFEST", "save", "load"]

IMAGE, MANIFEST = "program.bin", "manifest.json"


def save(network, program, folder):
    """Write a program into ``folder``, whole or not at all; the same bytes for the same program.

    Parameters
    ----------
    network : Network
    program : Program
    folder : path
        What an earlier program left there is replaced.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    HwgenError
        ``folder`` cannot be written, or holds something else than a program.
    """
    nests = [Nest.of(program, segment) for segment in program.segments]
    title = f"{network.name} on {program.config.name}"
    table = [explain.overview(title, nests)] if nests else []
    texts = {
        "program.h": c_header(network, program, IMAGE),
        "listing.txt": "".join(_listing(program)),
        "mappings.txt": explain.text(*table, *(explain.detail(nest) for nest in nests)),
        "mapping.toml": explain.toml(nests),
    }
    with replacing(folder, IMAGE) as new:
        (new / IMAGE).write_bytes(program.image)
        for name, text in texts.items():
            (new / name).write_text(text)
        manifest = _manifest(network, program, nests, new)
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def load(path):
    """What :func:`save` wrote, or a bare image.

    Parameters
    ----------
    path : path
        A folder of :func:`save`, or a file with a memory image.

    Returns
    -------
    (bytes, dict or None, Config or None)
        The image; of a folder also the manifest and the accelerator.

    Raises
    ------
    HwgenError
        It is neither, or was changed.
    """
    path = Path(path)
    folder = path.is_dir()
    try:
        image = (path / IMAGE if folder else path).read_bytes()
        manifest = json.loads((path / MANIFEST).read_text()) if folder else None
        if not folder:
            return image, None, None
        if hashlib.sha256(image).hexdigest() != manifest["image"]["sha256"]:
            raise HwgenError(f"the image in {path} is not what its manifest states (sha256): "
                             f"compile again.")
        return image, manifest, Config(**manifest["parameters"])
    except OSError as error:
        raise HwgenError(f"{path} is not a compiled network ({error.strerror}): name a folder of "
                         f"'hwgen compile', or its {IMAGE}.") from None
    except (ValueError, KeyError, TypeError):
        raise HwgenError(f"the manifest {path / MANIFEST} is damaged: compile again.") from None


def _listing(program):
    for run in program.runs:
        yield f"; {', '.join(segment.name for segment in run)}\n"
        for line in listing(program.image, run[0].offset, program.config):
            yield f"{line}\n"
        yield "\n"


def _plain(record, *, without=()):
    """The fields of a dataclass, ready for JSON."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)
              if field.name not in without}
    return {name: str(value) if isinstance(value, np.dtype) else value
            for name, value in values.items()}


def _manifest(network, program, nests, folder):
    config = program.config
    return {
        "hwgen": __version__,
        "network": network.name,
        "config": config.name,
        "config_hash": f"0x{config.hash:08X}",
        "parameters": config.to_dict(),
        "image": {"file": IMAGE, "bytes": len(program.image),
                  "sha256": hashlib.sha256(program.image).hexdigest()},
        "memory_bytes": program.memory_bytes,
        "inputs": {name: {"shape": list(shape), "dtype": str(np.dtype(dtype))}
                   for name, (shape, dtype) in network.inputs.items()},
        "outputs": {name: {"shape": list(shape), "dtype": str(np.dtype(dtype))}
                    for name, (shape, dtype) in network.outputs.items()},
        "host_parts": [{"name": layer.name, "macs": layer.macs,
                        "nodes": [{"name": name, "op": op} for name, op in layer.nodes]}
                       for layer in network.layers if isinstance(layer, Host)],
        "tensors": {name: {**_plain(place, without=("name",)), "size": place.size}
                    for name, place in program.tensors.items()},
        "segments": [{
            **_plain(segment, without=("layers", "layer", "mapping", "estimate")),
            "layers": [layer.name for layer in segment.layers],
            "predicted_cycles": segment.cycles,
            "bound_by": segment.estimate.bound,
            "mapping": dataclasses.asdict(segment.mapping),
            "estimate": dataclasses.asdict(segment.estimate),
            "reasons": list(nest.reasons),
        } for segment, nest in zip(program.segments, nests, strict=True)],
        "macs": sum(segment.macs for segment in program.segments),
        "predicted_cycles": sum(segment.cycles for segment in program.segments),
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                  for path in sorted(folder.iterdir())},
    }
