"""The parameters of all lanes, and what they make of the psums that arrive."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .... import isa
from ...block import Block
from ...common.command import layout
from ...common.delay import delay
from ...common.interface import some
from .parameters import Parameters, params_write
from .requant import Requant
from .windows import TAG, Settings

__all__ = ["DrainParameters"]


class DrainParameters(Block):
    """Steps through the parameter words with the psums that arrive, and adds biases or looks up.

    A filter word has a parameter word of its own, the same in all windows of its filter group.

    Members
    -------
    command : In(512)
        STORE, as long as it runs.
    start : In(1)
        It runs from the next cycle on.
    params : In(stream.Signature(params_write(config)))
        Writes of the parameter memory. Always ready.
    settings : In(some(Settings(config), "mode", "scale", "looked_up"))
        With tables; ``looked_up`` if there are fewer lanes with tables than lanes.
    rdata, rvalid, tag : In(bank_bits), In(1), In(TAG)
        A psum word that arrives.
    sums : Out(ArrayLayout(signed(32), lanes))
        What to requantise, ``Parameters.LATENCY`` cycles after it.
    scales : Out(ArrayLayout(32, lanes))
        Their scales, ``Requant.SCALE_DELAY`` cycles after them.
    """

    module_name = "drain_parameters"

    def __init__(self, config):
        self._config = config
        self._halves = 0 < config.table_lanes < config.lanes
        names = ["mode", "scale"] * (config.table_lanes > 0) + ["looked_up"] * self._halves
        super().__init__({
            "command": In(8 * isa.COMMAND_BYTES),
            "start": In(1),
            "params": In(stream.Signature(params_write(config))),
            "settings": In(some(Settings(config), *names)),
            "rdata": In(config.bank_bits),
            "rvalid": In(1),
            "tag": In(TAG),
            "sums": Out(data.ArrayLayout(signed(32), config.lanes)),
            "scales": Out(data.ArrayLayout(32, config.lanes)),
        })

    def body(self, platform):
        m = Module()
        config, tag = self._config, self.tag
        store = Signal(layout("STORE"))
        m.d.comb += store.eq(self.command)
        word = range(config.params_depth // config.lanes)

        # Back to the group's first at the end of a column, on to the next group's at its own.
        address = Signal(word, reset_less=True)
        group = Signal(word, reset_less=True)
        next_group = Signal(word)
        m.d.comb += next_group.eq(group + store.param_stride)
        with m.If(self.start):
            m.d.sync += [address.eq(store.params), group.eq(store.params)]
        with m.Elif(self.rvalid & tag.last & ~tag.again):
            m.d.sync += address.eq(Mux(tag.last_of_group, next_group,
                                       Mux(tag.last_word, group, address + 1)))
            with m.If(tag.last_of_group):
                m.d.sync += group.eq(next_group)
        scale_word = delay(m, address, Parameters.LATENCY + Requant.SCALE_DELAY - 1, "address")

        for index in range(config.lanes):
            lane = Parameters(config.param_words[index], index < config.table_lanes)
            m.submodules[f"parameters_{index}"] = lane
            self._write(m, index, lane)
            m.d.comb += [
                lane.psum.eq(self.rdata.word_select(index, 32)), lane.psum_word.eq(address),
                lane.scale_word.eq(scale_word),
                self.sums[index].eq(lane.acc), self.scales[index].eq(lane.acc_scale),
            ]
            if index < config.table_lanes:
                m.d.comb += [lane.mode.eq(self.settings.mode),
                             lane.common_scale.eq(self.settings.scale)]
                if self._halves:                   # the other half of a word, in a second read
                    with m.If(self.settings.looked_up & tag.part[0]):
                        m.d.comb += lane.psum.eq(
                            self.rdata.word_select(index + config.table_lanes, 32))
        return m

    def _write(self, m, index, lane):
        """Write a lane's parameters, or an entry of its tables."""
        config, params = self._config, self.params
        chunk, bus = params.p.chunk, params.p.data
        together = max(1, config.bus_bits // 64)   # lanes that a bus word holds parameters of
        if config.bus_bits == 32:
            here, bias, scale = (chunk >> 1) == index, bus, bus
            bias_here, scale_here = here & ~chunk[0], here & chunk[0]
        else:
            bias_here = scale_here = chunk == index // together
            bias, scale = (bus.word_select(2 * (index % together) + i, 32) for i in range(2))
        write = params.valid & (params.p.word < config.param_words[index])
        m.d.comb += [
            params.ready.eq(1),
            lane.write_bias.eq(write & bias_here), lane.bias.eq(bias),
            lane.write_scale.eq(write & scale_here), lane.scale.eq(scale),
            lane.write_word.eq(params.p.word),
        ]
        if index < config.table_lanes:
            narrow = config.bus_bits == 32         # an entry of A, and then one of B
            entry = Cat(chunk, params.p.word)[narrow:][:8]
            with m.If(params.p.word[-2:] == 0b11):
                m.d.comb += [
                    lane.write_word.eq(entry),
                    lane.bias.eq(bus[:32]), lane.scale.eq(bus if narrow else bus[32:64]),
                    lane.write_bias.eq(params.valid & ~(narrow & chunk[0])),
                    lane.write_scale.eq(params.valid & (chunk[0] if narrow else 1)),
                ]
