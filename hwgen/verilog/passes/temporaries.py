"""Temporaries that stay are named after what they are, or after what reads them."""

import re

from ..netlist import Assign, Case, Const, If, Op, Part, Ref, Word, is_temporary, refs

__all__ = ["name_temporaries"]

_KINDS = {"==": "is", "!=": "is_not", "+": "plus", "-": "minus", "<": "below", ">=": "from",
          ">": "above", "<=": "to"}


def name_temporaries(module):
    """Name temporaries: ``count_plus_1``, ``any_mask``, or ``address_next`` after the reader."""
    temporaries = [name for name in module.nets if is_temporary(name)]
    if not temporaries:
        return
    readers = _readers(module, set(temporaries))
    values = {target.name: value for target, value in module.assigns if isinstance(target, Ref)}
    names, taken = {}, {_plain(name) for name in (*module.nets, *module.memories)}
    waiting = set()

    def called(name):
        """The name of a net; of a temporary, after that of what reads it has been found."""
        if name not in readers and name not in values or not is_temporary(name):
            return _plain(name)
        if name not in names and name not in waiting:
            waiting.add(name)
            proposed = _after_value(values.get(name), called)
            if proposed is None:
                kind, reader = readers.get(name, ("value", "unused"))
                base = re.sub(r"_(next|term|value|when|choice)(_\d+)?$", "", called(reader))
                proposed = f"{base}_{kind}"
            unique, number = proposed, 2
            while unique in taken:
                unique, number = f"{proposed}_{number}", number + 1
            taken.add(unique)
            names[name] = unique
        return names.get(name, "value")

    for name in temporaries:
        called(name)
    module.rename(names)


def _plain(name):
    return re.sub(r"\W+", "__", re.sub(r"\$(\d+)", r"_\1", name)).strip("_")


def _after_value(value, called):
    """A name that says what a short expression is."""
    if not isinstance(value, Op):
        return None
    op, args = value
    if op not in _KINDS and op not in ("~", "!", "r|") or not isinstance(args[0], (Ref, Part)) \
            or is_temporary(args[0].name):
        return None
    base = called(args[0].name)
    if isinstance(args[0], Part):
        base += f"_{args[0].msb}" + (f"_{args[0].lsb}" if args[0].msb != args[0].lsb else "")
    if op in ("~", "!", "r|"):
        return f"{'any' if op == 'r|' else 'no' if op == '!' else 'not'}_{base}"
    if op in _KINDS and isinstance(args[1], Const) and isinstance(args[1].value, int):
        return f"{base}_{_KINDS[op]}_{args[1].value}"
    return None


def _readers(module, wanted):
    """For each wanted net, how and by which net it is first read."""
    found = {}

    def note(value, kind, reader):
        for name in refs(value):
            if name in wanted:
                found.setdefault(name, (kind, reader))

    def statements(body, clocked):
        for statement in body:
            if isinstance(statement, Assign):
                target = statement.target
                note(statement.value, "next" if clocked else "value", target[0])
                if isinstance(target, Word):
                    note(target.address, "address", target.memory)
            elif isinstance(statement, If):
                first = _first_target([*statement.then, *statement.other])
                note(statement.condition, "when", first)
                statements(statement.then, clocked)
                statements(statement.other, clocked)
            elif isinstance(statement, Case):
                inside = [kept for _, body in statement.items for kept in body]
                note(statement.subject, "choice", _first_target(inside))
                statements(inside, clocked)

    for process in module.processes:
        statements(process.body, process.clock is not None)
    for target, value in module.assigns:
        if not isinstance(target, Op):
            note(value, "term", target[0])
    for instance in module.instances:
        for pin, value in instance.pins.items():
            note(value, pin, instance.name)
    return found


def _first_target(body):
    for statement in body:
        if isinstance(statement, Assign):
            return statement.target[0]
        inside = ([*statement.then, *statement.other] if isinstance(statement, If)
                  else [kept for _, body in statement.items for kept in body])
        if inside:
            return _first_target(inside)
    return "unused"
