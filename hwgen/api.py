"""The Python interface: what ``import hwgen`` offers, from a configuration to a report."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from .compiler import Program, compile_network
from .compiler.save import save
from .config import Config, resolve
from .energy import table
from .energy.prices import DEFAULT
from .errors import HwgenError
from .host.fitting import fitted
from .host.network_runner import golden_layers
from .host.trace import Trace
from .importer.onnx_import import Model
from .importer.reference import Reference
from .network import golden
from .network.graph import Network
from .report.console import Report
from .simulate.dram import Dram
from .simulate.hardware import generated
from .simulate.simulators import SIMULATORS, prepare, simulate
from .simulate.waves import Waves

__all__ = ["Compiled", "build", "compile", "configuration", "load", "run"]

Inputs = Mapping[str, np.ndarray] | Sequence[np.ndarray] | np.ndarray


#: How to come by an argument of each type.
_MADE_BY = {Config: "hwgen.configuration or hwgen.Config", Model: "hwgen.load",
            Dram: "hwgen.simulate.dram.Dram"}


def _of_kind(value: Any, kind: type, name: str) -> None:
    """Refuse an argument of another type."""
    if not isinstance(value, kind):
        raise HwgenError(f"{name} is a {type(value).__name__}: give what "
                         f"{_MADE_BY.get(kind, 'hwgen.compile')} makes.")


def configuration(pe: str | None = None, *, preset: str | None = None,
                  file: str | PathLike | None = None, **parameters: Any) -> Config:
    """The configuration that the options of the command line describe.

    Parameters
    ----------
    pe : str
        Shape of the PE array, as in ``"12x14"``; of a preset, widths and sizes grow with it.
    preset, file : str
        The base: a preset (``"eyeriss"`` if neither is given), or a TOML file.
    parameters
        Fields of :class:`Config`, in place of the base's and of what ``pe`` implies.

    Raises
    ------
    HwgenError
        A value is not allowed; the sentence says which, and what is.
    """
    return resolve(preset_name=preset, path=file, pe=pe,
                   settings=[f"{key}={value}" for key, value in parameters.items()])


def build(config: Config, folder: str | PathLike, *, prefix: str | None = None) -> dict[str, Any]:
    """Write the accelerator's Verilog and all that goes with it into a folder, as ``hwgen build``.

    Parameters
    ----------
    config : Config
    folder : path
    prefix : str
        What the names of all modules begin with, before an underscore; by default nothing.

    Returns
    -------
    dict
        The manifest, as in ``manifest.json``: parameters, figures, ports, files with their hashes.

    Raises
    ------
    HwgenError
        The folder cannot be written, or holds something else than a built accelerator; ``config``
        is no :class:`Config`.
    """
    _of_kind(config, Config, "config")
    from .artifacts.build import build as write  # Amaranth takes long to import
    return write(config, Path(folder), prefix)


def load(source: str | PathLike | bytes, shapes: Mapping[str, tuple] | None = None, *,
         integer: bool = False, sample: Mapping[str, np.ndarray] | None = None) -> Model:
    """Read an ONNX model.

    Parameters
    ----------
    source : path or bytes
        The file, or its contents.
    shapes : dict of str to tuple
        Shapes of inputs for which the file leaves dimensions open.
    integer : bool
        Products of quantised values that ONNX Runtime computes in float become exact sums of
        integers, on the accelerator.
    sample : dict of str to numpy.ndarray
        Inputs, for a model in which shapes depend on their values.

    Raises
    ------
    HwgenError
        The file is not an ONNX model that ONNX Runtime runs.
    """
    contents = source if isinstance(source, bytes) else Path(source)
    return Model(contents, shapes and dict(shapes), integer=integer, sample=sample and dict(sample))


@dataclass(frozen=True)
class Compiled:
    """A model, compiled for an accelerator.

    Attributes
    ----------
    model : Model
    network : Network
        Its layers; what the accelerator cannot run is in host parts.
    program : Program
        Commands, memory image, mappings and predicted cycles.
    config : Config
    """
    model: Model
    network: Network
    program: Program
    config: Config

    @property
    def cycles(self) -> int:
        """Cycles that the cost model predicts for all layers on the accelerator."""
        return sum(segment.cycles for segment in self.program.segments)

    @functools.cached_property
    def _reference(self) -> Reference:
        return Reference(self.model, self.network)

    def save(self, folder: str | PathLike) -> dict[str, Any]:
        """Write program, manifest, listing and mappings into a folder, as ``hwgen compile``.

        Returns the manifest; raises :exc:`HwgenError` if the folder cannot be written.
        """
        return save(self.network, self.program, Path(folder))


def compile(model: Model, config: Config, *,
            mappings: Mapping[str, Mapping[str, int]] | None = None, memory: int | None = None,
            joined: bool = True, fuse: bool = True) -> Compiled:
    """Compile a model for the accelerator ``config``.

    Parameters
    ----------
    mappings : dict of str to dict of str to int
        Fields of mappings that are given, by layer name.
    memory : int
        Bytes of DRAM that there are; 4 GiB by default.
    joined : bool
        One program for all layers between two host parts, in place of one a layer, which is slower;
        then all is counted for each layer.
    fuse : bool
        Functions of one tensor, such as activations, are computed by the layer before them.

    Raises
    ------
    HwgenError
        A given mapping does not fit its layer, or the network the memory; an argument is of another
        type.
    """
    _of_kind(model, Model, "model")
    _of_kind(config, Config, "config")
    network, program = fitted(
        model.with_tables(config.tables), lambda network: compile_network(
            network, config, mappings=mappings, memory=memory, joined=joined,
            fuse=fuse))
    return Compiled(model, network, program, config)


@functools.lru_cache(maxsize=8)
def _verilog(config: Config) -> str:
    return generated(config).verilog


@functools.lru_cache(maxsize=8)
def _simulator(config: Config, sim: str) -> Callable:
    return prepare(sim, _verilog(config), console=Console(quiet=True))


def run(compiled: Compiled, inputs: Inputs, *, sim: str = "verilator", check: bool = True,
        dram: Dram | None = None, waves: str | PathLike | None = None,
        layer: str | None = None, trace: bool = False, energy: str = DEFAULT) -> Report:
    """Run a compiled model on the simulated accelerator.

    The simulator is built at the first run of a configuration, and kept in the user's cache.

    Parameters
    ----------
    inputs : array, sequence of array, or dict of str to array
        The input; several in the model's order, or by name.
    sim : str
        ``"verilator"``, ``"icarus"``, or ``"golden"``: the golden model alone.
    check : bool
        Compare every tensor with the golden model and ONNX Runtime, bit by bit.
    dram : Dram
        Timing of the memory behind the accelerator.
    waves, layer : str
        File to record waves to, ``.vcd`` or ``.fst``; and the one layer to record.
    trace : bool
        Take samples of the counters: the report's ``timeline``.
    energy : str
        Table of energies, by name or file.

    Returns
    -------
    Report
        Outputs, cycles, a row for each layer, energy, and what differs.

    Raises
    ------
    HwgenError
        An input is missing, unknown, or of another shape or type; ``layer`` is given without
        ``waves``.
    SimulationError
        The accelerator stopped, or broke a protocol.
    """
    _of_kind(compiled, Compiled, "compiled")
    if dram is not None:
        _of_kind(dram, Dram, "dram")
    if layer is not None and waves is None:
        raise HwgenError("layer says of which layer waves are recorded: give waves, too.")
    if sim not in SIMULATORS:
        raise HwgenError(f"sim = {sim!r} is unknown: choose one of {', '.join(SIMULATORS)}.")
    network, program, config = compiled.network, compiled.program, compiled.config
    prices, sampled = table(energy), Trace() if trace else None
    given = golden.checked(network, _named(network, inputs))
    references = {}
    if check:
        references = {"golden": golden.run(network, given),
                      "onnxruntime": compiled._reference.run(given)}
    if sim == "golden":
        began = time.perf_counter()
        values = references["golden"] if check else golden.run(network, given)
        return Report(network, None, sim, list(golden_layers(network, values)), values, references,
                      time.perf_counter() - began, energy_table=prices)
    quiet, recorded = Console(quiet=True), None
    if waves is None:
        start = _simulator(config, sim)
    else:
        recorded = Waves(waves, layer)
        recorded.check(program)
        start = prepare(sim, _verilog(config), console=quiet, waves=recorded)
    with recorded or nullcontext(), start(program.memory_bytes, dram=dram) as bus:
        layers, values, seconds = simulate(network, program, given, bus, console=quiet,
                                           waves=recorded, trace=sampled)
    return Report(network, config, sim, layers, values, references, seconds, energy_table=prices,
                  program=program, timeline=sampled.samples if sampled else None)


def _named(network: Network, inputs: Inputs) -> dict[str, np.ndarray]:
    """Inputs by name."""
    if isinstance(inputs, str | bytes | PathLike):
        raise HwgenError(f"inputs = {inputs!r} is no array: inputs are an array, a sequence of "
                         f"arrays, or a dict by name; only `hwgen run` reads files.")
    if isinstance(inputs, Mapping):
        return dict(inputs)
    values = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
    if len(values) != len(network.inputs):
        raise HwgenError(f"{len(values)} inputs were given; {network.name} has "
                         f"{len(network.inputs)}: {', '.join(map(repr, network.inputs))}.")
    return dict(zip(network.inputs, values, strict=True))
