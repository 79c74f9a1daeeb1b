"""hwgen: a generator of row-stationary CNN inference accelerators."""

__version__ = "0.1.0"
