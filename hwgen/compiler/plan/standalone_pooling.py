"""Max pooling on its own: windows in the STORE over psums that are the values themselves."""

from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from ...cost.geometry import MachineLayer, Pooling
from ...errors import HwgenError
from ...isa.store_modes import SUM
from ...network.graph import Tensor
from ..layout.dram import Placement
from ..lower.encode import StoreOp
from . import functions, identity_convs

__all__ = ["plan", "search", "windows"]


def windows(pool):
    """The :class:`Pooling` of a MaxPool, None for none."""
    return Pooling(*pool.kernel, *pool.stride, *pool.pads[:2]) if pool else Pooling()


class _Step:
    """Makes the steps of a pooling.

    Attributes
    ----------
    store_op : StoreOp
        Of the first one, which reads the pooling's input and applies its table: as that keeps the
        order, the largest value stays the largest.
    """

    def __init__(self, pool, config):
        self._pool, self._behind = pool, config.functions > 0
        self.store_op = StoreOp()
        if pool.table is not None and self._behind:
            conv = identity_convs.identity(pool.name, (1, 1, 1), dtype=pool.x.dtype)
            self.store_op = StoreOp(function=functions.behind(conv, pool.y, pool.table)[1])
        elif pool.table is not None:
            self.store_op = StoreOp(SUM, 1.0, (pool.table.view(pool.y.dtype).astype(np.int32),))

    def layer(self, shape, window, y, first=True, column_step=1):
        """A step over a tensor of ``shape``; the ``first``, or another one."""
        pool = self._pool
        x = pool.x if first else pool.y
        conv = identity_convs.identity(pool.name, shape, dtype=x.dtype, column_step=column_step)
        if not first or pool.table is None:
            return MachineLayer(conv, window, y, shape[0] > 1)
        if self._behind:
            conv, _ = functions.behind(conv, replace(conv.y, dtype=pool.y.dtype), pool.table)
        else:
            limits = np.iinfo(pool.y.dtype)
            conv = replace(conv, y=replace(conv.y, dtype=pool.y.dtype), lo=int(limits.min),
                           hi=int(limits.max))
        return MachineLayer(conv, window, y, shape[0] > 1, mode=self.store_op.mode,
                            function=self._behind)


def search(planner, pool, source):
    """The fastest way of pooling without dilation: all at once, or first the rows and then the
    columns, which takes R + S cycles for what a window of R x S otherwise takes R * S for.

    Returns
    -------
    list of (MachineLayer, (Mapping, Estimate))
        One layer, or two: the second reads what the first one makes.
    """
    step = _Step(pool, planner.config)
    whole = step.layer(pool.x.shape, windows(pool), pool.y)
    parted = 1 not in pool.kernel and pool.name not in planner.mappings
    found, refusal = [], None
    try:
        found = [(whole, planner.best(whole, (source,), pool.y))]
    except HwgenError as error:
        if not parted:
            raise
        refusal = error
    if not parted:
        return found
    window, channels = windows(pool), pool.x.shape[0]
    between = identity_convs.tensor(pool.name, (channels, pool.y.shape[1], pool.x.shape[2]),
                             pool.y.dtype)
    rows = step.layer(pool.x.shape, replace(window, s=1, v=1, left=0), between)
    cols = step.layer(between.shape, replace(window, r=1, u=1, top=0), pool.y, first=False)
    try:
        first = planner.search(rows, (source,))
        place = Placement.place(between, min(first[0].p, channels), 0, planner.config.bus_bytes)
        second = planner.best(cols, (place,), pool.y)
    except HwgenError:
        if refusal:
            raise refusal from None
        return found
    if found and first[1].cycles + second[1].cycles >= found[0][1][1].cycles:
        return found
    return [(rows, first), (cols, second)]


@dataclass(frozen=True)
class _Phase:
    """Every ``step``-th output from ``first`` on, ``count`` of them: windows without dilation over
    every D-th position from ``start`` on, with ``stride`` and ``pad`` counted in these."""
    first: int
    step: int
    count: int
    start: int
    stride: int
    pad: int


def _phases(outputs, kernel, stride, dilation, pad):
    """A direction of a pooling as pooling without dilation, and the dilation that counts."""
    if kernel == 1:
        dilation = 1
    step = dilation // gcd(stride, dilation)
    phases = []
    for first in range(min(step, outputs)):
        origin = first * stride - pad               # position of the first window's first tap
        start = origin % dilation if origin < 0 else origin
        phases.append(_Phase(first, step, -(-(outputs - first) // step), start,
                             step * stride // dilation, (start - origin) // dilation))
    return phases, dilation


def plan(planner, pool, why):
    """Plan a MaxPool on its own; ``why`` it is.

    Dilation in rows is a row stride in DRAM, and dilation in columns a column stride, of outputs
    that read the same rows or columns; if these are not all the outputs of a row, they are stored
    column by column.
    """
    if pool.table is not None and not (planner.config.tables or planner.config.functions):
        raise HwgenError(
            f"layer {pool.name!r} pools between different scales, and the accelerator "
            f"{planner.config.name!r} is built without tables: set tables to true, or leave "
            f"such layers to the host.")
    layers, steps = (pool,), _Step(pool, planner.config)
    source = planner.read(pool.x, layers)
    if pool.dilation == (1, 1):
        found = search(planner, pool, source)
        for work, (mapping, estimate) in found[:-1]:
            y = planner.scratch(pool.name, work.y, min(mapping.p, work.y.shape[0]))
            planner.add(layers, work, (mapping, estimate), (source,), y, store_op=steps.store_op,
                        fused="standalone", note="rows of the window, its columns follow")
            source = y
        planner.add(layers, *found[-1], (source,), pool.y,
                    store_op=steps.store_op if len(found) == 1 else StoreOp(), fused="standalone",
                    note=why)
        return
    if isinstance(source, Tensor):
        source = planner.place(source, min(source.shape[0], planner.config.bus_bytes))
    channels, height, width = source.shape
    _, out_rows, out_cols = pool.y.shape
    rows, dil_rows = _phases(out_rows, pool.kernel[0], pool.stride[0], pool.dilation[0],
                             pool.pads[0])
    cols, dil_cols = _phases(out_cols, pool.kernel[1], pool.stride[1], pool.dilation[1],
                             pool.pads[1])
    across = cols[0] if len(cols) == 1 else _Phase(0, 1, width, 0, 1, 0)
    step, kernel = (dil_cols, pool.kernel[1]) if len(cols) == 1 else (1, 1)
    y = None
    for phase in rows:
        part = source.part(
            (0, phase.start, across.start),
            (channels, -(-(height - phase.start) // dil_rows), width - across.start), dil_rows)
        done = identity_convs.tensor(pool.name, (channels, phase.count, across.count), pool.y.dtype)
        work = steps.layer(part.shape, Pooling(pool.kernel[0], kernel, phase.stride, across.stride,
                                               phase.pad, across.pad), done, column_step=step)
        found = planner.search(work, (part,), (y.dram_channels,) if y else ())
        if y is None:
            g = min(found[0].p, channels)
            between = identity_convs.tensor(pool.name, (channels, out_rows, width), pool.y.dtype)
            y = planner.place(pool.y, g) if len(cols) == 1 else planner.scratch(pool.name, between,
                                                                                g)
        planner.add(layers, work, found, (part,),
                    y.part((0, phase.first, 0), done.shape, phase.step), store_op=steps.store_op,
                    fused="standalone",
                    note=f"dilation: rows {phase.first} + {phase.step}n")
    if len(cols) > 1:
        _columns(planner, pool, steps, y, planner.place(pool.y, y.dram_channels), cols, dil_cols)


def _columns(planner, pool, steps, source, y, cols, dilation):
    """Pool the columns of ``source`` into ``y``, with columns as rows."""
    channels, height, width = source.shape
    for phase in cols:
        part = source.part((0, 0, phase.start), (channels, height, width - phase.start)) \
            .upright(dilation)
        done = y.part((0, 0, phase.first), (channels, height, y.shape[2] - phase.first)) \
            .upright(phase.step)
        work = steps.layer(part.shape, Pooling(pool.kernel[1], 1, phase.stride, 1, phase.pad, 0),
                           done, first=False)
        found = planner.search(work, (part,), (y.dram_channels,))
        planner.add((pool,), work, found, (part,), done, fused="standalone",
                    note=f"dilation: columns {phase.first} + {phase.step}n")
