"""What is written of an accelerator: Verilog, register map, command set, core files."""
