"""How tensors, weights and parameters lie in DRAM."""
