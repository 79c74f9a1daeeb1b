"""The compiler: a quantised network to mappings, commands and a memory image."""

from .compile import compile_network
from .layout.dram import Placement
from .program import Program, Segment

__all__ = ["compile_network", "Placement", "Program", "Segment"]
