"""The global buffer of the microcoded machine: one memory with one port."""

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..block import Block
from ..common.ram import MaskedRam

__all__ = ["Buffer"]


class Buffer(Block):
    """Words of 32 bits, one of which is read or written in a cycle.

    Psums come first, then the mover, then the engine; the data of a read come a cycle later.

    Members
    -------
    psum_read, psum_write : In(1); psum_address, psum_data : In(14), In(32)
        Never wait.
    move, move_grant : In(1), Out(1); move_address, move_data, move_mask : In(14), In(32), In(4)
        A write of some bytes.
    read, read_grant : In(1), Out(1); read_address : In(14)
    data : Out(32)
    reads, writes : Out(1)
        What is done in this cycle.
    """

    module_name = "global_buffer"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "psum_read": In(1), "psum_write": In(1), "psum_address": In(14), "psum_data": In(32),
            "move": In(1), "move_grant": Out(1), "move_address": In(14), "move_data": In(32),
            "move_mask": In(4),
            "read": In(1), "read_grant": Out(1), "read_address": In(14),
            "data": Out(32), "reads": Out(1), "writes": Out(1),
        })

    def body(self, platform):
        m = Module()
        m.submodules.memory = memory = MaskedRam(32, self._config.glb_kib * 256)
        reader, writer = memory.read, memory.write
        psum = self.psum_read | self.psum_write
        address = Signal(14)
        m.d.comb += [
            address.eq(Mux(psum, self.psum_address,
                           Mux(self.move, self.move_address, self.read_address))),
            self.move_grant.eq(~psum), self.read_grant.eq(~psum & ~self.move),
            # One port: never with a write, or the memory would not become single-port RAM.
            self.reads.eq((self.psum_read & ~self.psum_write) | (self.read & self.read_grant)),
            self.writes.eq(self.psum_write | (self.move & ~psum)),
            reader.addr.eq(address), writer.addr.eq(address),
            reader.en.eq(self.reads), self.data.eq(reader.data),
            writer.data.eq(Mux(psum, self.psum_data, self.move_data)),
            writer.en.eq(Mux(self.writes, self.move_mask | psum.replicate(4), 0)),
        ]
        return m
