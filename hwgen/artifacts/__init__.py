"""What `hwgen build` writes beside the Verilog: registers, command set, drivers, core files."""
