"""What all blocks with AXI ports share."""

__all__ = ["axi_members"]


def axi_members(*blocks):
    """The AXI members of some blocks, ``axi_araddr`` and so on."""
    return {name: member for block in blocks for name, member in block.signature.members.items()
            if name.startswith("axi_")}
