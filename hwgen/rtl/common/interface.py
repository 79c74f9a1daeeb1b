"""Interfaces of which a block needs only some members."""

from amaranth.lib import wiring

__all__ = ["some", "drive"]


def some(signature, *names):
    """A signature with only some of the members of ``signature``."""
    return wiring.Signature({name: signature.members[name] for name in names})


def drive(m, source, *sinks):
    """Drive the members of each of ``sinks`` from those of ``source`` of the same names.

    As :func:`amaranth.lib.wiring.connect`, but a sink may have :func:`some` of the members only.
    """
    for sink in sinks:
        m.d.comb += [getattr(sink, name).eq(getattr(source, name))
                     for name in sink.signature.members]
