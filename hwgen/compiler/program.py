"""What the compiler hands over: a memory image, and one runnable program for each layer."""

from dataclasses import dataclass, field

import numpy as np

from ..config import Config
from ..cost.geometry import MachineLayer
from .layout.dram import Placement
from .map.mapping import Estimate, Mapping

__all__ = ["Program", "Segment", "Stored"]


@dataclass(frozen=True)
class Segment:
    """A layer, or a step of a layer that takes several: one program, ``BEGIN`` to ``END``, or a
    part of one.

    Attributes
    ----------
    name : str
        The layer's name (the first one's, if pooling is fused into it).
    layers : tuple
        The network's layers that it works for: one, or a ``Conv`` or ``Elementwise`` and the
        functions and the ``MaxPool`` fused into it. Segments of the same layers follow each other,
        and the last of them completes them.
    inputs : tuple of str
        Tensors read.
    y : str
        Tensor written. Steps of a layer also read and write tensors of their own, which
        ``Program.tensors`` does not list, and parts of the layer's output.
    offset : int
        Byte offset of ``BEGIN``, for the accelerator's PROGRAM register; a multiple of 64.
    size : int
        Bytes of the program, 64 a command.
    macs : int
        Multiply-accumulates of the layers; 0 for a step before the last.
    layer : MachineLayer
        What the machine computes for them.
    mapping : Mapping
        How the layer is laid over the machine.
    estimate : Estimate
        What the cost model expects of it, and why the mapping was chosen; ``str()`` shows it.
    joined : bool
        The program is that of the segment before, which runs this one, too.
    commands : dict of str to int
        Its commands by name, how many. Of each name, those of a program's first segment come before
        those of its second, and so on.
    """
    name: str
    layers: tuple
    inputs: tuple[str, ...]
    y: str
    offset: int
    size: int
    macs: int
    layer: MachineLayer
    mapping: Mapping
    estimate: Estimate
    joined: bool = False
    commands: dict[str, int] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """Cycles that the cost model predicts."""
        return self.estimate.cycles


@dataclass(frozen=True)
class Stored:
    """A tensor that is in DRAM as a function of its bytes alone.

    Attributes
    ----------
    place : Placement
        Of what is there.
    tensor : str
        The tensor of the network.
    table : numpy.ndarray
        uint8, 256 entries: what stands there in place of each of its bytes.
    """
    place: Placement
    tensor: str
    table: np.ndarray


@dataclass(frozen=True)
class Program:
    """A compiled network.

    To run it: write ``image`` at DRAM offset 0, and run the segments that are not joined in order,
    each with PROGRAM set to its ``offset``. A tensor that no segment makes, an input or a host
    layer's output, is to be written before: its :meth:`pack` at ``tensors[name].offset``. Every
    tensor keeps its place, so each may be read back at the end. A layer without a segment (a slice
    that is read where it is, a concatenation whose parts were written in place) is done when those
    before it are.

    Attributes
    ----------
    config : Config
        The accelerator that it is for.
    image : bytes
        Initial contents of DRAM from offset 0: code, filters, parameters.
    memory_bytes : int
        DRAM that the program needs in all, from offset 0.
    segments : tuple of Segment
        In the order in which they are to run.
    tensors : dict of str to Placement
        Every tensor in DRAM, by name: those that layers read or write, some of them inside of
        others. (The output of a layer that a function or a pooling is fused into is never there.)
    stored : dict of str to Stored
        By the ``y`` of their segment, tensors that are there in another scale alone: parts of a
        concatenation.
    """
    config: Config
    image: bytes
    memory_bytes: int
    segments: tuple[Segment, ...]
    tensors: dict[str, Placement]
    stored: dict[str, Stored]

    @property
    def runs(self) -> list[list[Segment]]:
        """The segments by program: a list for each, in the order in which they are to run."""
        runs: list[list[Segment]] = []
        for segment in self.segments:
            if segment.joined:
                runs[-1].append(segment)
            else:
                runs.append([segment])
        return runs

    @staticmethod
    def limit(run: list[Segment]) -> int:
        """Cycles after which a program of :attr:`runs` is to be stopped, for it will never end: a
        hundred times those predicted, and 2**24 more. A memory slower than predicted is no error.
        """
        return (1 << 24) + 100 * sum(segment.cycles for segment in run)

    def pack(self, name: str, array: np.ndarray) -> bytes:
        """The bytes of tensor ``name`` for DRAM at ``tensors[name].offset``.

        ``array`` has the tensor's shape ``(C, H, W)`` and type; anything else raises
        :exc:`ValueError`.
        """
        return self.tensors[name].pack(array)

    def unpack(self, name: str, data: bytes) -> np.ndarray:
        """The array ``(C, H, W)`` of tensor ``name`` from the ``tensors[name].size`` bytes of
        DRAM at ``tensors[name].offset``."""
        return self.tensors[name].unpack(data)
