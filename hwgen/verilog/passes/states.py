"""States and other values of enumerations have names."""

from ..netlist import Assign, Case, Const, Op, Ref

__all__ = ["name_states"]


def name_states(module):
    """Read and assign the values of enumerations by name, as constants of the module."""
    constants = {}
    users = {}
    for name, net in module.nets.items():
        for value, state in net.states.items():
            users.setdefault(state.upper(), {}).setdefault((net.width, value), []).append(name)
    known = {}              # (net, value): name
    for state, values in users.items():
        for (width, value), names in values.items():
            unique = state if len(values) == 1 else f"{names[0].upper()}_{state}"
            for name in names:
                known[name, value] = unique
            constants[unique] = Const(width, value)
    used = set()

    def named(name, value):
        constant = known.get((name, value.value)) if isinstance(value, Const) else None
        if constant is None:
            return value
        used.add(constant)
        return Ref(constant)

    def chosen(name, value):
        if isinstance(value, Op) and value.op == "?:":
            test, *choices = value.args
            return Op("?:", (test, *(chosen(name, choice) for choice in choices)))
        return named(name, value)

    def change(value):
        if not isinstance(value, Op):
            return value
        args = tuple([change(part) for part in value.args])
        if value.op in ("==", "!=") and isinstance(args[0], Ref):
            args = args[0], named(args[0].name, args[1])
        return Op(value.op, args)

    if not constants:
        return
    module.rewrite(change)
    for statement in module.statements():
        if isinstance(statement, Assign) and isinstance(statement.target, Ref):
            statement.value = chosen(statement.target.name, statement.value)
        elif isinstance(statement, Case) and isinstance(statement.subject, Ref):
            name = statement.subject.name
            statement.items = [(tuple(named(name, pattern) for pattern in patterns), body)
                               for patterns, body in statement.items]
    module.assigns = [(target, chosen(target.name, value) if isinstance(target, Ref) else value)
                      for target, value in module.assigns]
    for name, net in module.nets.items():
        if net.init is not None:
            net.init = named(name, net.init)
    module.constants |= {name: value for name, value in constants.items() if name in used}
