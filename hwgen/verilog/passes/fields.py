"""Fields of structs are read by their names."""

from ..netlist import Part, Ref, is_temporary, substitute

__all__ = ["name_fields"]


def name_fields(module):
    """Read bits of a struct by the net that has the name of the field.

    Amaranth gives each field of a struct a net, ``command.size``, that nothing reads: readers name
    the bits, ``command[95:64]``. A part of a field becomes a part of the field's net. The same for
    other nets that are some bits of another, ``next = $4[2:0]``.
    """
    fields = {}
    for target, value in module.assigns:
        if isinstance(target, Ref) and not is_temporary(target.name) and isinstance(value, Part):
            fields.setdefault(value.name, {}).setdefault(
                (value.msb, value.lsb), []).append(target.name)
    best = {base: {bits: min(names, key=lambda name: _strangeness(name, base))  # noqa: B023
                   for bits, names in given.items()} for base, given in fields.items()}
    known = {}

    def change(leaf):
        if not isinstance(leaf, Part) or leaf.name not in best:
            return leaf
        if leaf not in known:
            known[leaf] = _field(leaf, best[leaf.name])
        return known[leaf]

    chosen = {name for given in best.values() for name in given.values()}
    assigns = module.assigns
    module.assigns = []
    module.rewrite(lambda value: substitute(value, change))
    module.assigns = [
        (target, value if isinstance(target, Ref) and target.name in chosen
         else substitute(value, change)) for target, value in assigns]


def _strangeness(name, base):
    """How far a field's name is from the struct's: the least is the best."""
    return not name.startswith(f"{base}."), "$" in name, name.count("."), len(name), name


def _field(part, fields):
    name = fields.get((part.msb, part.lsb))
    if name:
        return Ref(name)
    around = [(msb - lsb, name, lsb) for (msb, lsb), name in fields.items()
              if lsb <= part.lsb and part.msb <= msb]
    if not around:
        return part
    _, name, lsb = min(around)
    return Part(name, part.msb - lsb, part.lsb - lsb)
