#!/usr/bin/env python
"""Draws the figures of docs/figures: ``python scripts/figures.py [FOLDER]``.

Each is one SVG, readable in light and dark: it follows the reader's colour scheme. A test holds the
files to this script.

The layer of docs/start/ten-minutes.md (a 3x3 convolution of 4 channels of 8x8 to 8 filters, on 4x4
PEs) is in several of them. Its cycles were read from the waves of its run on the RTL.
"""

import sys
from itertools import count, groupby
from pathlib import Path

import drawsvg

from hwgen.config import resolve
from hwgen.rtl.parallel.array.pe import PE

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
CONFIG = resolve(pe="4x4")

# Colours by kind of a box: fill in light, fill in dark.
FILLS = {"plain": ("#eef1f6", "#2a303c"), "memory": ("#fdeec8", "#574519"),
         "compute": ("#d9f0dd", "#1f4a2e"), "blue": ("#dbe8fb", "#23406a"),
         "red": ("#fbdcdc", "#642f34"), "violet": ("#e7dffa", "#433573"),
         "none": ("none", "none")}
INKS = {"ink": ("#1c2330", "#e8eaf0"), "dim": ("#566074", "#aab2c4"),
        "line": ("#5d6980", "#98a3ba"), "back": ("#ffffff", "#16191f")}
PASSES = "blue", "compute", "violet"        # colours of the worked layer's three passes

# The worked layer, in cycles from the controller's start: when each row begins, what a pass takes,
# the signals of the units, and the psums that the second PE of each row shows from cycle 440 on,
# every third cycle.
ROW_BEGINS, PASS = (418, 421, 424, 427), 384
LOADED, PARAMETERS_LOADED, COMPLETE, DONE = 386, 456, (1393, 1585), 1682
FIRST_PSUM = 440
PSUMS = ((-9, 12, -33, 54, 23, 28, 42, -13), (8, 34, 1, -37, 104, 7, -31, 6),
         (38, 28, 49, 21, -57, 75, -5, -78), (-88, -5, 35, 72, 21, -67, 72, -23))


def _css():
    def rules(scheme):
        inks = {name: pair[scheme] for name, pair in INKS.items()}
        yield f"text{{fill:{inks['ink']}}} .dim{{fill:{inks['dim']}}} .back{{fill:{inks['back']}}}"
        yield f".line{{stroke:{inks['line']};fill:none}} .head{{fill:{inks['line']}}}"
        for name, pair in FILLS.items():
            yield f".{name}{{fill:{pair[scheme]};stroke:{inks['line']}}}"
    font = "text{font-family:system-ui,Helvetica,Arial,sans-serif} .code{font-family:monospace}"
    return "\n".join([font, *rules(0), "@media (prefers-color-scheme:dark){", *rules(1), "}"])


class Figure:
    """A drawing of boxes, arrows and texts, in pixels from the top left corner."""

    def __init__(self, width, height, title):
        self._drawing = drawsvg.Drawing(width, height)
        self._drawing.append_css(_css())
        self._drawing.append_title(title)
        self._add(drawsvg.Rectangle(0, 0, width, height, class_="back"))

    def _add(self, element):
        self._drawing.append(element)

    def box(self, x, y, width, height, kind="plain", *lines, size=13, radius=4):
        """A box with lines of text in its middle; all but the first are small and dim."""
        self._add(drawsvg.Rectangle(x, y, width, height, rx=radius, class_=kind))
        top = y + height / 2 - 8 * (len(lines) - 1)
        for index, line in enumerate(lines):
            self.text(x + width / 2, top + 16 * index, line, "middle", dim=index > 0,
                      size=size - 2 * (index > 0))

    def text(self, x, y, text, anchor="start", dim=False, size=13, code=False):
        """A line of text, centred vertically on ``y``."""
        kind = " ".join(["dim"] * dim + ["code"] * code) or "ink"
        self._add(drawsvg.Text(text, size, x, y + round(0.35 * size, 1), text_anchor=anchor,
                               class_=kind))

    def line(self, *points, dashed=False, width=1.3):
        """A line through points."""
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in points)
        self._add(drawsvg.Path(path, class_="line", stroke_width=width,
                               **({"stroke_dasharray": "4 3"} if dashed else {})))

    def arrow(self, *points, dashed=False):
        """A line through points with a head at the last."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        back = x1 - 7 * ux, y1 - 7 * uy
        self.line(*points[:-1], back, dashed=dashed)
        corners = [(x1, y1), (back[0] - 4 * uy, back[1] + 4 * ux),
                   (back[0] + 4 * uy, back[1] - 4 * ux)]
        self._add(drawsvg.Lines(*(round(value, 1) for point in corners for value in point),
                                close=True, class_="head"))

    def svg(self):
        return self._drawing.as_svg() + "\n"


def machine():
    """The blocks of the accelerator, and what flows between them."""
    f = Figure(900, 520, "The blocks of the accelerator")
    f.box(20, 50, 80, 420, "memory", "DRAM", "AXI4")
    f.box(150, 50, 110, 220, "plain", "read DMA", "bursts")
    f.box(150, 400, 110, 70, "plain", "write DMA", "packs bytes")
    f.box(310, 20, 150, 52, "plain", "controller", "queues, semaphores")
    f.box(310, 98, 150, 52, "plain", "filter distributor", "weights")
    f.box(310, 190, 150, 52, "plain", "loader", "regroups, pads")
    f.box(310, 282, 150, 52, "plain", "feed", "ifmap words by pass")
    f.box(520, 20, 120, 52, "plain", "CSRs", "AXI4-Lite, interrupt")
    f.box(530, 90, 350, 234, "none", radius=8)
    f.text(545, 106, "PE array", size=13)
    f.text(610, 106, "psums move down, from row to row", dim=True, size=11)
    for row, y in enumerate((122, 190, 258)):
        f.box(545, y, 84, 52, "plain", "sequencer", "receivers", size=12)
        for x in (660, 735, 815):
            f.box(x, y, 52, 52, "compute", "PE")
            if row:
                f.arrow((x + 26, y - 16), (x + 26, y))
        f.arrow((629, y + 26), (660, y + 26))
        f.text(801, y + 26, "...", "middle")
    f.box(530, 350, 350, 56, "memory", "global buffer",
          "a bank a column: psums below a boundary, ifmaps above")
    f.box(530, 432, 350, 56, "plain", "drain and output stage",
          "bias, requantisation, max pooling")
    for x in (686, 761, 841):
        f.arrow((x, 310), (x, 350))
    f.arrow((100, 160), (150, 160))
    f.arrow((150, 452), (100, 452))
    f.arrow((260, 66), (310, 46))
    f.arrow((260, 124), (310, 124))
    f.arrow((260, 216), (310, 216))
    f.arrow((520, 46), (460, 46))
    f.arrow((460, 124), (495, 124), (495, 140), (545, 140))
    f.arrow((460, 300), (512, 300), (512, 156), (545, 156))
    f.arrow((460, 216), (485, 216), (485, 366), (530, 366))
    f.arrow((530, 386), (440, 386), (440, 334))
    f.arrow((705, 406), (705, 432))
    f.arrow((530, 452), (260, 452))
    f.text(466, 114, "filter", dim=True, size=11)
    f.text(466, 291, "Y-bus", dim=True, size=11)
    return f


def skew():
    """Rows of the array over time: the worked layer's three passes, and their beginning."""
    taps, row_cycles, first = 3, PASS, ROW_BEGINS[0]
    f = Figure(860, 440, "Array rows over time")
    left, scale = 90, 0.58

    def x(cycle):
        return left + (cycle - 400) * scale
    f.text(20, 24, f"Three passes of {PASS} cycles. Row i begins 3 i cycles later, in the first "
                   f"pass only.")
    for row in range(4):
        y = 48 + 28 * row
        f.text(80, y + 11, f"row {row}", "end", size=12)
        for one in range(3):
            begin = first + taps * row + row_cycles * one
            f.box(x(begin), y, row_cycles * scale, 22, PASSES[one],
                  f"pass {one + 1}" if row == 0 else "", size=12, radius=2)
            f.line((x(begin + row_cycles / 2), y), (x(begin + row_cycles / 2), y + 22), dashed=True)
    for cycle in range(400, 1601, 200):
        f.line((x(cycle), 162), (x(cycle), 168))
        f.text(x(cycle), 178, str(cycle), "middle", dim=True, size=11)
    f.text(64, 178, "cycle", "end", dim=True, size=11)
    f.text(64, 410, "cycle", "end", dim=True, size=11)
    f.text(20, 212, "The first cycles. A box is a psum of 3 taps; it goes down when it is finished,"
                    " and the row below adds its own taps.")
    scale = 22
    for row in range(4):
        y = 236 + 40 * row
        f.text(80, y + 12, f"row {row}", "end", size=12)
        for psum in range(10 - row):
            begin = taps * row + taps * psum
            f.box(left + begin * scale, y, taps * scale, 24, "blue", f"m{psum % 8}", size=11,
                  radius=2)
            if row < 3 and psum < 9 - row:
                f.arrow((left + (begin + 3) * scale, y + 24), (left + (begin + 3.15) * scale,
                                                               y + 40))
    for cycle in range(0, 31, 3):
        f.text(left + cycle * scale, 410, str(first + cycle), "middle", dim=True, size=11)
    f.text(20, 430, "m0 to m7 are the 8 filters of an output column; then comes the next column.",
           dim=True, size=12)
    return f


def global_buffer():
    """Words of the banks of the GLB, below and above the boundary, in the worked layer."""
    psums, ifmap_words = 16, 80
    rows = ifmap_words // (CONFIG.cols * CONFIG.subwords)
    f = Figure(860, 400, "The global buffer's banks")
    f.text(20, 24, f"{CONFIG.cols} banks, one a column of the array, of {CONFIG.bank_depth} words "
                   f"of {CONFIG.bank_bits} bits")
    for bank in range(CONFIG.cols):
        x = 90 + 80 * bank
        f.text(x + 35, 48, f"bank {bank}", "middle", size=12)
        f.box(x, 60, 70, 70, "none", "unused", size=12, radius=0)
        f.box(x, 130, 70, 90, "blue", "ifmaps", size=12, radius=0)
        f.box(x, 220, 70, 130, "compute", "psums", f"column {bank}", size=12, radius=0)
    for y, word in ((350, 0), (220, psums), (130, psums + rows), (60, CONFIG.bank_depth)):
        f.text(80, y, str(word), "end", dim=True, size=12)
        f.line((84, y), (90, y))
    f.line((90, 220), (430, 220), dashed=True, width=2)
    f.text(80, 376, "word", "end", dim=True, size=12)
    f.text(440, 220, "the boundary: each layer's own choice", size=12)
    f.text(440, 72, f"An ifmap word of {CONFIG.bus_bits} bits: {CONFIG.subwords} in a bank's word,",
           size=12)
    f.text(440, 88, "numbered along the banks", size=12)
    for bank in range(CONFIG.cols):
        for sub in range(CONFIG.subwords):
            f.box(440 + 100 * bank + 24 * sub, 104, 24, 26, "blue",
                  str(bank * CONFIG.subwords + sub), size=11, radius=0)
    f.text(440, 146, "here 80 of them: 4 channels of 10 rows of 10 values, 2 words a row",
           dim=True, size=11)
    f.text(440, 262, f"A psum word: {CONFIG.lanes} psums of 32 bits of one column of the array",
           size=12)
    for lane in range(CONFIG.lanes):
        f.box(440 + 48 * lane, 276, 48, 26, "compute", f"m{lane}", size=11, radius=0)
    f.text(440, 318, "here 16 of them: 2 strips of 8 output columns, 8 filters each", dim=True,
           size=11)
    return f


def _runs(length, group, q, offset, word):
    """Runs of bytes as the loader moves them: for each byte of a DRAM row its channel, the stream
    of the GLB, its place there, and the number of its run.

    A run stays within one word of the source, one of the GLB, one column, one channel group.
    """
    places = []
    for byte in range(length):
        column, channel = byte // group, offset + byte % group
        places.append((channel, channel // q, column * q + channel % q))

    def key(byte):
        _, stream, place = places[byte]
        # Bytes of one run lie side by side on both sides: byte - place stays the same.
        return byte // word, byte // group, stream, place // word, byte - place
    numbers = count(1)
    runs = {}
    for _, some in groupby(range(length), key):
        number = next(numbers)
        runs.update((byte, number) for byte in some)
    return [(*places[byte], runs[byte]) for byte in range(length)]


def regroup():
    """LOAD: a DRAM group of 3 channels becomes channel groups of 2."""
    group, q, offset, columns, word, cell = 3, 2, 1, 4, 4, 30
    kinds = "memory", "blue", "compute", "violet"
    f = Figure(860, 330, "LOAD regroups channels")
    f.text(20, 24, "In DRAM: a row of a group of dram_channels = 3 channels, the first of which is "
                   "channel 1 (first_channel_offset = 1)")
    moved = _runs(columns * group, group, q, offset, word)
    left = 130
    for byte, (channel, _, _, number) in enumerate(moved):
        x = left + cell * byte + 6 * (byte // word)
        f.text(x + cell / 2, 50, str(number), "middle", dim=True, size=11)
        f.box(x, 60, cell, 30, kinds[channel], f"{channel}.{byte // group}", size=11, radius=0)
    f.text(left - 12, 50, "cycle", "end", dim=True, size=11)
    f.text(left - 12, 75, "bytes", "end", size=12)
    f.text(left, 108, "1.0: channel 1 of column 0. A gap is the end of a bus word (4 bytes here).",
           dim=True, size=11)
    f.text(20, 146, "In the GLB: a stream for each group of q = 2 channels; the bytes of channel 0 "
                    "are left to another LOAD")
    for stream in range(2):
        y = 170 + 60 * stream
        f.text(left - 12, y + 15, f"channels {2 * stream}, {2 * stream + 1}", "end", size=12)
        cells = {place: (channel, byte // group, number)
                 for byte, (channel, where, place, number) in enumerate(moved) if where == stream}
        for place in range(columns * q):
            x = left + cell * place + 6 * (place // word)
            channel, column, number = cells.get(place, (None, None, None))
            f.box(x, y, cell, 30, "none" if channel is None else kinds[channel],
                  "" if channel is None else f"{channel}.{column}", size=11, radius=0)
            if number:
                f.text(x + cell / 2, y + 40, str(number), "middle", dim=True, size=11)
    f.text(20, 304, f"Each cycle moves a run: bytes within one word on both sides, one column, one "
                    f"channel group. {moved[-1][3]} cycles for {columns * group} bytes here;",
           size=12)
    f.text(20, 320, "with dram_channels = q and whole words it is a word a cycle.", size=12)
    return f


def loop_nest():
    """The loops of a layer, outermost first, and how often each turns in the worked layer."""
    f = Figure(860, 430, "The loop nest")
    rows = (
        ("set", 1, "channels that are computed together", "memory", "commands"),
        ("tile", 1, "a rectangle of outputs", "memory", "commands"),
        ("step", 1, "a chunk of channels, a fold of the kernel: LOAD", "memory", "commands"),
        ("block", 1, "t groups of p filters over the tile: FILTER, COMPUTE, then STORE", "memory",
         "commands"),
        ("pass", 3, "12 pairs (channel, filter row) on 4 array rows", "blue", "feed"),
        ("strip", 2, "4 output rows side by side, on 4 array columns", "compute", "array row"),
        ("output column", 8, "the window moves on by the stride", "compute", "array row"),
        ("filter", 8, "p filters of a PE: a psum each", "compute", "array row"),
        ("tap", 3, "3 filter columns x 1 channel: a MAC each", "compute",
         "array row"),
    )
    f.text(60, 24, "loop", size=12, dim=True)
    f.text(640, 24, "turns here", "end", size=12, dim=True)
    f.text(690, 24, "counted by", size=12, dim=True)
    total = 1
    for index, (name, turns, what, kind, who) in enumerate(rows):
        x, y = 20 + 16 * index, 40 + 39 * index
        total *= turns
        f.box(x, y, 560 - 16 * index, 33, kind)
        f.text(x + 10, y + 16, name, size=13)
        f.text(x + 120, y + 16, what, dim=True, size=12)
        f.text(640, y + 16, str(turns), "end", size=13)
        f.text(690, y + 16, who, dim=True, size=12)
    f.text(640, 408, f"= {total} cycles", "end")
    f.text(20, 408, "on each of the 16 PEs at once:", size=12, dim=True)
    return f


def queues():
    """The worked layer's program in time: queues, semaphores, DRAM."""
    f = Figure(860, 400, "A program in time")
    left, scale = 120, 0.42

    def x(cycle):
        return left + cycle * scale
    lanes = (("DRAM reads", ((46, 63, "plain", ""), (103, 170, "plain", ""),
                             (170, 380, "plain", ""), (445, 454, "plain", ""))),
             ("load", ((80, LOADED + 1, "memory", "LOAD"),
                      (398, PARAMETERS_LOADED + 1, "memory", "P"))),
             ("filter", ((138, 243, "memory", "FILTER"),)),
             ("compute", ((389, 1580, "compute", "COMPUTE"),)),
             ("store", ((1396, 1450, "blue", "S"), (1588, 1642, "blue", "S"))),
             ("DRAM writes", ((1433, 1469, "plain", ""), (1625, 1661, "plain", ""))))
    places = {}
    for index, (name, bars) in enumerate(lanes):
        y = places[name] = 50 + 50 * index
        f.text(left - 12, y + 14, name, "end", size=12)
        f.line((left, y + 34), (x(1700), y + 34), dashed=True, width=0.6)
        for begin, end, kind, label in bars:
            f.box(x(begin), y, (end - begin) * scale, 28, kind, label, size=11, radius=2)
    f.text(20, 24, "P is PARAMS, S is STORE. An arrow is a semaphore: the upper unit gives it, the "
                   "lower one takes it.")
    f.arrow((x(LOADED + 1), places["load"] + 28), (x(LOADED + 5), places["compute"]))
    f.text(x(400), places["filter"] + 32, "tile", size=11)
    f.arrow((x(PARAMETERS_LOADED + 1), places["load"] + 14), (x(1360), places["load"] + 14),
            (x(1398), places["store"]))
    f.text(x(900), places["load"] + 4, "params", "middle", size=11)
    for begin in COMPLETE:
        f.arrow((x(begin), places["compute"] + 28), (x(begin + 4), places["store"]))
    f.text(x(1385), places["compute"] + 40, "block", "end", size=11)
    f.text(x(1577), places["compute"] + 40, "block", "end", size=11)
    for cycle in range(0, 1701, 200):
        f.text(x(cycle), 356, str(cycle), "middle", dim=True, size=11)
    f.text(20, 384, f"cycles from start; END raises the interrupt at {DONE}", dim=True, size=12)
    return f


def pe_pipeline():
    """A PE's pipeline over the three taps of a psum."""
    f = Figure(760, 300, "The PE's pipeline")
    stages = ("addresses", "spads read", "operands", "multiply, add")
    assert PE.LATENCY == len(stages) - 1
    left, width = 110, 90
    for cycle in range(7):
        f.text(left + width * cycle + width / 2, 30, f"cycle {cycle}", "middle", dim=True, size=12)
        f.line((left + width * cycle, 42), (left + width * cycle, 240), dashed=True, width=0.5)
    for tap in range(3):
        y = 50 + 42 * tap
        f.text(left - 12, y + 16, f"tap {tap}", "end", size=12)
        for stage, name in enumerate(stages):
            f.box(left + width * (tap + stage) + 2, y, width - 4, 32,
                  ("plain", "memory", "blue", "compute")[stage], name, size=12)
    y = 184
    for name, cycle, note in (("chained", PE.LATENCY, "start from the psum above"),
                              ("last", PE.LATENCY + 2, "finish")):
        f.text(left - 12, y + 10, name, "end", size=12, code=True)
        f.box(left + width * cycle + 2, y, width - 4, 20, "violet", "1", size=11)
        f.text(left + width * cycle - 8, y + 10, note, "end", dim=True, size=11)
        y += 26
    f.text(left - 12, y + 10, "psum_o", "end", size=12, code=True)
    f.box(left + width * (PE.LATENCY + 3) + 2, y, width - 4, 20, "compute", "the psum", size=11)
    f.text(20, 282, "A tap enters each cycle. The row says with the addition what the sum starts "
                    "from, and whether it is finished.", size=12)
    return f


def waves():
    """Waves of the worked layer: psums of the second PE of each row, as by hand."""
    left, scale, first = 150, 25, FIRST_PSUM
    f = Figure(800, 250, "Waves of four PEs")
    f.text(20, 22, "psum_o of the second PE of each row; coloured: filter 0 of output row 1, "
                   "column 1")
    for row, line in enumerate(PSUMS):
        y = 46 + 44 * row
        f.text(left - 10, y + 14, f"row_{row}.pe_1.psum_o", "end", size=11, code=True)
        for index, value in enumerate(line):
            f.box(left + 3 * scale * index, y, 3 * scale, 28,
                  "compute" if index == 3 + row else "none", str(value), size=12, radius=6)
    for cycle in range(first, first + 25, 3):
        x = left + scale * (cycle - first)
        f.text(x, 228, str(cycle), "middle", dim=True, size=11)
    f.text(left - 40, 228, "cycle", "end", dim=True, size=11)
    return f


FIGURES = machine, skew, global_buffer, regroup, loop_nest, queues, pe_pipeline, waves


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        (folder / f"{figure.__name__}.svg").write_text(figure().svg())


if __name__ == "__main__":
    main()
