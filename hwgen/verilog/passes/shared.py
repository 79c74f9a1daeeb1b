"""Equal expressions have one net, and nets that nothing reads are left out."""

from ..netlist import Const, Op, Part, Ref, is_temporary, refs, substitute

__all__ = ["drop_unread", "order", "share", "mark_unused"]


def order(module):
    """Put the assignments of whole nets one after the other, each after those that it reads.

    Those that read no other come first where they only name bits of a net, fields of a struct.
    """
    values = {target.name: value for target, value in module.assigns if isinstance(target, Ref)}
    others = [pair for pair in module.assigns if not isinstance(pair[0], Ref)]
    reads = {name: [read for read in refs(value) if read in values]
             for name, value in values.items()}
    ordered, seen = [], set()
    fields = [name for name, value in values.items() if not reads[name]
              and isinstance(value, Part)]
    for name in (*sorted(fields, key=lambda name: (values[name].name, values[name].lsb)), *values):
        path = [] if name in seen else [name]
        while path:
            seen.add(path[-1])
            read = next((other for other in reads[path[-1]] if other not in seen), None)
            if read is None:
                ordered.append(path.pop())
            else:
                path.append(read)
    module.assigns = [(Ref(name), values[name]) for name in ordered] + others


def share(module):
    """Give equal expressions one net: of equal temporaries, the first stays."""
    order(module)
    first, names = {}, {}

    def change(leaf):
        if isinstance(leaf, Const) or leaf.name not in names:
            return leaf
        return leaf._replace(name=names[leaf.name])

    assigns = []
    for target, value in module.assigns:
        if isinstance(target, Ref):
            value = substitute(value, change)
            other = first.setdefault((module.nets[target.name].width, value), target.name)
            if other != target.name and is_temporary(target.name) and isinstance(value, Op):
                names[target.name] = other
                continue
        assigns.append((target, value))
    module.assigns = assigns
    if names:
        for name in names:
            del module.nets[name]
        module.rewrite(lambda value: substitute(value, change))


def drop_unread(module):
    """Leave out nets that nothing reads, and what only they read."""
    while True:
        reads = module.reads()
        unread = {name for name, net in module.nets.items()
                  if not net.direction and not net.register and not reads[name]}
        if not unread:
            return
        for name in unread:
            del module.nets[name]
        module.assigns = [(target, value) for target, value in module.assigns
                          if isinstance(target, Op) or target[0] not in unread]


def mark_unused(module):
    """Rename nets that only take an output of an instance to ``unused_*``, which linters know."""
    reads = module.reads()
    driven = module.targets() | set(module.ports)
    names = {}
    for instance in module.instances:
        for value in instance.pins.values():
            if isinstance(value, Ref) and value.name in module.nets \
                    and value.name not in driven and reads[value.name] == 1:
                names[value.name] = f"unused_{value.name.strip('$_')}"
    module.rename(names)
