"""What each unit did over time: samples of the performance counters while programs run.

The counters are read every now and then, through the registers as any software may, so a device
gives the same timeline as a simulation. A sample is the share of its cycles in which a unit worked,
or of what it can move. Reading the counters takes some hundred cycles of the bus, none of the
accelerator's.
"""

import json
from typing import Any

from ..files import write_whole
from ..isa.registers import COUNTERS
from .driver import Driver

__all__ = ["CAUSES", "UNITS", "Trace"]

#: Units by the counter that tells of their work; an item of it is a lane of the timeline.
UNITS = {"DRAM read": "DRAM_READ_WORDS", "filter network": "FILTER_WRITES",
         "GLB write": "GLB_WRITES", "GLB read": "GLB_READS", "Y-bus": "YBUS_WORDS",
         "X-buses": "XBUS_WRITES", "array": "ARRAY_BUSY", "output stage": "OUTPUTS",
         "DRAM write": "DRAM_WRITE_WORDS"}

#: What the array did, by the counter that a cycle is booked in.
CAUSES = {"busy": "ARRAY_BUSY", "start": "START", "waits for DRAM": "STALL_DRAM",
          "waits for ifmaps": "STALL_IFMAP", "waits for filters": "STALL_FILTER",
          "waits for psums": "STALL_PSUM", "waits for the output stage": "STALL_OUTPUT",
          "idle": "STALL_IDLE", "finish": "FINISH"}

_SAMPLES = 200              # of a program, about
_LEAST = 64                 # cycles between two samples


class Trace:
    """Samples of one run.

    Attributes
    ----------
    samples : list of dict
        In order: ``layer``, ``begin`` and ``end`` in cycles of all programs one after the other,
        the share of each of :data:`UNITS`, and ``doing``, which of :data:`CAUSES` most of the
        sample's cycles are booked in.
    """

    def __init__(self) -> None:
        self.samples: list[dict[str, Any]] = []
        self._layer = ""
        self._first = 0             # cycle at which the program began
        self._before = dict.fromkeys(COUNTERS, 0)

    def begin(self, layer: str) -> None:
        """The program of a layer is going to run."""
        self._layer = layer
        self._first = self.samples[-1]["end"] if self.samples else 0
        self._before = dict.fromkeys(COUNTERS, 0)

    @staticmethod
    def interval(predicted: int) -> int:
        """Cycles between two samples of a program that takes about so many cycles."""
        return max(predicted // _SAMPLES, _LEAST)

    def sample(self, driver: Driver, counters: dict[str, int] | None = None) -> None:
        """Take a sample, of ``counters`` if they have been read already."""
        now = driver.counters() if counters is None else counters
        cycles = now["CYCLES"] - self._before["CYCLES"]
        if cycles <= 0:
            return
        done = {name: now[name] - self._before[name] for name in COUNTERS}
        shares = {unit: min(done[counter] / cycles / COUNTERS[counter].most(driver.config), 1.0)
                  for unit, counter in UNITS.items()}
        self.samples.append({
            "layer": self._layer, "begin": self._first + self._before["CYCLES"],
            "end": self._first + now["CYCLES"], **shares,
            "doing": max(CAUSES, key=lambda cause: done[CAUSES[cause]])})
        self._before = now

    def events(self, title: str) -> dict[str, Any]:
        """The samples in the trace-event format; a microsecond is a cycle."""
        found: list[dict[str, Any]] = [
            {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": title}}]
        for thread, name in enumerate(("layers", "array")):
            found.append({"ph": "M", "pid": 1, "tid": thread, "name": "thread_name",
                          "args": {"name": name}})
            found += [{"ph": "X", "pid": 1, "tid": thread, "name": text, "ts": begin,
                       "dur": end - begin} for text, begin, end in self._spans(
                           ("layer", "doing")[thread])]
        for sample in self.samples:
            found += [{"ph": "C", "pid": 1, "name": unit, "ts": sample["begin"],
                       "args": {"share": round(sample[unit], 4)}} for unit in UNITS]
        if self.samples:
            found += [{"ph": "C", "pid": 1, "name": unit, "ts": self.samples[-1]["end"],
                       "args": {"share": 0}} for unit in UNITS]
        return {"traceEvents": found, "displayTimeUnit": "ns",
                "otherData": {"unit": "a microsecond is a cycle"}}

    def _spans(self, key):
        """``(text, begin, end)`` of neighbouring samples with the same text; layers keep apart."""
        spans: list[list] = []
        for sample in self.samples:
            same = (sample[key], sample["layer"])
            if spans and spans[-1][0] == same:
                spans[-1][2] = sample["end"]
            else:
                spans.append([same, sample["begin"], sample["end"]])
        return [(text, begin, end) for (text, _), begin, end in spans]

    def write(self, path: str, title: str) -> None:
        """Write :meth:`events` to a file that Perfetto (ui.perfetto.dev) opens."""
        text = json.dumps(self.events(title)).encode()
        write_whole(path, lambda file: file.write(text))
