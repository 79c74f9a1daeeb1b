"""Layers of known networks on the RTL, with random data: what was measured, and against what."""

import time
from dataclasses import dataclass

import numpy as np

from ..compiler import compile_network
from ..model import golden
from ..model.eyeriss import CYCLES, ENERGY
from ..model.graph import Conv, Network, Tensor
from .driver import Driver
from .session import difference, execute

__all__ = ["LayerBench", "bench_layer", "layer_network"]

_STALLS = {"ifmap": "STALL_IFMAP", "filter": "STALL_FILTER", "psum": "STALL_PSUM",
           "idle": "STALL_IDLE"}


@dataclass(frozen=True)
class LayerBench:
    """One layer shape, compiled and (unless only modelled) run.

    Attributes
    ----------
    network : str
    shape : LayerShape
    config : Config
    segment : Segment
        Mapping and estimate.
    counters : dict of str to int, or None
    mismatches : int or None
        Output values that differ from the golden model's.
    seconds : float
        Wall time of the simulation.
    """
    network: str
    shape: object
    config: object
    segment: object
    counters: dict = None
    mismatches: int = None
    seconds: float = 0

    @property
    def predicted(self):
        return self.segment.cycles

    @property
    def cycles(self):
        """Measured, else predicted."""
        return self.counters["CYCLES"] if self.counters else self.predicted

    @property
    def utilisation(self):
        return self.shape.macs / (self.config.rows * self.config.cols * self.cycles)

    @property
    def active_pes(self):
        """PEs that computed, on average, while the array was busy."""
        return self.counters and self.counters["MACS"] / self.counters["ARRAY_BUSY"]

    @property
    def stalls(self):
        return self.counters and {name: self.counters[counter]
                                  for name, counter in _STALLS.items()}

    @property
    def ratio(self):
        """The chip's cycles over ours, None where none are published."""
        published = CYCLES.get(self.network, {}).get(self.shape.name)
        return published and published / self.cycles

    @property
    def energy(self):
        """Normalised energy a MAC: spads, NoC, GLB and DRAM, in accesses of one value."""
        if not self.counters:
            return None
        count, config = self.counters, self.config
        # A MAC reads a weight and an ifmap value and updates the running psum.
        spad = 4 * count["MACS"] + count["FILTER_WRITES"] + count["XBUS_WRITES"] * config.xbus_bytes
        noc = count["FILTER_WRITES"] + count["XBUS_WRITES"] * config.xbus_bytes
        glb = (count["GLB_READS"] + count["GLB_WRITES"]) * config.lanes
        dram = (count["DRAM_READ_WORDS"] + count["DRAM_WRITE_WORDS"]) * config.bus_bytes
        return 1 + (ENERGY["spad"] * spad + ENERGY["noc"] * noc + ENERGY["glb"] * glb
                    + ENERGY["dram"] * dram) / self.shape.macs

    def to_dict(self):
        """Plain data, ready for JSON."""
        count, word = self.counters, self.config.bus_bytes
        return {
            "name": self.shape.name, "count": self.shape.count, "macs": self.shape.macs,
            "cycles": count and count["CYCLES"], "utilisation": self.utilisation,
            "predicted_cycles": self.predicted, "active_pes": self.active_pes,
            "stalls": self.stalls,
            "dram_read_bytes": count and count["DRAM_READ_WORDS"] * word,
            "dram_write_bytes": count and count["DRAM_WRITE_WORDS"] * word,
            "predicted_dram_bytes": self.segment.estimate.bytes,
            "compulsory_bytes": self.shape.compulsory_bytes,
            "glb_words": count and count["GLB_READS"] + count["GLB_WRITES"],
            "noc_words": count and count["YBUS_WORDS"],
            "spad_words": count and 2 * count["MACS"], "energy_per_mac": self.energy,
            "eyeriss_ratio": self.ratio, "mapping": str(self.segment.mapping),
            "mismatches": self.mismatches, "counters": count,
        }


def layer_network(shape, sparsity, rng):
    """A network of that one layer, with random weights and a random input.

    Parameters
    ----------
    shape : LayerShape
    sparsity : float
        Share of the input values that are zero (the zero point).
    rng : numpy.random.Generator

    Returns
    -------
    (Network, dict)
        The network and its input.
    """
    zero = 128
    x = Tensor("x", (shape.c, shape.h, shape.w), np.dtype(np.uint8), zero, 0.02,
               (1, shape.c, shape.h, shape.w))
    y = Tensor("y", (shape.m, shape.e, shape.f), np.dtype(np.uint8), zero, 0.02,
               (1, shape.m, shape.e, shape.f))
    weight = rng.integers(-127, 128, (shape.m, shape.c // shape.groups, shape.r, shape.s), np.int16)
    bias = rng.integers(-1000, 1000, shape.m, np.int32)
    spread = 73 * 73 * np.sqrt(np.prod(weight.shape[1:]))
    scale = rng.uniform(0.5, 1.5, shape.m).astype(np.float32) * np.float32(60 / spread)
    conv = Conv(shape.name, x, y, weight, bias, scale, (shape.u, shape.u), (1, 1), (shape.pad,) * 4,
                shape.groups)
    values = rng.integers(0, 256, x.onnx_shape, np.uint8)
    values[rng.random(values.shape) < sparsity] = zero
    network = Network(shape.name, [conv], {"x": (x.onnx_shape, x.dtype)},
                      {"y": (y.onnx_shape, y.dtype)})
    return network, {"x": values}


def bench_layer(network_name, shape, config, start, *, sparsity, seed, dram=None, starting=None,
                progress=None):
    """Compile a layer, run it on the RTL and compare its whole output with the golden model.

    Parameters
    ----------
    start : callable or None
        Starts a simulation, see :func:`hwgen.runtime.simulators.prepare`; None only models.
    starting, progress : callable
        ``starting(bus, segment)`` before the run, ``progress()`` during it.
    """
    network, inputs = layer_network(shape, sparsity, np.random.default_rng(seed))
    program = compile_network(network, config)
    segment = program.segments[0]
    if start is None:
        return LayerBench(network_name, shape, config, segment)
    with start(program.memory_bytes, dram=dram) as bus:
        driver = Driver(bus, config)
        began = time.perf_counter()
        result, = execute(network, program, driver, inputs, progress=progress,
                          starting=starting and (lambda segment: starting(bus, segment)))
        seconds = time.perf_counter() - began
    found = difference(result.value, golden.run(network, inputs)["y"])
    return LayerBench(network_name, shape, config, segment, result.counters,
                      found.count if found else 0, seconds)
