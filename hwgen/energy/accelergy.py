"""Counts as an action-count file of Accelergy.

Ref: Y. N. Wu, J. S. Emer, V. Sze, "Accelergy: An Architecture-Level Energy Estimation Methodology
for Accelerator Designs", ICCAD 2019; https://accelergy.mit.edu. The format is version 0.3 of its
files.
"""

from .items import ITEMS

__all__ = ["ACTIONS", "action_counts"]

#: Component and action of each item that has a price.
ACTIONS = {
    "macs": ("mac", "compute"),
    "ifmap_spad_reads": ("ifmap_spad", "read"), "ifmap_spad_writes": ("ifmap_spad", "write"),
    "filter_spad_reads": ("filter_spad", "read"), "filter_spad_writes": ("filter_spad", "write"),
    "psum_reads": ("psum_register", "read"), "psum_writes": ("psum_register", "write"),
    "ifmap_deliveries": ("ifmap_noc", "transfer"),
    "filter_deliveries": ("filter_noc", "transfer"), "psum_moves": ("psum_noc", "transfer"),
    "glb_ifmap_reads": ("ifmap_glb", "read"), "glb_ifmap_writes": ("ifmap_glb", "write"),
    "glb_psum_reads": ("psum_glb", "read"), "glb_psum_writes": ("psum_glb", "write"),
    "glb_parameter_reads": ("parameter_glb", "read"),
    "glb_parameter_writes": ("parameter_glb", "write"),
    "dram_filter_words": ("dram", "read"), "dram_ifmap_words": ("dram", "read"),
    "dram_parameter_words": ("dram", "read"), "dram_command_words": ("dram", "read"),
    "dram_ofmap_words": ("dram", "write"),
}


def action_counts(counts: dict[str, int], design: str = "hwgen") -> str:
    """The file: for each component its actions, with what an access moves as a comment, see
    :class:`~hwgen.energy.items.Item`.

    Parameters
    ----------
    counts : dict of str to int
        Of all items.
    design : str
        Name of the design, to which the components belong.
    """
    components: dict[str, dict[str, int]] = {}
    words: dict[tuple[str, str], str] = {}
    for item, (component, action) in ACTIONS.items():
        actions = components.setdefault(component, {})
        actions[action] = actions.get(action, 0) + counts[item]
        words[component, action] = ITEMS[item].word
    lines = ["action_counts:", "  version: 0.3", "  subtree:", f"    - name: {design}",
             "      local:"]
    for component, actions in components.items():
        lines += [f"        - name: {component}", "          action_counts:"]
        for action, count in actions.items():
            lines += [f"            - name: {action}    # of a {words[component, action]}",
                      f"              counts: {count}"]
    return "\n".join(lines) + "\n"
