"""What is shown of a result of ``bench``, ``run`` or ``map``, the same for all three."""

from dataclasses import dataclass
from typing import Any

from ..cost.timing import Timing
from ..energy.items import ITEMS
from ..errors import HwgenError
from ..host.layer_bench import CAUSES

__all__ = ["Layer", "Run", "runs"]

#: Kinds of data in DRAM, by what is counted.
DRAM = {name: item.kind for name, item in ITEMS.items() if item.level == "dram"}


@dataclass(frozen=True)
class Layer:
    """A layer of a run, as often as it occurs in its network.

    Attributes
    ----------
    number : int
        In the run, from 0.
    name : str
    count : int
        How often it occurs; the other numbers are of one.
    macs, cycles, predicted, bound : int or None
        ``cycles`` are measured, else predicted; ``bound``: no mapping onto the array has fewer.
    causes : dict of str to int or None
        Cycles by what the array did in them; None if not measured for the layer alone.
    energy : dict
        As :meth:`hwgen.energy.Energy.to_dict` gives it.
    counts : dict of str to int
        By :data:`~hwgen.energy.items.ITEMS`.
    dram : dict of str to int
        Bytes by kind of data.
    compulsory : int or None
        Bytes of weights, input and output, once each.
    chip : dict or None
        What the Eyeriss chip took.
    mismatches, values : int or None
        Outputs that differ from the golden model's or ONNX Runtime's, of so many.
    nests : list of dict
        As :meth:`hwgen.compiler.map.loop_nest.Nest.to_dict` gives them.
    """
    number: int
    name: str
    count: int
    macs: int
    cycles: int | None
    predicted: int | None
    bound: int | None
    causes: dict[str, int] | None
    energy: dict[str, Any]
    counts: dict[str, int]
    dram: dict[str, int]
    compulsory: int | None
    chip: dict[str, Any] | None
    mismatches: int | None
    values: int | None
    nests: list[dict[str, Any]]

    @property
    def label(self) -> str:
        return f"{self.name} x {self.count}" if self.count > 1 else self.name

    @property
    def bytes(self) -> int:
        return sum(self.dram.values())


@dataclass(frozen=True)
class Run:
    """A result.

    Attributes
    ----------
    number : int
        In the report, from 0.
    kind : str
        The command it is of.
    network, accelerator : str
    parameters : dict
        The configuration.
    measured : bool
        It ran on the RTL.
    bandwidth : float
        Bytes a cycle that the DRAM moves at most, both ways together.
    layers : list of Layer
        Those on the accelerator.
    timeline : list of dict
        Samples of the counters, see :mod:`hwgen.host.trace`; empty if none were taken.
    """
    number: int
    kind: str
    network: str
    accelerator: str
    parameters: dict[str, Any]
    measured: bool
    bandwidth: float
    layers: list[Layer]
    timeline: list[dict[str, Any]]

    @property
    def title(self) -> str:
        return f"{self.network} on {self.accelerator}"

    @property
    def pes(self) -> int:
        return self.parameters["rows"] * self.parameters["cols"]

    @property
    def bus_bytes(self) -> int:
        return self.parameters["bus_bits"] // 8

    def counts(self) -> dict[str, int]:
        """What all layers move, by :data:`~hwgen.energy.items.ITEMS`."""
        return {item: self.total(lambda layer, item=item: layer.counts[item]) for item in ITEMS}

    def total(self, value) -> Any:
        """Sum of ``value(layer)`` over the layers, each as often as it occurs; None if one of them
        is."""
        values = [value(layer) for layer in self.layers]
        if any(one is None for one in values):
            return None
        return sum(layer.count * one for layer, one in zip(self.layers, values, strict=True))


def runs(results: list[dict[str, Any]]) -> list[Run]:
    """The results that :func:`hwgen.report.saved.read` gave, one after the other.

    Raises :exc:`HwgenError` if something is missing in one.
    """
    found = []
    for number, result in enumerate(results):
        try:
            found.append(_run(number, result))
        except (KeyError, TypeError, AttributeError) as error:
            missing = f" lacks {error}" if isinstance(error, KeyError) else " is damaged"
            raise HwgenError(f"the result of {result['kind']} for {result.get('network')!r}"
                             f"{missing}: run hwgen {result['kind']} again.") from None
    return found


def _run(number, result):
    parameters, kind = result["parameters"], result["kind"]
    bus = parameters["bus_bits"] // 8
    rows = [row for row in result["layers"]
            if row.get("where") != "host" and row["energy"]["total"] > 0]
    layers = [_LAYERS[kind](index, row, bus) for index, row in enumerate(rows)]
    measured = kind == "run" or kind == "bench" and not result["modelled"]
    limit = result.get("dram", {}).get("total_bytes") or Timing().bytes_per_cycle
    return Run(number, kind, result["network"],
               f"{result['config']}, {parameters['rows']} x {parameters['cols']} PEs", parameters,
               measured, limit or 2 * bus, layers, result.get("timeline") or [])


def _common(index, row, bus, nests):
    """The fields that have the same name in all three."""
    dram: dict[str, int] = {}
    for item, kind in DRAM.items():
        dram[kind] = dram.get(kind, 0) + row["counts"][item]["count"] * bus
    return {"number": index, "name": row["name"], "count": row.get("count", 1),
            "macs": row["macs"], "predicted": row["predicted_cycles"], "energy": row["energy"],
            "counts": {item: row["counts"][item]["count"] for item in ITEMS}, "dram": dram,
            "nests": nests}


def _of_bench(index, row, bus):
    return Layer(**_common(index, row, bus, row["nests"]),
                 cycles=row["cycles"] or row["predicted_cycles"], bound=row["bound_cycles"],
                 causes=row["stalls"], compulsory=row["compulsory_bytes"], chip=row["eyeriss"],
                 mismatches=row["mismatches"], values=None)


def _of_run(index, row, bus):
    alone = row["counters"] is not None and not row["joined"]
    bounds = [nest["array_bound_cycles"] for nest in row["nests"]]
    return Layer(**_common(index, row, bus, row["nests"]), cycles=row["cycles"],
                 bound=sum(bounds) if bounds else None,
                 causes={name: row["counters"][counter] for name, counter in CAUSES.items()}
                 if alone else None,
                 compulsory=None, chip=None, mismatches=row["mismatches"], values=row["values"])


def _of_map(index, row, bus):
    return Layer(**_common(index, row, bus, [row]), cycles=row["predicted_cycles"],
                 bound=row["array_bound_cycles"], causes=None, compulsory=None, chip=None,
                 mismatches=None, values=None)


_LAYERS = {"bench": _of_bench, "run": _of_run, "map": _of_map}
