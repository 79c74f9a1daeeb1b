"""Layers in one program: what of a layer comes before the one in front of it has ended.

A layer's LOADs read what earlier layers write, so each waits for the last STORE that writes bytes
of it: a semaphore is given when that STORE's data are in DRAM, and taken by the LOAD. LOADs run in
order, so a LOAD that needs no later STORE than the one before it does not wait. What the STORE of
an early block, or of the first rows, has written is loaded while the array works on the rest.

For that the layer has a place on the chip beside that of the layer before it: layers stand at both
ends of the memories in turn (:class:`~.place.Place`). If two of them are too large for that, the
second one's first LOAD waits for the first one's last STORE; and so it does for any layer whose
place it takes.

On machines whose units run side by side, the commands before a layer's first COMPUTE stand as early
as they can run: a LOAD behind the STORE that it waits for and behind all earlier LOADs, the first
FILTER behind the last COMPUTE of the layer before. What a command waits for still stands before
it, so the rule of :mod:`.order` holds for the whole program.
"""

from typing import NamedTuple

import numpy as np

from ... import isa
from ...machines import machine_of
from .order import LAYER_WRITTEN

__all__ = ["join"]

_SIGNALS = 16               # to a layer's LOADs at most: a semaphore counts to 63


def join(config, layers):
    """The commands of a program of several layers, in order.

    Parameters
    ----------
    config : Config
    layers : iterable of (Place, list of (str, dict))
        For each its place on the chip; names and fields of its commands, with addresses in DRAM.

    Returns
    -------
    list of (str, dict)
    """
    program = _Program(machine_of(config).in_order)
    for place, commands in layers:
        program.add(place, commands)
    return [command for commands in program.commands for command in commands]


class _Store(NamedTuple):
    """A STORE's fields, the bytes that it writes, and its index in the program."""
    fields: dict
    spans: tuple
    index: int


class _Program:
    """A program that grows layer by layer.

    Attributes
    ----------
    commands : list of list of (str, dict)
        Commands in order; those that come early stand in a list with the one that they follow.
    stores : list of _Store
    written : int
        Number of the last STORE whose data a LOAD has waited for.
    layers : list of (Place, int)
        Layers that are there: place, and number of the last STORE.
    last_load, last_compute : int
        Indices in ``commands``.
    """

    def __init__(self, in_order):
        self.in_order = in_order
        self.commands, self.stores, self.layers = [], [], []
        self.written, self.last_load, self.last_compute = -1, 0, 0

    def add(self, place, commands):
        """Add a layer."""
        free = {"LOAD": self._free(place, "banks"), "PARAMS": max(
            self._free(place, "parameters"), self._free(place, "functions"))}
        last_store, signals = len(self.stores) - 1, 0
        starting = bool(self.layers) and not self.in_order
        if starting and free["PARAMS"] < last_store:
            commands = _parameters_first(commands)
        for name, fields in commands:
            fields = dict(fields)
            starting &= name != "COMPUTE"
            if name in free:
                need = max(free[name], self._writer(fields) if name == "LOAD" else -1)
                if need > self.written:
                    signals += 1
                    self._wait(fields, need if signals < _SIGNALS else last_store)
                self.last_load = self._early() if starting else len(self.commands)
                self._put(self.last_load, name, fields)
            elif starting:
                self._put(self.last_compute, name, fields)
            else:
                self._put(len(self.commands), name, fields)
                if name == "STORE":
                    self.stores.append(_Store(fields, _spans(name, fields),
                                              len(self.commands) - 1))
                elif name == "COMPUTE":
                    self.last_compute = len(self.commands) - 1
        self.layers.append((place, len(self.stores) - 1))

    def _put(self, index, name, fields):
        """Put a command behind what stands at an index, or at the end."""
        if index == len(self.commands):
            self.commands.append([])
        self.commands[index].append((name, fields))

    def _free(self, place, memory):
        """Number of the last STORE of a layer that uses the same part of a memory; -1: none."""
        mine = getattr(place, memory)
        for other, store in reversed(self.layers):
            theirs = getattr(other, memory)
            if mine.start < theirs.stop and theirs.start < mine.stop:
                return store
        return -1

    def _writer(self, load):
        """Number of the last STORE that writes bytes that a LOAD reads, of those that are not known
        to be done; -1: none."""
        if not load["rows"]:
            return -1
        spans = _spans("LOAD", load)
        return next((number for number in range(len(self.stores) - 1, self.written, -1)
                     if _meet(self.stores[number].spans, spans)), -1)

    def _wait(self, fields, store):
        """Let a LOAD or PARAMS wait for a STORE's data."""
        fields["wait"] |= LAYER_WRITTEN
        self.stores[store].fields["signal_written"] = LAYER_WRITTEN
        self.written = store

    def _early(self):
        """Where a LOAD may stand: behind the other LOADs, and what has been waited for."""
        behind = self.stores[self.written].index if self.written >= 0 else 0
        return max(self.last_load, behind)


def _parameters_first(commands):
    """The commands with the PARAMS before the first COMPUTE in front of its LOADs."""
    first = next(i for i, (name, _) in enumerate(commands) if name == "COMPUTE")
    return sorted(commands[:first], key=lambda command: command[0] != "PARAMS") + commands[first:]


def _spans(name, fields):
    """``(starts, ends)``: the bytes that a LOAD or STORE accesses, of each channel group from the
    first to the last."""
    if name == "LOAD":
        rows, row_bytes = fields["rows"], fields["cols"] * fields["dram_channels"]
    else:
        rows, row_bytes = fields["out_rows"], next(
            field.derive(fields) for field, _ in isa.COMMANDS[name].fields()
            if field.name == "row_bytes")
    starts = fields["addr"] + np.arange(fields["groups"]) * fields["group_stride"]
    return starts, starts + (rows - 1) * fields["row_stride"] + row_bytes


def _meet(a, b):
    """Whether two accesses have bytes in common."""
    if a[0].min() >= b[1].max() or b[0].min() >= a[1].max():
        return False
    return bool(((a[0][:, None] < b[1]) & (b[0] < a[1][:, None])).any())
