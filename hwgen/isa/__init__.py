"""The instruction set: commands and filter packets, registers, and what they mean.

:mod:`~hwgen.isa.commands` has the fields, :mod:`~hwgen.isa.store_modes` the modes of STORE,
:mod:`~hwgen.isa.encode` the bits, :mod:`~hwgen.isa.registers` the CSRs,
:mod:`~hwgen.isa.functional` runs programs on NumPy memory, :mod:`~hwgen.isa.disassemble` lists
them.
"""

from .commands import (
    COMMAND_BYTES,
    COMMANDS,
    FUNCTION_BITS,
    FUNCTION_DST,
    FUNCTION_WRITES,
    MAGIC,
    OPCODES,
    READ_AHEAD,
    SEMAPHORES,
    TABLE_DST,
    Command,
    Field,
)
from .encode import (
    FILTER_MAGIC,
    FilterHeader,
    filter_header,
    forbidden,
    glb_address,
    pack,
    unpack,
    unpack_filter_header,
)
from .store_modes import StoreMode

__all__ = ["COMMAND_BYTES", "MAGIC", "Field", "Command", "COMMANDS", "OPCODES", "SEMAPHORES",
           "StoreMode", "READ_AHEAD", "FUNCTION_BITS", "FUNCTION_DST",
           "FUNCTION_WRITES", "TABLE_DST", "FILTER_MAGIC", "pack", "unpack", "glb_address",
           "FilterHeader", "filter_header", "forbidden", "unpack_filter_header"]
