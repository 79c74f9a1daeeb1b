"""Where a layer stands on the chip."""

from dataclasses import dataclass

from ...cost.geometry import ceildiv

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """What a layer takes of the memories on the chip.

    Attributes
    ----------
    banks : range
        Bank words of the GLB: psums, then ifmap tiles.
    parameters : range
        Words of the parameter memory.
    functions : range
        Numbers of function tables: one, or none.
    """
    banks: range
    parameters: range
    functions: range

    @classmethod
    def of(cls, plan, at_end, table=1):
        """The place of a plan: at the start of each memory, or at its end. Tables stand at the
        start: no command tells where they are. Its function stands in table ``table``."""
        m, config = plan.mapping, plan.config
        words = m.slots * m.block_words + ceildiv(m.buffers * m.tile_words,
                                                  config.cols * config.subwords)
        parameters = plan.parameters if plan.parameters_once else \
            plan.parameter_slots * m.t * plan.words_per_column
        first = config.bank_depth - words if at_end else 0
        first_parameter = 0
        if at_end and not plan.tables:
            first_parameter = config.params_depth // config.lanes - parameters
        return cls(range(first, first + words),
                   range(first_parameter, first_parameter + parameters),
                   range(table, table + plan.function))
