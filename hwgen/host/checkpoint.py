"""The finished layers of a run as files, so that a run that was stopped goes on where it was."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import HwgenError
from ..files import write_whole
from ..network.graph import Host
from .network_runner import LayerResult

__all__ = ["Checkpoint"]

_MARK = "run.json"


class Checkpoint:
    """A folder that holds the results of one run's layers, a file for each.

    Parameters
    ----------
    folder : path
        Made if it does not exist. If it holds layers, they are those of an earlier run of the same
        program, on the same inputs.
    network : Network
    program : Program
    inputs : dict of str to numpy.ndarray
    sim : str
        Name of the simulator, whose cycles differ from another one's.

    Attributes
    ----------
    layers : dict of str to LayerResult
        What earlier runs left, by tensor.

    Raises
    ------
    HwgenError
        The folder cannot be used, holds another run, or a file in it is damaged.
    """
    def __init__(self, folder, network, program, inputs, sim):
        self._folder, self.layers = Path(folder), {}
        key = _key(network, program, inputs, sim)
        mark = self._folder / _MARK
        try:
            if not mark.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                if any(self._folder.iterdir()):
                    raise HwgenError(f"--resume {folder} holds files that are of no run: choose "
                                     f"another folder, or empty it.")
                found = {"network": network.name, "key": key}
                write_whole(mark, lambda file: file.write(json.dumps(found).encode() + b"\n"))
            found = json.loads(mark.read_text())["key"]
        except OSError as error:
            raise HwgenError(f"--resume {folder} cannot be used ({error.strerror}): name a folder "
                             f"that can be written.") from None
        except (ValueError, KeyError, TypeError):
            raise HwgenError(f"--resume {folder} is damaged: delete it and begin anew.") from None
        if found != key:
            raise HwgenError(f"--resume {folder} holds another run, of another model, input, "
                             f"configuration or simulator: choose another folder, or delete it.")
        for path in sorted(self._folder.glob("*.npz")):
            result = _read(path)
            self.layers[result.tensor] = result

    def keep(self, run):
        """The layers of :func:`~.session.execute`, each written as soon as it is done."""
        count = 0
        while True:
            try:
                result = next(run)
            except StopIteration as end:
                return end.value
            if result.tensor not in self.layers:
                facts = json.dumps({**vars(result), "value": None})
                write_whole(self._folder / f"{count:04}.npz", lambda file, r=result, f=facts:
                            np.savez_compressed(file, value=r.value, facts=np.array(f)))
            count += 1
            yield result


def _read(path):
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return replace(LayerResult(**json.loads(file["facts"].item())), value=file["value"])
    except Exception:    # zip, NumPy and JSON have an exception each
        raise HwgenError(f"the finished layer {path} is damaged: delete the file, and the layer "
                         f"runs again.") from None


def _key(network, program, inputs, sim):
    """Identity of all that a run's results depend on."""
    digest = hashlib.sha256(f"{sim} {program.config.hash:08x}".encode())
    digest.update(program.image)
    for layer in network.layers:
        if isinstance(layer, Host):
            digest.update(layer.model)
    for name, value in sorted(inputs.items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
