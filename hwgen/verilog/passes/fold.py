"""Comparisons with zero are written so, and what is always true is left out."""

from ..netlist import Case, Const, If, Op, Part, Ref, Widths, Word

__all__ = ["fold"]

_TRUE = Const(1, 1)


def fold(module):
    """Write ``! count`` as ``count == 0``, and leave out ``0 +`` and comparisons that always hold.

    Which hold depends on the configuration: ``lane <= 7`` does where there are eight lanes.
    """
    widths = Widths(module)
    done = {}

    def change(value):
        if value not in done:
            done[value] = _fold(value, change, widths)
        return done[value]

    module.rewrite(change)
    for process in module.processes:
        process.body = _body(process.body)


def _fold(value, change, widths):
    if isinstance(value, Word):
        return value._replace(address=change(value.address))
    if not isinstance(value, Op):
        return value
    op, args = value.op, tuple([change(part) for part in value.args])
    if op == "!" and isinstance(args[0], (Ref, Part)) and (width := widths(args[0])) > 1:
        return Op("==", (args[0], Const(width, 0)))
    if op in ("<=", ">=") and isinstance(args[0], (Ref, Part)) and isinstance(args[1], Const):
        most = (1 << widths(args[0])) - 1
        if args[1].value == (0 if op == ">=" else most) and args[1].width <= widths(args[0]):
            return _TRUE
    if op == "&" and _TRUE in args and widths(value) == 1:
        return args[0] if args[1] == _TRUE else args[1]
    if op == "+" and isinstance(args[0], Const) and args[0].value == 0 \
            and args[0].width <= widths(args[1]) and not widths.signed(args[1]):
        return args[1]
    return Op(op, args)


def _body(body):
    kept = []
    for statement in body:
        if isinstance(statement, If):
            statement.then, statement.other = _body(statement.then), _body(statement.other)
            if statement.condition == _TRUE:
                kept += statement.then
                continue
        elif isinstance(statement, Case):
            statement.items = [(patterns, _body(inside)) for patterns, inside in statement.items]
        kept.append(statement)
    return kept
