"""The simulation side: cocotb testbenches, bus and memory models."""
