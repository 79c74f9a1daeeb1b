"""What every family of devices answers."""

__all__ = ["Family", "by_type"]


def by_type(**resources):
    """``{cell: (resource, amount)}`` of ``resource={cell: amount}``."""
    return {cell: (resource, amount) for resource, cells in resources.items()
            for cell, amount in cells.items()}


class Family:
    """A family of devices, or a kind of cells.

    Attributes
    ----------
    name : str
    device : bool
        Devices are meant, with memories and multipliers of their own; else gates, of which the
        memories are not counted.
    units : dict of str to str
        What a unit of each of :data:`~hwgen.synth.targets.RESOURCES` is.
    cells : dict of str to tuple
        ``(resource, amount)`` of a cell by type, amounts as place and route counts them.
    memories : frozenset of str
        Cell types that a memory becomes.
    register_bits : int
        Memories of up to so many bits may become flip-flops, where there is no small RAM.
    synth : str
        Yosys command that maps to the cells; a target adds its options.
    memory_step : str
        Label of that command's step that maps memories.
    logic_multiplier : dict of str to int
        By how much a PE with its multiplier in logic exceeds one with a multiplier block, by
        resource; empty if multipliers that exceed the device's blocks are not built in logic.
    requantisation_dsps : int
        Multiplier blocks of a requantisation.
    block_rams : tuple of (int, int)
        Words and bits of the shapes that one block RAM takes.
    small_words : int
        Up to how many words small RAM takes a memory instead.
    register_slices : bool
        In place and route a register stands at each port's bit.
    nextpnr : str or None
        The place and route program; None if there is none.
    place_arguments : tuple of str
        Its arguments beside the device's.
    placed : dict of str to str
        Cells of its report by resource; the other resources are counted in the netlist.
    packer : str
        The program that makes the bitstream.
    bitstream : str
        The file that it makes.
    """
    name: str
    device = True
    units: dict
    cells: dict
    memories = frozenset()
    register_bits = 0
    synth: str
    memory_step = "map_ram"
    logic_multiplier = {}
    requantisation_dsps = 4
    block_rams = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
    small_words = 64
    register_slices = True
    nextpnr = None
    place_arguments = ()
    placed = {}
    packer: str
    bitstream: str

    def commands(self, options, top, wrapped):
        """Yosys commands from the design to a netlist of the family's cells, with a dump of the
        memories to ``memories.txt`` on the way.

        Parameters
        ----------
        options : str
            Of the target, for :attr:`synth`.
        top : str
            Module at the top.
        wrapped : bool
            The top is the wrapper of the pins, whose pins get pads.
        """
        command = " ".join(filter(None, (self.synth, options, self.unwrapped(wrapped))))
        return [f"{command} -top {top} -run begin:{self.memory_step}",
                "tee -q -o memories.txt dump t:$mem_v2",
                *self.after_memories(f"{command} -top {top}")]

    def unwrapped(self, wrapped):
        """Further options of :attr:`synth`, if the top has ports in place of pins."""
        return ""

    def after_memories(self, command):
        """Yosys commands behind the dump."""
        return [f"{command} -run {self.memory_step}:"]

    def pack(self, module, progress):
        """Pack the flat netlist further, in place; ``progress`` is told what is done."""

    def further(self, cells):
        """Yield ``(name, resource, amount)`` of cells beyond what their types take.

        Raises :exc:`HwgenError` for cells that cannot be counted.
        """
        return ()

    def before_placement(self, module):
        """Change the flat netlist for place and route, in place."""

    def packer_arguments(self, target):
        """Arguments of :attr:`packer`."""
        raise NotImplementedError
