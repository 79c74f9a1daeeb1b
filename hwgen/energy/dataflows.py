"""The survey's dataflows on the same layers: what moves where, under each one's best mapping.

Ref: Y.-H. Chen, J. Emer, V. Sze, "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for
Convolutional Neural Networks", ISCA 2016, sections III (taxonomy) and VI (the model); V. Sze et
al., Proc. IEEE 105(12), 2017, section V and figures 33 and 34.

The model is analytical, for all six dataflows the same: a layer is cut into tiles of images ``n``,
output rows ``rows``, filters ``m`` and channels ``c`` that the buffer holds; outside of a tile
loops run, the innermost of which leaves one kind of data where it is. Inside of it a dataflow says
how often a value is used for each read of the buffer, each move in the array, and each access to a
register file. A level at which a kind of data is not used again is passed by, and costs nothing.
All numbers are 16-bit words; a search over every combination finds the mapping with the least
energy.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from ..cost.geometry import ceildiv
from ..errors import HwgenError
from .items import LEVELS
from .prices import Table

__all__ = ["DATAFLOWS", "PUBLISHED", "Dataflow", "Layer", "Result", "best", "comparison",
           "per_mac", "storage"]

_WORD = 2                   # bytes
_RF_BYTES = 512             # of a PE under RS, and bytes of buffer a PE there
_RF_AREA = 1.6              # of a byte of register file, over one of buffer
_CHANNELS, _FILTERS, _PIXELS = range(3)         # the innermost loop outside of a tile


@dataclass(frozen=True)
class Layer:
    """A layer, or one of its groups: shapes as in the survey, with ``n`` images.

    ``h`` and ``w`` count what is read, padding included; ``count``: how often it occurs.
    """
    name: str
    n: int
    m: int
    c: int
    e: int
    f: int
    r: int
    s: int
    u: int
    count: int = 1

    @classmethod
    def of(cls, shape, images):
        """The layer of a :class:`~hwgen.network.shapes.LayerShape`."""
        return cls(shape.name, images, shape.m // shape.groups, shape.c // shape.groups, shape.e,
                   shape.f, shape.r, shape.s, shape.u, shape.count * shape.groups)

    @property
    def h(self):
        return (self.e - 1) * self.u + self.r

    @property
    def w(self):
        return (self.f - 1) * self.u + self.s

    @property
    def macs(self):
        return self.n * self.m * self.c * self.e * self.f * self.r * self.s


@dataclass(frozen=True)
class Result:
    """A layer under its best mapping.

    Attributes
    ----------
    layer : Layer
    mapping : dict of str to int
    split : dict of (str, str) to float
        Energy of all images by level and kind of data, in the table's unit.
    considered : int
        Mappings that fit.
    """
    layer: Layer
    mapping: dict[str, int]
    split: dict[tuple[str, str], float]
    considered: int


class Dataflow:
    """One dataflow.

    Attributes
    ----------
    name, doc : str
    """
    name = ""
    doc = ""

    def register_words(self, layer):
        """Words of a PE's register file."""
        raise NotImplementedError

    def inside(self, layer, pes):
        """``{name: sizes}`` of what its mappings choose beside the tile."""
        raise NotImplementedError

    def fits_array(self, layer, pes, g):
        """Which of these fit ``pes`` PEs and their register files, whatever the tile."""
        raise NotImplementedError

    def fits(self, layer, words, g):
        """Which of the mappings ``g`` fit a buffer of ``words``, and are no more than a tile."""
        raise NotImplementedError

    def moved(self, layer, g):
        """Words by ``(level, kind)`` between the buffer and the multipliers."""
        raise NotImplementedError


def _ifmap(layer, g):
    """Ifmap words of a tile."""
    return g["n"] * g["c"] * ((g["rows"] - 1) * layer.u + layer.r) * layer.w


def _block(layer, g):
    """Output rows and columns of a block of ``x`` pixels, as square as they come."""
    rows = np.minimum(np.maximum(np.sqrt(g["x"]).astype(int), 1), g["rows"])
    cols = np.minimum(np.maximum(g["x"] // rows, 1), layer.f)
    return rows, cols


def _reuse(layer, rows, cols):
    """MACs of a filter for each ifmap value that a block of pixels reads."""
    return rows * cols * layer.r * layer.s / (
        ((rows - 1) * layer.u + layer.r) * ((cols - 1) * layer.u + layer.s))


def _accumulated(layer, times):
    """Accesses to psums that are added up in so many turns: all but the first read, all but the
    last write."""
    return 2 * layer.n * layer.m * layer.e * layer.f * np.maximum(times - 1, 0)


class _RowStationary(Dataflow):
    name = "RS"
    doc = "row stationary: a PE keeps filter rows, slides ifmap rows, accumulates psum rows"

    def register_words(self, layer):
        return _RF_BYTES // _WORD

    def inside(self, layer, pes):
        return {"p": _sizes(layer.m, 8), "q": _sizes(layer.c, 8), "across": _sizes(layer.e, 6),
                "r_sets": _powers(layer.c), "t": _powers(layer.m)}

    def fits_array(self, layer, pes, g):
        p, q = g["p"], g["q"]
        return ((p * q * layer.s + q * layer.s + p <= self.register_words(layer))
                & (layer.r * g["across"] * g["r_sets"] * g["t"] <= pes))

    def fits(self, layer, words, g):
        return ((g["across"] <= g["rows"]) & (g["p"] * g["t"] <= g["m"])
                & (g["q"] * g["r_sets"] <= g["c"])
                & (_ifmap(layer, g) + g["n"] * g["m"] * g["rows"] * layer.f <= words))

    def moved(self, layer, g):
        macs, across = layer.macs, g["across"]
        filter_uses = g["n"] * g["rows"] * layer.f      # in all PEs of a row, while it stays
        in_pe = g["p"] * layer.s / layer.u
        diagonal = g["t"] * layer.r * across / ((across - 1) * layer.u + layer.r)
        return {
            ("spad", "ifmap"): macs, ("spad", "filter"): macs, ("spad", "psum"): 2 * macs,
            ("noc", "ifmap"): macs / in_pe, ("noc", "filter"): macs / (filter_uses / across),
            ("noc", "psum"): macs / (g["q"] * layer.s),
            ("glb", "ifmap"): macs / (in_pe * diagonal), ("glb", "filter"): macs / filter_uses,
            ("glb", "psum"): _accumulated(layer, layer.c / (g["q"] * g["r_sets"])),
        }


class _WeightStationary(Dataflow):
    name = "WS"
    doc = "weight stationary: a PE keeps one weight until all images are done"

    def register_words(self, layer):
        return 1

    def inside(self, layer, pes):
        return {"m0": _powers(layer.m), "c0": _powers(layer.c)}

    def fits_array(self, layer, pes, g):
        several = g["m0"] * g["c0"]         # kernels; one that is larger than the array takes turns
        return (several * layer.r * layer.s <= pes) | (several == 1)

    def fits(self, layer, words, g):
        stays = (g["n"] == layer.n) & (g["rows"] == layer.e) & (g["inner"] == _PIXELS)
        psums = layer.n * g["m"] * layer.e * layer.f
        ifmaps = np.where(g["m"] == g["m0"], 0, _ifmap(layer, g))       # else they pass by
        return (stays & (g["m0"] <= g["m"]) & (g["c0"] <= g["c"])
                & (psums + ifmaps <= words))

    def moved(self, layer, g):
        macs, taps = layer.macs, layer.r * layer.s
        return {
            ("spad", "filter"): macs, ("noc", "ifmap"): macs, ("noc", "psum"): macs,
            ("glb", "filter"): macs / (layer.n * layer.e * layer.f),
            ("glb", "ifmap"): macs / np.maximum(g["m0"] * taps / layer.u ** 2, 1),
            ("glb", "psum"): _accumulated(layer, layer.c / g["c0"]),
        }


class _OutputStationary(Dataflow):
    """PEs keep psums until they are complete: the buffer holds all channels of what they need."""
    pixels = filters = True     # several of them side by side

    def register_words(self, layer):
        return 1 + layer.s * self.pixels

    def inside(self, layer, pes):
        return {"m0": _powers(min(layer.m, pes)) if self.filters else [1],
                "x": _powers(min(layer.n * layer.e * layer.f, pes)) if self.pixels else [1]}

    def fits_array(self, layer, pes, g):
        return g["m0"] * g["x"] <= pes

    def fits(self, layer, words, g):
        return ((g["c"] == layer.c) & (g["m0"] <= g["m"])
                & (g["x"] <= g["n"] * g["rows"] * layer.f)
                & (_ifmap(layer, g) + g["m"] * g["c"] * layer.r * layer.s <= words))

    def moved(self, layer, g):
        macs = layer.macs
        found = {("spad", "psum"): 2 * macs, ("glb", "filter"): macs / g["x"],
                 ("noc", "filter"): np.where(g["x"] > 1, macs, 0)}
        if not self.pixels:
            return found | {("glb", "ifmap"): macs / g["m0"],
                            ("noc", "ifmap"): np.where(g["m0"] > 1, macs, 0)}
        # A PE keeps the ifmap values that its pixel shares with the neighbours' in its row.
        rows, cols = _block(layer, g)
        return found | {("spad", "ifmap"): macs,
                        ("noc", "ifmap"): macs * min(layer.u / layer.s, 1),
                        ("glb", "ifmap"): macs / (g["m0"] * _reuse(layer, rows, cols))}


class _OutputStationaryA(_OutputStationary):
    name = "OSA"
    doc = "output stationary: several pixels of one ofmap at a time"
    filters = False


class _OutputStationaryB(_OutputStationary):
    name = "OSB"
    doc = "output stationary: several pixels of several ofmaps at a time"


class _OutputStationaryC(_OutputStationary):
    name = "OSC"
    doc = "output stationary: one pixel of several ofmaps at a time"
    pixels = False


class _NoLocalReuse(Dataflow):
    name = "NLR"
    doc = "no local reuse: no register files, a larger buffer"

    def register_words(self, layer):
        return 0

    def inside(self, layer, pes):
        return {"m0": _powers(layer.m), "c0": _powers(layer.c)}

    def fits_array(self, layer, pes, g):
        return g["m0"] * g["c0"] <= pes

    def fits(self, layer, words, g):
        held = _ifmap(layer, g) + g["m"] * g["c"] * layer.r * layer.s \
            + g["n"] * g["m"] * g["rows"] * layer.f
        return (g["m0"] <= g["m"]) & (g["c0"] <= g["c"]) & (held <= words)

    def moved(self, layer, g):
        macs = layer.macs
        return {
            ("noc", "ifmap"): np.where(g["m0"] > 1, macs, 0),
            ("noc", "psum"): np.where(g["c0"] > 1, macs, 0),
            ("glb", "filter"): macs, ("glb", "ifmap"): macs / g["m0"],
            ("glb", "psum"): _accumulated(layer, layer.c * layer.r * layer.s / g["c0"]),
        }


#: The dataflows by name, in the survey's order.
DATAFLOWS = {flow.name: flow for flow in (
    _RowStationary(), _WeightStationary(), _OutputStationaryA(), _OutputStationaryB(),
    _OutputStationaryC(), _NoLocalReuse())}

#: Energy a MAC over that of RS, of AlexNet with 256 PEs, 16 images and the table isca16: figures 33
#: and 34 of the survey, by CONV and FC layers.
PUBLISHED = {
    "conv": {"RS": 1.0, "WS": 1.92, "OSA": 1.42, "OSB": 1.44, "OSC": 1.75, "NLR": 2.16},
    "fc": {"RS": 1.0, "WS": 2.23, "OSA": 2.36, "OSB": 1.88, "OSC": 1.79, "NLR": 1.39}}


def storage(flow: Dataflow, layers: list[Layer], pes: int) -> tuple[int, int]:
    """Bytes of a PE's register file and of the buffer: together as large as those of RS.

    The rule: the area of ``pes`` register files of 512 bytes and of a buffer of ``pes`` times 512
    bytes. A byte of register file takes 1.6 times the area of a byte of buffer, so that without
    register files the buffer is 2.6 times as large, as published (ISCA 2016, section VI).
    """
    registers = max(flow.register_words(layer) for layer in layers) * _WORD
    area = pes * _RF_BYTES * (_RF_AREA + 1)
    return registers, int(area - pes * registers * _RF_AREA)


def best(flow: Dataflow, layer: Layer, pes: int, buffer_bytes: int, table: Table) -> Result:
    """The mapping with the least energy.

    Raises
    ------
    HwgenError
        None fits the buffer.
    """
    tile = {"n": _sizes(layer.n, 5), "rows": _sizes(layer.e, 8), "m": _sizes(layer.m, 10),
            "c": _sizes(layer.c, 8), "inner": [_CHANNELS, _FILTERS, _PIXELS]}
    tiles, arrays = _grid(tile), _grid(flow.inside(layer, pes))
    arrays = _chosen(arrays, flow.fits_array(layer, pes, arrays))
    words = {("mac", "mac"): layer.macs, **_dram(layer, tiles)}
    outside = {key: np.broadcast_to(count * _price(table, *key), len(tiles["n"]))
               for key, count in words.items()}
    costs = sum(outside.values())
    found, least, considered = None, np.inf, 0
    # The tiles with the least traffic first: once that alone is more than all, none is better.
    for at in np.argsort(costs, kind="stable"):
        if costs[at] >= least:
            break
        one = {name: values[at] for name, values in tiles.items()}
        g = arrays | one
        ok = flow.fits(layer, buffer_bytes // _WORD, g)
        if not ok.any():
            continue
        inside = {key: np.broadcast_to(count * _price(table, *key), len(ok))
                  for key, count in flow.moved(layer, g).items()}
        total = np.where(ok, costs[at] + sum(inside.values()), np.inf)
        considered += int(ok.sum())
        best_here = int(np.argmin(total))
        if total[best_here] < least:
            least = total[best_here]
            found = ({**one, **{name: values[best_here] for name, values in arrays.items()}},
                     {**{key: values[at] for key, values in outside.items()},
                      **{key: values[best_here] for key, values in inside.items()}})
    if found is None:
        raise HwgenError(f"layer {layer.name!r} with {layer.n} images does not fit the buffer of "
                         f"{buffer_bytes} bytes under {flow.name}: choose a smaller --batch, or a "
                         f"larger --pe.")
    mapping, split = found
    return Result(layer, {name: int(value) for name, value in mapping.items()},
                  {key: float(value) for key, value in split.items()}, considered)


def _grid(sizes):
    """Every combination of ``{name: sizes}``, as ``{name: array}``."""
    axes = np.meshgrid(*map(np.array, sizes.values()), indexing="ij")
    return {name: axis.reshape(-1) for name, axis in zip(sizes, axes, strict=True)}


def _chosen(grid, ok):
    return {name: values[ok] for name, values in grid.items()}


def _dram(layer, g):
    """Words to and from DRAM: what the innermost loop does not concern stays in the buffer."""
    tiles = ceildiv(layer.n, g["n"]) * ceildiv(layer.e, g["rows"])
    blocks, chunks = ceildiv(layer.m, g["m"]), ceildiv(layer.c, g["c"])
    read = ceildiv(layer.e, g["rows"]) * ((g["rows"] - 1) * layer.u + layer.r)
    ifmap = layer.n * layer.c * layer.w * np.maximum(read, layer.h)
    return {
        ("dram", "ifmap"): ifmap * np.where(g["inner"] == _FILTERS, 1, blocks),
        ("dram", "filter"): layer.m * layer.c * layer.r * layer.s * np.where(
            g["inner"] == _PIXELS, 1, tiles),
        ("dram", "psum"): layer.n * layer.m * layer.e * layer.f * (
            2 * np.where(g["inner"] == _CHANNELS, 1, chunks) - 1),
    }


def _price(table, level, kind):
    """Energy of a word."""
    name = {"mac": "mac", "spad": f"{kind}_spad"}.get(level, level)
    energy, port = table.prices[name]
    return energy if port is None else energy * 8 * _WORD / port


def _sizes(n, most):
    """Sizes that cut ``n`` into 1, 2, 3, ... pieces, ``most`` of them."""
    sizes = sorted({ceil(n / k) for k in range(1, n + 1)}, reverse=True)
    keep = np.unique(np.geomspace(1, len(sizes), min(most, len(sizes))).astype(int)) - 1
    return [sizes[i] for i in keep]


def _powers(n):
    """Powers of two below ``n``, and ``n``."""
    return sorted({min(1 << k, n) for k in range(n.bit_length() + 1)})


def comparison(layers: list[Layer], pes: int, table: Table) -> dict[str, list[Result]]:
    """Layers under each dataflow, with as many PEs and as much area for storage, by name."""
    return {name: [best(flow, layer, pes, storage(flow, layers, pes)[1], table)
                   for layer in layers] for name, flow in DATAFLOWS.items()}


def per_mac(results: list[Result]) -> dict[tuple[str, str], float]:
    """Energy a MAC of layers together, by level and kind of data."""
    macs = sum(result.layer.count * result.layer.macs for result in results)
    found: dict[tuple[str, str], float] = {}
    for level in LEVELS:
        for result in results:
            for key, energy in result.split.items():
                if key[0] == level:
                    found[key] = found.get(key, 0.0) + result.layer.count * energy / macs
    return found
