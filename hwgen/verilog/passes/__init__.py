"""What is done to a module between reading it from Yosys and writing it: one function a step."""

from .branches import drop_empty_branches
from .fields import name_fields
from .fold import fold
from .inline import inline
from .joins import join_parts
from .merge import merge_clocked, merge_combinational
from .names import plain_names
from .narrow import narrow
from .registers import clock_registers, name_registers
from .shared import drop_unread, mark_unused, order, share
from .sizes import size_operands
from .states import name_states
from .temporaries import name_temporaries

__all__ = ["PASSES", "run"]

#: The passes, in their order.
PASSES = (
    name_registers, clock_registers, join_parts, fold, share, name_fields, drop_unread, narrow,
    merge_clocked, merge_combinational, share, inline, share, fold, drop_empty_branches,
    plain_names, name_states, name_temporaries, mark_unused, size_operands, order,
)


def run(module):
    """Run all passes on a module."""
    for step in PASSES:
        step(module)
