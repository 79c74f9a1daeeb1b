"""The configuration of an accelerator: one frozen object that every other part reads.

The RTL, the compiler, the performance model and the driver are all parametrised by
:class:`Config`; it is written beside the Verilog, and its :attr:`Config.hash` stands in a CSR and
at the head of every program, so that a program made for another accelerator is refused.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

from ..errors import HwgenError
from ..machines import machine_of, machines

__all__ = ["Config", "LIMITS", "param_words"]


def _clog2(n: int) -> int:
    return (n - 1).bit_length()


def param_words(lanes: int, params_depth: int, tables: bool) -> tuple[int, ...]:
    """Words of each lane's parameter memory; the first lanes have tables, 4 at most."""
    words, table_lanes = params_depth // lanes, (min(lanes, 4) if tables else 0)
    return (max(words, 256),) * table_lanes + (words,) * (lanes - table_lanes)


#: What a parameter may be, whatever the others are: a range of whole numbers, or a choice.
LIMITS = {
    "rows": range(1, 33),
    "cols": range(1, 33),
    "filter_spad": range(8, 1025),
    "ifmap_spad": (16, 32, 64, 128),
    "glb_kib": range(2, 4097),
    "lanes": (1, 2, 4, 8),
    "bus_bits": (32, 64, 128, 256),
    "xbus_bytes": (1, 2, 4, 8),
    "params_depth": (32, 64, 128, 256, 512, 1024, 2048),
    "functions": (0, 1, 2, 4, 8),
    "addr_bits": range(32, 65),
    "burst": (8, 16, 32, 64, 128, 256),
    "clock_mhz": range(1, 5001),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Elaboration-time parameters of one accelerator.

    Attributes
    ----------
    name : str
        Name of the build; letters, digits, ``_`` and ``-``.
    rows, cols : int
        Shape of the PE array. A column sums its rows.
    filter_spad : int
        Weights of one of the two halves of a PE's filter spad, 8 bits each. One half is used while
        the other is filled.
    ifmap_spad : int
        Ifmap values of a PE's ifmap spad, 9 bits each: a ring that holds the sliding window and the
        values that come next.
    glb_kib : int
        All of the global buffer, in KiB: the column banks and the parameter memory.
    lanes : int
        Psums in one GLB word, and outputs that the output stage finishes in a cycle.
    bus_bits : int
        Width of the AXI4 master, of an ifmap word in the GLB and of the NoC's Y-bus.
    xbus_bytes : int
        Ifmap values that an array row's X-bus delivers in a cycle.
    params_depth : int
        Output channels whose bias and scale the parameter memory holds.
    tables : bool
        The output stage looks values up in two tables of 256 entries, for elementwise operators
        and functions of a value. They stand in the parameter memory of the first lanes, 4 at most,
        which has at least 256 words then (see :attr:`param_words`).
    functions : int
        Tables of 256 bytes behind the requantisation of each lane, for functions of a value behind
        any layer; a layer uses one. They come on top of ``glb_kib``. 0: none.
    addr_bits : int
        Width of an AXI4 address.
    burst : int
        Longest AXI burst, in beats.
    zero_gate : bool
        Hold the multiplier's operands while the ifmap value is zero.
    machine : str
        How the commands are run, a name of :func:`hwgen.machines.machines`: ``parallel``, by units
        that run side by side; ``microcoded``, for small devices, by one engine one after the other.
    clock_mhz : int
        Clock that peak figures are quoted at; the RTL does not depend on it.
    """
    name: str = "eyeriss"
    rows: int = 12
    cols: int = 14
    filter_spad: int = 224
    ifmap_spad: int = 64
    glb_kib: int = 108
    lanes: int = 8
    bus_bits: int = 64
    xbus_bytes: int = 4
    params_depth: int = 1024
    tables: bool = True
    functions: int = 2
    addr_bits: int = 32
    burst: int = 32
    zero_gate: bool = False
    machine: str = "parallel"
    clock_mhz: int = 200

    def __new__(cls, *args: Any, **given: Any) -> Self:
        cls._refuse_unknown(given)
        return super().__new__(cls)

    @classmethod
    def _refuse_unknown(cls, given: Collection[str]) -> None:
        known = [f.name for f in dataclasses.fields(cls)]
        for key in given:
            if key not in known:
                raise HwgenError(f"{key!r} is not a parameter: the parameters are "
                                 f"{', '.join(known)}.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind: Any = field.type
            if type(value) is not kind:
                raise HwgenError(f"{field.name} = {value!r} is of type {type(value).__name__}; "
                                 f"it must be of type {kind.__name__}.")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", self.name):
            raise HwgenError(f"name = {self.name!r} is not allowed: use a letter, then up to 63 "
                             f"letters, digits, '_' or '-'.")
        self._choice("machine", machines())
        for name, allowed in LIMITS.items():
            if isinstance(allowed, range):
                self._range(name, allowed[0], allowed[-1])
            else:
                self._choice(name, allowed)
        if self.bank_bits < self.bus_bits:
            raise HwgenError(f"lanes = {self.lanes} makes GLB words of {self.bank_bits} bits, less "
                             f"than bus_bits = {self.bus_bits}: set lanes to at least "
                             f"{self.bus_bits // 32}.")
        if self.burst * self.bus_bytes > 4096:
            raise HwgenError(f"burst = {self.burst} beats of {self.bus_bytes} bytes exceed the "
                             f"4096 bytes of an AXI burst: set burst to at most "
                             f"{4096 // self.bus_bytes}.")
        if self.xbus_bytes > self.bus_bytes:
            raise HwgenError(f"xbus_bytes = {self.xbus_bytes} exceeds the {self.bus_bytes} bytes "
                             f"of bus_bits = {self.bus_bits}.")
        if self.ifmap_spad < self.bus_bytes + 8:
            raise HwgenError(f"ifmap_spad = {self.ifmap_spad} is too small for bus_bits = "
                             f"{self.bus_bits}: it needs {self.bus_bytes} values for a bus word "
                             f"and 8 for a window.")
        machine_of(self).check(self)
        if self.bank_depth < 32 or self.bank_depth > 32768:
            raise HwgenError(f"glb_kib = {self.glb_kib} gives each of {self.cols} banks "
                             f"{max(self.bank_depth, 0)} words of {self.bank_bits} bits; between "
                             f"32 and 32768 are allowed: change glb_kib, lanes or params_depth.")

    def _range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise HwgenError(f"{name} = {value} is out of range: {low} to {high} are allowed.")

    def _choice(self, name: str, allowed: Collection) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise HwgenError(f"{name} = {value} is not allowed: choose one of "
                             f"{', '.join(map(str, allowed))}.")

    # Derived sizes.

    @property
    def bus_bytes(self) -> int:
        """Bytes of a bus word: an AXI beat, an ifmap word of the GLB, a Y-bus word."""
        return self.bus_bits // 8

    @property
    def bank_bits(self) -> int:
        """Width of a GLB bank, in bits: ``lanes`` psums."""
        return 32 * self.lanes

    @property
    def table_lanes(self) -> int:
        """Lanes that look values up in tables: results a cycle of elementwise layers."""
        return min(self.lanes, 4) if self.tables else 0

    @property
    def param_words(self) -> tuple[int, ...]:
        """Words of each lane's parameter memory, 8 bytes each: one for each of its channels, and
        256 at least if it has tables."""
        return param_words(self.lanes, self.params_depth, self.tables)

    @property
    def params_bytes(self) -> int:
        """Size of the parameter memory of all lanes."""
        return 8 * sum(self.param_words)

    @property
    def table_words(self) -> int:
        """Parameter words that PARAMS counts for tables A and B, written to all lanes at once."""
        return 4 * max(self.bus_bits, 64) // self.lanes

    @property
    def function_words(self) -> int:
        """Parameter words that PARAMS counts for a function table."""
        return self.bus_bits // self.lanes

    @property
    def bank_depth(self) -> int:
        """Words of a GLB bank."""
        return machine_of(self).bank_depth(self)

    @property
    def subwords(self) -> int:
        """Ifmap words in a word of a GLB bank."""
        return self.bank_bits // self.bus_bits

    @property
    def glb_words(self) -> int:
        """Ifmap words in the whole GLB."""
        return self.bank_depth * self.cols * self.subwords

    @property
    def psum_bits(self) -> int:
        """Width of the psums inside the array: products of 16 bits, summed over the taps of a
        PE's window and the rows of a column."""
        return 16 + _clog2(self.rows * min(self.ifmap_spad, self.filter_spad))

    @property
    def pe_bytes(self) -> float:
        """Storage of one PE's spads, in bytes, every bit counted."""
        return (2 * self.filter_spad * 8 + self.ifmap_spad * 9) / 8

    # Identity.

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def hash(self) -> int:
        """32-bit identity of the hardware: every parameter but the name and the quoted clock."""
        body = {k: v for k, v in self.to_dict().items() if k not in ("name", "clock_mhz")}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:4], "little")

    def to_toml(self) -> str:
        def text(value: Any) -> str:
            if isinstance(value, bool):
                return str(value).lower()
            return json.dumps(value)
        return "".join(f"{k} = {text(v)}\n" for k, v in self.to_dict().items())

    def replace(self, **changes: Any) -> Self:
        """A copy with some parameters changed; raises :exc:`HwgenError` for an unknown one."""
        self._refuse_unknown(changes)
        return dataclasses.replace(self, **changes)
