"""Lowering: a layer and its mapping to commands, filter streams and parameters.

:mod:`.steps` says what is to be done, :mod:`.order` in which order, :mod:`.place` where on the
chip, :mod:`.encode` with which fields; :mod:`.join` makes one program of several layers.
"""

from dataclasses import dataclass

from ... import isa
from .encode import Encoder
from .order import ordered
from .place import Place
from .steps import Plan

__all__ = ["LayerCode", "lower"]


@dataclass
class LayerCode:
    """A layer's commands before its data and tensors have addresses.

    Attributes
    ----------
    commands : list of (str, int or None, dict)
        Name, source and fields. ``addr`` counts from the start of the source with that number
        (LOAD), of the output tensor (STORE) or of ``data`` (FILTER, PARAMS).
    data : bytes
        Filter streams and parameters; a multiple of the bus word.
    place : Place
    """
    commands: list
    data: bytes
    place: Place

    def located(self, sources, y, data):
        """Names and fields of the commands, with the sources at the offsets ``sources``, the output
        at ``y``, the data at ``data``."""
        base = {"STORE": y, "FILTER": data, "PARAMS": data}
        found = []
        for name, source, fields in self.commands:
            if "addr" in fields:
                start = base[name] if source is None else sources[source]
                fields = {**fields, "addr": fields["addr"] + start}
            if wrong := isa.forbidden(name, fields):
                raise ValueError(f"{name}: 0 is not allowed for {', '.join(wrong)}")
            found.append((name, fields))
        return found


def lower(config, layer, mapping, sources, y_place, store_op, at_end=False, table=1):
    """Commands and data of ``layer``.

    Parameters
    ----------
    config : Config
    layer : MachineLayer
    mapping : Mapping
    sources : tuple of Placement
        The input as the layer reads it. One: its ``shape`` is the convolution's ``x.shape``.
        Several: they take turns in the rows, row ``h`` of the convolution's input is row
        ``h // n`` of source ``h % n``.
    y_place : Placement
        The output.
    store_op : StoreOp
    at_end : bool
        The layer stands at the end of the memories on the chip, not at their start.
    table : int
        Number of the function table that the layer uses, if it has a function.

    Returns
    -------
    LayerCode
    """
    plan = Plan(config, layer, mapping, sources, store_op.mode.needs_tables,
                store_op.function is not None)
    place = Place.of(plan, at_end, table)
    encoder = Encoder(plan, y_place, store_op, place)
    commands = [encoder.fields(command) for command in ordered(plan)]
    return LayerCode(commands, bytes(encoder.data), place)
