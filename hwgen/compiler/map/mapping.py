"""A mapping of a layer onto the machine, and what the cost model expects of it."""

from dataclasses import dataclass, fields

__all__ = ["Mapping", "Estimate"]


@dataclass(frozen=True)
class Mapping:
    """How a layer is laid over the array, the GLB and time.

    A *block* is ``t`` filter groups of ``p`` filters over one tile, whose psums stand in the banks
    together. A *step* is an ifmap tile in the GLB and all the computing on it.

    Attributes
    ----------
    q : int
        Channels of a channel group (a PE's share of the input channels).
    p : int
        Filters of a filter group (a PE's share of the filters), and channels of an output's group
        in DRAM. Depthwise: ``q``.
    e, t : int
        Output rows and filter groups side by side in the columns.
    tile_rows, tile_cols : int
        Outputs, after pooling, of a tile.
    strips : int
        Fewest strips of a tile: 1, or more where psums would come back before they are written.
    fold_r, fold_s : int
        Filter rows and columns of a fold.
    chunk : int
        Channel groups of a step. Depthwise: whole blocks.
    buffers : int
        Ifmap tiles in the GLB at a time.
    resident : int
        Blocks that are accumulated together while chunks and folds pass by.
    slots : int
        Blocks of psums that the GLB holds.
    block_words : int
        Bank words of a block.
    tile_words : int
        Ifmap words reserved for an ifmap tile.
    """
    q: int
    p: int
    e: int
    t: int
    tile_rows: int
    tile_cols: int
    strips: int
    fold_r: int
    fold_s: int
    chunk: int
    buffers: int
    resident: int
    slots: int
    block_words: int
    tile_words: int

    def __str__(self):
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


@dataclass(frozen=True)
class Estimate:
    """Predicted cost of a layer, by resource, in cycles; and why the mapping was chosen.

    ``cycles`` is the longest way through the layer, see :func:`hwgen.cost.overlap.total`: through
    the busiest of the resources, with what comes before it and behind it. If that is the array,
    ``compute``, ``serial`` (waiting for a tile or a block that is not there yet) and ``startup``
    (first tile, first filters, last block) add up to it.

    The microcoded machine does one thing after the other: ``cycles`` is the sum of ``compute``,
    ``loader``, ``drain``, ``serial`` (what its commands take beside that) and ``startup``. Its
    ``ybus`` is the feeding of ifmap words, its ``xbus`` their writing into the spads; ``compute``
    sums over the passes, and includes the weights' loading but for what the array hides.

    Attributes
    ----------
    array, refill : int
        PEs; their waiting for the first window of a strip.
    ybus, xbus, filter : int
        Y-bus; X-bus of the busiest row; filter stream.
    compute : int
        Sum over the tiles of the largest of these, ``refill`` counted with ``array``.
    fetch : int
        Fetching the commands; 0 where nothing else is done meanwhile.
    loader, drain : int
        Unpacking into the GLB; draining through the output stage.
    dram_read, dram_write : int
        Reading and writing DRAM, a word a cycle and a few cycles for each short row written.
    dram : int
        Both together, if they share a bandwidth; else 0.
    bytes : int
        Bytes moved to and from DRAM.
    considered : int
        Mappings that were evaluated.
    array_bound : int
        The bound: cycles in which the array holds work in the mapping with the fewest, were all
        else free. What it exceeds the MACs by, idle PEs and MACs that count for nothing, no mapping
        onto this array avoids.
    pooling : str
        ``""``, ``"fused"`` or ``"standalone"``.
    note : str
        Why pooling stands where it stands; why a kernel is folded or its weights split.
    """
    cycles: int
    array: int
    refill: int
    ybus: int
    xbus: int
    filter: int
    compute: int
    fetch: int
    loader: int
    drain: int
    dram_read: int
    dram_write: int
    dram: int
    serial: int
    startup: int
    bytes: int
    considered: int
    array_bound: int
    pooling: str = ""
    note: str = ""

    @property
    def bound(self):
        """Name of the resource that limits the layer."""
        inner = ("array", "ybus", "xbus", "filter")
        outer = ("fetch", "loader", "drain", "dram_read", "dram_write", "dram")
        worst = max(outer, key=lambda name: getattr(self, name))
        if getattr(self, worst) > self.compute + self.serial:
            return worst
        return max(inner, key=lambda name: getattr(self, name))

    def __str__(self):
        costs = ", ".join(f"{name} {getattr(self, name)}" for name in (
            "array", "refill", "ybus", "xbus", "filter", "fetch", "loader", "drain", "dram_read",
            "dram_write", "dram", "serial", "startup"))
        text = (f"{self.cycles} cycles, bound by {self.bound} ({costs}); {self.bytes} DRAM bytes; "
                f"best of {self.considered} mappings")
        if self.pooling:
            text += f"; pooling {self.pooling}"
        return text + (f": {self.note}" if self.note else "")
