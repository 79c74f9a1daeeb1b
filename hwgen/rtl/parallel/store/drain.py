"""The drain: reads finished psums from the GLB, through the output stage, to the write DMA."""

from amaranth import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped

from ...block import Block
from ...common import command
from ...common.interface import drive
from ..dma.bursts import SEGMENT, transfer
from .drain_columns import DrainColumns
from .drain_control import DrainControl
from .drain_outputs import DrainOutputs
from .drain_parameters import DrainParameters
from .drain_reader import DrainReader
from .drain_rows import DrainRows
from .drain_segments import DrainSegments
from .parameters import params_write
from .windows import READ

__all__ = ["Drain"]

#: Outputs that may be on their way from a read to the write DMA, in words: more than the cycles of
#: that way, so that a word is read each cycle.
_OUTPUTS = 32


class Drain(Block):
    """Runs STORE: requantises a block of psums, takes the largest of each window, and stores it.

    A psum word (``lanes`` outputs) is read in each cycle in which the GLB grants it, without gaps
    between windows, columns, rows and filter groups, as long as a row reads at least ``pool_u + 1``
    words; positions of a window outside the block cost nothing. In mode *raw* a word is read once
    for each ``lanes`` bytes of it that are stored, 4 times if it is full; in modes with tables once
    for each ``table_lanes`` psums of it, twice if it is full and there are 8 lanes.

    The first word is asked for 5 cycles after a command's semaphores were granted, but no earlier
    than 18 after the last word of the command before has arrived. An output is offered to the write
    DMA 17 cycles after the last psum of its window has arrived, a raw one 7 cycles after; with
    function tables the 18 and 17 are 2 more. A command
    is done two cycles after its last word has arrived, if the write DMA has taken its segments:
    ``give`` comes then.

    The parts hand on what they know of a window::

        rows, columns -> reader -> GLB -> parameters -> outputs -> write DMA
        control (begins and ends a command)            segments -----^

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
        Semaphores given when the data of a command has been written: in the cycle after all of it
        was handed over and ``write_idle`` is high. The next command starts after that. If it gives
        none, the command does not wait for its data to be written.
    idle : Out(1)
        No command is held and no output is on its way.
    read : Out(stream.Signature(READ))
        Psum words wanted.
    rdata, rvalid : In(bank_bits), In(1)
        Their data, four cycles later.
    params : In(stream.Signature(params_write(config)))
        Writes of the parameter memory: ``chunk`` is the bus word within the parameter word. Always
        ready. No word may be written that a STORE which runs uses: semaphores see to that.
    segment : Out(stream.Signature(SEGMENT))
        Runs of bytes in DRAM, one for each output row.
    data : Out(stream.Signature(transfer(config)))
        The bytes that fill them, 1 to ``lanes`` at a time; never across the end of a segment.
    write_idle : In(1)
        The write DMA has nothing to do: low from the cycle after a segment is handed over until its
        data has been written and acknowledged.
    outputs : Out(range(lanes + 1))
        Psums requantised (before pooling) or stored raw in this cycle.
    """

    module_name = "drain"
    late_reset = True

    def __init__(self, config):
        self._config = config
        super().__init__({
            "command": In(command.COMMAND),
            "take": Out(command.Take),
            "give": Out(8),
            "give_written": Out(8),
            "idle": Out(1),
            "read": Out(stream.Signature(READ)),
            "rdata": In(config.bank_bits),
            "rvalid": In(1),
            "params": In(stream.Signature(params_write(config))),
            "segment": Out(stream.Signature(SEGMENT)),
            "data": Out(stream.Signature(transfer(config))),
            "write_idle": In(1),
            "outputs": Out(range(config.lanes + 1)),
        })

    def body(self, platform):
        m = Module()
        config = self._config
        store = Signal(command.layout("STORE"))
        m.d.comb += store.eq(self.command.payload)
        m.submodules.control = control = DrainControl(config)
        m.submodules.rows = rows = DrainRows(config)
        m.submodules.columns = columns = DrainColumns(config)
        m.submodules.reader = reader = DrainReader(config, _OUTPUTS)
        m.submodules.parameters = parameters = DrainParameters(config)
        m.submodules.out = out = DrainOutputs(config, _OUTPUTS)
        m.submodules.segments = segments = DrainSegments()

        connect(m, flipped(self.command), control.command)
        connect(m, control.take, flipped(self.take))
        connect(m, rows.row, reader.row)
        connect(m, columns.column, reader.column)
        connect(m, reader.read, flipped(self.read))
        connect(m, flipped(self.params), parameters.params)
        connect(m, out.data, flipped(self.data))
        connect(m, segments.segment, flipped(self.segment))
        drive(m, control.settings, reader.settings, parameters.settings, out.settings)
        m.d.comb += [block.command.eq(self.command.payload)
                     for block in (rows, columns, reader, parameters, segments)]
        m.d.comb += [block.start.eq(control.start)
                     for block in (rows, columns, parameters, segments)]
        m.d.comb += [
            self.give.eq(control.give), self.give_written.eq(control.give_written),
            self.idle.eq(control.idle), self.outputs.eq(out.outputs),
            control.all_arrived.eq(reader.all_arrived), control.drained.eq(reader.drained),
            control.segments_done.eq(segments.done), control.write_idle.eq(self.write_idle),
            reader.rows_done.eq(rows.done),
            reader.output_popped.eq(self.data.valid & self.data.ready),
            parameters.rdata.eq(self.rdata),
            out.sums.eq(parameters.sums),
            out.scales.eq(parameters.scales), out.last_lane.eq(store.p_last),
        ]
        if config.functions:
            m.d.comb += [out.params.eq(self.params.payload),
                         out.params_valid.eq(self.params.valid)]
        m.d.comb += [block.tag.eq(reader.tag) for block in (parameters, out)]
        m.d.comb += [block.rvalid.eq(self.rvalid) for block in (parameters, out)]
        return m
