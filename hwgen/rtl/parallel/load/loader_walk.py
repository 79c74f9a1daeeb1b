"""The unpacking side of the loader: from rows of DRAM to the channel groups of the GLB.

It walks groups, rows, columns and bytes, a run a cycle:

* the *walk* plans how long the run is and what ends with it, as far as one run ahead;
* a cycle later at the earliest, when its word is there, it shifts the bytes into place;
* one cycle later the *addresses* write it and step to the next run's GLB word.

A position in a GLB stream is byte ``column * q + channel``. The walk follows its byte within the
word, twice: for the group's first channel (*start*) and for channel 0 (*base*), which is where the
column goes on in the next channel group. The addresses follow the same two, each at four levels:
the group's, the row's, the column's, and the run's.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ..glb.glb_address import GLB_ADDRESS, add, glb_write

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
    reached = [Signal(name=f"reached_{i}") for i in range(len(ends))]
    for i, reach in enumerate(reached):
        m.d.comb += reach.eq(enables[i] & Cat(
            ~enables[j] | (distances[i] <= distances[j]) for j in range(len(ends)) if j != i).all())
    # In unary first: bit k says that no end is nearer than k. Each bit of the distance is then the
    # parity of those at the multiples of its weight.
    unary = Signal(1 << bits)
    distance = Signal(bits)
    m.d.comb += [
        unary.eq(Cat(Cat(~enable | (end >= k) for enable, end in ends).all()
                     for k in range(1 << bits))),
        distance.eq(Cat(unary[1 << i::1 << i].xor() for i in range(bits))),
    ]
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


# Whether a run is written, and the step from its word to the next run's: it counts from the address
# of its level; ``hop`` goes on to the next channel group, from the base; the carries are those of
# the two positions from byte to word. ``first`` marks the group's first column, where the next
# group's start is found.
_STEP = data.StructLayout({"write": 1, "level": _Level, "hop": 1, "carry_start": 1,
                           "carry_base": 1, "first": 1})


def _run(config):
    """A run of bytes in place in its word, and the step that follows, with its stride."""
    return data.StructLayout({"data": config.bus_bits, "mask": config.bus_bytes, "step": _STEP,
                              "stride": GLB_ADDRESS})


class Walk(Block):
    """Walks the bytes of a LOAD, a run a cycle.

    Members
    -------
    command, start
        As for the requests.
    busy : Out(1)
        There are runs to come. The first is planned 1 cycle after ``start``.
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
        going = Signal()                             # there are runs to plan
        turn = Signal(init=1)                        # between two groups, or two LOADs
        groups = Signal(16, reset_less=True)
        row_part = Signal(_Part, reset_less=True)
        rows = Signal(12, reset_less=True)
        col_part = Signal(_Part, reset_less=True)
        cols = Signal(16, reset_less=True)
        skip = Signal(3, reset_less=True)            # columns until the next one that is kept
        kept = Signal()                              # the column is; not in a turn
        padding = Signal(init=1)                     # the column is, and so is a turn
        first = Signal(reset_less=True)              # in the group's first column
        whole = load.row_is_contiguous                           # a row's columns are one run

        # Bytes to come, less one: of the column, of the column in the channel group.
        left = Signal(24, reset_less=True)
        short = Signal(reset_less=True)              # the column has no more than a word
        channels = Signal(8, reset_less=True)
        few = Signal(reset_less=True)                # it has no more than a word; never if whole

        # Bytes within the word: of the source, of the run, and of its column's start and base.
        source = Signal(word_bits, reset_less=True)
        lane = Signal(word_bits, reset_less=True)
        start = Signal(word_bits, reset_less=True)
        base = Signal(word_bits, reset_less=True)

        # The run goes to the nearest of four ends; ``extra`` is its length less one.
        extra, (word_end, source_end, channels_end, col_end) = _nearest(m, word_bits, (
            (kept, ~lane),
            (~padding, ~source),
            (kept & few, channels[:word_bits]),
            (short, left[:word_bits])))
        minus = Signal(signed(word_bits + 1))        # the length, negated: sums need no carry in
        m.d.comb += minus.eq(Cat(~extra, 1))

        # The plan of a run, made a cycle or more before it moves: whether it lets its word go does
        # not wait for how long it is.
        planned = Signal()
        plan = Signal(data.StructLayout({
            "step": _STEP, "rotation": word_bits, "lane": word_bits, "extra": word_bits,
            "padding": 1, "lets_go": 1}), reset_less=True)
        free = Signal()
        move = Signal()
        step = Signal()
        m.d.comb += [
            self.busy.eq(going | planned),
            free.eq(~self.run.valid | self.run.ready),
            move.eq(planned & free & (plan.padding | self.word_valid)),
            self.word_ready.eq(move & plan.lets_go),
            step.eq(going & (~planned | move)),
        ]
        m.d.sync += planned.eq(step | (planned & ~move))

        # Columns: padding, data, padding. After a column, or a turn, comes one of its part, or
        # another part. What ends with the column, and what follows, is known while it runs.
        last = Signal()                              # of its part
        data_ends, row_ends, group_ends = Signal(), Signal(), Signal()
        row_end = Signal()
        column = Signal()                            # another one begins
        part = Signal()                              # it is of another part
        next_part = Signal(_Part)
        next_row = Signal(_Part)                     # part of its row
        whole_row = Signal()                         # it stands for all of a row's
        m.d.comb += [
            last.eq(cols == 1),
            data_ends.eq(last & (col_part == _Part.DATA)),
            row_ends.eq(last & ((col_part == _Part.AFTER) |
                                (col_part == _Part.DATA) & (load.rpad == 0))),
            row_end.eq(col_end & row_ends),
            column.eq(step & (turn | col_end)),
            part.eq(turn | last),
            whole_row.eq(part & whole & (next_part == _Part.DATA)),
        ]
        with m.If(row_ends | turn):
            m.d.comb += next_part.eq(Mux(load.lpad != 0, _Part.BEFORE, _Part.DATA))
        with m.Elif(col_part == _Part.DATA):
            m.d.comb += next_part.eq(_Part.AFTER)
        with m.Else():
            m.d.comb += next_part.eq(_Part.DATA)
        after = Signal(signed(word_bits + 1))
        m.d.comb += after.eq(left[:word_bits] + minus)
        with m.If(column):
            m.d.sync += [
                left.eq(Mux(whole_row, load.row_last, load.dram_channels_last)),
                short.eq(~Mux(whole_row, load.row_last[word_bits:].any(),
                              load.dram_channels_last[word_bits:].any())),
                first.eq(turn),
                cols.eq(cols - 1),
                skip.eq(Mux(kept, load.keep_every_col, skip) - 1),
                kept.eq((col_part != _Part.DATA) | (Mux(kept, load.keep_every_col, skip) == 1)),
            ]
            with m.If(part):
                m.d.sync += [
                    col_part.eq(next_part),
                    kept.eq(~group_ends),
                    skip.eq(0),
                    padding.eq(group_ends | (next_row != _Part.DATA) | (next_part != _Part.DATA)),
                ]
                with m.Switch(next_part):
                    with m.Case(_Part.BEFORE):
                        m.d.sync += cols.eq(load.lpad)
                    with m.Case(_Part.DATA):
                        m.d.sync += cols.eq(Mux(whole, 1, load.cols))
                    with m.Default():
                        m.d.sync += cols.eq(load.rpad)
        with m.Elif(step):
            m.d.sync += left[:word_bits].eq(after)
            with m.If(after < 0):
                m.d.sync += [
                    left[word_bits:].eq(left[word_bits:] - 1),
                    short.eq(left[word_bits:] == 1),
                ]

        # Rows: padding, data, padding; then the group turns.
        next_rows = Signal.like(rows)
        m.d.comb += [next_row.eq(row_part), next_rows.eq(rows)]
        with m.If(turn):
            with m.If(load.tpad != 0):
                m.d.comb += [next_row.eq(_Part.BEFORE), next_rows.eq(load.tpad)]
            with m.Elif(load.rows != 0):
                m.d.comb += [next_row.eq(_Part.DATA), next_rows.eq(load.rows)]
            with m.Else():
                m.d.comb += [next_row.eq(_Part.AFTER), next_rows.eq(load.bpad)]
            m.d.comb += group_ends.eq(groups == 0)
        with m.Elif(row_ends):
            m.d.comb += next_rows.eq(rows - 1)
            with m.If(rows == 1):
                with m.If((row_part == _Part.BEFORE) & (load.rows != 0)):
                    m.d.comb += [next_row.eq(_Part.DATA), next_rows.eq(load.rows)]
                with m.Elif((row_part != _Part.AFTER) & (load.bpad != 0)):
                    m.d.comb += [next_row.eq(_Part.AFTER), next_rows.eq(load.bpad)]
                with m.Else():
                    m.d.comb += group_ends.eq(1)
        with m.If(column):
            m.d.sync += [
                row_part.eq(next_row),
                rows.eq(next_rows),
                turn.eq(group_ends),
            ]
            with m.If(turn):
                m.d.sync += [
                    groups.eq(groups - 1),
                    going.eq(~group_ends),
                ]

        # Channels and lanes: of the next run or, where a column ends, of the next column. Where the
        # first column ends, the next group begins.
        place = data.StructLayout({"channels": 8, "lane": word_bits, "hop": 1, "carry": 1})
        this_group = Signal(place, reset_less=True)
        next_group = Signal(place, reset_less=True)
        fewer = Signal(signed(word_bits + 1))
        next_lane = Signal(word_bits)
        next_channels = Signal(8)
        begin = Signal.like(start)
        begin_base = Signal.like(base)
        begin_channels = Signal(8)
        m.d.comb += [
            fewer.eq(channels[:word_bits] + minus),
            next_lane.eq(lane - minus),
            next_channels.eq(Cat(fewer[:word_bits],
                                 Mux(fewer < 0, channels[word_bits:] - 1, channels[word_bits:]))),
            begin_channels.eq(Mux(turn, next_group.channels, this_group.channels)),
        ]
        with m.If(turn):
            m.d.comb += begin.eq(next_group.lane)
        with m.Elif(row_ends):
            m.d.comb += begin.eq(this_group.lane)
        with m.Else():
            m.d.comb += [
                begin.eq(start + Mux(kept, load.q, 0)),
                begin_base.eq(base + Mux(kept, load.q, 0)),
            ]
        with m.If(step):
            m.d.sync += lane.eq(Mux(channels_end, base, next_lane))
        with m.If(column & (turn | row_ends | ~whole)):
            m.d.sync += [
                lane.eq(begin),
                start.eq(begin),
                base.eq(begin_base),
            ]
        with m.If(step & (turn | kept)):
            with m.If(turn | (col_end & ~whole)):
                m.d.sync += [
                    channels.eq(begin_channels),
                    few.eq(~whole & ~begin_channels[word_bits:].any()),
                ]
            with m.Elif(channels_end):
                m.d.sync += [
                    channels.eq(load.q - 1),
                    few.eq(~(load.q - 1)[word_bits:8].any()),
                ]
            with m.Else():
                m.d.sync += channels.eq(next_channels)
                with m.If(fewer < 0):
                    m.d.sync += few.eq(~whole & (channels[word_bits:] == 1))
        with m.If(step & first & col_end):
            m.d.sync += [
                next_group.channels.eq(Mux(channels_end, load.q - 1, next_channels)),
                next_group.lane.eq(Mux(channels_end | whole, 0, next_lane)),
                next_group.hop.eq(channels_end | whole),
                next_group.carry.eq(word_end & ~channels_end & ~whole),
            ]
        with m.If(turn):
            m.d.sync += this_group.eq(next_group)

        # The byte at which each row starts in DRAM.
        row_source = Signal(word_bits, reset_less=True)
        next_source = Signal(word_bits)
        m.d.comb += next_source.eq(row_source + Mux(rows == 1, load.group_step, load.row_stride))
        with m.If(step & ~padding):
            m.d.sync += source.eq(source - minus)
            with m.If(col_end & data_ends):
                m.d.sync += [
                    source.eq(next_source),
                    row_source.eq(next_source),
                ]

        # Between two LOADs: where the next begins.
        with m.If(~going):
            m.d.sync += [
                going.eq(self.start),
                groups.eq(load.groups),
                next_group.channels.eq(load.q - load.first_channel_offset - 1),
                next_group.lane.eq(load.first_channel_offset),
                next_group.hop.eq(0),
                next_group.carry.eq(0),
                source.eq(load.addr),
                row_source.eq(load.addr),
            ]

        # The plan of the run, with the step that follows it.
        with m.If(step):
            m.d.sync += [
                plan.padding.eq(padding),
                plan.lets_go.eq(~padding & (source_end | (col_end & data_ends))),
                plan.rotation.eq(lane - source),
                plan.lane.eq(lane),
                plan.extra.eq(extra),
                plan.step.write.eq(kept),
                plan.step.first.eq(first),
                plan.step.hop.eq(channels_end),
                plan.step.carry_start.eq(word_end),
                plan.step.carry_base.eq(0),
                plan.step.level.eq(_Level.RUN),
            ]
            with m.If(col_end & kept & ~whole):
                m.d.sync += [
                    plan.step.hop.eq(0),
                    plan.step.carry_start.eq((start + load.q[:word_bits])[-1]),
                    plan.step.carry_base.eq((base + load.q[:word_bits])[-1]),
                    plan.step.level.eq(_Level.COLUMN),
                ]
            with m.If(row_end):
                m.d.sync += [
                    plan.step.hop.eq(0),
                    plan.step.carry_start.eq(0),
                    plan.step.carry_base.eq(0),
                    plan.step.level.eq(_Level.ROW),
                ]
            with m.If(turn):
                m.d.sync += [
                    plan.step.hop.eq(next_group.hop),
                    plan.step.carry_start.eq(next_group.carry),
                    plan.step.carry_base.eq(0),
                    plan.step.level.eq(_Level.GROUP),
                ]

        # The run in its place.
        out = self.run.payload
        word = self.word
        for bit in range(word_bits):
            word = Mux(plan.rotation[bit], word.rotate_left(8 << bit), word)
        stride = Signal(GLB_ADDRESS)
        with m.If(plan.step.hop):
            m.d.comb += stride.eq(load.glb_cg_stride)
        with m.Elif(plan.step.level == _Level.COLUMN):
            m.d.comb += stride.eq(load.glb_col_stride)
        with m.Elif(plan.step.level == _Level.ROW):
            m.d.comb += stride.eq(load.glb_row_stride)
        with m.If(free):
            m.d.sync += [
                self.run.valid.eq(move),
                out.data.eq(Mux(plan.padding, load.pad.replicate(n), word)),
                out.mask.eq(Cat((i >= plan.lane) & (i <= plan.lane + plan.extra)
                                for i in range(n))),
                out.step.eq(plan.step),
                out.stride.eq(stride),
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
        step = self.run.payload.step

        # The step: both positions go on from their address at the run's level.
        from_start = Signal(GLB_ADDRESS)
        from_base = Signal(GLB_ADDRESS)
        with m.Switch(step.level):
            for level in _Level:
                with m.Case(level):
                    m.d.comb += [
                        from_start.eq(start[level.value]),
                        from_base.eq(base[level.value]),
                    ]
        stride = self.run.payload.stride
        next_start = add(m, config, from_start, stride, step.carry_start)
        next_base = add(m, config, from_base, stride, step.carry_base)
        m.d.comb += [
            self.glb.valid.eq(self.run.valid & step.write),
            self.glb.payload.addr.eq(start[_Level.RUN.value]),
            self.glb.payload.data.eq(self.run.payload.data),
            self.glb.payload.mask.eq(self.run.payload.mask),
            self.run.ready.eq(self.glb.ready | ~step.write),
        ]

        with m.If(self.run.valid & self.run.ready):
            for level in _Level:
                found = step.first & (step.level == _Level.RUN) if level == _Level.GROUP else 0
                with m.If((step.level.as_value() <= level.value) | found):
                    m.d.sync += [
                        start[level.value].eq(Mux(step.hop, next_base, next_start)),
                        base[level.value].eq(next_base),
                    ]
        # The step into the first group goes nowhere, and so sets the other levels.
        with m.If(self.prepare):
            m.d.sync += [
                start[_Level.GROUP.value].eq(load.start),
                base[_Level.GROUP.value].eq(load.dst),
            ]
        return m
