"""Results have no bits that nothing reads."""

from ..netlist import Part, Ref, Widths, is_temporary, substitute

__all__ = ["narrow"]


def narrow(module):
    """Cut the upper bits of temporaries that nothing reads.

    Amaranth gives a sum a bit more than its operands have, for the carry; most readers take the
    others only: ``t[7:0]`` of ``wire [8:0] t = a + b`` becomes ``t`` of ``wire [7:0] t = a + b``.
    """
    tops = {}

    def look(leaf):
        if isinstance(leaf, Part):
            tops[leaf.name] = max(tops.get(leaf.name, 0), leaf.msb + 1)
        elif isinstance(leaf, Ref):
            tops[leaf.name] = None if leaf.name not in module.nets \
                else module.nets[leaf.name].width
        return leaf

    for value in module.values():
        substitute(value, look)
    widths = Widths(module)
    narrowed = set()
    for target, value in reversed(module.assigns):
        if not isinstance(target, Ref) or not is_temporary(target.name):
            continue
        net, top = module.nets[target.name], tops.get(target.name)
        if top and top < net.width and widths(value) <= top and widths.has_low_bits(value, top):
            net.width = top
            narrowed.add(target.name)

    def cut(leaf):
        if isinstance(leaf, Part) and leaf.name in narrowed and leaf.lsb == 0 \
                and leaf.msb + 1 == module.nets[leaf.name].width:
            return Ref(leaf.name)
        return leaf

    if narrowed:
        module.rewrite(lambda value: substitute(value, cut))
