"""Modules with parameters: one module for memories and FIFOs of all sizes.

Such a module is made of one example, a block's :meth:`~hwgen.rtl.block.Block.pattern`. Its sizes
are unlike one another and unlike any number that does not depend on them: wherever 24 stands in
the example, the module's text has ``WIDTH``.
"""

from .netlist import Assign, Const, Op, Part, Size, Word

__all__ = ["generalise"]


def generalise(module, parameters):
    """Write a module's sizes as expressions of its parameters.

    Parameters
    ----------
    module : Module
        The example; it is changed.
    parameters : dict
        Its integers and strings, by name. The integer ``DEPTH`` counts words.

    Raises
    ------
    ValueError
        A constant of the example has a width that depends on the parameters, and a value that has
        no text: one that is not 0, 1 or all ones.
    """
    sizes, texts = {}, {}
    for name, value in parameters.items():
        if isinstance(value, str):
            texts[quoted(value)] = name
        else:
            sizes |= {value: name, value - 1: f"{name} - 1"}
    bits = (parameters["DEPTH"] - 1).bit_length()
    for more in range(-1, 4):       # an address, its bits' numbers, and what is computed with it
        sizes[bits + more] = f"$clog2(DEPTH) {'-' if more < 0 else '+'} {abs(more)}"
    sizes[bits] = "$clog2(DEPTH)"

    def size(value):
        return Size(value, sizes[value]) if value in sizes else value

    def change(value):
        if isinstance(value, Const):
            width = size(value.width)
            if isinstance(width, Size) and value.value not in (0, 1, (1 << width) - 1):
                raise ValueError(f"{module.name}: {value} has no text for other sizes")
            return Const(width, value.value)
        if isinstance(value, Part):
            return Part(value.name, size(value.msb), size(value.lsb))
        if isinstance(value, Word):
            return value._replace(address=change(value.address))
        if isinstance(value, Op):
            return Op(value.op, tuple(map(change, value.args)))
        return value

    module.parameters = {name: quoted(value) for name, value in parameters.items()}
    for net in module.nets.values():
        net.width = size(net.width)
        if net.init is not None:
            net.init = change(net.init)
    for memory in module.memories.values():
        memory.width, memory.depth = size(memory.width), size(memory.depth)
        memory.attributes = {name: texts.get(value, value)
                             for name, value in memory.attributes.items()}
        assert len(set(memory.values)) == 1 and int(memory.values[0].partition("'h")[2], 16) == 0
        memory.values = [f"{{{memory.width}{{1'b0}}}}"] * memory.depth
    for instance in module.instances:
        instance.parameters = {name: texts[value] if value in texts else size(value)
                               for name, value in instance.parameters.items()}
    module.rewrite(change)
    module.assigns = [(change(target), value) for target, value in module.assigns]
    for statement in module.statements():
        if isinstance(statement, Assign):
            statement.target = change(statement.target)


def quoted(value):
    """A parameter's value as the netlist has it: strings in quotes."""
    return f'"{value}"' if isinstance(value, str) else value
