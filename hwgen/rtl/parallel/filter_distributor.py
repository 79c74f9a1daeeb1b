"""The filter distributor: runs FILTER commands, sending filter packets to the array rows."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ... import isa
from ..block import Block
from ..common.arithmetic import tree_sum
from ..common.command import COMMAND, layout
from .array.messages import FilterHead, fmessage

__all__ = ["FilterDistributor"]


class FilterDistributor(Block):
    """Reads the filter stream and sends each packet's head to all rows, each word to its row.

    One word a cycle; the array pauses it by ``stop``. A packet's words go round the rows that take
    part, so that a word a cycle suits rows that write a weight a cycle.

    Members
    -------
    command : In(COMMAND)
    req, data : Out, In
        Read DMA client.
    f, f_valid : Out
        Filter network message.
    stop : In(1)
    error : Out(1)
        For a cycle, after a packet head without its mark; nothing more is read from the stream.
    idle : Out(1)
    """

    module_name = "filter_distributor"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(COMMAND),
            "req": Out(stream.Signature(data.StructLayout({"addr": 32, "beats": 24}))),
            "data": In(stream.Signature(data.StructLayout({"data": config.bus_bits, "last": 1}))),
            "f": Out(fmessage(config)), "f_valid": Out(1), "stop": In(1),
            "error": Out(1), "idle": Out(1),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        command = Signal(layout("FILTER"))
        word_bits = exact_log2(config.bus_bytes)

        pending = Signal(4)                  # requests whose words have not all arrived
        begin = Signal()
        end = Signal()
        m.d.comb += [
            command.eq(self.command.payload),
            self.req.p.addr.eq(command.addr),
            self.req.p.beats.eq(command.words),
            self.req.valid.eq(self.command.valid & (pending != 15)),
            self.command.ready.eq(self.req.ready & (pending != 15)),
            begin.eq(self.req.valid & self.req.ready),
            end.eq(self.data.valid & self.data.ready & self.data.p.last),
        ]
        m.d.sync += pending.eq(pending + begin - end)

        header = Signal(data.StructLayout({
            "mask": 32, "size": 11, "row0": 5, "last": 1, "unused": 7, "magic": 8}))
        head = Signal(FilterHead(config))
        m.d.comb += [
            head.mask.eq(header.mask), head.size.eq(header.size), head.last.eq(header.last),
            head.copies.eq(tree_sum(header.mask[i] for i in range(config.cols))),
        ]

        inside = Signal()                    # a packet has begun
        failed = Signal()
        words = Signal(11)                   # rounds of words left, less one
        row = Signal(5)
        row0 = Signal(5)
        message = Signal(fmessage(config))
        send = Signal()
        have_header = Signal()
        if config.bus_bits == 32:
            low = Signal(32)
            low_valid = Signal()
            m.d.comb += [header.eq(Cat(low, self.data.p.data)), have_header.eq(low_valid)]
        else:
            m.d.comb += [header.eq(self.data.p.data), have_header.eq(1)]

        failed_before = Signal()
        m.d.sync += failed_before.eq(failed)
        m.d.comb += [
            self.data.ready.eq(~self.stop & ~failed),
            self.error.eq(failed & ~failed_before),
        ]
        with m.If(self.data.valid & self.data.ready):
            with m.If(inside):
                m.d.comb += [
                    send.eq(1), message.row.eq(row), message.data.eq(self.data.p.data)]
                m.d.sync += row.eq(row + 1)
                with m.If(row == config.rows - 1):
                    m.d.sync += [row.eq(row0), words.eq(words - 1), inside.eq(words != 0)]
            with m.Elif(have_header):
                with m.If(header.magic == isa.FILTER_MAGIC):
                    m.d.comb += [
                        send.eq(1), message.head.eq(1), message.row.eq(header.row0),
                        message.data.eq(head),
                    ]
                    m.d.sync += [
                        inside.eq(1), row.eq(header.row0), row0.eq(header.row0),
                        words.eq((header.size - 1)[:11] >> word_bits),
                    ]
                with m.Else():
                    m.d.sync += failed.eq(1)
        if config.bus_bits == 32:
            with m.If(self.data.valid & self.data.ready & ~inside):
                m.d.sync += [low.eq(self.data.p.data), low_valid.eq(~low_valid)]

        m.d.sync += [self.f_valid.eq(send), self.f.eq(Mux(send, message, self.f))]
        m.d.comb += self.idle.eq((pending == 0) & ~self.command.valid & ~self.f_valid)
        return m
