"""What the loader asks of DRAM."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import layout
from ..dma.bursts import REQUEST

__all__ = ["LoaderRequests"]


class LoaderRequests(Block):
    """Requests the words of one DRAM row after the other, one request a cycle.

    Members
    -------
    command : In(512)
        LOAD or PARAMS, as long as it runs.
    row_last : In(24)
        Bytes of a row, or of the parameters, less one.
    start : In(1)
    req : Out(stream.Signature(REQUEST))
    """
    module_name = "loader_requests"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "row_last": In(24),
            "start": In(1),
            "req": Out(stream.Signature(REQUEST)),
        })

    def body(self, platform):
        m = Module()
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command)
        is_load = load.opcode == isa.COMMANDS["LOAD"].opcode
        n = self._config.bus_bytes
        word_bits = exact_log2(n)
        addr = Signal(32, reset_less=True)
        rows = Signal(12, reset_less=True)
        groups = Signal(16, reset_less=True)
        m.d.comb += [
            self.req.payload.addr.eq(Cat(Const(0, word_bits), addr[word_bits:])),
            self.req.payload.beats.eq((self.row_last + addr[:word_bits] + n) >> word_bits),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.req.valid.eq(~is_load | (load.rows != 0)),
                addr.eq(load.addr),
                rows.eq(Mux(is_load, load.rows, 1)),
                groups.eq(Mux(is_load, load.groups, 1)),
            ]
        with m.Elif(self.req.valid & self.req.ready):
            m.d.sync += [
                rows.eq(rows - 1),
                addr.eq(addr + Mux(rows == 1, load.group_step, load.row_stride)),
            ]
            with m.If(rows == 1):
                m.d.sync += [
                    rows.eq(load.rows),
                    groups.eq(groups - 1),
                    self.req.valid.eq(groups != 1),
                ]
        return m
