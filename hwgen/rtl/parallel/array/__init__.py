"""The PE array: PEs, rows, and what travels to them."""
