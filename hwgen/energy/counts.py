"""How often each part of the accelerator is used: told from a layer's commands, and measured.

A layer's commands say exactly what will be moved, so its counts need no simulation. The RTL's
performance counters count the same things as they happen; :func:`measured` puts them in place of
what was told, and :func:`counters` gives what they should come to.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import isa
from ..config import Config
from ..machines import machine_of
from .items import ITEMS

__all__ = ["COUNTED", "Counts", "counters", "measured", "of_segment", "of_segments"]

#: Items that a performance counter counts on its own. The other items follow from the commands, or
#: are what is left of a counter that two kinds of data share.
COUNTED = {"macs": "MACS", "ifmap_spad_reads": "MACS", "filter_spad_reads": "MACS",
           "ifmap_spad_writes": "XBUS_WRITES", "ifmap_deliveries": "XBUS_WRITES",
           "filter_spad_writes": "FILTER_WRITES", "filter_deliveries": "FILTER_WRITES",
           "ybus_words": "YBUS_WORDS", "glb_ifmap_reads": "YBUS_WORDS",
           "dram_ofmap_words": "DRAM_WRITE_WORDS"}

# Counters that several kinds of data share: the last is what the commands tell of the others less.
_SHARED = {"GLB_READS": ("glb_ifmap_reads", "glb_parameter_reads", "glb_psum_reads"),
           "GLB_WRITES": ("glb_psum_writes", "glb_parameter_writes", "glb_ifmap_writes"),
           "DRAM_READ_WORDS": ("dram_filter_words", "dram_ifmap_words", "dram_parameter_words",
                               "dram_command_words")}
_ENDS = 2                   # BEGIN and END


@dataclass(frozen=True)
class Counts:
    """Counts of a layer, or of several.

    Attributes
    ----------
    items : dict of str to int
        Of each of :data:`~hwgen.energy.items.ITEMS`.
    counted : frozenset of str
        Items that the RTL's counters gave; the others follow from the commands.
    """
    items: dict[str, int]
    counted: frozenset = frozenset()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts({name: self.items[name] + other.items[name] for name in ITEMS},
                      self.counted & other.counted)

    def __mul__(self, times: int) -> "Counts":
        return Counts({name: times * count for name, count in self.items.items()}, self.counted)

    def values(self, config: Config) -> dict[str, int]:
        """Values moved, in place of accesses."""
        return {name: count * width(config, ITEMS[name].word)
                for name, count in self.items.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: ``{item: {"count": n, "source": text}}``."""
        return {name: {"count": int(count),
                       "source": "counter" if name in self.counted else "commands"}
                for name, count in self.items.items()}


def width(config: Config, word: str) -> int:
    """Values of an access, see :class:`~hwgen.energy.items.Item`."""
    return {"value": 1, "chunk": config.xbus_bytes, "bus": config.bus_bytes,
            "bank": config.lanes}[word]


def bits(config: Config, word: str) -> int:
    """Bits of the port that an access uses."""
    return {"value": 8, "chunk": 8 * config.xbus_bytes, "bus": config.bus_bits,
            "bank": config.bank_bits}[word]


def of_segments(program, segments) -> Counts:
    """Counts of several segments of a :class:`~hwgen.compiler.program.Program` together."""
    total = Counts(dict.fromkeys(ITEMS, 0))
    for segment in segments:
        total = total + of_segment(program, segment)
    return total


def of_segment(program, segment) -> Counts:
    """Counts that a segment's commands tell.

    The counters of a run come to these numbers exactly, see ``tests/energy/test_counts.py``, but
    for commands: those that a parallel machine fetches behind a program's last, and drops, are one
    or two.
    """
    config = program.config
    traffic = machine_of(config).traffic(config)
    items = dict.fromkeys(ITEMS, 0)
    for name, fields in _commands(program, segment):
        for item, count in traffic.of(name, fields):
            items[item] += int(count)
    commands = sum(segment.commands.values())
    if not segment.joined:
        commands += _ENDS + traffic.dropped
    items["dram_command_words"] = commands * isa.COMMAND_BYTES // config.bus_bytes
    return Counts(items)


def _commands(program, segment) -> Iterator[tuple[str, dict[str, int]]]:
    """The commands of a segment. In a program that it shares, those of a name come segment by
    segment."""
    run = next(run for run in program.runs if any(one is segment for one in run))
    skip: Counter = Counter()
    for one in run:
        if one is segment:
            break
        skip.update(one.commands)
    seen: Counter = Counter()
    code = program.image[segment.offset:segment.offset + segment.size]
    for at in range(0, len(code), isa.COMMAND_BYTES):
        name, fields = isa.unpack(code[at:at + isa.COMMAND_BYTES])
        if skip[name] <= seen[name] < skip[name] + segment.commands.get(name, 0):
            yield name, fields
        seen[name] += 1


def counters(counts: Counts) -> dict[str, int]:
    """What the RTL's performance counters come to."""
    items = counts.items
    return {**{counter: items[item] for item, counter in COUNTED.items()},
            **{counter: sum(items[item] for item in shared) for counter, shared in _SHARED.items()}}


def measured(told: Counts, counted: dict[str, int]) -> Counts:
    """Counts of a run.

    Parameters
    ----------
    told : Counts
        Of the commands.
    counted : dict of str to int
        The performance counters of the run.
    """
    items = dict(told.items)
    items.update({item: counted[counter] for item, counter in COUNTED.items()})
    for counter, (*known, rest) in _SHARED.items():
        items[rest] = counted[counter] - sum(items[item] for item in known)
    return Counts(items, frozenset(COUNTED) | {shared[-1] for shared in _SHARED.values()})
