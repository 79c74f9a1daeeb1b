"""From blocks to Verilog that people read: emitter, passes over its text, checks by other tools."""
