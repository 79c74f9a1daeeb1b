"""A chain of registers."""

from amaranth import Signal

__all__ = ["delay"]


def delay(m, value, cycles, name, **options):
    """``value``, some cycles later.

    Parameters
    ----------
    m : amaranth.Module
        Where the registers go; their names are ``name`` with the number of each.
    value : value
    cycles : int
    name : str
    **options
        Of each register, such as ``reset_less``.
    """
    for cycle in range(cycles):
        later = Signal.like(value, name=f"{name}_{cycle}", **options)
        m.d.sync += later.eq(value)
        value = later
    return value
