"""A bank of the global buffer with its column's psum accumulator."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.delay import delay
from ...common.ram import MaskedRam

__all__ = ["GLBBank", "psum_control"]


def psum_control(config):
    """What the psum controller tells every bank, in the cycle in which a psum leaves the array.

    ``read`` and ``read_addr`` come two cycles before the read port is used, ``load`` two cycles
    after them: the psums that earlier passes left. ``clear`` comes instead, once in a pass that
    starts from 0. ``add`` comes with the psum, ``write`` and ``write_addr`` one cycle after the
    last psum of a word.
    """
    depth = range(config.bank_depth)
    return data.StructLayout({
        "read": 1, "read_addr": depth, "load": 1, "clear": 1, "add": 1,
        "lane": range(config.lanes), "write": 1, "write_addr": depth})


class GLBBank(Block):
    """One synchronous memory of psum words and ifmap words, one read and one write port.

    A psum of ``psum_bits`` is added to the 32-bit psum that earlier passes left (or to 0). The
    read port is shared: the accumulator comes first, other reads (ifmap words for the feed, psum
    words for the drain) take the cycles that it leaves.

    Members
    -------
    psum : In(signed(psum_bits))
        From the last row of the array.
    control : In(psum_control(config))
        See :func:`psum_control`; the bank has it a cycle later, and the psum with it.
    feed_read, drain_read : In(1)
        Who reads: one of them at most, and neither while the accumulator does.
    read_addr : In
        Word to read.
    feed_sub : In
        The part of the bank word that the feed reads.
    feed_data, drain_data : Out(bus_bits), Out(bank_bits)
        The word for whom it was read, three cycles later; else 0, so that those of all banks are
        or-ed.
    write, write_addr, write_data, write_mask : In
        An ifmap word and the bytes to write of it: ``write_data`` is ``bus_bits`` wide and goes to
        the part of the bank word that ``write_sub`` selects. One cycle later it is written.
    """

    module_name = "glb_bank"

    def __init__(self, config):
        self._config = config
        depth = range(config.bank_depth)
        super().__init__({
            "psum": In(signed(config.psum_bits)),
            "control": In(psum_control(config)),
            "feed_read": In(1), "drain_read": In(1), "read_addr": In(depth),
            "feed_sub": In(range(config.subwords)),
            "feed_data": Out(config.bus_bits), "drain_data": Out(config.bank_bits),
            "write": In(1), "write_addr": In(depth), "write_sub": In(range(config.subwords)),
            "write_data": In(config.bus_bits), "write_mask": In(config.bus_bytes),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        # Semaphores and the order of passes keep readers off words that are being written: what
        # is read of such a word is never used.
        m.submodules.memory = memory = MaskedRam(config.bank_bits, config.bank_depth)
        reader, writer = memory.read, memory.write
        control = Signal.like(self.control, reset_less=True)
        psum = Signal.like(self.psum, reset_less=True)
        m.d.sync += [control.eq(self.control), psum.eq(self.psum)]

        address = Signal(range(config.bank_depth), reset_less=True)
        m.d.sync += address.eq(Mux(control.read, control.read_addr, self.read_addr))
        m.d.comb += reader.addr.eq(address)
        sub = delay(m, self.feed_sub, 2, "sub", reset_less=True)
        part = reader.data.word_select(sub, config.bus_bits)
        for user, read in (("feed", part), ("drain", reader.data)):
            word = Signal(len(read), name=f"{user}_word", reset_less=True)
            m.d.comb += getattr(self, f"{user}_data").eq(word)
            asked = getattr(self, f"{user}_read")
            with m.If(delay(m, asked, 2, f"{user}_asked", reset_less=True)):
                m.d.sync += word.eq(read)
            with m.Else():
                m.d.sync += word.eq(0)

        old = Signal(config.bank_bits, reset_less=True)
        with m.If(control.load):
            m.d.sync += old.eq(reader.data)
        with m.If(control.clear):
            m.d.sync += old.eq(0)

        total = Signal(32)
        m.d.comb += total.eq(old.word_select(control.lane, 32).as_signed() + psum)
        lanes = [Signal(32, name=f"lane_{i}", reset_less=True) for i in range(config.lanes)]
        for i, lane in enumerate(lanes):
            with m.If(control.add & (control.lane == i)):
                m.d.sync += lane.eq(total)

        pending = Signal(reset_less=True)
        pending_addr = Signal(range(config.bank_depth), reset_less=True)
        pending_data = Signal(config.bus_bits, reset_less=True)
        pending_mask = Signal(config.bank_bits // 8, reset_less=True)
        m.d.sync += [
            pending.eq(self.write),
            pending_addr.eq(self.write_addr),
            pending_data.eq(self.write_data),
            pending_mask.eq(Cat(Mux(self.write_sub == sub, self.write_mask, 0)
                                for sub in range(config.subwords))),
        ]
        m.d.comb += [
            writer.addr.eq(Mux(control.write, control.write_addr, pending_addr)),
            writer.data.eq(Mux(control.write, Cat(lanes), pending_data.replicate(config.subwords))),
            writer.en.eq(
                control.write.replicate(config.bank_bits // 8) | Mux(pending, pending_mask, 0)),
        ]
        return m
