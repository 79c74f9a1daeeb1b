"""What the compiler hands over: a memory image, and one runnable program for each layer."""

from dataclasses import dataclass

from ..config import Config
from .geometry import Layer
from .mapping import Estimate, Mapping

__all__ = ["Program", "Segment"]


@dataclass(frozen=True)
class Segment:
    """One layer's program, ``BEGIN`` to ``END``.

    Attributes
    ----------
    name : str
        The layer's name (the convolution's, if pooling is fused into it).
    layers : tuple
        The network's layers that it computes: one, or a ``Conv`` and the ``MaxPool`` fused into it.
    x, y : str
        Tensor read and tensor written.
    offset : int
        Byte offset of ``BEGIN``, for the accelerator's PROGRAM register; a multiple of 64.
    size : int
        Bytes of code, 64 a command.
    macs : int
        Multiply-accumulates of the layers.
    layer : Layer
        What the machine computes for them.
    mapping : Mapping
        How the layer is laid over the machine.
    estimate : Estimate
        What the cost model expects of it, and why the mapping was chosen; ``str()`` shows it.
    """
    name: str
    layers: tuple
    x: str
    y: str
    offset: int
    size: int
    macs: int
    layer: Layer
    mapping: Mapping
    estimate: Estimate

    @property
    def cycles(self):
        """Cycles that the cost model predicts."""
        return self.estimate.cycles


@dataclass(frozen=True)
class Program:
    """A compiled network.

    To run it: write ``image`` at DRAM offset 0 and each input's :meth:`pack` at
    ``tensors[name].offset``, then run the segments in order, each with PROGRAM set to its
    ``offset``. Every tensor keeps its place, so each may be read back at the end.

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
        Every tensor in DRAM, by name. (The output of a convolution whose pooling is fused is
        never there.)
    """
    config: Config
    image: bytes
    memory_bytes: int
    segments: tuple
    tensors: dict

    def pack(self, name, array):
        """The bytes of tensor ``name`` for DRAM at ``tensors[name].offset``.

        ``array`` has the tensor's shape ``(C, H, W)`` and type; anything else raises
        :exc:`ValueError`.
        """
        return self.tensors[name].pack(array)

    def unpack(self, name, data):
        """The array ``(C, H, W)`` of tensor ``name`` from the ``tensors[name].size`` bytes of
        DRAM at ``tensors[name].offset``."""
        return self.tensors[name].unpack(data)
