"""Signals of a simulation, cycle by cycle, from its waves (VCD)."""

import numpy as np
from vcd.reader import TokenKind, tokenize

__all__ = ["signals"]


def signals(path, *names):
    """Values of signals at each rising edge of the clock.

    Parameters
    ----------
    path : str
        A VCD file, as ``hwgen.run(..., waves=path)`` records it.
    names : str
        Ends of hierarchical names, for instance ``core.array.row_0.busy``.

    Returns
    -------
    dict of str to numpy.ndarray
        By name, unsigned; an element a cycle.
    """
    scopes, found, clocks = [], {}, set()
    now = dict.fromkeys(names, 0)
    rows = {name: [] for name in names}
    with open(path, "rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                name = ".".join([*scopes, token.var.reference])
                if token.var.reference in ("clk", "clock"):
                    clocks.add(token.var.id_code)
                for wanted in names:
                    if name.endswith("." + wanted):
                        found.setdefault(token.var.id_code, []).append(wanted)
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.data
                if change.id_code in clocks and change.value == "1":
                    for name in names:
                        rows[name].append(now[name])
                for name in found.get(change.id_code, ()):
                    now[name] = int(change.value)
    missing = set(names) - {name for group in found.values() for name in group}
    if missing:
        raise KeyError(f"no such signals: {', '.join(sorted(missing))}")
    return {name: np.array(values, object) for name, values in rows.items()}
