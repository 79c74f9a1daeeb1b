"""What a run found, as a table for people and as plain data for programs."""

from dataclasses import dataclass

import numpy as np
from rich.table import Table

from ..model.graph import Host
from .session import difference

__all__ = ["Report"]

_TOP = 3                     # classes shown
_VALUES = 10_000             # of an output, written to JSON at most


def _nodes(host):
    """The operators of a host part, each once."""
    return ", ".join(dict.fromkeys(operator for _, operator in host.nodes))


def _plain(value):
    """``value`` for JSON, which knows no NaN or infinity: those become text."""
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
    values, golden, reference : dict of str to numpy.ndarray
        Tensors by name: of the run, of the golden model, of ONNX Runtime.
    seconds : float
        Wall time of the simulation.
    """
    network: object
    config: object
    sim: str
    layers: list
    values: dict
    golden: dict
    reference: dict
    seconds: float

    @property
    def _references(self):
        return {"golden": self.golden, "onnxruntime": self.reference}

    def _differences(self, name):
        return {reference: difference(self.values[name], tensors[name])
                for reference, tensors in self._references.items()}

    def differences(self):
        """A sentence for each output of a layer, and of the network, that differs from one of the
        references."""
        names = [(f"layer {layer.name!r}", layer.tensor) for layer in self.layers]
        names += [(f"output {name!r}", name) for name in self.network.outputs]
        return [f"{what} against {reference}: {found}." for what, name in names
                for reference, found in self._differences(name).items() if found]

    def table(self):
        """One row for each layer, and their sum."""
        where = "the golden model"
        if self.config:
            where = f"{self.config.name}, {self.config.rows} x {self.config.cols} PEs"
        table = Table(title=f"{self.network.name} on {where}", show_footer=True)
        total = self._totals()
        on_host = f"{total['host_macs']:,} MACs" if total["host_macs"] else ""
        pes = self.config and self.config.rows * self.config.cols

        def number(value):
            return "-" if value is None else f"{value:,}"

        def share(value):
            return "-" if value is None else f"{100 * value:.1f} %"
        for heading, footer, justify in (
                ("layer", "total", "left"), ("operator", "", "left"), ("where", on_host, "left"),
                ("cycles", number(total["cycles"]), "right"),
                ("MACs", number(total["macs"]), "right"),
                ("utilisation", share(total["utilisation"]), "right"),
                ("≠ golden", number(total["mismatches_golden"]), "right"),
                ("≠ ONNX Runtime", number(total["mismatches_onnxruntime"]), "right")):
            table.add_column(heading, footer, justify=justify)
        for layer in self._rows():
            if isinstance(layer, Host):
                table.add_row(layer.name, _nodes(layer), "host", "-", "-", "-", "-", "-")
                continue
            counts = self._counts(layer.tensor)
            table.add_row(layer.name, layer.op, layer.where, number(layer.cycles),
                          number(layer.macs), share(layer.utilisation(pes)),
                          number(counts["mismatches_golden"]),
                          number(counts["mismatches_onnxruntime"]))
        return table

    def _rows(self):
        """Results and the host's parts, in the network's order."""
        results = {layer.tensor: layer for layer in self.layers}
        for layer in self.network.layers:
            if isinstance(layer, Host):
                yield layer
            elif layer.y.name in results:
                yield results[layer.y.name]

    def outputs(self):
        """Lines that say what each output of the network is: the top classes of a vector."""
        for name, value in ((name, self.values[name]) for name in self.network.outputs):
            if 1 < value.size <= _VALUES and max(value.shape) == value.size:
                yield f"{name}: " + ", ".join(
                    f"{'class ' if not rank else ''}{index} ({value.flat[index]:.6g})"
                    for rank, index in enumerate(self._top(value)))
            else:
                yield (f"{name}: {value.dtype} {tuple(value.shape)}, "
                       f"{value.min():.6g} to {value.max():.6g}")

    @staticmethod
    def _top(value):
        return [int(i) for i in np.argsort(-value.astype(np.float64), axis=None, kind="stable")
                [:_TOP]]

    def _counts(self, name):
        return {f"mismatches_{reference}": found.count if found else 0
                for reference, found in self._differences(name).items()}

    def _totals(self):
        counts = [self._counts(layer.tensor) for layer in self.layers]
        total = {"macs": sum(layer.macs for layer in self.layers),
                 "host_macs": sum(layer.macs for layer in self.network.layers
                                  if isinstance(layer, Host)),
                 "values": sum(layer.value.size for layer in self.layers),
                 "cycles": None, "utilisation": None,
                 **{f"mismatches_{r}": sum(c[f"mismatches_{r}"] for c in counts)
                    for r in self._references}}
        if self.config:
            total["cycles"] = sum(layer.cycles for layer in self.layers)
            pes = self.config.rows * self.config.cols
            total["utilisation"] = total["macs"] / max(total["cycles"] * pes, 1)
        return total

    def to_dict(self):
        """The whole report as plain data, ready for JSON."""
        pes = self.config and self.config.rows * self.config.cols
        return {
            "network": self.network.name,
            "sim": self.sim,
            "config": self.config and self.config.name,
            "config_hash": self.config and f"0x{self.config.hash:08X}",
            "pe": self.config and f"{self.config.rows}x{self.config.cols}",
            "layers": [{"name": layer.name, "op": layer.op, "where": layer.where,
                        "macs": layer.macs, "cycles": layer.cycles,
                        "predicted_cycles": layer.predicted,
                        "utilisation": layer.utilisation(pes), "values": layer.value.size,
                        **self._counts(layer.tensor), "counters": layer.counters}
                       for layer in self.layers],
            "host": [{"name": layer.name, "where": "host", "macs": layer.macs,
                      "nodes": [{"name": name, "op": op} for name, op in layer.nodes]}
                     for layer in self.network.layers if isinstance(layer, Host)],
            "host_parts": sum(isinstance(layer, Host) for layer in self.network.layers),
            "outputs": {name: {
                "shape": list(self.values[name].shape), "dtype": str(self.values[name].dtype),
                "top": self._top(self.values[name]),
                "values": [_plain(v) for v in self.values[name].flat[:_VALUES]],
                **self._counts(name)} for name in self.network.outputs},
            "totals": {**self._totals(), "seconds": round(self.seconds, 3)},
            "differences": self.differences(),
        }
