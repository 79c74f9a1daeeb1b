"""What is counted of a layer: by level of the hierarchy and by kind of data.

This module is the one source of truth: counts, energy, tables, JSON and documentation follow it.
"""

from dataclasses import dataclass

__all__ = ["ITEMS", "KINDS", "LEVELS", "Item"]

#: Levels of the storage hierarchy, from the multiplier outwards.
LEVELS = ("mac", "spad", "noc", "glb", "dram")

#: Kinds of data. Commands and parameters are what the accelerator reads beside the layer's data.
KINDS = ("mac", "ifmap", "filter", "psum", "ofmap", "parameters", "commands")


@dataclass(frozen=True)
class Item:
    """One number of a layer.

    Attributes
    ----------
    level, kind : str
        Of :data:`LEVELS` and :data:`KINDS`.
    price : str or None
        Entry of an energy table; None: counted, but paid for by another item.
    word : str
        What one access moves: ``value`` (an ifmap value, a weight or a psum), ``chunk``
        (``xbus_bytes`` ifmap values), ``bus`` (a bus word) or ``bank`` (a word of a GLB bank, or a
        psum in the microcoded machine).
    doc : str
    """
    level: str
    kind: str
    price: str | None
    word: str
    doc: str


ITEMS = {
    "macs": Item("mac", "mac", "mac", "value",
                 "multiply-accumulates, those by padding and of idle slots included"),
    "ifmap_spad_reads": Item("spad", "ifmap", "ifmap_spad", "value", "ifmap values read for MACs"),
    "ifmap_spad_writes": Item("spad", "ifmap", "ifmap_spad", "chunk", "writes to ifmap spads"),
    "filter_spad_reads": Item("spad", "filter", "filter_spad", "value", "weights read for MACs"),
    "filter_spad_writes": Item("spad", "filter", "filter_spad", "value",
                               "weights written to filter spads"),
    "psum_reads": Item("spad", "psum", "psum_spad", "value", "running psums read for MACs"),
    "psum_writes": Item("spad", "psum", "psum_spad", "value", "running psums written by MACs"),
    "ybus_words": Item("noc", "ifmap", None, "bus", "ifmap words sent down the Y-bus"),
    "xbus_words": Item("noc", "ifmap", None, "bus", "ifmap words sent along the X-buses"),
    "ifmap_deliveries": Item("noc", "ifmap", "noc", "chunk",
                             "ifmap values that the X-buses delivered to PEs"),
    "filter_words": Item("noc", "filter", None, "bus",
                         "words of the filter network, packet heads included"),
    "filter_deliveries": Item("noc", "filter", "noc", "value",
                              "weights that the filter network delivered to PEs"),
    "psum_moves": Item("noc", "psum", "noc", "value",
                       "psums from a row to the next, and from the last row to the GLB"),
    "glb_ifmap_reads": Item("glb", "ifmap", "glb", "bus", "ifmap words read from the GLB"),
    "glb_ifmap_writes": Item("glb", "ifmap", "glb", "bus",
                             "ifmap words written to the GLB, partly or wholly"),
    "glb_psum_reads": Item("glb", "psum", "glb", "bank",
                           "psum words read from the GLB, for accumulation and for the outputs"),
    "glb_psum_writes": Item("glb", "psum", "glb", "bank", "psum words written to the GLB"),
    "glb_parameter_reads": Item("glb", "parameters", "glb", "bank",
                                "biases and scales read from the GLB, where they stand in it"),
    "glb_parameter_writes": Item("glb", "parameters", "glb", "bank",
                                 "biases and scales written to the GLB, where they stand in it"),
    "dram_filter_words": Item("dram", "filter", "dram", "bus", "words of filter packets read"),
    "dram_ifmap_words": Item("dram", "ifmap", "dram", "bus", "words of ifmaps read"),
    "dram_parameter_words": Item("dram", "parameters", "dram", "bus",
                                 "words of biases, scales and tables read"),
    "dram_command_words": Item("dram", "commands", "dram", "bus", "words of commands read"),
    "dram_ofmap_words": Item("dram", "ofmap", "dram", "bus", "words of ofmaps written"),
}
