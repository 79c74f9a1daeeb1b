"""Operators that only move values: Concat, Split, Slice, Pad, Resize; those that move nothing."""

import itertools

import numpy as np
from onnx import helper

from ...network.graph import Move, Piece, Tensor
from .conv import Code, OnHost, view
from .kinds import Kind
from .pointwise import POINTWISE

__all__ = ["KIND", "MOVES", "move_layer"]

#: Operators whose first input (Concat: every input) holds the values, the others being constants.
MOVES = frozenset(
    "Concat DepthToSpace Dropout Expand Flatten Gather Identity Pad Reshape Resize Slice "
    "SpaceToDepth Split Squeeze Tile Transpose Unsqueeze Upsample".split())

_PIECES = 64     # more are better moved by the host
_PHASES = 16


def move_layer(fragment, codes, tables):
    """The :class:`Move` of a fragment of data movements, or a :class:`Code` if no byte moves.

    Parameters
    ----------
    fragment : Fragment
    codes : list of Code
        Of its leaves.
    tables : bool
        Whether the accelerator has tables, which change values on their way.

    Raises
    ------
    OnHost
        The movement has no simple form, or needs a table where there is none.

    Notes
    -----
    The operators run in ONNX Runtime, on numbered values for where each value comes from, and on
    codes for what becomes of them. Both are the reference, so nothing is left to be proved.
    """
    graph = fragment.graph
    shape, dtype = graph.values[fragment.y]
    for node in fragment.inner:
        if node.op in ("Resize", "Upsample") and \
                node.attributes.get("mode", "nearest") != "nearest":
            raise OnHost(f"{node} has mode = {node.attributes['mode']!r}; the accelerator has "
                         f"nearest")
    origin, index = _sources(fragment)
    changes, fill = _changes(fragment, codes, origin.reshape(-1), index.reshape(-1))
    plain = all(change is None for change in changes)
    if len(codes) == 1 and plain and np.array_equal(index.reshape(-1), np.arange(index.size)) and \
            index.size == np.prod(codes[0].shape):
        return Code(codes[0].name, shape, codes[0].dtype, codes[0].stored)
    if not plain and not tables:
        raise OnHost(f"{fragment.name} changes scales on the way, which needs a table, and the "
                     f"accelerator is built without")
    failure = None
    for stored in _layouts(fragment, origin.size):
        try:
            pieces = [piece for at, code in enumerate(codes) for piece in
                      _pieces(fragment, at, code.stored, stored, origin, index, changes[at])]
        except OnHost as error:
            failure = failure or error
            continue
        y_quant = fragment.writing()
        y = Tensor(fragment.y, stored, dtype, int(y_quant.zero.item()) if y_quant else 0,
                   float(y_quant.scale.item()) if y_quant else 1.0, shape)
        inputs = tuple(code.tensor(fragment.reading(leaf))
                       for code, leaf in zip(codes, fragment.leaves, strict=True))
        return Move(fragment.inner[0].name, inputs, y, tuple(pieces), fill)
    raise failure


def _layouts(fragment, size):
    """Shapes ``(C, H, W)`` in which the output's values may lie, ``size`` in all: their order is
    that of any shape that one of the nodes gives them."""
    given = [fragment.graph.values[name][0] for node in reversed(fragment.nodes)
             for name in node.outputs if fragment.graph.values.get(name, (None,))[0]]
    shapes = [*map(view, given), *(view((1, *shape)) for shape in given)]
    shapes += [(c * h, 1, w) for c, h, w in shapes]     # rows as channels
    shapes += [view((1, *shape[:-2], shape[-2] * shape[-1])) for shape in given if len(shape) > 3]
    shapes += [(size, 1, 1)]
    return dict.fromkeys(shape for shape in shapes if np.prod(shape) == size)


def _sources(fragment):
    """Where each output comes from: :meth:`Fragment.sources` of the operators alone."""
    end = fragment.end
    if end.op == "QLinearConcat":
        nodes = [helper.make_node("Concat", end.inputs[2::3], [fragment.y],
                                  axis=end.attributes["axis"])]
        return fragment.sources(nodes, fragment.y)
    moving = [node for node in fragment.inner if node.op in MOVES]
    output = fragment.y
    if end.op == "QuantizeLinear":
        # A Relu or Clip may stand before QuantizeLinear, and changes codes, not places.
        source = fragment.graph.producer[end.inputs[0]]
        output = source.inputs[0] if source not in moving else end.inputs[0]
    if {n.op for n in fragment.inner} - MOVES - {"Relu", "Clip", "QLinearConcat"} or \
            not any(output in node.outputs for node in moving):
        raise OnHost(f"{fragment.name} stands among operators that change values")
    return fragment.sources([node.proto for node in moving], output)


def _changes(fragment, codes, leaf, index):
    """``(changes, fill)``: what becomes of each leaf's bytes (None: nothing), and the filling."""
    run = fragment.runner([code.shape for code in codes])
    changes = np.full((len(codes), 256), -1)
    fill = None
    rows = [leaf == at for at in range(len(codes))]
    # Shifting all codes by an odd stride reaches every code at every place within 256 turns.
    for turn in range(256):
        given = [((np.arange(int(np.prod(code.shape))) + turn * 37) & 255).astype(np.uint8)
                 for code in codes]
        y = run(*(g.view(code.dtype).reshape(code.shape)
                  for g, code in zip(given, codes, strict=True))).reshape(-1)
        rest = y[leaf < 0]
        if rest.size:
            fill = int(rest[0]) if fill is None else fill
            if np.any(rest != fill):
                raise OnHost(f"{fragment.name} joins constants to what it moves")
        stored = y.view(np.uint8)
        for change, bytes_in, row in zip(changes, given, rows, strict=True):
            taken, made = bytes_in[index[row]], stored[row]
            new = change[taken] < 0
            change[taken[new]] = made[new]
            if not np.array_equal(change[taken], made):
                raise OnHost(f"{fragment.name} gives results in ONNX Runtime that depend on "
                             f"where a value stands")
        if all(not row.any() or np.all(change >= 0)
               for change, row in zip(changes, rows, strict=True)):
            break
    same = np.arange(256)
    return [None if np.array_equal(change, same) or not row.any() else change.astype(np.uint8)
            for change, row in zip(changes, rows, strict=True)], fill


def _pieces(fragment, at, source, stored, leaf, index, change):
    """Yield the pieces that come from one input."""
    places = np.nonzero((leaf == at).reshape(stored))
    if not places[0].size:
        return
    dest = [np.unique(axis) for axis in places]
    grid = tuple(axis.size for axis in dest)
    if np.prod(grid) != places[0].size:
        raise OnHost(f"{fragment.name} moves values in no simple pattern")
    origins = np.unravel_index(index.reshape(stored)[places].reshape(grid), source)
    runs = []
    for axis, origin in enumerate(origins):
        line = np.moveaxis(origin, axis, 0).reshape(grid[axis], -1)
        if np.any(line != line[:, :1]):
            raise OnHost(f"{fragment.name} moves values between channels, rows and columns")
        runs.append(_runs(dest[axis], line[:, 0]))
    if np.prod([len(axis) for axis in runs]) > _PIECES:
        raise OnHost(f"{fragment.name} moves values in more than {_PIECES} pieces")
    for parts in itertools.product(*runs):
        start, step, size, to, to_step = zip(*parts, strict=True)
        yield Piece(at, start, step, size, to, to_step, change)


def _runs(dest, source):
    """Arithmetic progressions ``(start, step, size, dest, dest_step)`` that cover one axis."""
    whole = None
    for phases in range(1, min(_PHASES, dest.size) + 1):
        parts = [_progression(dest[p::phases], source[p::phases]) for p in range(phases)]
        if None not in parts:
            whole = parts
            break
    # The same from one place on, as long as each run goes.
    greedy, start = [], 0
    while start < dest.size and (whole is None or len(greedy) < len(whole)):
        stop = start + 1
        while stop < dest.size and _progression(dest[start:stop + 1], source[start:stop + 1]):
            stop += 1
        greedy.append(_progression(dest[start:stop], source[start:stop]))
        start = stop
    return greedy if start >= dest.size and (whole is None or len(greedy) < len(whole)) else whole


def _progression(dest, source):
    steps = []
    for values in (source, dest):
        gaps = np.diff(values)
        if gaps.size and (gaps[0] < 1 or np.any(gaps != gaps[0])):
            return None
        steps.append(int(gaps[0]) if gaps.size else 1)
    return int(source[0]), steps[0], int(dest.size), int(dest[0]), steps[1]


KIND = Kind(1, between=MOVES, direct=frozenset(["QLinearConcat"]),
            takes=lambda nodes: any(node.op in MOVES - POINTWISE or node.op == "QLinearConcat"
                                    for node in nodes), layer=move_layer)
