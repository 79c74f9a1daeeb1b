"""Branches that do nothing are left out."""

from ..netlist import Case, If, Op, Widths

__all__ = ["drop_empty_branches"]


_OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def drop_empty_branches(module):
    """Leave out empty branches.

    ``if (a) begin end else b;`` becomes ``if (!a) b;``, items of a ``case`` that do nothing go to
    its default, which each has. Patterns that are disjoint make this right; Amaranth's are not
    always, so that an empty item stays if another one follows that is not.
    """
    widths = Widths(module)
    for process in module.processes:
        process.body = _body(process.body, widths)
    module.processes = [process for process in module.processes if process.body]


def _body(body, widths):
    return [kept for statement in body if (kept := _statement(statement, widths))]


def _statement(statement, widths):
    if isinstance(statement, If):
        then, other = _body(statement.then, widths), _body(statement.other, widths)
        if then:
            return If(statement.condition, then, other)
        if not other:
            return None
        return If(_not(statement.condition, widths), other, [])
    if isinstance(statement, Case):
        items = [(patterns, _body(inside, widths)) for patterns, inside in statement.items]
        if not any(inside for _, inside in items):
            return None
        default = [] if not items or items[-1][0] else items.pop()[1]
        if not default:
            disjoint = _disjoint([pattern for patterns, _ in items for pattern in patterns])
            items = [(patterns, inside) for index, (patterns, inside) in enumerate(items)
                     if inside or not disjoint and any(later for _, later in items[index + 1:])]
        items.append(((), default))
        return Case(statement.subject, items)
    return statement


def _not(condition, widths):
    """The opposite of a condition."""
    if isinstance(condition, Op):
        op, args = condition
        if op == "!" or op == "~" and widths(args[0]) == 1:
            return args[0]
        if op in _OPPOSITES:
            return Op(_OPPOSITES[op], args)
    return Op("!", (condition,))


def _disjoint(patterns):
    return len(set(patterns)) == len(patterns) and all(
        isinstance(getattr(pattern, "value", None), int) for pattern in patterns)
