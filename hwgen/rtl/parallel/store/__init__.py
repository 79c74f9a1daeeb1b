"""From psums in the GLB, through the output stage, to DRAM."""
