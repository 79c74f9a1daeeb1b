"""From DRAM into the GLB."""
