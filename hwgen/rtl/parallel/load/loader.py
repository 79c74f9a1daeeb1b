"""The loader: ifmaps from DRAM into the GLB, regrouped and padded, and parameters."""

import enum

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa
from ...block import Block
from ...common.command import COMMAND, Take, layout
from ..dma.bursts import REQUEST, words
from ..glb.glb_address import glb_write
from ..store.parameters import params_write
from .loader_addresses import LoaderAddresses
from .loader_requests import LoaderRequests
from .loader_walk import LoaderWalk

__all__ = ["Loader"]


class _State(enum.IntEnum):
    """What becomes of a command."""
    IDLE = 0
    PARAMS = 1
    LOAD = 2
    GIVE = 3


class Loader(Block):
    """Runs LOAD and PARAMS.

    The *requests* ask the read DMA for one DRAM row after the other, as far ahead as it lets them.
    The *walk* moves the bytes that arrive, a run a cycle; the *addresses* write them.

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
        load = Signal(layout("LOAD"))
        m.d.comb += load.eq(self.command.payload)
        params = Signal(layout("PARAMS"))
        m.d.comb += params.eq(self.command.payload)
        is_params = load.opcode == isa.COMMANDS["PARAMS"].opcode

        m.submodules.requests = requests = LoaderRequests(config)
        m.submodules.walk = walk = LoaderWalk(config)
        m.submodules.addresses = addresses = LoaderAddresses(config)
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

        # Bus word of the parameter memory: parameter word, chunk of it.
        chunk_bits = len(self.params.payload.chunk)
        place = Signal(12 + chunk_bits, reset_less=True)
        m.d.comb += [
            self.params.payload.eq(Cat(place[-12:], place[:-12], self.data.payload.data)),
            self.take.payload.eq(load.wait),
            walk.word.eq(self.data.payload.data),
            walk.word_valid.eq(self.data.valid),
        ]
        state = Signal(_State)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += place.eq(params.dst << chunk_bits)
                m.d.comb += self.take.valid.eq(self.command.valid)
                with m.If(self.take.valid & self.take.ready):
                    m.d.comb += [requests.start.eq(1), addresses.prepare.eq(1)]
                    with m.If(is_params):
                        m.d.sync += state.eq(_State.PARAMS)
                    with m.Else():
                        m.d.comb += walk.start.eq(1)
                        m.d.sync += state.eq(_State.LOAD)
            with m.Case(_State.PARAMS):
                m.d.comb += [
                    self.params.valid.eq(self.data.valid),
                    self.data.ready.eq(self.params.ready),
                ]
                with m.If(self.data.valid & self.data.ready):
                    m.d.sync += place.eq(place + 1)
                    with m.If(self.data.payload.last):
                        m.d.sync += state.eq(_State.GIVE)
            with m.Case(_State.LOAD):
                m.d.comb += self.data.ready.eq(walk.word_ready)
                with m.If(~walk.busy & ~addresses.run.valid):
                    m.d.sync += state.eq(_State.GIVE)
            with m.Case(_State.GIVE):
                m.d.comb += [
                    self.give.eq(load.signal),
                    self.command.ready.eq(1),
                ]
                m.d.sync += state.eq(_State.IDLE)
        m.d.comb += self.idle.eq((state == _State.IDLE) & ~self.command.valid)
        return m
