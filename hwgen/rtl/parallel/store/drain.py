"""Drain: reads finished psums from the GLB, through the output stage, to the write DMA."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ...block import Block
from ...common import command
from ...common.delay import delay
from ...common.fifo import Fifo
from .parameters import Parameters
from .requant import Requant

__all__ = ["Drain"]

#: Outputs that may be on their way from a read to the write DMA, in words: more than the cycles of
#: that way, so that a word is read each cycle.
_OUTPUTS = 32
#: Cycles for which a psum that has arrived needs ``_stage``.
_THROUGH = Parameters.LATENCY + Requant.LATENCY
#: Cycles from a read to its data.
_READ_LATENCY = 4


class Drain(Block):
    """Runs STORE: requantises a block of psums, takes the largest of each window, and stores it.

    A psum word (``lanes`` outputs) is read in each cycle in which the GLB grants it, without gaps
    between windows, columns, rows and filter groups, as long as a row reads at least ``pool_u + 1``
    words; positions of a window outside the block cost nothing. In mode RAW a word is read once for
    each ``lanes`` bytes of it that are stored, 4 times if it is full; in modes SUM and PRODUCT once
    for each ``table_lanes`` psums of it, twice if it is full and there are 8 lanes. The first word
    is asked for 5 cycles after a command's semaphores were granted, but no earlier than 18 after
    the last word of the command before has arrived; a command is done two cycles after its last
    word has arrived, if the write DMA has taken its segments. An output is offered to the write DMA
    17 cycles after the last psum of its window has arrived, a raw one 7 cycles after.

    Parameters
    ----------
    config : Config

    Members
    -------
    command : In(COMMAND)
        STORE commands; ``ready`` when one is done, but for its writes.
    take : Out(Take)
        Semaphores to take before a command starts.
    give : Out(8)
        Semaphores given, for one cycle, when the psums of a command have been read.
    give_written : Out(8)
        Semaphores given when the data of a command has been written. The next command starts after
        that. If it gives none, the command does not wait for its data to be written.
    idle : Out(1)
        No command is held and no output is on its way.
    read : Out(stream.Signature(StructLayout({"bank": 5, "off": 16})))
        Psum words wanted.
    rdata, rvalid : In(bank_bits), In(1)
        Their data, four cycles later.
    params : In(stream.Signature(StructLayout({"word": 12, "chunk": ..., "data": bus_bits})))
        Writes of the parameter memory: ``chunk`` is the bus word within the parameter word. Always
        ready.
    segment : Out(stream.Signature(StructLayout({"addr": 32, "size": 24})))
        Runs of bytes in DRAM, one for each output row.
    data : Out(stream.Signature(StructLayout({"bytes": 8 * lanes, "count": range(lanes + 1)})))
        The bytes that fill them.
    write_idle : In(1)
        The write DMA has nothing to do: low from the cycle after a segment is handed over until its
        data has been written and acknowledged.
    outputs : Out(range(lanes + 1))
        Psums requantised or stored raw in this cycle.
    """

    module_name = "drain"
    late_reset = True

    def __init__(self, config):
        self._config = config
        self._lanes_log2 = exact_log2(config.lanes)
        self._halves = 0 < config.table_lanes < config.lanes    # tables take a word in two reads
        lanes = config.lanes
        super().__init__({
            "command": In(command.COMMAND),
            "take": Out(command.Take),
            "give": Out(8),
            "give_written": Out(8),
            "idle": Out(1),
            "read": Out(stream.Signature(data.StructLayout({"bank": 5, "off": 16}))),
            "rdata": In(config.bank_bits),
            "rvalid": In(1),
            "params": In(stream.Signature(data.StructLayout({
                "word": 12, "chunk": range(64 * lanes // config.bus_bits),
                "data": config.bus_bits}))),
            "segment": Out(stream.Signature(data.StructLayout({"addr": 32, "size": 24}))),
            "data": Out(stream.Signature(data.StructLayout({
                "bytes": 8 * lanes, "count": range(lanes + 1)}))),
            "write_idle": In(1),
            "outputs": Out(range(lanes + 1)),
        })

    def body(self, platform):
        m = Module()
        self._jobs(m)
        self._rows(m)
        self._columns(m)
        self._reader(m)
        self._parameters(m)
        self._outputs(m)
        self._segments(m)
        return m

    def _jobs(self, m):
        """Run the command that waits, and let it go when it is done.

        ``self._job`` is the command, ``self._start`` high for one cycle before it. ``self._stage``
        is what the output stage needs of the command. The next command has it only when the last
        psum of the one before, which needs it for 13 cycles, has gone through.
        """
        self._job = job = Signal(command.layout("STORE"))
        m.d.comb += job.eq(self.command.payload)
        self._start = Signal()
        self._given = Signal()             # every psum has arrived
        self._segments_done = Signal()
        self._drained = Signal()           # no output is on its way

        fields = ["zy", "lo", "hi", "ysigned", "mode"] + ["scale"] * self._config.tables
        layout = data.StructLayout({name: job[name].shape() for name in fields})
        self._stage = stage = Signal(layout, reset_less=True)
        self._raw = Signal(reset_less=True)
        self._looked_up = Signal(reset_less=True)
        with m.If(self._start):
            m.d.sync += [stage[name].eq(job[name]) for name in fields]
            m.d.sync += [
                self._raw.eq(command.is_mode(job.mode, lambda mode: mode.raw)),
                self._looked_up.eq(command.is_mode(job.mode, lambda mode: mode.needs_tables)),
            ]

        # The last psum to arrive goes through the output stage.
        through = Signal(range(_THROUGH + 1))
        with m.If(~self._given):
            m.d.sync += through.eq(_THROUGH)
        with m.Elif(through.any()):
            m.d.sync += through.eq(through - 1)

        m.d.sync += [self.give.eq(0), self.give_written.eq(0)]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [
                    self.take.valid.eq(self.command.valid),
                    self.take.payload.eq(job.wait),
                    self.idle.eq(self._drained),
                ]
                with m.If(self.take.valid & self.take.ready):
                    m.next = "Start"
            with m.State("Start"):
                with m.If(through == 0):
                    m.d.comb += self._start.eq(1)
                    m.next = "Read"
            with m.State("Read"):
                with m.If(self._given):
                    m.d.sync += self.give.eq(job.signal)
                    m.next = "Finish"
            with m.State("Finish"):
                with m.If(self._segments_done & (
                        (job.signal_written == 0) | (self._drained & self.write_idle))):
                    m.d.sync += self.give_written.eq(job.signal_written)
                    m.d.comb += self.command.ready.eq(1)
                    m.next = "Idle"

    def _rows(self, m):
        """Walk over filter groups and output rows, a window row a cycle, ahead of the reader.

        ``self._row`` describes the window rows of an output row that lie in the block: address of
        the first one's strip, its bank, the banks of the strip's first and last row, number of rows
        less one, and whether it is the last output row of its group.
        """
        job = self._job
        self._row = row = Signal(data.StructLayout({
            "strip": 16, "bank": 5, "first_bank": 5, "last_bank": 5, "count": 5, "turn": 1}),
            reset_less=True)
        self._row_valid = Signal()
        self._row_ready = Signal()
        self._rows_done = Signal()

        above = Signal(8, reset_less=True)         # window rows above the block
        # Rows from the first one in the block on, less one: of the window, and of the block.
        reach = Signal(5, reset_less=True)
        left = Signal(14, reset_less=True)
        ahead = Signal(7, reset_less=True)         # rows still to walk
        rows = Signal(14, reset_less=True)         # output rows to come in this group
        groups = Signal(6, reset_less=True)        # filter groups to come
        m.d.comb += [
            row.count.eq(_smaller(reach, left)),
            row.turn.eq(rows == 1),
        ]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self._rows_done.eq(1)
                m.d.sync += [
                    groups.eq(job.groups),
                    row.first_bank.eq(job.bank),
                    row.last_bank.eq(job.bank + job.e - 1),
                ]
                with m.If(self._start):
                    m.next = "Group"
            with m.State("Group"):
                m.d.sync += [
                    row.strip.eq(job.psum),
                    row.bank.eq(row.first_bank),
                    above.eq(Mux(job.row0 < 0, -job.row0, 0)),
                    ahead.eq(Mux(job.row0 < 0, 0, job.row0)),
                    reach.eq(job.pool_r + Mux(job.row0 < 0, job.row0, 0) - 1),
                    left.eq(job.psum_rows - 1),
                    rows.eq(job.out_rows),
                ]
                m.next = "Row"
            with m.State("Row"):
                with m.If(ahead != 0):
                    m.d.sync += ahead.eq(ahead - 1)
                    with m.If(above != 0):
                        m.d.sync += [above.eq(above - 1), reach.eq(reach + 1)]
                    with m.Else():
                        m.d.sync += left.eq(left - 1)
                        m.d.sync += row.bank.eq(row.bank + 1)
                        with m.If(row.bank == row.last_bank):
                            m.d.sync += row.bank.eq(row.first_bank)
                            m.d.sync += row.strip.eq(row.strip + job.strip_words)
                with m.Else():
                    m.d.comb += self._row_valid.eq(1)
                    with m.If(self._row_ready):
                        m.d.sync += [rows.eq(rows - 1), ahead.eq(job.pool_u)]
                        with m.If(row.turn):
                            m.d.sync += [
                                groups.eq(groups - 1),
                                row.first_bank.eq(row.first_bank + job.e),
                                row.last_bank.eq(row.last_bank + job.e),
                            ]
                            m.next = "Group"
                            with m.If(groups == 1):
                                m.next = "Idle"

    def _columns(self, m):
        """Walk over the output columns of a row, and again for the next row.

        ``self._column`` describes the window columns that lie in the block: address of the first
        within a strip, number of columns less one, and whether it is the row's last window. It
        moves on when ``self._column_next``.
        """
        job = self._job
        self._column = column = Signal(data.StructLayout({"address": 16, "count": 5, "last": 1}),
                                       reset_less=True)
        self._column_valid = Signal()
        self._column_next = Signal()
        # Of the window after that: its first column while that is before the block, then 0 or more;
        # and the block's columns from there on.
        x = Signal(signed(8), reset_less=True)
        block = Signal(13, reset_less=True)
        address = Signal(16, reset_less=True)
        left = Signal(12, reset_less=True)
        prime = Signal()
        outside = x[-1]
        with m.If(prime | self._column_next):
            m.d.sync += [
                self._column_valid.eq(1),
                column.address.eq(Mux(outside, 0, address)),
                column.count.eq(_smaller((job.pool_s + Mux(outside, x, 0))[:5],
                                         Mux(outside, job.psum_cols, block)) - 1),
                column.last.eq(left == 1),
                block.eq(block - job.pool_v), address.eq(address + job.col_step),
                left.eq(left - 1),
            ]
            with m.If(outside):
                m.d.sync += x.eq(x + job.pool_v)
        with m.If(self._start | ((prime | self._column_next) & (left == 1))):
            m.d.sync += [x.eq(job.col0), block.eq(job.col_left), address.eq(job.col_first),
                         left.eq(job.out_cols)]
        m.d.sync += prime.eq(self._start)
        with m.If(self._start):
            m.d.sync += self._column_valid.eq(0)

    def _reader(self, m):
        """Read the psum words: for each window and filter word, window rows, window columns.

        ``self._tag`` describes the word whose data arrives: ``first`` and ``last`` of its window,
        ``tail`` if it holds the last channels of its group, ``turn`` if it is its group's last. If
        a word is read several times, ``part`` counts its reads, and ``again`` tells that there is
        one more.
        """
        job, row, column = self._job, self._row, self._column
        self._tag = tag = Signal(data.StructLayout({
            "first": 1, "last": 1, "tail": 1, "turn": 1, "part": 2, "again": 1}))
        self._taken_away = Signal()                # an output has left for the write DMA
        now = Signal.like(tag)
        first = Signal()

        # Addresses of the word, of the window row and of the window, in the running filter word.
        word, line, window = (Signal(16, name=name, reset_less=True)
                              for name in ("word", "line", "window"))
        bank = Signal(5, reset_less=True)
        of = Signal.like(row, reset_less=True)     # the output row that the window is of
        last_column = Signal(reset_less=True)
        columns = Signal(5, reset_less=True)
        column_count = Signal(5, reset_less=True)
        rows = Signal(5, reset_less=True)
        words = Signal(10 - self._lanes_log2, reset_less=True)     # to come after this one
        word_end = Signal(reset_less=True)         # there are none
        active = Signal()
        room = Signal(range(_OUTPUTS + 1), init=_OUTPUTS)
        some_room = Signal(init=1)                 # room is not 0

        read = Signal()
        part = Signal(2)
        column_end, row_end = columns == 0, rows == 0
        # The last part of a word: of a raw one, and of one that is looked up; full, and at the end
        # of its group.
        tail = job.p_last[:self._lanes_log2]
        parts = Mux(word_end, Cat(Const(3, 2), tail)[self._lanes_log2:], 3)
        halves = Mux(word_end, tail[-1:], 1) if self._halves else 0
        under_way, spared = self._ask(m, read, bank, word, now)
        m.d.comb += [
            now.first.eq(first),
            now.last.eq(column_end & row_end),
            now.tail.eq(word_end),
            now.turn.eq(word_end & last_column & of.turn),
            now.part.eq(part),
            now.again.eq(Mux(self._raw, part != parts, self._looked_up & (part != halves))),
            read.eq(active & some_room & ~spared),
            self._given.eq(self._rows_done & ~active & ~under_way),
            self._drained.eq(room == _OUTPUTS),
        ]
        output = read & now.last & (self._raw | ~now.again)
        m.d.sync += [
            room.eq(room - output + self._taken_away),
            some_room.eq(self._taken_away | room[1:].any() | (room[0] & ~output)),
        ]
        with m.If(read):
            m.d.sync += part.eq(Mux(now.again, part + 1, 0))

        # One adder makes every next address; what moves on takes it.
        base = Signal(16)
        offset = Signal(16)
        total = Signal(16)
        m.d.comb += total.eq(base + offset)
        advance = (read & ~now.again) | ~active
        with m.If(advance):
            m.d.sync += [word.eq(total), first.eq(~active | now.last)]

        with m.If(active & ~column_end):
            m.d.comb += [base.eq(word), offset.eq(job.words_per_column)]
            with m.If(advance):
                m.d.sync += columns.eq(columns - 1)
        with m.Elif(active & ~row_end):
            wrap = bank == of.last_bank
            m.d.comb += [base.eq(line), offset.eq(Mux(wrap, job.strip_words, 0))]
            with m.If(advance):
                m.d.sync += [line.eq(total), bank.eq(Mux(wrap, of.first_bank, bank + 1)),
                             columns.eq(column_count), rows.eq(rows - 1)]
        with m.Elif(active & ~word_end):
            m.d.comb += [base.eq(window), offset.eq(1)]
            with m.If(advance):
                m.d.sync += [window.eq(total), line.eq(total), bank.eq(of.bank),
                             columns.eq(column_count), rows.eq(of.count), words.eq(words - 1),
                             word_end.eq(words == 1)]
        with m.Else():
            turn = ~active | last_column
            last_word = job.p_last[self._lanes_log2:]
            source = Signal.like(row)
            enter = Signal()
            m.d.comb += [
                source.eq(Mux(turn, row, of)),
                base.eq(source.strip),
                offset.eq(column.address),
                enter.eq(advance & self._column_valid & (~turn | self._row_valid)),
                self._column_next.eq(enter),
                self._row_ready.eq(enter & turn),
            ]
            with m.If(advance):
                m.d.sync += [of.eq(source), window.eq(total), line.eq(total), bank.eq(source.bank),
                             columns.eq(column.count), column_count.eq(column.count),
                             rows.eq(source.count), words.eq(last_word),
                             word_end.eq(last_word == 0), last_column.eq(column.last),
                             active.eq(enter)]

    def _ask(self, m, read, bank, word, now):
        """Ask for the words that are ``read``, from a register and a spare one behind it, so that
        the reader does not hang on the GLB's answer; their tags go along.

        Returns ``(under_way, spared)``: the data of a read has not arrived yet; the spare register
        is full, and nothing may be read.
        """
        layout = data.StructLayout({"read": self.read.p.shape(), "tag": now.shape()})
        wanted, spare, asked = (Signal(layout, name=name, reset_less=True)
                                for name in ("wanted", "spare", "asked"))
        spared = Signal()
        arriving = Signal(_READ_LATENCY)           # the latest reads, whose data are to come
        m.d.comb += [
            wanted.read.bank.eq(bank), wanted.read.off.eq(word), wanted.tag.eq(now),
            self.read.p.eq(asked.read),
            self._tag.eq(delay(m, asked.tag, _READ_LATENCY, "tag")),
        ]
        m.d.sync += arriving.eq(Cat(self.read.valid & self.read.ready, arriving))
        with m.If(~spared):
            m.d.sync += spare.eq(wanted)
        with m.If(~self.read.valid | self.read.ready):
            m.d.sync += [self.read.valid.eq(spared | read), spared.eq(0),
                         asked.eq(Mux(spared, spare, wanted))]
        with m.Elif(read):
            m.d.sync += spared.eq(1)
        return self.read.valid | spared | arriving.any(), spared

    def _parameters(self, m):
        """The lanes' parameters, and the parameter word of the psums that arrive."""
        config, job, tag = self._config, self._job, self._tag
        self._lanes = [Parameters(config.param_words[index], index < config.table_lanes)
                       for index in range(config.lanes)]
        word = range(config.params_depth // config.lanes)

        # A parameter word of a filter word; back at the end of a column, on at that of a group.
        address, group, next_group = (Signal(word, name=name, reset_less=True)
                                      for name in ("address", "group", "next_group"))
        m.d.comb += next_group.eq(group + job.param_stride)
        with m.If(self._start):
            m.d.sync += [address.eq(job.params), group.eq(job.params)]
        with m.Elif(self.rvalid & tag.last & ~tag.again):
            m.d.sync += address.eq(Mux(tag.turn, next_group, Mux(tag.tail, group, address + 1)))
            with m.If(tag.turn):
                m.d.sync += group.eq(next_group)
        scale_word = delay(m, address, Parameters.LATENCY + Requant.SCALE_DELAY - 1, "address")

        m.d.comb += self.params.ready.eq(1)
        chunk, bus = self.params.p.chunk, self.params.p.data
        together = max(1, config.bus_bits // 64)   # lanes that a bus word holds parameters of
        for index, lane in enumerate(self._lanes):
            m.submodules[f"parameters_{index}"] = lane
            if config.bus_bits == 32:
                here, bias, scale = (chunk >> 1) == index, bus, bus
                bias_here, scale_here = here & ~chunk[0], here & chunk[0]
            else:
                bias_here = scale_here = chunk == index // together
                bias, scale = (bus.word_select(2 * (index % together) + i, 32) for i in range(2))
            write = self.params.valid & (self.params.p.word < config.param_words[index])
            m.d.comb += [
                lane.write_bias.eq(write & bias_here), lane.bias.eq(bias),
                lane.write_scale.eq(write & scale_here), lane.scale.eq(scale),
                lane.write_word.eq(self.params.p.word),
                lane.psum.eq(self.rdata.word_select(index, 32)), lane.psum_word.eq(address),
                lane.scale_word.eq(scale_word),
            ]
            if index < config.table_lanes:
                m.d.comb += [lane.mode.eq(self._stage.mode),
                             lane.common_scale.eq(self._stage.scale)]
                if self._halves:
                    with m.If(self._looked_up & tag.part[0]):
                        m.d.comb += lane.psum.eq(
                            self.rdata.word_select(index + config.table_lanes, 32))

    def _outputs(self, m):
        """Requantise what the lanes make of the words that arrive, keep the largest of each window,
        and queue them; or queue it as it is, ``lanes`` bytes of it."""
        job, tag, stage = self._job, self._tag, self._stage
        lanes = self._config.lanes

        # What is known of a word goes along with it.
        flags = Signal(data.StructLayout({
            "valid": 1, "first": 1, "last": 1, "more": range(lanes),
            **({"half": 1, "again": 1} if self._halves else {})}))
        half_again = Const(0, 1)                   # the other half of a word follows
        if self._halves:
            m.d.comb += [flags.half.eq(tag.part[0]), flags.again.eq(self._looked_up & tag.again)]
        m.d.comb += [
            flags.valid.eq(self.rvalid),
            flags.first.eq(tag.first),
            flags.last.eq(tag.last),
            flags.more.eq(Mux(tag.tail, job.p_last[:self._lanes_log2], lanes - 1)),
        ]
        summed = delay(m, flags, Parameters.LATENCY, "flags")
        requantised = delay(m, summed, Requant.LATENCY, "summed")
        part, again = (delay(m, tag[name], Parameters.LATENCY, name) for name in ("part", "again"))
        done = Signal.like(flags)
        m.d.comb += done.eq(Mux(self._raw, summed, requantised))
        if self._halves:
            half_again = done.again

        sums = Cat(lane.acc for lane in self._lanes)
        best = [Signal(8, name=f"best_{index}", reset_less=True) for index in range(lanes)]
        requants = [Requant() for _ in self._lanes]
        sign = stage.ysigned << 7                  # turns int8 into uint8 of the same order
        for index, (lane, requant) in enumerate(zip(self._lanes, requants, strict=True)):
            m.submodules[f"requant_{index}"] = requant
            m.d.comb += [
                requant.en.eq(1),
                requant.acc.eq(lane.acc), requant.scale.eq(lane.acc_scale),
                requant.zy.eq(stage.zy), requant.lo.eq(stage.lo), requant.hi.eq(stage.hi),
                requant.ysigned.eq(stage.ysigned),
            ]
            with m.If(self._raw):
                m.d.sync += best[index].eq(Cat(sums[8 * (lanes * i + index):][:8]
                                               for i in range(4)).word_select(part, 8))
            y, here = requant.y, done.valid
            if self._halves:
                half, source = divmod(index, self._config.table_lanes)
                y = Mux(self._looked_up, requants[source].y, y)
                here &= ~self._looked_up | (done.half == half)
            with m.Elif(here & (done.first | (y ^ sign > best[index] ^ sign))):
                m.d.sync += best[index].eq(y)

        m.submodules.queue = queue = Fifo(self.data.payload.shape(), _OUTPUTS)
        connect(m, queue.o, flipped(self.data))
        count = Signal(range(lanes + 1), reset_less=True)
        raw_count = lanes
        if lanes == 8:                             # an odd number of psums ends with half a part
            raw_count = Mux(done.more == part << 1, 4, 8)
        m.d.sync += [
            queue.i.valid.eq(done.valid & done.last & ~half_again),
            count.eq(Mux(self._raw, raw_count, done.more + 1)),
        ]
        m.d.comb += [
            queue.i.p.bytes.eq(Cat(best)),
            queue.i.p.count.eq(count),
            self.outputs.eq(Mux(done.valid & ~half_again & ~(self._raw & again),
                                done.more + 1, 0)),
            self._taken_away.eq(self.data.valid & self.data.ready),
        ]

    def _segments(self, m):
        """Announce every output row to the write DMA."""
        job = self._job
        rows = Signal(14, reset_less=True)
        groups = Signal(6, reset_less=True)
        addr = self.segment.p.addr
        m.d.comb += [
            self.segment.p.size.eq(job.row_bytes),
            self._segments_done.eq(~self.segment.valid),
        ]
        with m.If(self._start):
            m.d.sync += [
                self.segment.valid.eq(1), addr.eq(job.addr),
                rows.eq(job.out_rows), groups.eq(job.groups),
            ]
        with m.Elif(self.segment.valid & self.segment.ready):
            m.d.sync += [
                addr.eq(addr + Mux(rows == 1, job.group_step, job.row_stride)),
                rows.eq(rows - 1),
            ]
            with m.If(rows == 1):
                m.d.sync += [rows.eq(job.out_rows), groups.eq(groups - 1)]
                with m.If(groups == 1):
                    m.d.sync += self.segment.valid.eq(0)


def _smaller(window, block):
    """The smaller of two lengths, the first of which has 5 bits."""
    return Mux(~block[5:].any() & (block[:5] < window), block[:5], window)
