"""Synthesis for FPGAs and gate counts: Yosys, nextpnr, resources and timing by block, estimates."""
