"""Lowering: a layer and its mapping to commands, filter streams and parameters.

:mod:`.steps` says what is to be done, :mod:`.order` in which order, :mod:`.encode` with which
fields.
"""

from dataclasses import dataclass

from ... import isa
from .encode import Encoder
from .order import LAYER_WRITTEN, ordered
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
    """
    commands: list
    data: bytes

    def join(self, following):
        """Let the commands of ``following`` stand behind these in one program. What it loads waits
        until these outputs are in DRAM; its filters come during this layer's last pass."""
        last = max(i for i, (name, *_) in enumerate(self.commands) if name == "STORE")
        first = min(i for i, (name, *_) in enumerate(following.commands)
                    if name in ("LOAD", "PARAMS"))
        for commands, i, field in ((self.commands, last, "signal_written"),
                                   (following.commands, first, "wait")):
            name, source, fields = commands[i]
            commands[i] = name, source, {**fields, field: fields.get(field, 0) | LAYER_WRITTEN}

    def assemble(self, sources, y, data):
        """The commands' bytes, with the sources at the offsets ``sources``, the output at ``y``,
        the data at ``data``."""
        base = {"STORE": y, "FILTER": data, "PARAMS": data}
        for name, source, fields in self.commands:
            if "addr" in fields:
                start = base[name] if source is None else sources[source]
                fields = {**fields, "addr": fields["addr"] + start}
            yield isa.pack(name, **fields)


def lower(config, layer, mapping, sources, y_place, store_op):
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

    Returns
    -------
    LayerCode
    """
    plan = Plan(config, layer, mapping, sources, store_op.mode.needs_tables)
    encoder = Encoder(plan, y_place, store_op)
    commands = [encoder.fields(command) for command in ordered(plan)]
    return LayerCode(commands, bytes(encoder.data))
