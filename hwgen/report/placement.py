"""Where a network runs, and why: shares, host parts, and a line for each node that could move."""

import math
from dataclasses import dataclass

from rich.table import Table

from ..network.graph import Host

__all__ = ["Placement", "nothing"]

_LINES = 25             # of the table; --json has them all
_WIDTH = 130            # of the table; a narrower terminal wraps it
# Nodes on the host that are no loss: they are the network's ends, or only reckon with shapes.
_ENDS = frozenset("Cast Constant DequantizeLinear Identity QuantizeLinear Shape Size".split())


@dataclass(frozen=True)
class Placement:
    """Where the work of a network is.

    Attributes
    ----------
    macs, host_macs : int
        Multiply-accumulates on the accelerator and on the host.
    integer_macs, all_macs : int
        Those that ONNX Runtime computes in integers, with constant weights, and those of the file.
    parts : int
        Parts of the network on the host.
    crossing : int
        Values that pass between the host and the accelerator, in both directions.
    nodes : list of (str, str, str)
        Name, operator and reason of nodes on the host that could concern the user.
    """
    macs: int
    host_macs: int
    integer_macs: int
    all_macs: int
    parts: int
    crossing: int
    nodes: list

    @classmethod
    def of(cls, network):
        """The placement of a :class:`~hwgen.network.graph.Network`."""
        hosts = [layer for layer in network.layers if isinstance(layer, Host)]
        layers = [layer for layer in network.layers if not isinstance(layer, Host)]
        integer, whole = network.integer_macs
        return cls(sum(layer.macs for layer in layers), sum(part.macs for part in hosts),
                   integer, whole, len(hosts), _crossing(network, layers, hosts),
                   [(name, op, _reason(network, name, op)) for part in hosts
                    for name, op in part.nodes if op not in _ENDS and ", integer " not in name
                    and not name.endswith(", result")])

    @property
    def share(self):
        """Share of the multiply-accumulates that are on the accelerator; 1 if there are none."""
        whole = self.macs + self.host_macs
        return self.macs / whole if whole else 1.0

    @property
    def integer_share(self):
        """The same of those that ONNX Runtime computes in integers."""
        return self.integer_macs / self.all_macs if self.all_macs else 1.0

    def sentence(self):
        """The shares, host parts and crossing values."""
        return (f"{100 * self.share:.1f} % of {self.macs + self.host_macs:,} MACs on the "
                f"accelerator (ONNX Runtime computes {100 * self.integer_share:.1f} % in "
                f"integers); parts of the network on the host: {self.parts}, with "
                f"{self.crossing:,} values crossing")

    def table(self):
        """The nodes on the host with their reasons, or None if there are none."""
        if not self.nodes:
            return None
        table = Table(title="on the host")
        for heading in ("node", "operator", "why, and what to change"):
            table.add_column(heading, overflow="fold")
        for row in self.nodes[:_LINES]:
            table.add_row(*row)
        if len(self.nodes) > _LINES:
            table.add_row("...", "", f"{len(self.nodes) - _LINES} more; --json has them all")
        return table

    def to_dict(self):
        """Plain data, ready for JSON."""
        return {"macs": self.macs, "host_macs": self.host_macs, "accelerator_share": self.share,
                "integer_share": self.integer_share, "host_parts": self.parts,
                "crossing_values": self.crossing,
                "host_nodes": [{"name": name, "op": op, "reason": reason}
                               for name, op, reason in self.nodes]}

    def print(self, console):
        """Print it all."""
        table = self.table()
        if table:
            console.print(table, width=max(console.width, _WIDTH))
        console.print(self.sentence(), highlight=False, soft_wrap=True)


def nothing(network):
    """The sentence for a network of which no layer is on the accelerator."""
    return f"nothing of {network.name} is on the accelerator: the whole network runs on the host."


def _reason(network, name, op):
    return network.reasons.get(name) or \
        f"{op} works on float values: quantise its input and output, if " \
        f"docs/reference/operators.md has it."


def _crossing(network, layers, hosts):
    """Values that integer layers take from the host, or give to it or as outputs."""
    def source(name):
        while name in network.aliases:
            name = network.aliases[name]
        return name
    made = {layer.y.name: math.prod(layer.y.shape) for layer in layers}
    read = {x.name: math.prod(x.shape) for layer in layers for x in layer.inputs}
    into = sum(size for name, size in read.items()
               if name not in made and name not in network.constants)
    wanted = {source(name) for part in hosts for name in part.inputs}
    wanted |= {source(name) for name in network.outputs}
    return into + sum(size for name, size in made.items() if name in wanted)
