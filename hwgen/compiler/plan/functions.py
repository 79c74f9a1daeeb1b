"""Functions of one tensor, and where they are taken along: behind the layer that makes it.

A function of one value is a table of 256 bytes, from the byte as stored to the byte as stored. It
is found by computing the golden model's layers for all 256 of them, so it is exact, whatever the
layers are. Two things are done with it:

* Layers that together are a function of one tensor, in a chain or with branches (SiLU is x times
  sigmoid of x), become one, if nobody else reads what is between them.
* That function goes behind the layer that makes its input, if nobody else reads that: its STOREs
  look it up. What a concatenation requantises of a part is such a function, and so is the change
  of scale of a pooling.

docs/design/fusion.md tells when.
"""

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from ...network import golden
from ...network.graph import Conv, Elementwise, Host, MaxPool, Move

__all__ = ["Fusion", "behind", "fuse", "readers"]

_BYTES = np.arange(256, dtype=np.uint8)


@dataclass
class Fusion:
    """A network's layers, with functions taken along.

    Attributes
    ----------
    layers : list
        The layers to be planned. One that has a function behind it makes the function's output.
    tables : dict
        By layer, the table that its STOREs look up: uint8, 256 entries, from the byte that
        requantisation makes to the byte that is stored.
    members : dict
        By layer that is not the network's, the network's layers that it stands for; the last one's
        output is what it makes.
    stored : dict of str to (str, numpy.ndarray)
        By name, tensors that no layer of the network makes: the tensor and the table that they are
        made of.
    """
    layers: list
    tables: dict = field(default_factory=dict)
    members: dict = field(default_factory=dict)
    stored: dict = field(default_factory=dict)


def readers(network, layers):
    """Tensor name to the layers that read it, one that reads it twice twice; the network's outputs
    are read by None."""
    def resolve(name):
        while name in network.aliases:
            name = network.aliases[name]
        return name
    found = {}
    for layer in layers:
        names = layer.inputs if isinstance(layer, Host) else [x.name for x in layer.inputs]
        for name in names:
            found.setdefault(resolve(name), []).append(layer)
    for name in network.outputs:
        found.setdefault(resolve(name), []).append(None)
    return found


def fuse(network, config, together=True):
    """The :class:`Fusion` of a network for an accelerator.

    Without function tables each layer runs on its own, but for fragments of several, which become
    one; without ``together`` each does.
    """
    fusion = Fusion(list(network.layers))
    if config.tables and together:
        _collapse(network, fusion)
    if config.functions and together:
        heads = _Heads(network, fusion)
        heads.absorb()
        heads.write_parts()
        heads.take_over_pools()
    if config.functions:
        for layer in fusion.layers:             # those that are functions themselves
            if isinstance(layer, Elementwise) and len(layer.inputs) == 1:
                fusion.tables.setdefault(layer, table_of(layer))
    return fusion


# What a function is.

def table_of(layer, codes=None):
    """What a layer of one tensor makes of each byte, uint8, 256 entries; None if it is no function
    of single values. ``codes`` are its inputs by name, if these are functions of one more."""
    inputs, y = layer.inputs, layer.y
    codes = {inputs[0].name: _BYTES} if codes is None else codes
    if any(x.shape != y.shape or x.name not in codes for x in inputs):
        return None
    if isinstance(layer, Conv):
        if not _scales(layer):
            return None
        layer = replace(layer, x=_flat(layer.x), weight=layer.weight[:1], bias=layer.bias[:1],
                        scale=layer.scale[:1], groups=1, y=_flat(y))
    elif isinstance(layer, Elementwise):
        layer = replace(layer, inputs=tuple(map(_flat, inputs)), y=_flat(y))
    else:
        return None
    values = [codes[x.name].view(x.dtype).reshape(1, 1, 256) for x in inputs]
    return golden.compute(layer, *values).reshape(256).view(np.uint8)


def _flat(tensor):
    return replace(tensor, shape=(1, 1, 256))


def _scales(conv):
    """Whether a convolution does the same to each value on its own."""
    return (conv.y.dtype != np.int32 and conv.weight.shape == (conv.y.shape[0], 1, 1, 1)
            and conv.groups == conv.x.shape[0] and conv.stride == (1, 1) and not any(conv.pads)
            and not any(conv.turned) and conv.scale.ndim == 1
            and all((value == value[0]).all() for value in (
                conv.weight.reshape(-1), conv.bias, conv.scale)))


def behind(layer, y, table):
    """``layer`` with ``table`` behind it, of the bytes that it makes, which makes ``y`` then.

    Where ``y`` has the other type, the codes move by 128: STORE has one type for both.

    Returns
    -------
    (layer, numpy.ndarray)
        The table from the byte that requantisation makes.
    """
    shift = int(np.iinfo(y.dtype).min) - int(np.iinfo(layer.y.dtype).min)
    return replace(layer, y=replace(y, shape=layer.y.shape,
                                    zero_point=layer.y.zero_point + shift),
                   lo=layer.lo + shift, hi=layer.hi + shift), table[_BYTES ^ (shift & 128)]


# Fragments of one tensor.

def _collapse(network, fusion):
    """Put one function in the place of every fragment of several layers."""
    tensors = [x for layer in network.layers if not isinstance(layer, Host)
               for x in (*layer.inputs, layer.y)]
    for x in {x.name: x for x in tensors}.values():
        read = readers(network, fusion.layers)
        found = _fragment(fusion.layers, read, x.name)
        if found is None:
            continue
        layers, table = found
        first, y = layers[0], layers[-1].y
        limits = np.iinfo(y.dtype)
        function = Elementwise(first.name, first.inputs[:1],
                               replace(y, zero_point=0, shape=first.y.shape),
                               (table.view(y.dtype).astype(np.int32),), lo=int(limits.min),
                               hi=int(limits.max))
        at = fusion.layers.index(first)
        fusion.layers = [layer for layer in fusion.layers if layer not in layers]
        fusion.layers.insert(at, function)
        fusion.members[function] = layers


def _fragment(layers, read, x):
    """The largest fragment of two layers or more that is a function of the tensor named ``x``:
    ``(layers, table)``, or None."""
    codes, made = {x: _BYTES}, {}
    fringe = [layer for layer in read.get(x, ()) if layer is not None]
    if not any(isinstance(layer, Conv | Elementwise) for layer in fringe):
        return None
    start = min(map(layers.index, fringe))
    for layer in layers[start:]:
        if not isinstance(layer, Conv | Elementwise) or layer.inputs[0].name not in codes:
            continue
        table = table_of(layer, codes)
        if table is not None:
            codes[layer.y.name], made[layer.y.name] = table, layer
    for end in reversed(list(made.values())):
        wanted, needed = [end], []
        while wanted:
            layer = wanted.pop()
            if layer not in needed:
                needed.append(layer)
                wanted += [made[i.name] for i in layer.inputs if i.name in made]
        inner = [layer.y.name for layer in needed if layer is not end]
        if inner and all(reader in needed for name in inner for reader in read.get(name, ())):
            return tuple(sorted(needed, key=layers.index)), codes[end.y.name]
    return None


# Layers with a function behind them.

class _Heads:
    """Layers that make a tensor, and what goes behind them.

    Attributes
    ----------
    own : dict
        By layer with a function behind it: the layer without, and the table of the bytes that it
        makes.
    """

    def __init__(self, network, fusion):
        self.network, self.fusion, self.own = network, fusion, {}

    def absorb(self):
        """Functions go behind the layer that makes their input."""
        for layer in list(self.fusion.layers):
            table = None if isinstance(layer, Host) else table_of(layer)
            if table is None:
                continue
            head = self._maker(layer.inputs[0])
            if head is not None and self._put(head, layer.y, table, (layer,)):
                self.fusion.layers.remove(layer)

    def write_parts(self):
        """What a concatenation requantises of a part goes behind the layer that makes the part."""
        for move in [layer for layer in self.fusion.layers if isinstance(layer, Move)]:
            pieces, inputs = list(move.pieces), list(move.inputs)
            for n, piece in enumerate(pieces):
                x = inputs[piece.input]
                once = sum(inputs[other.input].name == x.name for other in pieces) == 1
                head = self._maker(x) if once and piece.table is not None else None
                if head is None or move.fill is not None \
                        or not piece.size == x.shape == head.y.shape:
                    continue
                part = replace(move.y, name=f"{x.name}:in:{move.y.name}", shape=x.shape,
                               onnx_shape=x.onnx_shape)
                if self._put(head, part, piece.table):
                    pieces[n], inputs[piece.input] = replace(piece, table=None), part
            if inputs != list(move.inputs):
                self._replace(move, replace(move, pieces=tuple(pieces), inputs=tuple(inputs)))

    def take_over_pools(self):
        """The change of scale of a pooling goes behind the layer before it: it keeps the order."""
        for pool in [layer for layer in self.fusion.layers if isinstance(layer, MaxPool)]:
            head = self._maker(pool.x)
            if pool.table is None or not isinstance(head, Conv | Elementwise):
                continue
            x = replace(pool.y, name=f"{pool.x.name}:in:{pool.y.name}", shape=pool.x.shape,
                        onnx_shape=pool.x.onnx_shape)
            if self._put(head, x, pool.table):
                self._replace(pool, replace(pool, x=x, table=None))

    def _maker(self, x):
        """The layer that makes a tensor for one reader alone, and may have a function behind it."""
        read = readers(self.network, self.fusion.layers).get(x.name, ())
        if len(set(map(id, read))) != 1 or read[0] is None:
            return None
        for layer in self.fusion.layers:
            if not isinstance(layer, Host) and layer.y.name == x.name:
                same = layer.y.shape == x.shape
                if isinstance(layer, Conv):
                    same |= not any(layer.turned)
                    good = layer.y.dtype != np.int32 and layer.scale.ndim == 1
                else:
                    good = isinstance(layer, Elementwise | MaxPool)
                return layer if good and same and prod(layer.y.shape) == prod(x.shape) else None
        return None

    def _put(self, head, y, table, members=()):
        """Put ``table`` behind ``head``, which makes ``y`` then; the ``members`` are done with.
        Returns whether that can be."""
        alone, before = self.own.get(head, (head, None))
        whole = table if before is None else table[before]
        if isinstance(alone, MaxPool):
            whole = table if head.table is None else table[head.table]
            values = whole.view(y.dtype)[_BYTES.view(alone.x.dtype).argsort(kind="stable")]
            if (np.diff(values.astype(int)) < 0).any():
                return False
            new, looked_up = replace(head, y=replace(y, shape=head.y.shape), table=whole), None
        elif isinstance(alone, Elementwise) and len(alone.inputs) == 1:
            new, looked_up = replace(alone, y=replace(y, shape=alone.y.shape)), \
                whole[table_of(alone)]
        else:
            new, looked_up = behind(alone, y, whole)
        self.own[new] = alone, whole
        if looked_up is not None:
            self.fusion.tables[new] = looked_up
        if not members:
            self.fusion.stored[y.name] = head.y.name, table
        self._replace(head, new, members)
        return True

    def _replace(self, layer, new, members=()):
        """Put ``new`` in the place of ``layer``, for it and the ``members``."""
        fusion = self.fusion
        fusion.layers[fusion.layers.index(layer)] = new
        fusion.tables.pop(layer, None)
        fusion.members[new] = tuple(one for part in (layer, *members)
                                    for one in fusion.members.pop(part, (part,)))
