"""What a run found, as a table for people and as plain data for programs."""

import io
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .. import energy
from ..compiler.map.loop_nest import Nest
from ..compiler.program import Program
from ..config import Config
from ..energy import Table as EnergyTable
from ..energy.counts import counters
from ..files import write_whole
from ..host.network_runner import difference
from ..network.graph import Host, Network
from .energy import energy_table
from .placement import Placement
from .saved import check, stamp

__all__ = ["Report"]

_WIDTH = 100                 # of the table as text
_TOP = 3                     # classes shown
_VALUES = 10_000             # of an output, written to JSON at most


def _nodes(host):
    """The operators of a host part, each once."""
    return ", ".join(dict.fromkeys(operator for _, operator in host.nodes))


def _plain(value):
    """``value`` for JSON, which knows no NaN or infinity: those become text."""
    if isinstance(value, str):
        return value
    value = value.item()
    return value if np.isfinite(value) else str(value)


@dataclass(frozen=True)
class Report:
    """A finished run beside its references.

    Attributes
    ----------
    network : Network
    config : Config or None
        The accelerator; None for the golden model alone.
    sim : str
        ``verilator``, ``icarus`` or ``golden``.
    layers : list of LayerResult
    values : dict of str to numpy.ndarray
        Tensors of the run by name.
    references : dict of str to dict
        By name of the reference, ``golden`` and ``onnxruntime``, its tensors by name. A tensor that
        a reference does not have is not compared with it.
    seconds : float
        Wall time of the simulation.
    deviations : (list, list, int) or None
        What :func:`~hwgen.importer.reference.deviations` found, and how many layers
        :func:`~hwgen.importer.reference.in_float` says; None if nothing is compared.
    energy_table : hwgen.energy.Table
        Energies of accesses; ``isca16`` if none are given.
    program : Program or None
        What ran, for how its layers are laid over the machine.
    timeline : list of dict or None
        Samples of the counters, see :mod:`hwgen.host.trace`; None if none were taken.
    """
    network: Network
    config: Config | None
    sim: str
    layers: list
    values: dict
    references: dict
    seconds: float
    deviations: tuple | None = None
    energy_table: EnergyTable = field(default_factory=energy.table)
    program: Program | None = None
    timeline: list[dict[str, Any]] | None = None

    def _differences(self, name):
        """``{reference: Difference or None}`` of a tensor, for the references that have it."""
        result = next((layer for layer in self.layers if layer.tensor == name), None)
        found = {}
        for reference, tensors in self.references.items():
            if name in tensors and result:
                found[reference] = difference(result.value, result.expected(tensors))
            elif name in tensors:
                found[reference] = difference(self.values[name], tensors[name])
        return found

    def differences(self):
        """A sentence for each output of a layer, and of the network, that differs from one of the
        references."""
        names = [(f"layer {layer.name!r}", layer.tensor) for layer in self.layers]
        names += [(f"output {name!r}", name) for name in self.network.outputs]
        return [f"{what} against {reference}: {found}." for what, name in names
                for reference, found in self._differences(name).items() if found]

    def table(self):
        """One row for each layer, and their sum; values that differ from a reference as ≠."""
        where = "the golden model"
        if self.config:
            where = f"{self.config.name}, {self.config.rows} x {self.config.cols} PEs"
        table = Table(title=f"{self.network.name} on {where}", show_footer=True)
        total = self._totals()
        on_host = f"{total['host_macs']:,} MACs" if total["host_macs"] else ""

        def number(value):
            return "-" if value is None else f"{value:,}"

        def cycles(row):
            return ("~" if row["joined"] and row["cycles"] is not None else "") \
                + number(row["cycles"])

        def share(value):
            return "-" if value is None else f"{100 * value:.1f} %"
        for heading, footer in (("layer", "total"), ("operator", ""), ("where", on_host)):
            table.add_column(heading, footer)
        for heading, footer in (
                ("cycles", number(total["cycles"])), ("MACs", number(total["macs"])),
                ("utilisation", share(total["utilisation"])), ("≠", number(total["mismatches"]))):
            table.add_column(heading, footer, justify="right")
        for row in self._rows():
            host = row["where"] == "host"
            table.add_row(row["name"], row["op"], row["where"],
                          "-" if host else cycles(row),
                          number(row["macs"] or None if host else row["macs"]),
                          share(row["utilisation"]), number(row["mismatches"]))
        return table

    def notes(self):
        """Lines that say what the cycles of layers that share a program are."""
        if any(layer.joined for layer in self.layers):
            yield ("~: layers share a program and overlap; a layer's cycles are those from the "
                   "last MAC of the layer before to its own, by looks at the counters")

    def energy_rows(self):
        """``[(layer, Energy)]`` of the layers on the accelerator that move data there."""
        return [(layer.name, self._energy(layer)) for layer in self.layers
                if layer.counts is not None and any(layer.counts.items.values())]

    def _energy(self, layer):
        assert self.config is not None      # counts are of an accelerator
        return energy.of_counts(self.config, layer.counts, layer.macs, self.energy_table)

    def energy(self):
        """The :class:`~hwgen.energy.Energy` of all layers on the accelerator; None if none is."""
        rows = self.energy_rows()
        return reduce(add, (spent for _, spent in rows)) if rows else None

    def energy_split(self):
        """Energy of each layer, by level and kind of data, as a rich table; None without any."""
        spent = self.energy()
        if spent is None or self.config is None:
            return None
        return energy_table(f"{self.network.name} on {self.config.name}", self.energy_rows(), spent)

    def deviation(self):
        """Lines that say how far the network's outputs, and the codes behind products that became
        sums of integers, are from those of ONNX Runtime without options."""
        if self.deviations is None:
            return
        outputs, layers, floats = self.deviations
        found = [one for one in outputs if one.differing]
        if floats or found:
            count, differing = (sum(getattr(one, key) for one in outputs)
                                for key in ("count", "differing"))
            largest = max((one.largest for one in outputs), default=0)
            why = f"it computes {floats} of these integer layers in float"
            if not floats:
                why = "it saturates sums of products here (docs/reference/numerics.md)"
            yield (f"against ONNX Runtime without options: {differing:,} of {count:,} output "
                   f"values differ, by {largest:.6g} at most; {why}")
        for one in layers:
            yield (f"{one.name}: {one.differing:,} of {one.count:,} codes differ from ONNX "
                   f"Runtime's float, by {one.largest:.0f} steps at most")

    def _rows(self):
        """A dict for each result and each part on the host, in the network's order."""
        results = {layer.tensor: layer for layer in self.layers}
        for layer in self.network.layers:
            if isinstance(layer, Host):
                ran = 0 if self.config else None
                yield {"name": layer.name, "op": _nodes(layer), "where": "host",
                       "macs": layer.macs, "cycles": ran, "predicted_cycles": ran,
                       "joined": False,
                       "utilisation": None, "dram_read_bytes": ran, "dram_write_bytes": ran,
                       "values": sum(self.values[name].size for name in layer.outputs),
                       **self._counts(layer.outputs), "counters": None,
                       "nodes": [{"name": name, "op": op} for name, op in layer.nodes]}
            elif layer.y.name in results:
                result = results[layer.y.name]
                yield {"name": result.name, "op": result.op, "where": result.where,
                       "macs": result.macs, "cycles": result.cycles, "joined": result.joined,
                       "predicted_cycles": result.predicted,
                       "utilisation": result.utilisation(self._pes),
                       "dram_read_bytes": self._bytes(result, "DRAM_READ_WORDS"),
                       "dram_write_bytes": self._bytes(result, "DRAM_WRITE_WORDS"),
                       "values": result.value.size, **self._counts([result.tensor]),
                       "counters": result.counters,
                       "counts": result.counts and result.counts.to_dict(),
                       "energy": result.counts and self._energy(result).to_dict(),
                       "nests": self._nests(result)}

    def _nests(self, result):
        """How a layer's segments are laid over the machine."""
        return [Nest.of(self.program, segment).to_dict()
                for segment in (self.program.segments if self.program else ())
                if segment.layers[-1].y.name == result.tensor]

    @property
    def _pes(self):
        return self.config and self.config.rows * self.config.cols

    def _bytes(self, result, counter):
        """Bytes that passed the port for a layer: counted, or told by its commands where it shares
        a program."""
        if not self.config:
            return None
        counted = result.counters
        if result.joined and result.told is not None:
            counted = counters(energy.Counts(result.told))
        return counted and counted[counter] * self.config.bus_bytes

    @property
    def outputs(self):
        """The network's outputs, ``{name: array}``."""
        return {name: self.values[name] for name in self.network.outputs}

    @property
    def cycles(self):
        """Of all layers on the accelerator; None for the golden model alone."""
        return self._totals()["cycles"]

    @property
    def mismatches(self):
        """Values, of all tensors that were compared, that differ; None if none was."""
        return self._totals()["mismatches"]

    def rows(self):
        """A dict for each layer and each part on the host, in the network's order: ``name``,
        ``op``, ``where``, ``macs``, ``cycles``, ``predicted_cycles``, ``utilisation``, ``counters``
        and others, as in ``hwgen run --json``."""
        return list(self._rows())

    def __str__(self):
        text = io.StringIO()
        Console(width=_WIDTH, file=text).print(self.table())
        return text.getvalue()

    def output_lines(self):
        """Lines that say what each output of the network is: the top classes of a vector."""
        for name, value in ((name, self.values[name]) for name in self.network.outputs):
            if value.dtype == object:
                yield f"{name}: {', '.join(map(str, value.flat[:_TOP]))}"
            elif 1 < value.size <= _VALUES and max(value.shape) == value.size:
                yield f"{name}: " + ", ".join(
                    f"{'class ' if not rank else ''}{index} ({value.flat[index]:.6g})"
                    for rank, index in enumerate(self._top(value)))
            elif not value.size:
                yield f"{name}: {value.dtype} {tuple(value.shape)}, empty"
            else:
                yield (f"{name}: {value.dtype} {tuple(value.shape)}, "
                       f"{value.min():.6g} to {value.max():.6g}")

    @staticmethod
    def _top(value):
        return [int(i) for i in np.argsort(-value.astype(np.float64), axis=None, kind="stable")
                [:_TOP]]

    def _counts(self, names):
        """Values of tensors that differ from each reference, None if it does not have them; and
        the larger of these."""
        counts = {}
        for reference, tensors in self.references.items():
            found = [self._differences(name)[reference] for name in names if name in tensors]
            counts[f"mismatches_{reference}"] = \
                sum(f.count for f in found if f) if found else None
        known = [count for count in counts.values() if count is not None]
        return {"mismatches": max(known) if known else None, **counts}

    def _plain(self):
        """The deviations as plain data."""
        if self.deviations is None:
            return None
        outputs, layers, floats = self.deviations
        return {"layers_in_float": floats, **{
            key: {one.name: {"values": one.count, "differing": one.differing,
                             "largest": one.largest if np.isfinite(one.largest) else None}
                  for one in found}
            for key, found in (("outputs", outputs), ("integer_layers", layers))}}

    def _totals(self):
        rows = list(self._rows())
        done = [row for row in rows if row["where"] != "host"]
        macs, host = (sum(row["macs"] for row in rows if (row["where"] == "host") == on_host)
                      for on_host in (False, True))
        tensors = dict.fromkeys([
            *(layer.tensor for layer in self.layers), *self.network.outputs,
            *(name for layer in self.network.layers if isinstance(layer, Host)
              for name in layer.outputs)])
        total = {"macs": macs, "host_macs": host,
                 "accelerator_share": macs / (macs + host) if macs + host else 1.0,
                 "values": sum(row["values"] for row in done),
                 "cycles": None, "utilisation": None}
        total.update(self._counts(tensors))
        if self.config:
            total["cycles"] = sum(row["cycles"] or 0 for row in done)
            total["utilisation"] = macs / max(total["cycles"] * self._pes, 1)
        return total

    def html(self, path):
        """Write the report as one HTML file with charts, as ``hwgen report``.

        Raises :exc:`HwgenError` if nothing ran on an accelerator, or the file cannot be written;
        :exc:`ModuleNotFoundError` without the extra ``report``.
        """
        found = self.to_dict()
        check("the run", found)
        from .html.page import page  # Plotly is an extra
        text = page([found]).encode()
        write_whole(path, lambda file: file.write(text))

    def to_dict(self):
        """The whole report as plain data, ready for JSON."""
        total, spent = self._totals(), self.energy()
        return {
            **stamp("run", self.config),
            "network": self.network.name,
            "sim": self.sim,
            "cycles": total["cycles"],
            "mismatches": total["mismatches"],
            "energy": spent and spent.to_dict(),
            "timeline": self.timeline,
            "layers": list(self._rows()),
            "outputs": {name: {
                "shape": list(self.values[name].shape), "dtype": str(self.values[name].dtype),
                "top": None if self.values[name].dtype == object else self._top(self.values[name]),
                "values": [_plain(v) for v in self.values[name].flat[:_VALUES]],
                **self._counts([name])} for name in self.network.outputs},
            "totals": {**total, "seconds": round(self.seconds, 3)},
            "placement": Placement.of(self.network).to_dict(),
            "plain_session": self._plain(),
            "differences": self.differences(),
        }
