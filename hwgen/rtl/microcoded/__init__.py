"""The microcoded machine, for small devices: a microcoded engine in place of the units that run
side by side, and beside it only what works every cycle."""
