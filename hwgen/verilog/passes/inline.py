"""Temporaries are written where they are read."""

from ..netlist import (
    Assign,
    Case,
    Const,
    If,
    Op,
    Part,
    Process,
    Ref,
    Widths,
    Word,
    is_temporary,
    process_targets,
    refs,
)
from .shared import drop_unread, order

__all__ = ["inline"]

_LONGEST = 84
_ALONE = frozenset(("{}", "rep", "!", "&&", "||", "r&", "r|", "r^", "$signed", "+:"))
_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))


def inline(module):
    """Write temporaries that are read once, and short conditions, where they are read.

    Only where the value is the same. In Verilog the width of an operator is that of its context,
    and a signed operand makes its neighbours signed or loses its sign, so that an expression may
    have another value in the place of the net that holds it.
    """
    order(module)
    _Inliner(module).run()
    drop_unread(module)


class _Inliner:
    def __init__(self, module):
        self._module = module
        self._widths = Widths(module)
        self._reads = module.reads()
        self._values = {}       # of the temporaries that may be written elsewhere
        self._barred = frozenset()

    def run(self):
        module = self._module
        assigns = []
        for target, value in module.assigns:
            value = self._root(value, self._target_width(target))
            assigns.append((target, value))
            if isinstance(target, Ref) and is_temporary(target.name) and (
                    self._reads[target.name] == 1 or _is_short(value)):
                self._values[target.name] = value
        module.assigns = assigns
        for process in module.processes:
            # A combinational block that reads what it assigns must not read it by another way.
            self._barred = (frozenset(process_targets(process)) if process.clock is None
                            else frozenset())
            self._process(process)
        self._barred = frozenset()
        for instance in module.instances:
            instance.pins = {pin: value if isinstance(value, Ref) and value.name not in
                             self._values else self._alone(value)
                             for pin, value in instance.pins.items()}

    def _process(self, process: Process):
        stack = list(process.body)
        while stack:
            statement = stack.pop()
            if isinstance(statement, Assign):
                target = statement.target
                statement.value = self._root(statement.value, self._target_width(target))
                if isinstance(target, Word):
                    statement.target = target._replace(address=self._alone(target.address))
            elif isinstance(statement, If):
                statement.condition = self._alone(statement.condition)
                stack += [*statement.then, *statement.other]
            elif isinstance(statement, Case):
                statement.subject = self._alone(statement.subject)
                stack += [inside for _, body in statement.items for inside in body]

    def _target_width(self, target):
        return self._widths(target)

    def _root(self, value, width):
        """What a net of a width is assigned."""
        context = max(width, self._widths(value))
        placed = self._place(value, context, root=True)
        return placed if max(width, self._widths(placed)) == context else value

    def _alone(self, value):
        """An expression whose width is its own, not its place's."""
        width = self._widths(value)
        placed = self._place(value, width, alone=True)
        return placed if self._widths(placed) == width else value

    def _place(self, value, context, *, root=False, alone=False):
        """``value``, evaluated with ``context`` bits, with temporaries written out."""
        if isinstance(value, (Ref, Part)):
            return self._leaf(value, context, root, alone)
        if isinstance(value, Const):
            return value
        if isinstance(value, Word):
            return value._replace(address=self._alone(value.address))
        op, args = value
        if op in _ALONE:
            if op == "rep":
                args = args[0], self._alone(args[1])
            elif op == "+:":
                args = args[0], self._alone(args[1]), args[2]
            else:
                args = tuple([self._alone(part) for part in args])
        elif op in _COMPARISONS:
            args = self._pair(*args)
        elif op == "?:":
            args = (self._alone(args[0]), *(self._place(part, context) for part in args[1:]))
        elif op in ("<<", ">>", "<<<", ">>>"):
            args = self._place(args[0], context), self._alone(args[1])
        else:
            args = tuple([self._place(part, context) for part in args])
        return Op(op, args)

    def _pair(self, left, right):
        """The sides of a comparison: as wide as the wider one."""
        widths = self._widths
        context = max(widths(left), widths(right))
        placed = self._place(left, context)
        if max(widths(placed), widths(right)) == context:
            left = placed
        placed = self._place(right, context)
        if max(widths(left), widths(placed)) == context:
            right = placed
        return left, right

    def _leaf(self, leaf, context, root, alone):
        value = self._values.get(leaf.name)
        if value is None or self._length(value) > _LONGEST \
                or self._barred and not self._barred.isdisjoint(refs(value)):
            return leaf
        width = self._module.nets[leaf.name].width
        if isinstance(leaf, Part):
            kept = leaf.msb + 1
            fits = (leaf.lsb == 0 and context == kept and self._widths.has_low_bits(value, kept)
                    and (self._widths(value) == kept if alone else self._widths(value) <= kept))
        elif alone:
            fits = self._widths(value) == width
        elif context == width:
            fits = self._widths(value) <= width
        else:
            fits = context > width and self._widths.extends(value, width)
        if self._widths.signed(value) and not root and not alone:
            fits = False
        return value if fits else leaf

    def _length(self, value):
        """About how many characters an expression takes."""
        if isinstance(value, (Ref, Part)):
            return len(value.name) + (0 if isinstance(value, Ref) else 6)
        if isinstance(value, Const):
            return 5
        if isinstance(value, Word):
            return len(value.memory) + 2 + self._length(value.address)
        return sum(self._length(part) + 4 for part in value.args)


def _is_short(value):
    """Whether an expression is as easily read as a name for it."""
    if not isinstance(value, Op):
        return True
    op, args = value
    if op in ("~", "!", "r|"):
        return isinstance(args[0], (Ref, Part))
    return op in ("==", "!=") and isinstance(args[0], (Ref, Part)) and isinstance(args[1], Const)
