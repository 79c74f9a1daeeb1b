"""The unpacking side of the loader: from rows of DRAM to the channel groups of the GLB.

It walks groups, rows, columns and bytes, a run a cycle:

* the *walk* decides how long the run is, what ends with it, and shifts the bytes into place;
* one cycle later the *addresses* write it and step to the next run's GLB word.

A position in a GLB stream is byte ``column * q + channel``. The walk follows its byte within the
word, twice: for the group's first channel (*start*) and for channel 0 (*base*), which is where the
column goes on in the next channel group. The addresses follow the same two, each at four levels:
the group's, the row's, the column's, and the run's.
"""

import functools
import operator

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .. import isa
from .block import Block
from .command import layout
from .glb_address import GLB_ADDRESS, add, glb_write

__all__ = ["Walk", "Addresses"]


def _nearest(m, bits, ends):
    """The smallest of some distances, and which of them are that small.

    Parameters
    ----------
    bits : int
        Width of the distances.
    ends : sequence of (enable, distance)
        A distance that is not enabled counts as the largest, and is never reached.

    Returns
    -------
    distance : Signal(bits)
    reached : list of Signal(1)
    """
    enables, distances = zip(*ends, strict=True)
    limits = [Signal(bits, name=f"limit_{i}") for i in range(len(ends))]
    least = [Signal(name=f"least_{i}") for i in range(len(ends))]
    reached = [Signal(name=f"reached_{i}") for i in range(len(ends))]
    distance = Signal(bits)
    for i, limit in enumerate(limits):
        m.d.comb += [
            limit.eq(Mux(enables[i], distances[i], ~0)),
            least[i].eq(Cat(limit <= other for other in limits if other is not limit).all()),
            reached[i].eq(least[i] & enables[i]),
        ]
    m.d.comb += distance.eq(functools.reduce(operator.or_, (
        limit & least[i].replicate(bits) for i, limit in enumerate(limits))))
    return distance, reached


class _Part(enum.Enum, shape=2):
    """Part of the rows, or of a row's columns: padding, DRAM, padding."""
    BEFORE = 0
    DATA = 1
    AFTER = 2


class _Level(enum.Enum, shape=2):
    """What ends with a run, and so what the next address is counted from."""
    GROUP = 0
    ROW = 1
    COLUMN = 2
    RUN = 3


def _run(config):
    """A run of bytes in place in its word, and the step from its word to the next run's.

    The step counts from the address of its level; ``hop`` goes on to the next channel group, from
    the base; the carries are those of the two positions from byte to word. ``first`` marks the
    group's first column, where the next group's start is found.
    """
    return data.StructLayout({
        "data": config.bus_bits, "mask": config.bus_bytes, "write": 1, "level": _Level, "hop": 1,
        "carry_start": 1, "carry_base": 1, "first": 1})


class Walk(Block):
    """Walks the bytes of a LOAD, a run a cycle.

    Members
    -------
    command, start
        As for the requests.
    busy : Out(1)
        There are runs to come.
    word, word_valid, word_ready : In(bus_bits), In(1), Out(1)
        The words of the rows; a word is let go when its last byte has been moved or the row ends.
    run : Out(stream.Signature(_run(config)))
        One cycle after the word.
    """
    module_name = "loader_walk"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "start": In(1),
            "busy": Out(1),
            "word": In(config.bus_bits),
            "word_valid": In(1),
            "word_ready": Out(1),
            "run": Out(stream.Signature(_run(config))),
        })

    def body(self, platform):
        m = Module()
        load = data.View(layout("LOAD"), self.command)
        n = self._config.bus_bytes
        word_bits = exact_log2(n)

        # Where the walk is: group, row and column count down within their part.
        turn = Signal()                              # between two groups
        groups = Signal(16, reset_less=True)
        row_part = Signal(_Part, reset_less=True)
        rows = Signal(12, reset_less=True)
        col_part = Signal(_Part, reset_less=True)
        cols = Signal(16, reset_less=True)
        skip = Signal(3, reset_less=True)            # columns until the next one that is kept
        first = Signal(reset_less=True)              # in the group's first column
        whole = load.whole                           # a row's columns are one run

        # Bytes to come, less one: of the column, of the column in the channel group.
        left = Signal(24, reset_less=True)
        short = Signal(reset_less=True)              # the column has no more than a word
        channels = Signal(8, reset_less=True)

        # Bytes within the word: of the source, of the run, and of its column's start and base.
        source = Signal(word_bits, reset_less=True)
        lane = Signal(word_bits, reset_less=True)
        start = Signal(word_bits, reset_less=True)
        base = Signal(word_bits, reset_less=True)

        # The run goes to the nearest of four ends; ``extra`` is its length less one.
        padding = Signal()
        kept = Signal()
        m.d.comb += [
            padding.eq((row_part != _Part.DATA) | (col_part != _Part.DATA)),
            kept.eq((col_part != _Part.DATA) | (skip == 0)),
        ]
        extra, (word_end, source_end, channels_end, col_end) = _nearest(m, word_bits, (
            (kept, ~lane),
            (~padding, ~source),
            (kept & ~whole & (channels[word_bits:] == 0), channels[:word_bits]),
            (short, left[:word_bits])))

        minus = Signal(signed(word_bits + 1))        # the length, negated: sums need no carry in
        free = Signal()
        fire = Signal()
        data_end = Signal()
        row_end = Signal()
        m.d.comb += [
            minus.eq(Cat(~extra, 1)),
            free.eq(self.busy & (~self.run.valid | self.run.ready)),
            fire.eq(free & ~turn & (padding | self.word_valid)),
            data_end.eq(col_end & (cols == 1) & (col_part == _Part.DATA)),
            row_end.eq(col_end & (cols == 1) & ((col_part == _Part.AFTER) |
                                                (col_part == _Part.DATA) & (load.rpad == 0))),
            self.word_ready.eq(fire & ~padding & (source_end | data_end)),
        ]

        # Columns: padding, data, padding. After a column comes one of its part, or another part.
        padded = load.lpad != 0
        after = Signal(24)
        borrow = Signal()
        column = Signal()
        part = Signal()
        next_part = Signal(_Part)
        all_columns = Signal()                       # the next column stands for a whole row
        m.d.comb += [
            after.eq(left + minus),
            borrow.eq(left[:word_bits] <= extra),
            column.eq((fire & col_end) | turn),
            part.eq(turn | (fire & (
                row_end | (col_end & (cols == 1) & (col_part != _Part.AFTER))))),
            all_columns.eq(part & whole & (next_part == _Part.DATA)),
        ]
        with m.If(row_end | turn):
            m.d.comb += next_part.eq(Mux(padded, _Part.BEFORE, _Part.DATA))
        with m.Elif(col_part == _Part.DATA):
            m.d.comb += next_part.eq(_Part.AFTER)
        with m.Else():
            m.d.comb += next_part.eq(_Part.DATA)
        with m.If(column):
            m.d.sync += [
                left.eq(Mux(all_columns, load.row_last, load.g_last)),
                short.eq(~Mux(all_columns, load.row_last, load.g_last)[word_bits:].any()),
            ]
        with m.Elif(fire):
            m.d.sync += left.eq(after)
            with m.If(borrow):
                m.d.sync += short.eq(left[word_bits:] == 1)
        with m.If(fire & col_end):
            m.d.sync += [
                first.eq(0),
                cols.eq(cols - 1),
                skip.eq(Mux(kept, load.wstep - 1, skip - 1)),
            ]
        with m.If(part):
            m.d.sync += [
                col_part.eq(next_part),
                skip.eq(0),
            ]
            with m.Switch(next_part):
                with m.Case(_Part.BEFORE):
                    m.d.sync += cols.eq(load.lpad)
                with m.Case(_Part.DATA):
                    m.d.sync += cols.eq(Mux(whole, 1, load.cols))
                with m.Default():
                    m.d.sync += cols.eq(load.rpad)

        # Rows: padding, data, padding; then the group turns.
        with m.If(fire & row_end):
            m.d.sync += rows.eq(rows - 1)
            with m.If((rows == 1) & (row_part == _Part.BEFORE) & (load.rows != 0)):
                m.d.sync += [
                    row_part.eq(_Part.DATA),
                    rows.eq(load.rows),
                ]
            with m.Elif((rows == 1) & (row_part != _Part.AFTER) & (load.bpad != 0)):
                m.d.sync += [
                    row_part.eq(_Part.AFTER),
                    rows.eq(load.bpad),
                ]
            with m.Elif(rows == 1):
                m.d.sync += turn.eq(1)
        with m.If(free & turn):
            m.d.sync += [
                turn.eq(0),
                first.eq(1),
                groups.eq(groups - 1),
                self.busy.eq(groups != 0),
                row_part.eq(Mux(load.tpad != 0, _Part.BEFORE,
                                Mux(load.rows != 0, _Part.DATA, _Part.AFTER))),
                rows.eq(Mux(load.tpad != 0, load.tpad,
                            Mux(load.rows != 0, load.rows, load.bpad))),
            ]

        # Channels and lanes. Where the first column ends, the next group begins.
        begin = data.StructLayout({"channels": 8, "lane": word_bits, "hop": 1, "carry": 1})
        this_group = Signal(begin, reset_less=True)
        next_group = Signal(begin, reset_less=True)
        with m.If(fire & kept):
            m.d.sync += [
                lane.eq(lane - minus),
                channels.eq(channels + minus),
            ]
            with m.If(channels_end):
                m.d.sync += [
                    lane.eq(base),
                    channels.eq(load.q - 1),
                ]
            with m.If(col_end & ~whole):
                m.d.sync += [
                    lane.eq(start + load.q),
                    start.eq(start + load.q),
                    base.eq(base + load.q),
                    channels.eq(this_group.channels),
                ]
            with m.If(col_end & first):
                m.d.sync += [
                    next_group.channels.eq(Mux(channels_end, load.q - 1, channels + minus)),
                    next_group.lane.eq(Mux(channels_end | whole, 0, lane - minus)),
                    next_group.hop.eq(channels_end | whole),
                    next_group.carry.eq(word_end & ~channels_end & ~whole),
                ]
        with m.If(fire & row_end):
            m.d.sync += [
                lane.eq(this_group.lane),
                start.eq(this_group.lane),
                base.eq(0),
            ]
        with m.If(turn):
            m.d.sync += [
                this_group.eq(next_group),
                channels.eq(next_group.channels),
                lane.eq(next_group.lane),
                start.eq(next_group.lane),
            ]

        # The byte at which each row starts in DRAM.
        row_source = Signal(word_bits, reset_less=True)
        next_source = Signal(word_bits)
        m.d.comb += next_source.eq(row_source + Mux(rows == 1, load.group_step, load.row_stride))
        with m.If(fire & ~padding):
            m.d.sync += source.eq(source - minus)
            with m.If(data_end):
                m.d.sync += [
                    source.eq(next_source),
                    row_source.eq(next_source),
                ]

        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                turn.eq(1),
                groups.eq(load.groups),
                next_group.channels.eq(load.q - load.off0 - 1),
                next_group.lane.eq(load.off0),
                next_group.hop.eq(0),
                next_group.carry.eq(0),
                base.eq(0),
                source.eq(load.addr),
                row_source.eq(load.addr),
            ]

        # The run in its place, and the step that follows it.
        out = self.run.payload
        rotation = (lane - source)[:word_bits]
        word = self.word
        for bit in range(word_bits):
            word = Mux(rotation[bit], word.rotate_left(8 << bit), word)
        with m.If(free):
            m.d.sync += self.run.valid.eq(fire | turn)
        with m.Elif(self.run.ready):
            m.d.sync += self.run.valid.eq(0)
        with m.If(free):
            m.d.sync += [
                out.data.eq(Mux(padding, load.pad.replicate(n), word)),
                out.mask.eq(Cat((i >= lane) & (i <= lane + extra) for i in range(n))),
                out.write.eq(kept & ~turn),
                out.first.eq(first),
                out.hop.eq(channels_end),
                out.carry_start.eq(word_end),
                out.carry_base.eq(0),
                out.level.eq(_Level.RUN),
            ]
            with m.If(col_end & kept & ~whole):
                m.d.sync += [
                    out.hop.eq(0),
                    out.carry_start.eq((start + load.q[:word_bits])[-1]),
                    out.carry_base.eq((base + load.q[:word_bits])[-1]),
                    out.level.eq(_Level.COLUMN),
                ]
            with m.If(row_end):
                m.d.sync += [
                    out.hop.eq(0),
                    out.carry_start.eq(0),
                    out.carry_base.eq(0),
                    out.level.eq(_Level.ROW),
                ]
            with m.If(turn):
                m.d.sync += [
                    out.hop.eq(next_group.hop),
                    out.carry_start.eq(next_group.carry),
                    out.carry_base.eq(0),
                    out.level.eq(_Level.GROUP),
                ]
        return m


class Addresses(Block):
    """Writes the runs, and steps the GLB address from one to the next; one write a cycle.

    Members
    -------
    command : In(512)
    prepare : In(1)
        The first run comes in the next cycle at the earliest.
    run : In(stream.Signature(_run(config)))
    glb : Out(stream.Signature(glb_write(config)))
    """
    module_name = "loader_addresses"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "prepare": In(1),
            "run": In(stream.Signature(_run(config))),
            "glb": Out(stream.Signature(glb_write(config))),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        load = data.View(layout("LOAD"), self.command)
        start = [Signal(GLB_ADDRESS, name=f"start_{level.name.lower()}", reset_less=True)
                 for level in _Level]
        base = [Signal(GLB_ADDRESS, name=f"base_{level.name.lower()}", reset_less=True)
                for level in _Level]
        run = self.run.payload

        # The step: both positions go on from their address at the run's level.
        stride = Signal(GLB_ADDRESS)
        group = Signal(GLB_ADDRESS)
        from_start = Signal(GLB_ADDRESS)
        from_base = Signal(GLB_ADDRESS)
        with m.Switch(run.level):
            for level in _Level:
                with m.Case(level):
                    m.d.comb += [
                        from_start.eq(start[level.value]),
                        from_base.eq(base[level.value]),
                    ]
        with m.If(run.level == _Level.COLUMN):
            m.d.comb += stride.eq(load.glb_col_stride)
        with m.Elif(run.level == _Level.ROW):
            m.d.comb += stride.eq(load.glb_row_stride)
        m.d.comb += group.eq(Mux(run.hop, load.glb_cg_stride, stride))
        next_start = add(m, config, from_start, stride, run.carry_start)
        next_base = add(m, config, from_base, group, run.carry_base)
        m.d.comb += [
            self.glb.valid.eq(self.run.valid & run.write),
            self.glb.payload.addr.eq(start[_Level.RUN.value]),
            self.glb.payload.data.eq(run.data),
            self.glb.payload.mask.eq(run.mask),
            self.run.ready.eq(self.glb.ready | ~run.write),
        ]

        with m.If(self.run.valid & self.run.ready):
            for level in _Level:
                found = run.first & (run.level == _Level.RUN) if level == _Level.GROUP else 0
                with m.If((run.level.as_value() <= level.value) | found):
                    m.d.sync += [
                        start[level.value].eq(Mux(run.hop, next_base, next_start)),
                        base[level.value].eq(next_base),
                    ]
        # The step into the first group goes nowhere, and so sets the other levels.
        with m.If(self.prepare):
            m.d.sync += [
                start[_Level.GROUP.value].eq(load.start),
                base[_Level.GROUP.value].eq(load.dst),
            ]
        return m
