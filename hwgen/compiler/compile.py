"""From a network to a program: plan, lower, lay out memory."""

from collections import Counter
from dataclasses import replace
from itertools import groupby

from ..cost.timing import Timing
from ..errors import HwgenError
from ..isa import COMMAND_BYTES, MAGIC, READ_AHEAD, pack
from ..machines import machine_of
from .layout.dram import align
from .lower.join import join
from .lower.lower import lower
from .plan.planner import Planner
from .program import Program, Segment, Stored

__all__ = ["compile_network"]

_MEMORY = 1 << 32           # addresses are 32-bit offsets


def compile_network(network, config, mappings=None, timing=Timing(), memory=None, planning=None,
                    joined=False, fuse=True):
    """Compile ``network`` for the accelerator ``config``.

    Host layers are left to the host: their outputs, and the network's own quantised inputs, are
    tensors that the caller writes.

    Parameters
    ----------
    network : hwgen.network.graph.Network
    config : Config
    mappings : dict of str to dict of str to int, optional
        Fields of the mapping that are given, by layer name; see :mod:`.given_mappings`.
    timing : Timing
        What the mappings and the predicted cycles assume of DRAM.
    memory : int or None
        Bytes of DRAM that there are; None for all that a program can address.
    planning : callable, optional
        Called with each layer, its index and the number of layers, before its mapping is searched.
    joined : bool
        One program for all layers between two host parts, in place of one for each.
    fuse : bool
        The layer before a function of one tensor takes it along, see :mod:`.plan.functions`.

    Returns
    -------
    Program

    Raises
    ------
    HwgenError
        If a layer does not fit the machine or asks for what it cannot do, or the network does not
        fit the memory.
    """
    planner = Planner(network, config, mappings or {}, timing, joined, fuse)
    planner.run(planning)
    _check_memory(network, sum(place.size for place in planner.roots.values()), memory)
    jobs = planner.jobs
    runs = _runs(planner, joined)
    side_by_side = not machine_of(config).in_order
    at_end = {i for run in runs for i in run[1::2] if side_by_side}
    codes = [lower(config, job.layer, job.mapping, job.sources, job.y, job.store_op, i in at_end,
                   1 + i % max(config.functions, 1)) for i, job in enumerate(jobs)]

    # Memory: code, then filters and parameters, then constant tensors, then the others.
    cursor, code_at, data_at = 0, [], []
    for run in runs:
        code_at.append(cursor)
        cursor += (sum(len(codes[i].commands) for i in run) + 2) * COMMAND_BYTES
    readable = cursor + READ_AHEAD * COMMAND_BYTES
    for code in codes:
        cursor = align(cursor, 64)
        data_at.append(cursor)
        cursor += len(code.data)
    cursor, roots = align(cursor, 64), {}
    image_bytes = cursor
    for name in sorted(planner.roots, key=lambda name: name not in network.constants):
        roots[name] = cursor
        cursor = align(cursor + planner.roots[name].size, 64)
        if name in network.constants:
            image_bytes = cursor
    cursor = max(cursor, readable)
    _check_memory(network, cursor, memory)

    image = bytearray(image_bytes)
    segments = []
    for run, at in zip(runs, code_at, strict=True):
        layers = []
        for i in run:
            job, data = jobs[i], data_at[i]
            layers.append((codes[i].place, codes[i].located(
                [roots[x.root] + x.offset for x in job.sources],
                roots[job.y.root] + job.y.offset, data)))
            image[data:data + len(codes[i].data)] = codes[i].data
        commands = b"".join(pack(name, **fields) for name, fields in [
            ("BEGIN", {"magic": MAGIC, "hash": config.hash}), *join(config, layers), ("END", {})])
        image[at:at + len(commands)] = commands
        segments += [Segment(
            job.layers[0].name, job.layers, tuple(dict.fromkeys(x.name for x in job.sources)),
            job.y.name, at, len(commands), job.macs, job.layer, job.mapping, job.estimate,
            n > 0, dict(Counter(name for name, _ in layers[n][1])))
            for n, job in enumerate(jobs[i] for i in run)]
    tensors = {name: replace(place, offset=roots[place.root] + place.offset)
               for name, place in planner.places.items()}
    for name, value in network.constants.items():
        if name in tensors:
            at, size = tensors[name].offset, tensors[name].size
            image[at:at + size] = tensors[name].pack(value.reshape(tensors[name].shape))
    stored = {name: Stored(tensors.pop(name), *planner.fusion.stored[name])
              for name in planner.fusion.stored if name in tensors}
    return Program(config, bytes(image), cursor, tuple(segments), tensors, stored)


def _runs(planner, joined):
    """Numbers of the jobs of each program: of one job, or of all that no host part stands
    between."""
    numbers = range(len(planner.jobs))
    if not joined:
        return [[i] for i in numbers]
    return [list(run) for _, run in groupby(
        numbers, lambda i: planner.programs[planner.jobs[i].layers[0]])]


def _check_memory(network, size, memory):
    if size > (_MEMORY if memory is None else memory):
        what = f"there are {memory}" if memory is not None and memory < _MEMORY else \
            f"a program can address {_MEMORY}"
        raise HwgenError(f"network {network.name!r} needs {size} bytes of DRAM or more; {what}: "
                         f"use a smaller input or fewer layers.")
