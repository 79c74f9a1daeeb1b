"""A row of the array: its PEs, the sequencer they share, and its ends of the input networks."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.fifo import ShallowFifo
from .messages import FilterHead, RowProgram, Tag, YKind, fmessage, ymessage
from .pe import PE

__all__ = ["ArrayRow", "Cause"]


class Cause:
    """Why a row did not compute in a cycle."""
    IDLE, IFMAP, FILTER, PSUM = range(4)


#: Entries of a row's FIFO on either network, and the level from which it asks the sender of filters
#: and of ifmaps to stop. The difference covers the messages that are on their way when the request
#: arrives: of ifmaps 9, for one that leaves the feed in cycle t is in the FIFO in t + 8, and the
#: request takes a cycle more. A lower level would empty the FIFOs of the lower rows, which take the
#: later words of a round.
DEPTH = 16
FILTER_STOP, IFMAP_STOP = 6, 7


class ArrayRow(Block):
    """One row of PEs in lock step, elastic to its neighbours.

    The row holds one (channel group, filter row) pair in a pass. For each output column and
    each of ``p`` filters it runs the ``tap_cols * tap_channels`` taps of the window, one a cycle,
    then hands a psum for every column to the row below. A psum starts when the window is in the
    ifmap spads, the half of the filter spads is filled, and the row above has its psum ready; it
    ends when the row below has taken the previous one. Back to back there is no idle cycle, between
    passes either, but for windows of a single tap, which take two cycles.

    The row takes from the Y-bus the words of its channel group that hold a row that one of its
    columns needs: output row y of the strip needs ifmap row ``y * u + r * dilation``. These come in
    ascending order, so the receiver only counts.

    Members
    -------
    row_id : In(5)
        Number of the row, from the top.
    y, y_valid : In
        Y-bus message; no back-pressure but ``y_stop``.
    y_stop : Out(1)
        Asks for a pause; up to 9 more messages are taken.
    f, f_valid, f_stop
        The same for the filter network.
    psum_i, psum_o : In, Out
        Psums of all columns, column 0 lowest.
    above_full : In(1)
        The row above has a psum ready, to be added 4 cycles after it is taken.
    take : Out(1)
        It is taken in this cycle.
    full : Out(1)
        This row has a psum ready for the row below.
    taken : In(1)
        The row below takes it.
    cause_i, cause_o : In(2), Out(2)
        Cause of the row above's last idle cycle, and of this row's.
    busy : Out(1)
        A tap was issued.
    macs : Out(range(cols + 1))
        Columns that computed for it.
    ifmap_writes, filter_writes : Out(range(cols + 1))
        PEs whose ifmap spad (filter spad) was written.
    """

    module_name = "array_row"
    late_reset = True

    def __init__(self, config):
        self._config = config
        psums, pes = config.cols * config.psum_bits, range(config.cols + 1)
        super().__init__({
            "row_id": In(5),
            "y": In(ymessage(config)), "y_valid": In(1), "y_stop": Out(1),
            "f": In(fmessage(config)), "f_valid": In(1), "f_stop": Out(1),
            "psum_i": In(psums), "above_full": In(1), "take": Out(1),
            "psum_o": Out(psums), "full": Out(1), "taken": In(1),
            "cause_i": In(2), "cause_o": Out(2), "busy": Out(1), "macs": Out(pes),
            "ifmap_writes": Out(pes), "filter_writes": Out(pes),
        })

    def body(self, platform):
        config = self._config
        m = Module()

        pes = [PE(config) for _ in range(config.cols)]
        for column, pe in enumerate(pes):
            m.submodules[f"pe_{column}"] = pe

        # Shared with the receivers: space in the ifmap spads, state of the filter spads' halves.
        # values from the window's start to the newest; negative: values that it skips
        level = Signal(range(-127, config.ifmap_spad + 1))
        arrived = Signal()                   # a round has arrived
        advance = Signal(7)                  # values that the window moves on by
        halves = Signal(2)                   # which halves are filled
        half_filled = Signal(2)
        half_freed = Signal(2)
        m.d.sync += [
            level.eq(level + Mux(arrived, config.bus_bytes, 0) - advance),
            halves.eq((halves | half_filled) & ~half_freed),
        ]

        upcoming = Signal(RowProgram(config))  # of the next pass
        program_top = Signal()
        program_valid = Signal()
        program_taken = Signal()

        self._receive_filters(m, pes, halves, half_filled)
        self._receive_ifmaps(m, pes, level, arrived, upcoming, program_top, program_valid,
                             program_taken)
        self._sequence(m, pes, level, advance, halves, half_freed, upcoming, program_top,
                       program_valid, program_taken)
        return m

    def _receive_filters(self, m, pes, halves, half_filled):
        """Fill one half of the filter spads while the other is in use, a weight a cycle."""
        config = self._config
        layout = data.StructLayout({"head": 1, "data": fmessage(config)["data"].shape})
        m.submodules.filter_fifo = fifo = ShallowFifo(layout, DEPTH)
        mine = Mux(self.f.head, self.row_id >= self.f.row, self.row_id == self.f.row)
        into = Signal(layout, reset_less=True)
        push = Signal()
        m.d.sync += [
            push.eq(self.f_valid & mine), into.head.eq(self.f.head), into.data.eq(self.f.data)]
        m.d.comb += [
            fifo.push.eq(push), fifo.i.eq(into), self.f_stop.eq(fifo.level >= FILTER_STOP)]

        entry = fifo.o.payload
        head = Signal(FilterHead(config))
        m.d.comb += head.eq(entry.data)

        half = Signal()
        filling = Signal()                   # inside a pass's packets
        left = Signal(range(config.filter_spad + 1))   # bytes of the packet that are to come
        ends = Signal()                      # the next one is the last
        last = Signal()
        mask = Signal(config.cols)
        copies = Signal(range(config.cols + 1))
        index = Signal(range(config.bus_bytes))
        address = Signal(range(2 * config.filter_spad))

        write = Signal()
        enable = Signal(config.cols)
        waddr = Signal.like(address, reset_less=True)
        wdata = Signal(signed(8), reset_less=True)
        m.d.sync += [
            enable.eq(Mux(write, mask, 0)),
            waddr.eq(address),
            wdata.eq(entry.data.word_select(index, 8)),
            self.filter_writes.eq(Mux(write, copies, 0)),
        ]
        for column, pe in enumerate(pes):
            m.d.comb += [
                pe.filter_we.eq(enable[column]),
                pe.filter_waddr.eq(waddr),
                pe.filter_wdata.eq(wdata),
            ]

        m.d.comb += ends.eq(left == 1)
        with m.If(fifo.o.valid):
            with m.If(entry.head):
                with m.If(filling | ~halves.bit_select(half, 1)):
                    m.d.comb += fifo.o.ready.eq(1)
                    m.d.sync += [
                        filling.eq(1),
                        left.eq(head.size),
                        last.eq(head.last),
                        mask.eq(head.mask),
                        copies.eq(head.copies),
                        index.eq(0),
                        address.eq(Mux(half, config.filter_spad, 0)),
                    ]
            with m.Else():
                m.d.comb += write.eq(1)
                m.d.sync += [
                    address.eq(address + 1),
                    index.eq(index + 1),
                    left.eq(left - 1),
                ]
                m.d.comb += fifo.o.ready.eq((index == config.bus_bytes - 1) | ends)
                with m.If(ends & last):
                    m.d.comb += half_filled.eq(Mux(half, 2, 1))
                    m.d.sync += [filling.eq(0), half.eq(~half)]

    def _receive_ifmaps(self, m, pes, level, arrived, upcoming, program_top, program_valid,
                        program_taken):
        """Take this row's words from the Y-bus, and hand them to the PEs chunk by chunk. A round's
        words are written at the same place of every ring."""
        config = self._config
        layout = data.StructLayout({
            "data": 9 * config.bus_bytes, "end": 1, "program": 1, "word": 1, "top": 1})
        m.submodules.ifmap_fifo = fifo = ShallowFifo(layout, DEPTH)
        into = Signal(layout, reset_less=True)
        m.d.comb += fifo.i.eq(into)
        m.d.sync += self.y_stop.eq(fifo.level >= IFMAP_STOP)
        self._pick_ifmaps(m, into, fifo.push)

        entry = fifo.o.payload
        chunks = config.bus_bytes // config.xbus_bytes
        place = Signal(range(config.ifmap_spad // config.bus_bytes))
        chunk = Signal(range(chunks))
        mask = Signal(config.cols)           # columns that take the word
        program_arrives = Signal()
        last = self._assemble(m, entry.data, program_arrives, upcoming)
        multicast_mask = Signal(config.cols)
        copies = Signal(range(config.cols + 1))
        write = Signal()
        self._write_ifmaps(m, pes, Mux(write, mask, 0), Cat(chunk, place),
                           entry.data.word_select(chunk, 9 * config.xbus_bytes))
        m.d.sync += self.ifmap_writes.eq(Mux(write, copies, 0))

        with m.If(program_taken):
            m.d.sync += program_valid.eq(0)
        with m.If(fifo.o.valid):
            with m.If(entry.program):
                with m.If(~program_valid):
                    m.d.comb += [fifo.o.ready.eq(1), program_arrives.eq(1)]
            with m.Elif(level <= config.ifmap_spad - config.bus_bytes):
                m.d.comb += write.eq(entry.word)
                with m.If(entry.word & (chunk != chunks - 1)):
                    m.d.sync += chunk.eq(chunk + 1)
                with m.Else():
                    m.d.comb += fifo.o.ready.eq(1)
                    m.d.sync += chunk.eq(0)
                    with m.If(entry.end):
                        m.d.comb += arrived.eq(1)
                        m.d.sync += [mask.eq(multicast_mask), place.eq(place + 1)]
                    with m.Elif(entry.word):
                        m.d.sync += mask.eq(mask << 1)
        with m.If(program_arrives & entry.end):
            m.d.sync += [
                program_valid.eq(1),
                program_top.eq(entry.top),
                multicast_mask.eq(last.multicast_mask),
                copies.eq(last.copies),
                mask.eq(last.multicast_mask),
            ]

    def _pick_ifmaps(self, m, into, push):
        """Which messages of the Y-bus are this row's; they go ``into`` its FIFO a cycle later."""
        config, y = self._config, self.y
        active = Signal()
        tag = Signal(Tag, reset_less=True)   # of this row
        message = Signal(Tag)
        c = Signal.like(y.c, reset_less=True)
        first_h = Signal(10, reset_less=True)
        next_h = Signal(10, reset_less=True)
        count = Signal(range(config.cols), reset_less=True)    # output rows
        done = Signal(reset_less=True)                         # all of them have had their word
        wanted = Signal()
        last_wanted = Signal()
        m.d.comb += [
            message.eq(y.data),
            wanted.eq(active & (y.h == next_h) & (tag.depthwise | (y.c == c)) & ~done),
            last_wanted.eq(wanted & (count == tag.e)),
        ]
        with m.If(self.y_valid):
            with m.If(y.kind == YKind.TAG):
                with m.If(message.row == self.row_id):
                    m.d.sync += [
                        active.eq(1), tag.eq(message), c.eq(y.c), first_h.eq(y.h)]
                with m.Elif(message.first):
                    m.d.sync += active.eq(0)
            with m.Elif((y.kind == YKind.PROGRAM) | y.end | (last_wanted & tag.depthwise)):
                m.d.sync += [next_h.eq(first_h), count.eq(0), done.eq(0)]
            with m.Elif(wanted):
                m.d.sync += [
                    next_h.eq(next_h + tag.u), count.eq(count + 1), done.eq(last_wanted)]

        push_soon = Signal()
        is_data = y.kind == YKind.DATA
        m.d.sync += [
            push_soon.eq(self.y_valid & active & Mux(is_data, wanted | y.end,
                                                     y.kind == YKind.PROGRAM)),
            into.data.eq(y.data),
            into.end.eq(y.end),
            into.program.eq(~is_data),
            into.word.eq(wanted),
            into.top.eq(tag.first),
        ]
        m.d.comb += push.eq(push_soon)

    def _assemble(self, m, values, taken, upcoming):
        """Put a row program together from the ``values`` that carry it, whenever some are
        ``taken``; returns it with the values that come now."""
        layout = RowProgram(self._config)
        bits = Signal(layout.size, reset_less=True)
        shifted = Signal(layout.size)
        last = Signal(layout)
        m.d.comb += [upcoming.eq(bits), shifted.eq(Cat(bits, values) >> len(values)),
                     last.eq(shifted)]
        with m.If(taken):
            m.d.sync += bits.eq(shifted)
        return last

    @staticmethod
    def _write_ifmaps(m, pes, enable, address, values):
        """Write values into the ifmap spads of the columns of ``enable``, a cycle later."""
        write_enable = Signal(len(pes))
        waddr = Signal(len(address), reset_less=True)
        wdata = Signal(len(values), reset_less=True)
        m.d.sync += [write_enable.eq(enable), waddr.eq(address), wdata.eq(values)]
        for column, pe in enumerate(pes):
            m.d.comb += [
                pe.ifmap_we.eq(write_enable[column]),
                pe.ifmap_waddr.eq(waddr),
                pe.ifmap_wdata.eq(wdata),
            ]

    def _sequence(self, m, pes, level, advance, halves, half_freed, upcoming, program_top,
                  program_valid, program_taken):
        """Issue the taps, and keep step with the rows above and below."""
        config = self._config

        valid = Signal()
        now = Signal(RowProgram(config), reset_less=True)
        top = Signal(reset_less=True)

        c, s, p, step, strip = (Signal.like(getattr(now, name), name=name, reset_less=False)
                                for name in ("tap_channels", "tap_cols", "p", "psum_cols",
                                             "strips"))
        half = Signal()
        ring = range(config.ifmap_spad)
        start = Signal(ring)                 # of the window
        origin = Signal(ring)                # of the filter's window: its channel's, depthwise
        column = Signal(ring)                # of the window's current column
        address = Signal(ring)               # of the tap
        base = Signal(range(2 * config.filter_spad))
        filter_address = Signal(range(2 * config.filter_spad))
        m.d.comb += base.eq(Mux(half, config.filter_spad, 0))

        first = Signal(init=1)               # tap of a psum
        last = Signal()
        last_c = Signal()
        last_s = Signal()
        last_p = Signal()
        last_step = Signal()
        last_strip = Signal()
        m.d.comb += [
            last_c.eq(c == now.tap_channels), last_s.eq(s == now.tap_cols), last_p.eq(p == now.p),
            last_step.eq(step == now.psum_cols), last_strip.eq(strip == now.strips),
            last.eq(last_c & last_s),
        ]

        has_ifmap = Signal()
        has_filter = Signal()
        has_psum = Signal()
        has_room = Signal()
        issue = Signal()
        m.d.comb += [
            has_ifmap.eq(~first | (level >= now.window)),
            has_filter.eq(~first | halves.bit_select(half, 1)),
            has_psum.eq(~first | top | self.above_full),
            has_room.eq(~last | ~self.full),
            issue.eq(valid & has_ifmap & has_filter & has_psum & has_room),
            self.take.eq(issue & first & ~top),
        ]

        pass_end = Signal()
        m.d.comb += pass_end.eq(issue & last & last_p & last_step & last_strip)
        with m.If(pass_end | ~valid):
            m.d.comb += program_taken.eq(program_valid)
            m.d.sync += [valid.eq(program_valid), now.eq(upcoming), top.eq(program_top)]

        # One adder moves whatever comes after the last channel of a window's column.
        moved = Signal(ring)
        onward = Mux(last_step, now.strip_advance, now.col_advance)
        m.d.comb += moved.eq(Mux(last_s, Mux(last_p, start, origin), column)
                             + Mux(last_s, Mux(last_p, onward, now.filter_reads_own_channel),
                                   now.tap_col_stride))

        with m.If(self.taken):
            m.d.sync += self.full.eq(0)
        with m.If(issue):
            m.d.sync += [first.eq(last), filter_address.eq(filter_address + 1)]
            with m.If(last):
                m.d.sync += self.full.eq(1)
            with m.If(~last_c):
                m.d.sync += [c.eq(c + 1), address.eq(address + 1)]
            with m.Else():
                m.d.sync += [c.eq(0), s.eq(Mux(last_s, 0, s + 1)), column.eq(moved),
                             address.eq(moved)]
            with m.If(last):
                m.d.sync += [p.eq(Mux(last_p, 0, p + 1)), origin.eq(moved)]
                with m.If(last_p):
                    m.d.comb += advance.eq(onward)
                    m.d.sync += [
                        start.eq(moved),
                        filter_address.eq(base),
                        step.eq(Mux(last_step, 0, step + 1)),
                    ]
                    with m.If(last_step):
                        m.d.sync += strip.eq(Mux(last_strip, 0, strip + 1))
            with m.If(pass_end):
                m.d.comb += half_freed.eq(Mux(half, 2, 1))
                m.d.sync += [
                    half.eq(~half),
                    filter_address.eq(Mux(half, 0, config.filter_spad)),
                ]

        self._count(m, issue, now, (
            (~valid, Cause.IDLE), (~has_ifmap, Cause.IFMAP), (~has_filter, Cause.FILTER),
            (~has_psum, self.cause_i), (1, Cause.PSUM)))
        self._tap(m, pes, address, filter_address, issue, first & ~top, issue & last)

    def _count(self, m, issue, now, causes):
        """What the counters count: of a cycle without a tap the first cause that holds."""
        with m.If(~issue):
            for holds, cause in reversed(causes):
                with m.If(holds):
                    m.d.sync += self.cause_o.eq(cause)
        m.d.sync += [self.busy.eq(issue), self.macs.eq(Mux(issue, now.active_cols, 0))]

    def _tap(self, m, pes, address, filter_address, issue, chained, last):
        """Send a tap to the PEs: the addresses with the next edge, the control of the adder
        ``PE.LATENCY`` cycles later."""
        config = self._config
        pe_address = Signal.like(address, reset_less=True)
        pe_filter_address = Signal.like(filter_address, reset_less=True)
        m.d.sync += [pe_address.eq(address), pe_filter_address.eq(filter_address)]
        control = data.StructLayout({"valid": 1, "chained": 1, "last": 1})
        stages = [Signal(control, name=f"control_{i}", init={"last": 1})
                  for i in range(PE.LATENCY + 1)]
        m.d.sync += [stages[0].valid.eq(issue), stages[0].chained.eq(chained),
                     stages[0].last.eq(last)]
        m.d.sync += [after.eq(before) for before, after in pairwise(stages)]
        for column_index, pe in enumerate(pes):
            psum = slice(column_index * config.psum_bits, (column_index + 1) * config.psum_bits)
            m.d.comb += [
                pe.ifmap_addr.eq(pe_address),
                pe.filter_addr.eq(pe_filter_address),
                pe.valid.eq(stages[-1].valid),
                pe.chained.eq(stages[-1].chained),
                pe.last.eq(stages[-1].last),
                pe.psum_i.eq(self.psum_i[psum]),
                self.psum_o[psum].eq(pe.psum_o),
            ]
