"""Loader: ifmaps from DRAM into the GLB, regrouped and padded, and parameters.

The request side asks the read DMA for one row of DRAM after the other. Behind it the unpacking side
(``loader_walk``) moves a run of bytes a cycle.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import COMMAND, Take, layout
from ..dma import REQUEST, words
from ..glb.glb_address import glb_write
from .loader_walk import Addresses, Walk

__all__ = ["params_write", "Requests", "Loader", "loader"]


def params_write(config):
    """A write of bus word ``chunk`` of parameter word ``word``."""
    return data.StructLayout({"word": 12, "chunk": range(_chunks(config)),
                              "data": config.bus_bits})


def _chunks(config):
    return max(1, 64 * config.lanes // config.bus_bits)


class Requests(Block):
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
        load = data.View(layout("LOAD"), self.command)
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


class Loader(Block):
    """Runs LOAD and PARAMS.

    Each cycle moves the longest run of bytes within one source word, one GLB word and one channel
    group. With ``dram_channels == q``, ``first_channel_offset == 0`` and ``keep_every_col == 1`` a
    row's columns are contiguous on both sides and move as one run: a word a cycle if both are
    aligned alike, else one in two cycles. In other cases ``min(dram_channels, q, bus_bytes)`` bytes
    a cycle if these divide each other and are aligned. Padding moves like data, without DRAM beats;
    a skipped column takes ``ceil(dram_channels / bus_bytes)`` cycles, one more if not aligned; a
    group one more than its runs. A LOAD adds about 9 cycles and the latency of the first row, a
    PARAMS 3 cycles and the latency.

    The fields must satisfy: ``cols * dram_channels`` below 2**24, at least one row with the
    padding, ``keep_every_col`` 1 or more, and the GLB words within the GLB.

    Members
    -------
    command : In(COMMAND)
        LOAD and PARAMS commands; ``ready`` when done.
    take : Out(Take)
    give : Out(8)
        The command's ``signal``, for one cycle, when its last write has been accepted.
    idle : Out(1)
        No command is held.
    req : Out(stream.Signature(REQUEST))
    data : In(stream.Signature(words(config)))
        To the read DMA.
    glb : Out(stream.Signature(glb_write(config)))
    params : Out(stream.Signature(params_write(config)))
    """
    module_name = "loader"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(COMMAND),
            "take": Out(Take),
            "give": Out(isa.SEMAPHORES),
            "idle": Out(1),
            "req": Out(stream.Signature(REQUEST)),
            "data": In(stream.Signature(words(config))),
            "glb": Out(stream.Signature(glb_write(config))),
            "params": Out(stream.Signature(params_write(config))),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        load = data.View(layout("LOAD"), self.command.payload)
        params = data.View(layout("PARAMS"), self.command.payload)
        is_params = load.opcode == isa.COMMANDS["PARAMS"].opcode

        m.submodules.requests = requests = Requests(config)
        m.submodules.walk = walk = Walk(config)
        m.submodules.addresses = addresses = Addresses(config)
        m.d.comb += [
            requests.command.eq(self.command.payload),
            walk.command.eq(self.command.payload),
            addresses.command.eq(self.command.payload),
        ]
        wiring.connect(m, walk.run, addresses.run)
        wiring.connect(m, wiring.flipped(self.req), requests.req)
        wiring.connect(m, addresses.glb, wiring.flipped(self.glb))

        # The bytes of a DRAM row, less one; or of all parameters.
        parameters = params.count << exact_log2(8 * config.lanes)
        m.d.comb += requests.row_last.eq(Mux(is_params, parameters - 1, load.row_last))

        place = Signal(12 + exact_log2(_chunks(config)), reset_less=True)
        m.d.comb += [
            self.params.payload.eq(Cat(place[-12:], place[:-12], self.data.payload.data)),
            self.take.payload.eq(load.wait),
            walk.word.eq(self.data.payload.data),
            walk.word_valid.eq(self.data.valid),
        ]
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += place.eq(params.dst << exact_log2(_chunks(config)))
                m.d.comb += self.take.valid.eq(self.command.valid)
                with m.If(self.take.valid & self.take.ready):
                    m.d.comb += [requests.start.eq(1), addresses.prepare.eq(1)]
                    with m.If(is_params):
                        m.next = "Params"
                    with m.Else():
                        m.d.comb += walk.start.eq(1)
                        m.next = "Load"
            with m.State("Params"):
                m.d.comb += [
                    self.params.valid.eq(self.data.valid),
                    self.data.ready.eq(self.params.ready),
                ]
                with m.If(self.data.valid & self.data.ready):
                    m.d.sync += place.eq(place + 1)
                    with m.If(self.data.payload.last):
                        m.next = "Give"
            with m.State("Load"):
                m.d.comb += self.data.ready.eq(walk.word_ready)
                with m.If(~walk.busy & ~addresses.run.valid):
                    m.next = "Give"
            with m.State("Give"):
                m.d.comb += [
                    self.give.eq(load.signal),
                    self.command.ready.eq(1),
                ]
                m.next = "Idle"
        m.d.comb += self.idle.eq(fsm.ongoing("Idle") & ~self.command.valid)
        return m


def loader(config):
    """The loader of an accelerator."""
    return Loader(config)
