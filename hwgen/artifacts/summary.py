"""The figures of a built accelerator, and the table that shows them."""

from collections import Counter

from rich import box
from rich.table import Table

from ..machines import machine_of

__all__ = ["figures", "table"]

# Kinds of memories, and places of multipliers, in the order of the table. What a machine does not
# name is of the last.
_MEMORIES = ("filter spads", "ifmap spads", "GLB banks", "parameter memory", "FIFOs and tables")
_MULTIPLIERS = ("array", "output stage", "other")


def figures(config, netlist):
    """Everything worth knowing about a built accelerator, as a dict that JSON can hold.

    Memories in bits by kind; multipliers by place; bandwidths in bytes a cycle and at
    ``clock_mhz``; multiply-accumulates at the peak.
    """
    machine = machine_of(config)
    memories = Counter(dict.fromkeys(_MEMORIES, 0))
    for memory in netlist.memories:
        memories[machine.memories.get((memory.module, memory.name), _MEMORIES[-1])] += memory.bits
    multipliers = Counter(dict.fromkeys(_MULTIPLIERS, 0))
    for module, count in netlist.multipliers.items():
        multipliers[machine.multipliers.get(module, _MULTIPLIERS[-1])] += count
    inside = machine.bandwidths(config)
    bandwidths = {
        "DRAM port, read": config.bus_bytes,
        "DRAM port, write": config.bus_bytes,
        "GLB, read": inside.glb_read,
        "GLB, write": inside.glb_write,
        "Y-bus": inside.ybus,
        "X-buses": inside.xbuses,
        "filter network": inside.filters,
    }
    return {
        "pes": config.rows * config.cols,
        "rows": config.rows,
        "cols": config.cols,
        "memory_bits": dict(memories),
        "multipliers": dict(multipliers),
        "bytes_per_cycle": bandwidths,
        "gbytes_per_second": {name: size * config.clock_mhz / 1000
                              for name, size in bandwidths.items()},
        "clock_mhz": config.clock_mhz,
        "peak_macs_per_cycle": config.rows * config.cols,
        "peak_gmacs_per_second": config.rows * config.cols * config.clock_mhz / 1000,
        "derived": {name: getattr(config, name) for name in (
            "bank_bits", "bank_depth", "subwords", "glb_words", "psum_bits", "pe_bytes",
            "params_bytes")},
    }


def table(config, values):
    """A :class:`rich.table.Table` of :func:`figures`."""
    result = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    result.add_column()
    result.add_column(justify="right")
    result.add_column()
    result.add_row("PEs", f"{values['pes']}", f"{config.rows} rows x {config.cols} columns")
    total = sum(values["memory_bits"].values())
    result.add_row("memories", f"{total:,}", "bits")
    for kind, bits in values["memory_bits"].items():
        result.add_row(f"  {kind}", f"{bits:,}", "")
    for place, count in values["multipliers"].items():
        if count:
            result.add_row(f"multipliers, {place}", f"{count}", "")
    for name, size in values["bytes_per_cycle"].items():
        rate = values["gbytes_per_second"][name]
        result.add_row(name, f"{size}", f"bytes/cycle, {rate:.1f} GB/s")
    result.add_row("peak", f"{values['peak_gmacs_per_second']:.1f}",
                   f"GMAC/s at {config.clock_mhz} MHz")
    return result
