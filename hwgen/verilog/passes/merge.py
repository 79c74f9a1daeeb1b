"""What changes under the same conditions shares a block."""

from ..netlist import Assign, Const, If, Word, process_targets, refs, target_names, walk

__all__ = ["merge_clocked", "merge_combinational"]


def merge_clocked(module):
    """Join the clocked blocks that decide on the same conditions.

    Amaranth gives each register a block of its own, so that a condition stands in as many as it
    has registers. Blocks are joined if they have an ``if`` or ``case`` in common besides the
    reset; those that only copy, or only have a reset, are joined too. Every register is assigned
    in one block, by the same statements in the same order, so nothing changes for it.
    """
    merged, groups = [], []
    for process in module.processes:
        if process.clock is None or _has_memory(process.body):
            merged.append(process)
            continue
        keys = _decisions(process.body)
        for group, decisions in groups:
            if group.clock == process.clock and (keys & decisions or not keys and not decisions):
                _merge(group.body, process.body)
                decisions |= keys
                break
        else:
            groups.append((process, keys))
            merged.append(process)
    module.processes = merged


def merge_combinational(module):
    """Join the combinational blocks that decide on the same conditions.

    Only where neither block reads what the other assigns, not even by way of other nets: a joined
    block would be in a circle with itself.
    """
    sources = _sources(module)
    merged, groups = [], []
    for process in module.processes:
        if process.clock is not None:
            merged.append(process)
            continue
        keys, targets = _decisions(process.body), set(process_targets(process))
        before = _cone(process, sources)
        for group, decisions, assigned, cone in groups:
            if keys & decisions and not targets & cone and not assigned & before:
                _merge(group.body, process.body)
                decisions |= keys
                assigned |= targets
                cone |= before
                break
        else:
            groups.append((process, keys, targets, before))
            merged.append(process)
    module.processes = merged


def _sources(module):
    """The nets that each net depends on in the same cycle, at once."""
    sources = {}
    for target, value in module.assigns:
        for name in target_names(target):
            sources.setdefault(name, set()).update(refs(value))
    for process in module.processes:
        if process.clock is None:
            reads = _reads(process.body)
            for name in process_targets(process):
                sources.setdefault(name, set()).update(reads)
    driven = {*sources, *module.ports, *(net.name for net in module.nets.values() if net.register)}
    for instance in module.instances:       # any output may depend on any input
        names = {name for value in instance.pins.values() for name in refs(value)}
        for name in names - driven:
            sources.setdefault(name, set()).update(names)
    return sources


def _reads(body):
    found = set()
    for statement in walk(body):
        if isinstance(statement, Assign):
            found.update(refs(statement.value))
        elif isinstance(statement, If):
            found.update(refs(statement.condition))
        else:
            found.update(refs(statement.subject))
    return found


def _cone(process, sources):
    """All nets that a block depends on in the same cycle."""
    cone, waiting = set(), [*_reads(process.body)]
    while waiting:
        name = waiting.pop()
        if name not in cone:
            cone.add(name)
            waiting += sources.get(name, ())
    return cone


def _has_memory(body):
    return any(isinstance(statement, If) and _has_memory(statement.then)
               or isinstance(statement, Assign) and isinstance(statement.target, Word)
               for statement in body)


def _key(statement):
    if isinstance(statement, If):
        return statement.condition
    return statement.subject, tuple(patterns for patterns, _ in statement.items)


def _decisions(body):
    """What a block decides on, without the reset at its end."""
    found = {_key(statement) for statement in body if not isinstance(statement, Assign)}
    if body and isinstance(body[-1], If) and _is_reset(body[-1]):
        found.discard(_key(body[-1]))
    return found


def _is_reset(statement):
    return not statement.other and all(
        isinstance(inside, Assign) and isinstance(inside.value, Const)
        for inside in statement.then)


def _merge(into, body):
    """Add the statements of ``body`` to ``into``, in their order.

    A statement that both have is merged; another one stands before the next that both have, and
    before the reset.
    """
    merged, waiting, at = [], [], 0
    for statement in body:
        found = _find(into, at, statement)
        if found is None:
            waiting.append(statement)
            continue
        same = into[found]
        merged += [*into[at:found], *waiting, same]
        waiting, at = [], found + 1
        if isinstance(statement, If):
            _merge(same.then, statement.then)
            _merge(same.other, statement.other)
        else:
            for (_, ours), (_, theirs) in zip(same.items, statement.items, strict=True):
                _merge(ours, theirs)
    rest = into[at:]
    if rest and waiting and isinstance(rest[-1], If) and _is_reset(rest[-1]):
        waiting.append(rest.pop())
    into[:] = [*merged, *rest, *waiting]


def _find(into, at, statement):
    """Where in ``into``, from ``at`` on, the decision of a statement stands; None if nowhere."""
    if isinstance(statement, Assign):
        return None
    key = _key(statement)
    return next((index for index in range(at, len(into)) if not isinstance(into[index], Assign)
                 and _key(into[index]) == key), None)
