"""Layers of known networks on the RTL, with random data: what was measured, and against what."""

import time
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from .. import energy
from ..compiler import compile_network
from ..compiler.map.loop_nest import Nest
from ..cost.timing import Timing
from ..network import golden
from ..network.eyeriss import PUBLISHED
from ..network.graph import Conv, Network, Tensor
from ..simulate.dram import Dram
from .driver import Driver
from .network_runner import difference, execute

__all__ = ["CAUSES", "LayerBench", "bench_layer", "layer_network", "total_energy", "totals"]

#: What a cycle is booked as, in the order of the counters.
CAUSES = {"start": "START", "busy": "ARRAY_BUSY", "dram": "STALL_DRAM", "ifmap": "STALL_IFMAP",
          "filter": "STALL_FILTER", "psum": "STALL_PSUM", "output": "STALL_OUTPUT",
          "idle": "STALL_IDLE", "finish": "FINISH"}


@dataclass(frozen=True)
class LayerBench:
    """One layer shape, compiled and (unless only modelled) run.

    What the counters alone can tell is None if only modelled; words and energy are not: the
    commands tell them, too.

    Attributes
    ----------
    network : str
    shape : LayerShape
    config : Config
    segment : Segment
        Mapping and estimate.
    nests : list of Nest
        How the layer's segments are laid over the machine.
    table : Table
        Energies.
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
    nests: list
    table: energy.Table
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
    def bound(self):
        """Cycles in which the array holds work under the mapping with the fewest: no mapping onto
        this array avoids these MAC slots."""
        return self.segment.estimate.array_bound

    @property
    def active_pes(self):
        """PEs that computed, on average, while the array was busy."""
        return self.counters and self.counters["MACS"] / self.counters["ARRAY_BUSY"]

    @property
    def causes(self):
        """Cycles by what the array did in them, as :data:`CAUSES`; their sum is ``cycles``."""
        return self.counters and {name: self.counters[counter] for name, counter in CAUSES.items()}

    @property
    def dram_read(self):
        """Bytes."""
        return self.counters and self.counters["DRAM_READ_WORDS"] * self.config.bus_bytes

    @property
    def dram_write(self):
        """Bytes."""
        return self.counters and self.counters["DRAM_WRITE_WORDS"] * self.config.bus_bytes

    @property
    def dram(self):
        """Bytes read and written; measured, else predicted."""
        return self.dram_read + self.dram_write if self.counters else self.segment.estimate.bytes

    @property
    def counts(self):
        """The :class:`~hwgen.energy.Counts`: measured, else those of the commands."""
        told = reduce(add, (nest.counts for nest in self.nests))
        return energy.measured(told, self.counters) if self.counters else told

    def _words(self, *items):
        return sum(self.counts.items[item] for item in items)

    @property
    def glb_words(self):
        """Words read from and written to the GLB's banks."""
        return self._words(*(f"glb_{kind}_{way}s" for kind in ("ifmap", "psum", "parameter")
                             for way in ("read", "write")))

    @property
    def noc_words(self):
        """Values that the networks delivered to PEs, ifmap values and weights, and psums that went
        from a row to the next."""
        return self._words("filter_deliveries", "psum_moves") \
            + self._words("ifmap_deliveries") * self.config.xbus_bytes

    @property
    def spad_words(self):
        """Spad accesses, each of a value, and those to the running psum."""
        return self._words("ifmap_spad_reads", "filter_spad_reads", "filter_spad_writes",
                           "psum_reads", "psum_writes") \
            + self._words("ifmap_spad_writes") * self.config.xbus_bytes

    @property
    def energy(self):
        """The :class:`~hwgen.energy.Energy`."""
        return energy.of_counts(self.config, self.counts, self.shape.macs, self.table)

    @property
    def published(self):
        """What the Eyeriss chip took, None where nothing is published."""
        return PUBLISHED.get(self.network, {}).get(self.shape.name)

    @property
    def ratio(self):
        """The chip's processing cycles over ours."""
        return self.published and self.published.cycles / self.cycles

    def to_dict(self):
        """Plain data, ready for JSON."""
        chip = self.published
        return {
            "name": self.shape.name, "count": self.shape.count, "macs": self.shape.macs,
            "cycles": self.counters and self.cycles, "utilisation": self.utilisation,
            "predicted_cycles": self.predicted, "bound_cycles": self.bound,
            "active_pes": self.active_pes, "stalls": self.causes,
            "dram_read_bytes": self.dram_read, "dram_write_bytes": self.dram_write,
            "predicted_dram_bytes": self.segment.estimate.bytes,
            "compulsory_bytes": self.shape.compulsory_bytes, "glb_words": self.glb_words,
            "noc_words": self.noc_words, "spad_words": self.spad_words,
            "energy_per_mac": self.energy.per_mac, "energy": self.energy.to_dict(),
            "counts": self.counts.to_dict(), "eyeriss": chip and asdict(chip),
            "eyeriss_ratio": self.ratio, "mapping": str(self.segment.mapping),
            "mismatches": self.mismatches, "counters": self.counters,
            "nests": [nest.to_dict() for nest in self.nests],
        }


def totals(results):
    """Sums over layers, each as often as it occurs in its network.

    Parameters
    ----------
    results : list of LayerBench

    Returns
    -------
    dict
        ``macs``, ``cycles``, ``predicted_cycles``, ``bound_cycles``, ``dram_bytes``,
        ``compulsory_bytes``, ``mismatches``, ``utilisation``, ``energy_per_mac``, ``energy``;
        ``eyeriss_cycles`` if all layers are published, ``causes`` if all were measured, else None.
    """
    def sum_of(value):
        return sum(result.shape.count * value(result) for result in results)
    config = results[0].config
    total = {
        "macs": sum_of(lambda r: r.shape.macs), "cycles": sum_of(lambda r: r.cycles),
        "predicted_cycles": sum_of(lambda r: r.predicted),
        "bound_cycles": sum_of(lambda r: r.bound),
        "dram_bytes": sum_of(lambda r: r.dram),
        "compulsory_bytes": sum_of(lambda r: r.shape.compulsory_bytes),
        "mismatches": sum(result.mismatches or 0 for result in results),
        "eyeriss_cycles": sum_of(lambda r: r.published.cycles) if all(
            r.published for r in results) else None,
        "causes": None,
    }
    spent = total_energy(results)
    total |= {"energy_per_mac": spent.per_mac, "energy": spent.to_dict()}
    total["utilisation"] = total["macs"] / (total["cycles"] * config.rows * config.cols)
    if all(result.counters for result in results):
        total["causes"] = {name: sum_of(lambda r, name=name: r.causes[name]) for name in CAUSES}
    return total


def total_energy(results):
    """The :class:`~hwgen.energy.Energy` of layers, each as often as it occurs in its network."""
    return reduce(add, (result.energy * result.shape.count for result in results))


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
    conv = Conv(shape.name, x, y, weight, bias, scale, (shape.u, shape.u), (1, 1), shape.pads,
                shape.groups)
    values = rng.integers(0, 256, x.onnx_shape, np.uint8)
    values[rng.random(values.shape) < sparsity] = zero
    network = Network(shape.name, [conv], {"x": (x.onnx_shape, x.dtype)},
                      {"y": (y.onnx_shape, y.dtype)})
    return network, {"x": values}


def bench_layer(network_name, shape, config, start, *, sparsity, seed, dram=Dram(),
                mappings=None, table=None, starting=None, progress=None, trace=None):
    """Compile a layer, run it on the RTL and compare its whole output with the golden model.

    Parameters
    ----------
    start : callable or None
        Starts a simulation, see :func:`hwgen.simulate.simulators.prepare`; None only models.
    dram : Dram
        The memory: what the simulation has, and what the mapping is chosen for.
    mappings : dict of str to dict of str to int, optional
        Fields of the mapping that are given, by layer name; see
        :mod:`hwgen.compiler.map.given_mappings`.
    table : Table, optional
        Energies; ``isca16`` if none are given.
    starting, progress : callable
        ``starting(bus, segment)`` before the run, ``progress()`` during it.
    trace : Trace
        Takes samples of the counters.
    """
    network, inputs = layer_network(shape, sparsity, np.random.default_rng(seed))
    program = compile_network(network, config, mappings=mappings,
                              timing=Timing(dram.read_latency, dram.total_bytes))
    segment = program.segments[0]
    result = LayerBench(network_name, shape, config, segment,
                        [Nest.of(program, each) for each in program.segments],
                        table or energy.table())
    if start is None:
        return result
    with start(program.memory_bytes, dram=dram) as bus:
        driver = Driver(bus, config)
        began = time.perf_counter()
        ran, = execute(network, program, driver, inputs, progress=progress, trace=trace,
                          starting=starting and (lambda run: starting(bus, run[0])))
        seconds = time.perf_counter() - began
    found = difference(ran.value, golden.run(network, inputs)["y"])
    return replace(result, counters=ran.counters, mismatches=found.count if found else 0,
                   seconds=seconds)
