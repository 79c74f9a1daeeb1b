"""Data movement: what can be read or written in place is, the rest is copied, piece by piece.

A copy is a layer that changes nothing (or, with a table, each value for itself), from a part of a
tensor to a part of another.
"""

from dataclasses import replace
from math import gcd, prod

import numpy as np

from ...cost.geometry import MachineLayer, Pooling
from ...errors import HwgenError
from ...isa.store_modes import SUM
from ...network.graph import Conv, Elementwise, MaxPool, Tensor
from ..lower.encode import StoreOp
from . import identity_convs

__all__ = ["woven", "units", "divisors", "concat_parts", "concat_place", "wanted", "plan", "copy"]

_ONE = (1, 1, 1)
_PAD = 63                   # most columns that a LOAD pads


def woven(move):
    """Yield the pieces of a Move with the channels of the input that they take, None for those
    from ``start`` on in steps. Pieces whose channels lie between one another's become one."""
    groups = {}
    for piece in move.pieces:
        apart = piece.size[0] == 1 or piece.dest_step[0] > 1
        same = [triple[1:] for triple in (piece.start, piece.step, piece.size, piece.dest,
                                          piece.dest_step)]
        groups.setdefault((piece.input, id(piece.table), *same) if apart else piece,
                          []).append(piece)
    for pieces in groups.values():
        piece = pieces[0]
        sources = np.concatenate([p.start[0] + np.arange(p.size[0]) * p.step[0] for p in pieces])
        dests = np.concatenate([p.dest[0] + np.arange(p.size[0]) * p.dest_step[0] for p in pieces])
        order = np.argsort(dests)
        if len(pieces) > 1 and (np.diff(dests[order]) == 1).all():
            yield replace(piece, size=(len(order), *piece.size[1:]),
                          dest=(int(dests.min()), *piece.dest[1:]),
                          dest_step=(1, *piece.dest_step[1:])), sources[order]
        else:
            yield from ((piece, None) for piece in pieces)


# In place: parts of a concatenation that their producers write, slices that their readers read.

def units(moves):
    """For each tensor that is cut or put together along its channels, the greatest common divisor
    of the channels where that happens: a group of channels that divides it lies on one side.

    ``moves`` are the pieces by Move, see :func:`woven`.
    """
    found = {}
    for move, pieces in moves.items():
        y = found.get(move.y.name, 0)
        for piece, picked in pieces:
            x = move.inputs[piece.input]
            if piece.step[0] == 1 and picked is None:
                found[x.name] = gcd(found.get(x.name, 0), piece.start[0])
            end = piece.dest[0] + piece.size[0]
            y = gcd(y, piece.dest[0], 0 if end == move.y.shape[0] else end)
            if piece.dest_step[0] > 1:
                y = 1
        found[move.y.name] = y
    return found


def divisors(n, most):
    """Divisors of ``n``, at most ``most``."""
    return tuple(d for d in range(1, min(n, most) + 1) if n % d == 0)


def concat_parts(planner):
    """``{tensor name: (Move, Piece)}`` for the tensors whose producers can write them straight to
    their place in a concatenation: whole and unchanged, and in one only."""
    found = {}
    for move, pieces in planner.pieces.items():
        for piece, picked in pieces if move.fill is None else ():
            x = move.inputs[piece.input]
            producer = planner.producers.get(x.name)
            if (isinstance(producer, Conv | Elementwise | MaxPool) and x.name not in found
                    and not any(getattr(producer, "turned", ()))
                    and producer.y.shape == x.shape == piece.size and piece.table is None
                    and picked is None and piece.dest_step == _ONE):
                found[x.name] = move, piece
    return found


def _allowed(planner, move):
    """Channels that a group of a Move's output may have; empty: any number."""
    most = min(piece.size[0] for piece, _ in planner.pieces[move])
    unit = planner.units[move.y.name]
    return divisors(unit, most) if unit else ()


def _shared(planner, move):
    """Channels of a group of a concatenation that its producers write: the most, up to a bus word,
    that lie on one side of all the seams."""
    unit = planner.units[move.y.name] or move.y.shape[0]
    most = min(piece.size[0] for piece, _ in planner.pieces[move])
    return max(divisors(unit, min(most, planner.config.bus_bytes)))


def wanted(planner, y):
    """Channels that a group of ``y`` should have, so that no copy of it is needed; empty: any."""
    if y.name in planner.concat_parts:
        return (_shared(planner, planner.concat_parts[y.name][0]),)
    unit = planner.units.get(y.name)
    return divisors(unit, y.shape[0]) if unit else ()


def concat_place(planner, y, g):
    """The placement of ``y``, in groups of ``g`` channels, in its concatenation; None if it is no
    part of one, or cannot be written there."""
    if y.name not in planner.concat_parts:
        return None
    move, piece = planner.concat_parts[y.name]
    if y.shape != piece.size or g != _shared(planner, move):
        return None
    root = planner.places.get(move.y.name) or planner.place(move.y, g)
    place = planner.places[y.name] = replace(root.part(piece.dest, y.shape), name=y.name,
                                             dtype=np.dtype(y.dtype))
    return place


# Copies.

def plan(planner, move):
    """Plan what of a Move is not in its place yet."""
    y = planner.places.get(move.y.name)
    rest = [(piece, picked) for piece, picked in planner.pieces[move]
            if not _written(planner, move, piece)]
    if not rest or _view(planner, move):
        return
    sources = [_placed(planner, planner.read(x, (move,))) for x in move.inputs]
    if y is None:
        y = planner.place(move.y, _group(planner, move, sources[rest[0][0].input]))
    if _pad(planner, move, sources, y) or _enlarge(planner, move, sources, y):
        return
    if move.fill is not None and sum(prod(piece.size) for piece, _ in rest) < prod(y.shape):
        _fill(planner, move, sources[0], y)
    for piece, picked in rest:
        _piece(planner, move, piece, picked, sources[piece.input], y)


def _written(planner, move, piece):
    """Whether a piece's input has been written straight to its place."""
    name = move.inputs[piece.input].name
    return planner.concat_parts.get(name, (None, None))[1] is piece and name in planner.places and \
        planner.places[name].root == move.y.name


def _placed(planner, source):
    if isinstance(source, Tensor):
        return planner.place(source, min(source.shape[0], planner.config.bus_bytes))
    return source


def _view(planner, move):
    """Leave a slice where it is, if that can be."""
    piece = move.pieces[0]
    if (len(move.pieces) > 1 or piece.size != move.y.shape or piece.table is not None
            or (piece.step[0], piece.step[2]) != (1, 1)):
        return False
    source = _placed(planner, planner.read(move.inputs[piece.input], (move,)))
    if piece.start[0] % source.dram_channels:
        return False
    part = source.part(piece.start, piece.size, piece.step[1])
    planner.places[move.y.name] = replace(part, name=move.y.name, dtype=np.dtype(move.y.dtype))
    return True


def _group(planner, move, source):
    """Channels of a group of the output of a Move: the source's, or the most that can be."""
    config = planner.config
    most = min(config.ifmap_spad - config.bus_bytes, config.filter_spad, 127, move.y.shape[0])
    allowed = _allowed(planner, move) or range(1, most + 1)
    if source.dram_channels in allowed:
        return source.dram_channels
    return max((g for g in allowed if g <= min(most, 2 * config.bus_bytes)), default=1)


def _pad(planner, move, sources, y):
    """A tensor with a border, in one job; False if it is not that."""
    piece, (channels, height, width) = move.pieces[0], y.shape
    _, top, left = piece.dest
    bottom, right = height - top - piece.size[1], width - left - piece.size[2]
    source = sources[piece.input]
    if (move.fill is None or len(move.pieces) > 1 or piece.table is not None
            or piece.step != _ONE or piece.dest_step != _ONE or piece.size[0] != channels
            or max(left, right) > _PAD or piece.start[0] % source.dram_channels):
        return False
    part = source.part(piece.start, piece.size)
    conv = identity_convs.identity(move.name, piece.size, pads=(top, left, bottom, right),
                            fill=move.fill & 255)
    layer = MachineLayer(conv, Pooling(), conv.y, channels > 1)
    _add(planner, move, layer, part, y, f"a border of {top}, {left}, {bottom}, {right}")
    return True


def _enlarge(planner, move, sources, y):
    """Nearest-neighbour enlargement in one job; False if it is not that, or does not fit.

    A row of ``y`` holds a pixel of the source ``fw`` times: that many groups of channels, read from
    one place. Its rows read the source's ``fh`` times.
    """
    _, high, wide = move.pieces[0].dest_step
    source = sources[move.pieces[0].input]
    dests = {piece.dest for piece in move.pieces}
    if (len(move.pieces) != high * wide or high * wide == 1
            or dests != {(0, i, j) for i in range(high) for j in range(wide)}
            or any((piece.input, piece.start, piece.step, piece.size, piece.dest_step)
                   != (move.pieces[0].input, (0, 0, 0), _ONE, source.shape, (1, high, wide))
                   or piece.table is not None for piece in move.pieces)
            or source.dram_channels != y.dram_channels or not source.stacked or not y.stacked):
        return False
    channels, height, width = (source.dram_channels * wide, source.groups * source.shape[1],
                               source.shape[2])
    part = replace(source, shape=(channels, height, width), group_stride=0)
    done = replace(y, shape=(channels, height * high, width), dram_channels=channels)
    conv = identity_convs.identity(move.name, done.shape)
    layer = MachineLayer(conv, Pooling(), conv.y, channels > 1)
    try:
        found = planner.search(layer, (part,) * high, (channels,))
    except HwgenError:
        return False
    planner.add((move,), layer, found, (part,) * high, done, note=f"enlarges by {high}x{wide}")
    return True


def _fill(planner, move, source, y):
    """Write a Move's fill everywhere: one psum, stored for every place."""
    conv = identity_convs.constant(move.name, y.shape[0], move.fill & 255)
    layer = MachineLayer(conv, Pooling(u=0, v=0), identity_convs.tensor(move.name, y.shape), False)
    part = replace(source, shape=_ONE, dram_channels=1)
    _add(planner, move, layer, part, y, f"fills with {move.fill}")


def _add(planner, move, layer, source, y, note):
    planner.add((move,), layer, planner.search(layer, (source,), (y.dram_channels,)), (source,), y,
                note=note)


def _piece(planner, move, piece, picked, source, y):
    """Copy a piece, or its ``picked`` channels, from ``source`` to ``y``."""
    (first, row, column), (step, row_step, column_step) = piece.start, piece.step
    channels, height, width = piece.size
    if piece.dest_step[0] > 1:          # then a group is one channel
        first_dest = piece.dest[0] * y.group_stride
        y = replace(y, offset=y.offset + first_dest,
                    group_stride=y.group_stride * piece.dest_step[0])
        piece = replace(piece, dest=(0, *piece.dest[1:]))
    cut = height, (width - 1) * column_step + 1
    note = f"piece to {', '.join(map(str, piece.dest))}"
    if picked is None and step == 1 and first % source.dram_channels == 0:
        part = source.part((first, row, column), (channels, *cut), row_step)
    else:
        part = source.part((0, row, column), (source.shape[0], *cut), row_step)
        if picked is None:
            picked = first + np.arange(channels) * step
    _, dest_row, dest_column = piece.dest_step
    if dest_column == 1 or width == 1:
        done = y.part(piece.dest, piece.size, dest_row)
        copy(planner, (move,), part, done, note, picked=picked, column_step=column_step,
             table=piece.table)
        return
    # Columns apart: the piece is put together, and then stored column by column.
    whole = planner.scratch(move.name, identity_convs.tensor(move.name, piece.size),
                            y.dram_channels)
    copy(planner, (move,), part, whole, note, picked=picked, column_step=column_step,
         table=piece.table)
    done = y.part(piece.dest, (channels, height, (width - 1) * dest_column + 1), dest_row)
    pairs = [(whole, done)] if done.stacked else [
        tuple(place.part((k * y.dram_channels, 0, 0),
                         (min(y.dram_channels, channels - k * y.dram_channels), *place.shape[1:]))
              for place in (whole, done)) for k in range(whole.groups)]
    for whole, done in pairs:
        copy(planner, (move,), whole.upright(), done.upright(dest_column), note)


def copy(planner, layers, source, y, note, *, picked=None, column_step=1, table=None):
    """Add the job that copies ``source`` to ``y``.

    Parameters
    ----------
    planner : Planner
    layers : tuple
        The layer that it is for.
    source, y : Placement
    note : str
    picked : numpy.ndarray or None
        Channels of the source that are wanted; None: all.
    column_step : int
        Every how many columns of the source are wanted.
    table : numpy.ndarray or None
        uint8, 256 entries: what becomes of each byte.
    """
    name = layers[0].name
    if table is not None and not (planner.config.tables or planner.config.functions):
        raise HwgenError(f"layer {name!r} changes values, and the accelerator "
                         f"{planner.config.name!r} is built without tables: set tables to "
                         f"true, or leave such layers to the host.")
    store_op = StoreOp() if table is None else StoreOp(function=table) \
        if planner.config.functions else StoreOp(SUM, 1.0, (table.astype(np.int32),))
    options = {"mode": store_op.mode, "function": store_op.function is not None}
    channels = source.shape[0]
    if picked is None:
        conv = identity_convs.identity(name, source.shape, column_step=column_step)
        layer = MachineLayer(conv, Pooling(), conv.y, channels > 1, **options)
        try:
            found = planner.search(layer, (source,), (y.dram_channels,))
        except HwgenError:                  # more channels to a group than a PE can hold
            picked = np.arange(channels)
    if picked is not None:
        conv = identity_convs.selection(name, source.shape, picked, column_step)
        layer = MachineLayer(conv, Pooling(), conv.y, False, **options)
        found = planner.search(layer, (source,), (y.dram_channels,))
    planner.add(layers, layer, found, (source,), y, store_op=store_op, note=note)
