"""Blocks and arithmetic that both machines use."""
