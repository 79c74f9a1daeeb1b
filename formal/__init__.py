"""Contracts of blocks as properties, and their proofs; see :mod:`formal.engine`."""
