"""Reads the psum words of each window."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.interface import some
from .drain_requests import DrainRequests
from .windows import READ, TAG, WINDOW_COLUMNS, WINDOW_ROWS, Settings

__all__ = ["DrainReader"]


class DrainReader(Block):
    """Reads psum words: for each window and each filter word, window rows, window columns.

    A word a cycle, as fast as the GLB grants it. At most ``outputs`` outputs are on their way from
    here to the write DMA: behind the GLB nothing ever waits.

    Parameters
    ----------
    config : Config
    outputs : int
        Room for outputs, in words.

    Members
    -------
    command : In(512)
        STORE, as long as it runs.
    settings : In(some(Settings(config), "raw", "looked_up"))
    row : In(stream.Signature(WINDOW_ROWS))
    column : In(stream.Signature(WINDOW_COLUMNS))
        The windows of a row, row after row.
    rows_done : In(1)
        No row is to come.
    output_popped : In(1)
        An output has left for the write DMA.
    read : Out(stream.Signature(READ))
        Psum words wanted of the GLB.
    tag : Out(TAG)
        Of the word whose data arrives.
    all_arrived : Out(1)
        Every psum has arrived.
    drained : Out(1)
        No output is on its way.
    """

    module_name = "drain_reader"

    def __init__(self, config, outputs):
        self._lanes_log2 = exact_log2(config.lanes)
        self._halves = 0 < config.table_lanes < config.lanes
        self._outputs = outputs
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "settings": In(some(Settings(config), "raw", "looked_up")),
            "row": In(stream.Signature(WINDOW_ROWS)),
            "column": In(stream.Signature(WINDOW_COLUMNS)),
            "rows_done": In(1),
            "output_popped": In(1),
            "read": Out(stream.Signature(READ)),
            "tag": Out(TAG),
            "all_arrived": Out(1),
            "drained": Out(1),
        })

    def body(self, platform):
        m = Module()
        store = Signal(layout("STORE"))
        m.d.comb += store.eq(self.command)
        m.submodules.requests = requests = DrainRequests()
        connect(m, requests.read, flipped(self.read))
        active = Signal()                          # a window is being read
        read = requests.push
        some_room = self._room(m, read & requests.tag.last
                               & (self.settings.raw | ~requests.tag.again))
        last_word = self._words(m, store, requests, active)
        self._parts(m, store, requests, last_word)
        m.d.comb += [
            read.eq(active & some_room & ~requests.full),
            self.tag.eq(requests.arriving_tag),
            self.all_arrived.eq(self.rows_done & ~active & ~requests.under_way),
        ]
        return m

    def _room(self, m, output):
        """Count the outputs that may still be begun; ``output``: one is. Returns whether any may.
        """
        room = Signal(range(self._outputs + 1), init=self._outputs)
        some_room = Signal(init=1)                 # room is not 0
        m.d.sync += [
            room.eq(room - output + self.output_popped),
            some_room.eq(self.output_popped | room[1:].any() | (room[0] & ~output)),
        ]
        m.d.comb += self.drained.eq(room == self._outputs)
        return some_room

    def _parts(self, m, store, requests, last_word):
        """Count the reads of a word: a raw one is read once for each ``lanes`` bytes of it that are
        stored, one that is looked up once for each half, if the tables take half a word."""
        part = Signal(2)
        tag = requests.tag
        # The last part, of a full word and at the end of its group.
        last_lane = store.p_last[:self._lanes_log2]
        raw_parts = Mux(last_word, Cat(Const(3, 2), last_lane)[self._lanes_log2:], 3)
        halves = Mux(last_word, last_lane[-1:], 1) if self._halves else 0
        m.d.comb += [
            tag.part.eq(part),
            tag.again.eq(Mux(self.settings.raw, part != raw_parts,
                             self.settings.looked_up & (part != halves))),
        ]
        with m.If(requests.push):
            m.d.sync += part.eq(Mux(tag.again, part + 1, 0))

    def _words(self, m, store, requests, active):
        """Walk over the words. Returns whether the word is its filter group's last.

        Four levels, from the inside: columns and rows of the window, filter words, windows. One
        adder makes every next address; what moves on takes it.
        """
        # Addresses of the word, of the window row and of the window, in the running filter word.
        word_address = Signal(16, reset_less=True)
        row_address = Signal(16, reset_less=True)
        window_address = Signal(16, reset_less=True)
        bank = Signal(5, reset_less=True)
        current_row = Signal(WINDOW_ROWS, reset_less=True)         # that the window is of
        last_window = Signal(reset_less=True)      # of it
        column_count = Signal(5, reset_less=True)  # of the window, less one
        # To come after this one.
        columns = Signal(5, reset_less=True)
        rows = Signal(5, reset_less=True)
        words = Signal(10 - self._lanes_log2, reset_less=True)
        last_word = Signal(reset_less=True)        # there are none
        first = Signal()                           # word of a window

        last_column, last_row = columns == 0, rows == 0
        tag = requests.tag
        m.d.comb += [
            requests.word.bank.eq(bank), requests.word.off.eq(word_address),
            tag.first.eq(first),
            tag.last.eq(last_column & last_row),
            tag.last_word.eq(last_word),
            tag.last_of_group.eq(last_word & last_window & current_row.last_of_group),
        ]
        base = Signal(16)
        offset = Signal(16)
        total = Signal(16)
        advance = Signal()
        m.d.comb += [
            total.eq(base + offset),
            advance.eq((requests.push & ~tag.again) | ~active),
        ]
        with m.If(advance):
            m.d.sync += [word_address.eq(total), first.eq(~active | tag.last)]

        with m.If(active & ~last_column):
            m.d.comb += [base.eq(word_address), offset.eq(store.words_per_column)]
            with m.If(advance):
                m.d.sync += columns.eq(columns - 1)
        with m.Elif(active & ~last_row):
            wrap = bank == current_row.last_bank   # into the next strip
            m.d.comb += [base.eq(row_address), offset.eq(Mux(wrap, store.strip_words, 0))]
            with m.If(advance):
                m.d.sync += [row_address.eq(total),
                             bank.eq(Mux(wrap, current_row.first_bank, bank + 1)),
                             columns.eq(column_count), rows.eq(rows - 1)]
        with m.Elif(active & ~last_word):
            m.d.comb += [base.eq(window_address), offset.eq(1)]
            with m.If(advance):
                m.d.sync += [window_address.eq(total), row_address.eq(total),
                             bank.eq(current_row.bank), columns.eq(column_count),
                             rows.eq(current_row.count), words.eq(words - 1),
                             last_word.eq(words == 1)]
        with m.Else():
            column = self.column.payload
            row_begins = ~active | last_window
            more_words = store.p_last[self._lanes_log2:]
            row = Signal(WINDOW_ROWS)              # that the next window is of
            enter = Signal()
            m.d.comb += [
                row.eq(Mux(row_begins, self.row.payload, current_row)),
                base.eq(row.strip),
                offset.eq(column.address),
                enter.eq(advance & self.column.valid & (~row_begins | self.row.valid)),
                self.column.ready.eq(enter),
                self.row.ready.eq(enter & row_begins),
            ]
            with m.If(advance):
                m.d.sync += [current_row.eq(row), window_address.eq(total), row_address.eq(total),
                             bank.eq(row.bank), columns.eq(column.count),
                             column_count.eq(column.count), rows.eq(row.count),
                             words.eq(more_words), last_word.eq(more_words == 0),
                             last_window.eq(column.last), active.eq(enter)]
        return last_word
