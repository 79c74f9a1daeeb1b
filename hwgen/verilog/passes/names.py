"""Names are plain identifiers."""

import re

__all__ = ["plain_names"]


def plain_names(module):
    """Replace what Verilog would have to escape.

    A field ``command.size`` becomes ``command__size``; of nets that the source gives the same name,
    ``row``, ``row$12`` and ``row$31``, the later ones become ``row_2`` and ``row_3``.
    """
    good = {name for name in (*module.nets, *module.memories)
            if name in module.ports or name.isidentifier() and name[0] != "_"}
    names, taken = {}, set(good)
    for name in (*module.nets, *module.memories):
        if name in good:
            continue
        plain = re.sub(r"\W+", "__", re.sub(r"^[$_]+|\$\d+(?=$|\.)", "", name)) or "net"
        if plain.endswith("__next") and name.endswith("$next"):
            plain = plain.replace("__next", "_next")
        unique, number = plain, 2
        while unique in taken:
            unique, number = f"{plain}_{number}", number + 1
        taken.add(unique)
        names[name] = unique
    module.rename(names)
