"""What every machine answers: eight questions, from the configuration to the synthesis.

This module imports no HDL, no compiler and no cost model. Machines import them when they are asked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["Bandwidths", "CostModel", "Machine", "Order", "Synthesis"]


@dataclass(frozen=True, kw_only=True)
class Bandwidths:
    """Bytes a cycle that the networks of the array and the GLB move at most.

    Attributes
    ----------
    glb_read, glb_write : int
        Of all banks together.
    glb_psums : int
        Reads and writes of psums together: a port that does both at different times counts once.
    ybus, filters : int
        Of the Y-bus and of the filter network.
    xbuses : int
        Of all X-buses together.
    ybus_cycles : str
        Field of :class:`~hwgen.compiler.map.mapping.Estimate` with the cycles that the Y-bus is
        busy for.
    """
    glb_read: int
    glb_write: int
    glb_psums: int
    ybus: int
    xbuses: int
    filters: int
    ybus_cycles: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the order of a program's commands may use.

    Attributes
    ----------
    tile_pieces : bool
        A tile comes in several LOADs, so that the array can begin on the first of them.
    lookahead : int or None
        LOADs that may stand before the COMPUTE that frees their buffer; more of them would fill
        the load queue and hold up the commands behind them. None: any number, because no command
        overtakes another.
    strips_leave_early : bool
        A block's strips are stored while its later strips are computed.
    """
    tile_pieces: bool
    lookahead: int | None
    strips_leave_early: bool


class CostModel(Protocol):
    """Cycles and bytes of mappings, see :mod:`hwgen.cost`.

    Attributes
    ----------
    variants : tuple of tuple of int
        What the search tries: wanted psum slots and ifmap buffers, all channels in a step, all
        blocks of a set resident.
    most_row_bytes : int
        Bytes of a tile's row in DRAM must be less.
    """
    variants: tuple
    most_row_bytes: int

    def worthwhile(self, fits):
        """Of the mappings that fit, ``(tuples, variants)``, those that may be the best."""

    def lower_bound(self, config, layer, folds, q, p, t, e, cut=None):
        """Cycles and traffic, as the search weighs them, that no mapping with these numbers is
        below; ``cut``: with these tiles (:class:`hwgen.cost.bounds.TileCut`)."""

    def estimate(self, config, layer, folds, mappings, timing):
        """``{field of Estimate: numbers}`` of mappings that fit."""

    def copy_cycles(self, config, values):
        """Cycles in which ``values`` values are copied to another layout."""


class Synthesis(Protocol):
    """How a machine's netlist is made, read and estimated, see :mod:`hwgen.synth`.

    Attributes
    ----------
    kept : tuple of str
        Modules that are synthesised once and keep their boundaries.
    blocks : tuple of (str, str)
        Blocks of the reports, and a regular expression for the paths of their cells; the first
        that matches counts.
    single_port_glb : bool
        The GLB is one memory with one port, and no word is read that was not written.
    reference : str or None
        Family whose coefficients the estimate's model scales for the others; None: every family
        has coefficients of its own.
    """
    kept: tuple
    blocks: tuple
    single_port_glb: bool
    reference: str | None

    def instances(self, config):
        """``{module: (path, count)}`` of modules with several instances: the path of one."""

    def logic_multipliers(self, config, count):
        """Yosys commands that give the last ``count`` PEs the module ``pe_logic``, and the modules
        that they make."""

    def output_dsps(self, config, each):
        """Multiplier blocks of the output stage, of which a requantisation takes ``each``."""

    def memories(self, config):
        """``{block: memories}``, of each how many there are, its words, and their bits."""

    def terms(self, config):
        """``{block: terms}``: what the block's size is proportional to."""


class Machine(Protocol):
    """A kind of accelerator.

    Attributes
    ----------
    name : str
        As in ``machine`` of the configuration.
    fixed : dict of str to object
        Parameters of the configuration that it leaves no choice of.
    in_order : bool
        A command runs when the one before it has ended; only FILTERs overlap others. Else four
        queues run side by side.
    memories : dict of (str, str) to str
        What the memories of the core's modules are, by module and memory: ``filter spads``,
        ``ifmap spads``, ``GLB banks`` or ``parameter memory``; FIFOs and tables are left out.
    multipliers : dict of str to str
        Where the multipliers of the core's modules are: ``array`` or ``output stage``.
    cost : CostModel
    order : Order
    synthesis : Synthesis
    """
    name: str
    fixed: dict[str, Any]
    in_order: bool
    memories: dict
    multipliers: dict
    cost: CostModel
    order: Order
    synthesis: Synthesis

    # The configuration.

    def check(self, config: "Config") -> None:
        """Raise :exc:`HwgenError` for a configuration that this machine cannot be built with."""

    def bank_depth(self, config: "Config") -> int:
        """Words of a GLB bank."""

    def grown(self, base: "Config", rows: int, cols: int) -> dict[str, Any]:
        """Parameters that change with a preset whose array becomes ``rows`` x ``cols``."""

    # The instruction set.

    def glb_address(self, config: "Config", word: int) -> int:
        """The 24-bit GLB address of ifmap word ``word``, counted from the start of the GLB."""

    def glb_word(self, config: "Config", address: int) -> int:
        """The ifmap word of a GLB address; raises :exc:`ValueError` if it is none."""

    # What its commands move.

    def traffic(self, config: "Config") -> Any:
        """The :class:`~hwgen.energy.traffic.Traffic` of a configuration."""

    # The RTL.

    def core(self, config: "Config") -> Any:
        """The :class:`~hwgen.rtl.block.Block` between the CSRs and the AXI4 master."""

    # Bandwidths.

    def bandwidths(self, config: "Config") -> Bandwidths:
        """The :class:`Bandwidths` of a configuration."""
