"""What synthesis found, as tables for people and as plain data for programs."""

from dataclasses import dataclass

from rich import box
from rich.table import Table

from .resources import WRAPPER
from .targets import RESOURCES

__all__ = ["Report"]

_HEADINGS = {"logic_cells": "logic cells", "ff": "flip-flops", "bram": "block RAMs", "dsp": "DSPs"}


@dataclass(frozen=True)
class Report:
    """A :class:`~hwgen.synth.flow.Result` with what it is the result of.

    Attributes
    ----------
    config : Config
    target : Target
    result : Result
        Of synthesis, or of :func:`hwgen.synth.estimate.estimate`.
    clock_mhz : float
        Clock that was asked for.
    utilisation : float or None
        Useful share of the MAC slots over AlexNet's CONV layers, as the compiler predicts it.
    """
    config: object
    target: object
    result: object
    clock_mhz: float
    utilisation: float = None

    @property
    def fits(self):
        return self.result.fits(self.target)

    @property
    def clock_reached(self):
        """The routed design runs at the clock asked for; true without place and route."""
        return self.result.fmax_mhz is None or self.result.fmax_mhz >= self.clock_mhz

    @property
    def gmacs(self):
        """``(peak, sustained)`` GMAC/s at the clock reached, else at the one asked for."""
        clock = self.result.fmax_mhz or self.clock_mhz
        peak = self.config.rows * self.config.cols * clock / 1000
        return peak, None if self.utilisation is None else peak * self.utilisation

    def to_dict(self):
        peak, sustained = self.gmacs
        result = self.result
        return {
            "target": self.target.name, "device": self.target.title, "name": self.config.name,
            "pe": f"{self.config.rows}x{self.config.cols}",
            "parameters": self.config.to_dict(), **result.total,
            "fits": self.fits, "fmax_mhz": result.fmax_mhz, "clock_mhz": self.clock_mhz,
            "capacity": self.target.capacity, "by_block": result.by_block,
            "memories": result.memories, "routed": result.routed,
            "critical_path": result.path, "gmacs_peak": round(peak, 3),
            "gmacs_sustained": None if sustained is None else round(sustained, 3),
            "warnings": result.warnings, "tools": result.tools, "seconds": result.seconds,
        }

    def _amount(self, resource, amount):
        if not self.target.capacity:
            return f"{amount:,}"
        return f"{amount:,} ({100 * amount / self.target.capacity[resource]:.1f} %)"

    def tables(self):
        """The tables: resources by block, memories, critical path."""
        config = self.config
        table = Table(title=f"{config.name}, {config.rows} x {config.cols} PEs, on "
                            f"{self.target.title}", box=box.SIMPLE_HEAD)
        table.add_column("block")
        for resource in RESOURCES:
            table.add_column(_HEADINGS[resource], justify="right")
        for name, row in self.result.by_block.items():
            if name != WRAPPER:
                table.add_row(name, *(f"{row[resource]:,}" for resource in RESOURCES))
        table.add_section()
        table.add_row("all", *(self._amount(name, self.result.total[name]) for name in RESOURCES),
                      style="bold")
        if WRAPPER in self.result.by_block:
            row = self.result.by_block[WRAPPER]
            table.add_row(f"{WRAPPER}, apart", *(f"{row[name]:,}" for name in RESOURCES))
        if self.target.capacity:
            table.add_row("the device has",
                          *(f"{self.target.capacity[name]:,}" for name in RESOURCES))
        yield table
        if self.result.memories:
            table = Table(title="memories", box=box.SIMPLE_HEAD)
            for heading in ("memory", "block", "became, each"):
                table.add_column(heading)
            for heading in ("of them", "words", "bits"):
                table.add_column(heading, justify="right")
            for memory in self.result.memories:
                table.add_row(memory["memory"], memory["block"], memory["became"],
                              f"{memory['count']}", f"{memory['depth']}", f"{memory['width']}")
            yield table
        if self.result.path:
            table = Table(title="critical path", box=box.SIMPLE_HEAD)
            for heading in ("block", "instance", "through"):
                table.add_column(heading, overflow="fold")
            for heading in ("logic, ns", "routing, ns"):
                table.add_column(heading, justify="right")
            for stretch in self.result.path:
                signals = stretch["signals"]
                through = signals if len(signals) < 6 else [*signals[:3], "...", *signals[-2:]]
                table.add_row(stretch["block"], stretch["path"], " > ".join(through),
                              f"{stretch['logic_ns']:.2f}", f"{stretch['routing_ns']:.2f}")
            yield table

    def lines(self):
        """The sentences under the tables."""
        if self.target.capacity:
            yield f"It {'fits' if self.fits else 'does not fit'} {self.target.title}."
        if self.result.fmax_mhz is not None:
            yield (f"Placed and routed at {self.result.fmax_mhz:.1f} MHz, asked for "
                   f"{self.clock_mhz:g} MHz" + "".join(
                       f"; {amount:,} {self.target.family.units[resource]} with the wrapper"
                       for resource, amount in self.result.routed.items()) + ".")
        if self.target.family.device:
            peak, sustained = self.gmacs
            yield (f"{peak:.2f} GMAC/s at the peak" + (
                f", {sustained:.2f} sustained on AlexNet's CONV layers (predicted)"
                if sustained is not None else "") + f", at "
                f"{self.result.fmax_mhz or self.clock_mhz:g} MHz.")
        for warning in self.result.warnings:
            yield f"warning: {warning}"
        yield f"{', '.join(self.result.tools)}, {self.result.seconds:.1f} s"
