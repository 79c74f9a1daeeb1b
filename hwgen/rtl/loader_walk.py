"""The unpacking side of the loader: from rows of DRAM to the channel groups of the GLB.

It walks groups, rows, columns and bytes, a run a cycle:

* the *walk* decides how long the run is, what ends with it, and shifts the bytes into place;
* one cycle later the *addresses* write it and step to the next run's GLB word.

A position in a GLB stream is byte ``column * q + channel``. The walk follows its byte within the
word, twice: for the group's first channel (*start*) and for channel 0 (*base*), which is where the
column goes on in the next channel group. The addresses follow the same two, each at four levels:
the group's, the row's, the column's, and the run's.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .. import isa
from .block import Block
from .command import layout
from .glb_address import GLB_ADDRESS, add, glb_write

__all__ = ["Walk", "Addresses"]


def _least(a, b):
    return Mux(a < b, a, b)


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
    command, row_bytes, start
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
            "row_bytes": In(24),
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
        groups = Signal(16, reset_less=True)
        row_part = Signal(_Part, reset_less=True)
        rows = Signal(12, reset_less=True)
        col_part = Signal(_Part, reset_less=True)
        cols = Signal(16, reset_less=True)
        skip = Signal(3, reset_less=True)            # columns until the next one that is kept
        left = Signal(24, reset_less=True)           # bytes of the column
        channels = Signal(8, reset_less=True)        # channels of the channel group
        first = Signal(reset_less=True)              # in the group's first column
        whole = Signal()                             # a row's columns are one run
        m.d.sync += whole.eq((load.g == load.q) & (load.off0 == 0) & (load.wstep == 1))

        # Bytes within the word: of the source, of the run, and of its column's start and base.
        source = Signal(word_bits, reset_less=True)
        lane = Signal(word_bits, reset_less=True)
        start = Signal(word_bits, reset_less=True)
        base = Signal(word_bits, reset_less=True)

        # The run, and what ends with it.
        padding = Signal()
        kept = Signal()
        fire = Signal()
        length = Signal(range(n + 1))
        lane_end = Signal(word_bits + 1)
        source_end = Signal(word_bits + 1)
        channels_end = Signal()
        col_end = Signal()
        data_end = Signal()
        row_end = Signal()
        group_end = Signal()
        in_word = n - Mux(kept & (padding | (lane > source)), lane, Mux(padding, 0, source))
        in_channels = Mux(kept & ~whole, _least(channels, n), n)
        m.d.comb += [
            padding.eq((row_part != _Part.DATA) | (col_part != _Part.DATA)),
            kept.eq((col_part != _Part.DATA) | (skip == 0)),
            fire.eq(self.busy & (padding | self.word_valid) & (~self.run.valid | self.run.ready)),
            length.eq(_least(_least(in_word, in_channels), _least(left, n))),
            lane_end.eq(lane + length),
            source_end.eq(source + length),
            channels_end.eq(kept & ~whole & (channels == length)),
            col_end.eq(left == length),
            data_end.eq(col_end & (cols == 1) & (col_part == _Part.DATA)),
            row_end.eq(Mux(col_part == _Part.DATA, data_end & (load.rpad == 0),
                           col_end & (cols == 1) & (col_part == _Part.AFTER))),
            group_end.eq(row_end & (rows == 1) & ((row_part == _Part.AFTER) | (load.bpad == 0)
                         & ((row_part == _Part.DATA) | (load.rows == 0)))),
            self.word_ready.eq(fire & ~padding & (source_end[-1] | data_end)),
        ]

        # Where the first column ends, the next group starts.
        position = data.StructLayout({"channels": 8, "lane": word_bits, "hop": 1, "carry": 1})
        ends = Signal(position)
        kept_ends = Signal(position, reset_less=True)
        begin = Signal(position, reset_less=True)
        with m.If(first):
            m.d.comb += [
                ends.channels.eq(Mux(channels_end, load.q, channels - length)),
                ends.hop.eq(channels_end | whole),
                ends.lane.eq(Mux(ends.hop, 0, lane_end)),
                ends.carry.eq(lane_end[-1] & ~ends.hop),
            ]
        with m.Else():
            m.d.comb += ends.eq(kept_ends)

        enter_row = [
            col_part.eq(Mux(load.lpad != 0, _Part.BEFORE, _Part.DATA)),
            cols.eq(Mux(load.lpad != 0, load.lpad, Mux(whole, 1, load.cols))),
            left.eq(Mux(whole & (load.lpad == 0), self.row_bytes, load.g)),
            skip.eq(0),
            base.eq(0),
        ]
        enter_group = [
            row_part.eq(Mux(load.tpad != 0, _Part.BEFORE,
                            Mux(load.rows != 0, _Part.DATA, _Part.AFTER))),
            rows.eq(Mux(load.tpad != 0, load.tpad, Mux(load.rows != 0, load.rows, load.bpad))),
            first.eq(1),
        ]
        with m.If(fire):
            m.d.sync += [
                left.eq(left - length),
                lane.eq(lane_end),
                channels.eq(Mux(kept, channels - length, channels)),
            ]
            with m.If(channels_end):
                m.d.sync += [
                    lane.eq(base),
                    channels.eq(load.q),
                ]
            with m.If(col_end):
                m.d.sync += [
                    first.eq(0),
                    kept_ends.eq(ends),
                    cols.eq(cols - 1),
                    left.eq(load.g),
                    channels.eq(begin.channels),
                ]
                with m.If(kept & ~whole):
                    m.d.sync += [
                        lane.eq(start + load.q),
                        start.eq(start + load.q),
                        base.eq(base + load.q),
                    ]
                with m.If(col_part == _Part.DATA):
                    m.d.sync += skip.eq(Mux(skip == 0, load.wstep - 1, skip - 1))
                with m.If((cols == 1) & (col_part == _Part.BEFORE)):
                    m.d.sync += [
                        col_part.eq(_Part.DATA),
                        cols.eq(Mux(whole, 1, load.cols)),
                        left.eq(Mux(whole, self.row_bytes, load.g)),
                    ]
                with m.If(data_end):
                    m.d.sync += [
                        col_part.eq(_Part.AFTER),
                        cols.eq(load.rpad),
                    ]
            with m.If(~kept):
                m.d.sync += lane.eq(lane)
            with m.If(row_end):
                m.d.sync += [
                    *enter_row,
                    rows.eq(rows - 1),
                    lane.eq(begin.lane),
                    start.eq(begin.lane),
                ]
                with m.If((rows == 1) & (row_part == _Part.BEFORE) & (load.rows != 0)):
                    m.d.sync += [
                        row_part.eq(_Part.DATA),
                        rows.eq(load.rows),
                    ]
                with m.Elif(rows == 1):
                    m.d.sync += [
                        row_part.eq(_Part.AFTER),
                        rows.eq(load.bpad),
                    ]
            with m.If(group_end):
                m.d.sync += [
                    *enter_group,
                    groups.eq(groups - 1),
                    self.busy.eq(groups != 1),
                    begin.eq(ends),
                    channels.eq(ends.channels),
                    lane.eq(ends.lane),
                    start.eq(ends.lane),
                ]

        # The byte at which each row starts in DRAM.
        row_source = Signal(word_bits, reset_less=True)
        group_source = Signal(word_bits, reset_less=True)
        next_source = Signal(word_bits)
        m.d.comb += next_source.eq(Mux(rows == 1, group_source + load.group_stride,
                                       row_source + load.row_stride))
        with m.If(fire & ~padding):
            m.d.sync += source.eq(source_end)
            with m.If(data_end):
                m.d.sync += [
                    source.eq(next_source),
                    row_source.eq(next_source),
                ]
                with m.If(rows == 1):
                    m.d.sync += group_source.eq(next_source)

        with m.If(self.start):
            m.d.sync += [
                *enter_row,
                *enter_group,
                groups.eq(load.groups),
                self.busy.eq(1),
                channels.eq(load.q - load.off0),
                lane.eq(load.off0),
                start.eq(load.off0),
                begin.channels.eq(load.q - load.off0),
                begin.lane.eq(load.off0),
                source.eq(load.addr),
                row_source.eq(load.addr),
                group_source.eq(load.addr),
            ]

        self._emit(m, load, fire=fire, source=source, lane=lane, padding=padding, kept=kept,
                   lane_end=lane_end)
        out = self.run.payload
        with m.If(fire):
            m.d.sync += [
                out.first.eq(first),
                out.hop.eq(channels_end),
                out.carry_start.eq(kept & lane_end[-1]),
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
            with m.If(group_end):
                m.d.sync += [
                    out.hop.eq(ends.hop),
                    out.carry_start.eq(ends.carry),
                    out.level.eq(_Level.GROUP),
                ]
        return m

    def _emit(self, m, load, *, fire, source, lane, padding, kept, lane_end):
        """Rotate the source word into place, and register the run."""
        n = self._config.bus_bytes
        word_bits = exact_log2(n)
        out = self.run.payload
        rotation = (lane - source)[:word_bits]
        word = self.word
        for bit in range(word_bits):
            word = Mux(rotation[bit], word.rotate_left(8 << bit), word)
        with m.If(fire):
            m.d.sync += [
                self.run.valid.eq(1),
                out.data.eq(Mux(padding, load.pad.replicate(n), word)),
                out.mask.eq(Cat(kept & (i >= lane) & (i < lane_end) for i in range(n))),
                out.write.eq(kept),
            ]
        with m.Elif(self.run.ready):
            m.d.sync += self.run.valid.eq(0)


class Addresses(Block):
    """Writes the runs, and steps the GLB address from one to the next; one write a cycle.

    Members
    -------
    command : In(512)
    prepare : In(1)
        Work out the addresses of the first run and of a column's step: 2 cycles and one for each
        word of ``q`` and of ``off0``.
    ready : Out(1)
        That is done.
    run : In(stream.Signature(_run(config)))
    glb : Out(stream.Signature(glb_write(config)))
    """
    module_name = "loader_addresses"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "prepare": In(1),
            "ready": Out(1),
            "run": In(stream.Signature(_run(config))),
            "glb": Out(stream.Signature(glb_write(config))),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        load = data.View(layout("LOAD"), self.command)
        word_bits = exact_log2(config.bus_bytes)
        start = [Signal(GLB_ADDRESS, name=f"start_{level.name.lower()}", reset_less=True)
                 for level in _Level]
        base = [Signal(GLB_ADDRESS, name=f"base_{level.name.lower()}", reset_less=True)
                for level in _Level]
        column = Signal(GLB_ADDRESS, reset_less=True)
        run = self.run.payload

        # The step: both positions go on from their address at the run's level.
        level = Signal(_Level)
        hop = Signal()
        carry = Signal()
        stride = Signal(GLB_ADDRESS)
        from_start = Signal(GLB_ADDRESS)
        from_base = Signal(GLB_ADDRESS)
        group = Signal(GLB_ADDRESS)
        with m.Switch(level):
            for case in _Level:
                with m.Case(case):
                    m.d.comb += [
                        from_start.eq(start[case.value]),
                        from_base.eq(base[case.value]),
                    ]
        with m.If(level == _Level.COLUMN):
            m.d.comb += stride.eq(column)
        with m.Elif(level == _Level.ROW):
            m.d.comb += stride.eq(load.glb_row_stride)
        m.d.comb += group.eq(Mux(hop, load.glb_cg_stride, stride))
        next_start = add(m, config, from_start, stride, carry)
        next_base = add(m, config, from_base, group, run.carry_base)

        words = Signal(8 - word_bits)
        m.d.comb += [
            self.glb.valid.eq(self.run.valid & run.write),
            self.glb.payload.addr.eq(start[_Level.RUN.value]),
            self.glb.payload.data.eq(run.data),
            self.glb.payload.mask.eq(run.mask),
            self.run.ready.eq(self.glb.ready | ~run.write),
        ]
        with m.FSM():
            with m.State("Run"):
                m.d.comb += [
                    self.ready.eq(1),
                    level.eq(run.level),
                    hop.eq(run.hop),
                    carry.eq(run.carry_start),
                ]
                with m.If(self.run.valid & self.run.ready):
                    for at in _Level:
                        inner = level.as_value() <= at.value
                        found = run.first & (level == _Level.RUN) if at == _Level.GROUP else 0
                        with m.If(inner | found):
                            m.d.sync += [
                                start[at.value].eq(Mux(hop, next_base, next_start)),
                                base[at.value].eq(next_base),
                            ]
                with m.If(self.prepare):
                    m.d.sync += [
                        start[_Level.RUN.value].eq(0),
                        words.eq(load.q >> word_bits),
                    ]
                    m.next = "Column"
            with m.State("Column"):
                self._count(m, words, level, carry, start, next_start)
                with m.If(words == 0):
                    m.d.sync += [
                        column.eq(start[_Level.RUN.value]),
                        start[_Level.RUN.value].eq(load.dst),
                        words.eq(load.off0 >> word_bits),
                    ]
                    m.next = "Start"
            with m.State("Start"):
                self._count(m, words, level, carry, start, next_start)
                with m.If(words == 0):
                    m.d.sync += [at.eq(start[_Level.RUN.value]) for at in start[:-1]]
                    m.d.sync += [at.eq(load.dst) for at in base]
                    m.next = "Run"
        return m

    def _count(self, m, words, level, carry, start, next_start):
        """Add ``words`` words to the run's address, one a cycle."""
        m.d.comb += [
            level.eq(_Level.RUN),
            carry.eq(1),
        ]
        with m.If(words != 0):
            m.d.sync += [
                words.eq(words - 1),
                start[_Level.RUN.value].eq(next_start),
            ]
