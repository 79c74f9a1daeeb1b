"""Names are plain identifiers."""

import re

from ..netlist import is_temporary

__all__ = ["plain_names"]


def plain_names(module):
    """Replace what Verilog would have to escape.

    A field ``command.size`` becomes ``command__size``; of nets that the source gives the same name,
    ``row``, ``row$12`` and ``row$31``, the later ones become ``row_2`` and ``row_3``. Instances
    have names among those of the nets. Temporaries are left to :func:`name_temporaries`.
    """
    instances = {instance.name: instance for instance in module.instances}
    all_names = (*module.nets, *module.memories, *instances)
    good = {name for name in all_names
            if name in module.ports or name.isidentifier() and name[0] != "_"
            or is_temporary(name)}
    names, taken = {}, set(good)
    for name in all_names:
        if name in good:
            continue
        stem = name.removesuffix("$next")
        plain = re.sub(r"\W+", "__", re.sub(r"^[$_]+|\$\d+(?=$|\.)", "", stem)) or "net"
        if plain[0].isdigit():
            plain = f"_{plain}"
        if stem != name:
            plain += "_next"
        unique, number = plain, 2
        while unique in taken:
            unique, number = f"{plain}_{number}", number + 1
        taken.add(unique)
        names[name] = unique
    for name, instance in instances.items():
        instance.name = names.pop(name, name)
    module.rename(names)
