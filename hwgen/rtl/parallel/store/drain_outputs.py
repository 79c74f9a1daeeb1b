"""From sums to the bytes that are stored: requantisation, functions, max pooling, raw psums."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from ...block import Block
from ...common.delay import delay
from ...common.fifo import Fifo
from ...common.interface import some
from ..dma.bursts import transfer
from .function_table import FunctionTable
from .parameters import Parameters, params_write
from .requant import Requant
from .windows import TAG, Settings

__all__ = ["DrainOutputs"]


class DrainOutputs(Block):
    """Requantises sums, looks functions up, keeps the largest of each window, and queues the
    outputs.

    Raw psums are queued as they are, ``lanes`` bytes in a read of their word: nothing has to hold a
    word. Of a word that is looked up in two halves each lane with tables makes two outputs.

    Parameters
    ----------
    config : Config
    outputs : int
        Words that the queue holds.

    Members
    -------
    last_lane : In(range(lanes))
        Psums less one that the last word of a filter group holds.
    settings : In(Settings(config))
        Without ``mode`` and ``scale``; ``looked_up`` if a word is looked up in two halves.
    params : In(params_write(config))
        A write of the parameter memory; with function tables.
    params_valid : In(1)
        There is one.
    tag, rvalid : In(TAG), In(1)
        A psum word arrives.
    sums, scales : In(ArrayLayout(signed(32), lanes)), In(ArrayLayout(32, lanes))
        Made of it, see :class:`DrainParameters`.
    data : Out(stream.Signature(transfer(config)))
        1 to ``lanes`` bytes for the write DMA; never across the end of a segment.
    outputs : Out(range(lanes + 1))
        Psums requantised or stored raw in this cycle.
    """

    module_name = "drain_outputs"

    def __init__(self, config, outputs):
        self._config = config
        self._outputs = outputs
        self._halves = 0 < config.table_lanes < config.lanes
        lanes = config.lanes
        names = (["zy", "lo", "hi", "ysigned", "raw"] + ["looked_up"] * self._halves
                 + ["function"] * (config.functions > 0))
        super().__init__({
            "last_lane": In(range(lanes)),
            "settings": In(some(Settings(config), *names)),
            **({"params": In(params_write(config)), "params_valid": In(1)}
               if config.functions else {}),
            "tag": In(TAG),
            "rvalid": In(1),
            "sums": In(data.ArrayLayout(signed(32), lanes)),
            "scales": In(data.ArrayLayout(32, lanes)),
            "data": Out(stream.Signature(transfer(config))),
            "outputs": Out(range(lanes + 1)),
        })

    def body(self, platform):
        m = Module()
        lanes, tag, raw = self._config.lanes, self.tag, self.settings.raw
        flags = self._flags(m)
        summed = delay(m, flags, Parameters.LATENCY, "flags")
        behind = FunctionTable.LATENCY if self._config.functions else 0
        requantised = delay(m, summed, Requant.LATENCY + behind, "summed")
        part, again = (delay(m, tag[name], Parameters.LATENCY, name) for name in ("part", "again"))
        done = Signal.like(flags)                  # the flags of what is done in this cycle
        m.d.comb += done.eq(Mux(raw, summed, requantised))
        half_again = done.again if self._halves else Const(0, 1)   # the other half follows

        bytes_out = self._bytes(m, done, part)
        m.submodules.queue = queue = Fifo(self.data.payload.shape(), self._outputs)
        connect(m, queue.o, flipped(self.data))
        count = Signal(range(lanes + 1), reset_less=True)
        raw_count = lanes
        if lanes == 8:                             # an odd number of psums ends with half a part
            raw_count = Mux(done.more == part << 1, 4, 8)
        m.d.sync += [
            queue.i.valid.eq(done.valid & done.last & ~half_again),
            count.eq(Mux(raw, raw_count, done.more + 1)),
        ]
        m.d.comb += [
            queue.i.p.bytes.eq(bytes_out),
            queue.i.p.count.eq(count),
            self.outputs.eq(Mux(done.valid & ~half_again & ~(raw & again), done.more + 1, 0)),
        ]
        return m

    def _flags(self, m):
        """What is known of the word that arrives, and goes along with it."""
        tag, lanes = self.tag, self._config.lanes
        flags = Signal(data.StructLayout({
            "valid": 1, "first": 1, "last": 1, "more": range(lanes),
            **({"half": 1, "again": 1} if self._halves else {})}))
        if self._halves:
            m.d.comb += [flags.half.eq(tag.part[0]),
                         flags.again.eq(self.settings.looked_up & tag.again)]
        m.d.comb += [
            flags.valid.eq(self.rvalid),
            flags.first.eq(tag.first),
            flags.last.eq(tag.last),
            flags.more.eq(Mux(tag.last_word, self.last_lane, lanes - 1)),
        ]
        return flags

    def _bytes(self, m, done, part):
        """Requantise, and keep the best byte of each lane: the largest, or that of a raw psum."""
        settings, lanes = self.settings, self._config.lanes
        best = [Signal(8, name=f"best_{index}", reset_less=True) for index in range(lanes)]
        requants = [Requant() for _ in range(lanes)]
        bits = self.sums.as_value()
        sign = settings.ysigned << 7               # turns int8 into uint8 of the same order
        outputs = self._functions(m, [requant.y for requant in requants])
        for index, requant in enumerate(requants):
            m.submodules[f"requant_{index}"] = requant
            m.d.comb += [
                requant.en.eq(1),
                requant.acc.eq(self.sums[index]), requant.scale.eq(self.scales[index]),
                requant.zy.eq(settings.zy), requant.lo.eq(settings.lo), requant.hi.eq(settings.hi),
                requant.ysigned.eq(settings.ysigned),
            ]
            with m.If(settings.raw):
                m.d.sync += best[index].eq(Cat(bits[8 * (lanes * i + index):][:8]
                                               for i in range(4)).word_select(part, 8))
            y, here = outputs[index], done.valid
            if self._halves:
                half, source = divmod(index, self._config.table_lanes)
                y = Mux(settings.looked_up, outputs[source], y)
                here &= ~settings.looked_up | (done.half == half)
            with m.Elif(here & (done.first | (y ^ sign > best[index] ^ sign))):
                m.d.sync += best[index].eq(y)
        return Cat(best)

    def _functions(self, m, codes):
        """What the function tables make of the codes of all lanes."""
        config = self._config
        if not config.functions:
            return codes
        values, params = [], self.params
        word = Cat(params.chunk, params.word)
        for index, code in enumerate(codes):
            m.submodules[f"function_table_{index}"] = table = FunctionTable(config.functions)
            m.d.comb += [
                table.write.eq(self.params_valid & (params.word[-2:] == 0b10)),
                table.write_word.eq(word),
                table.entries.eq(params.data[:32]), table.function.eq(self.settings.function),
                table.code.eq(code),
            ]
            values.append(table.value)
        return values
