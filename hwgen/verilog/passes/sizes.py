"""Operands are as wide as the operation that they are in."""

from ..netlist import Assign, Const, If, Op, Widths

__all__ = ["size_operands"]

_ALONE = frozenset(("{}", "rep", "!", "&&", "||", "r&", "r|", "r^", "$signed", "+:"))
_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))


def size_operands(module):
    """Give operands the width to which Verilog would extend them anyway.

    Constants get it, ``lane + 3'd1``, and other unsigned operands are joined to zeros,
    ``{1'd0, lane} + 4'd1``, so that a reader and a linter see what becomes of the carry.
    """
    _Sizer(module).run()


class _Sizer:
    def __init__(self, module):
        self._module = module
        self._widths = Widths(module)

    def run(self):
        module = self._module
        module.assigns = [(target, self._assigned(target, value))
                          for target, value in module.assigns]
        for statement in module.statements():
            if isinstance(statement, Assign):
                statement.value = self._assigned(statement.target, statement.value)
            elif isinstance(statement, If):
                statement.condition = self._value(statement.condition)
            else:
                statement.subject = self._value(statement.subject)
        for instance in module.instances:
            instance.pins = {pin: self._value(value) for pin, value in instance.pins.items()}

    def _assigned(self, target, value):
        return self._value(value, max(self._widths(target), self._widths(value)))

    def _value(self, value, width=None):
        """``value`` in a place that makes it ``width`` bits wide; by itself if None."""
        if isinstance(value, Const):
            if width is not None and isinstance(value.value, int) and value.width < width:
                return Const(width, value.value)
            return value
        if not isinstance(value, Op):
            return self._padded(value, width)
        op, args = value
        if width is None:
            width = self._widths(value)
        if op in _ALONE:
            fixed = args[:1] if op == "rep" else args[2:] if op == "+:" else ()
            args = tuple([part if part in fixed and isinstance(part, Const) else self._value(part)
                          for part in args])
            return self._padded(Op(op, args), width)
        elif op in _COMPARISONS:
            inner = max(map(self._widths, args))
            args = tuple([self._value(part, inner) for part in args])
            return self._padded(Op(op, args), width)
        elif op == "?:":
            args = (self._value(args[0]), *(self._value(part, width) for part in args[1:]))
        elif op in ("<<", ">>", "<<<", ">>>"):
            args = self._value(args[0], width), self._value(args[1])
        else:
            args = tuple([self._value(part, width) for part in args])
        return Op(op, args)

    def _padded(self, value, width):
        """An unsigned value with zeros in front, if its place is wider."""
        missing = 0 if width is None else width - self._widths(value)
        if missing <= 0 or self._widths.signed(value):
            return value
        parts = value.args if isinstance(value, Op) and value.op == "{}" else (value,)
        if isinstance(parts[0], Const) and isinstance(parts[0].value, int):
            return Op("{}", (Const(missing + parts[0].width, parts[0].value), *parts[1:]))
        return Op("{}", (Const(missing, 0), *parts))
