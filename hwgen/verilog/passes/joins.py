"""Nets that are assigned in parts are assigned at once."""

from ..netlist import Op, Part, Ref

__all__ = ["join_parts"]


def join_parts(module):
    """Replace assignments to all parts of a net by one of the joined values.

    ``assign y[7:4] = a; assign y[3:0] = b;`` becomes ``assign y = {a, b};``.
    """
    parts = {}
    for target, value in module.assigns:
        if isinstance(target, Part):
            parts.setdefault(target.name, {})[target.msb] = (target.lsb, value)
    joined = {}
    for name, given in parts.items():
        values, msb = [], module.nets[name].width - 1
        while msb in given:
            lsb, value = given[msb]
            values.append(value)
            msb = lsb - 1
        if msb == -1 and len(values) == len(given):
            joined[name] = values[0] if len(values) == 1 else Op("{}", tuple(values))
    assigns = []
    for target, value in module.assigns:
        if not isinstance(target, Part) or target.name not in joined:
            assigns.append((target, value))
        elif target.msb == module.nets[target.name].width - 1:
            assigns.append((Ref(target.name), joined[target.name]))
    module.assigns = assigns
