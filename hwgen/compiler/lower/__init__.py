"""Lowering: a layer and its mapping to commands."""
