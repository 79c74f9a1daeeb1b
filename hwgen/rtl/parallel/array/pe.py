"""Processing element: two spads, one multiplier, one accumulator.

Ref: Y.-H. Chen, T. Krishna, J. Emer, V. Sze, "Eyeriss: An Energy-Efficient Reconfigurable
Accelerator for Deep Convolutional Neural Networks", JSSC 52(1), 2017, section IV (the
row-stationary PE). Here the PE has no psum spad and no control of its own: its array row sequences
it.
"""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from ...block import Block
from ...common.ram import Ram

__all__ = ["PE"]


class PE(Block):
    """One tap a cycle: ``sum += filter_spad[filter_addr] * ifmap_spad[ifmap_addr]``.

    An address given in cycle 0 is multiplied in cycle 2 and added in cycle 3, together with the
    ``valid``, ``chained`` and ``last`` given in that cycle; ``psum_o`` shows a finished psum from
    cycle 4 until the next one is finished. Throughput is one multiply-accumulate a cycle.

    Members
    -------
    filter_we, filter_waddr, filter_wdata : In
        Write port of the filter spad: both halves, signed 8-bit weights.
    ifmap_we, ifmap_waddr, ifmap_wdata : In
        Write port of the ifmap spad: ``xbus_bytes`` signed 9-bit values at a time.
    filter_addr, ifmap_addr : In
        Spad addresses of a tap.
    valid : In(1)
        A product is added in this cycle.
    chained : In(1)
        The sum starts from ``psum_i`` rather than from the running sum.
    last : In(1)
        The sum is finished and goes to ``psum_o``; the running sum becomes 0, as it must in reset.
    psum_i : In(signed(psum_bits))
        Psum of the PE above.
    psum_o : Out(signed(psum_bits))
        Psum for the PE below.
    """

    module_name = "pe"

    #: Cycles from an address to the addition of its product.
    LATENCY = 3

    def __init__(self, config):
        self._config = config
        chunks = config.ifmap_spad // config.xbus_bytes
        super().__init__({
            "filter_we": In(1),
            "filter_waddr": In(range(2 * config.filter_spad)),
            "filter_wdata": In(signed(8)),
            "ifmap_we": In(1),
            "ifmap_waddr": In(range(chunks)),
            "ifmap_wdata": In(9 * config.xbus_bytes),
            "filter_addr": In(range(2 * config.filter_spad)),
            "ifmap_addr": In(range(config.ifmap_spad)),
            "valid": In(1),
            "chained": In(1),
            "last": In(1),
            "psum_i": In(signed(config.psum_bits)),
            "psum_o": Out(signed(config.psum_bits)),
        })

    def body(self, platform):
        config = self._config
        m = Module()

        # The row issues a tap only when its operands stand in the spads: what is read of a word
        # that is being written is never used.
        m.submodules.filter_spad = filter_spad = Ram(signed(8), 2 * config.filter_spad)
        m.submodules.ifmap_spad = ifmap_spad = Ram(
            9 * config.xbus_bytes, config.ifmap_spad // config.xbus_bytes)

        filter_write, filter_read = filter_spad.write, filter_spad.read
        ifmap_write, ifmap_read = ifmap_spad.write, ifmap_spad.read
        value_bits = (config.xbus_bytes - 1).bit_length()
        select = Signal(value_bits, reset_less=True)
        m.d.comb += [
            filter_write.en.eq(self.filter_we),
            filter_write.addr.eq(self.filter_waddr),
            filter_write.data.eq(self.filter_wdata),
            filter_read.addr.eq(self.filter_addr),
            ifmap_write.en.eq(self.ifmap_we),
            ifmap_write.addr.eq(self.ifmap_waddr),
            ifmap_write.data.eq(self.ifmap_wdata),
            ifmap_read.addr.eq(self.ifmap_addr[value_bits:]),
        ]
        m.d.sync += select.eq(self.ifmap_addr[:value_bits])

        # Cycle 1: the spads' outputs. Cycle 2: operands. Cycle 3: product.
        weight = Signal(signed(8), reset_less=True)
        value = Signal(signed(9), reset_less=True)
        product = Signal(signed(16), reset_less=True)
        read = Signal(signed(9))
        m.d.comb += read.eq(ifmap_read.data.word_select(select, 9).as_signed())
        if config.zero_gate:
            zero = Signal(reset_less=True)
            m.d.sync += zero.eq(read == 0)
            with m.If(read != 0):
                m.d.sync += [weight.eq(filter_read.data), value.eq(read)]
            m.d.sync += product.eq(Mux(zero, 0, weight * value))
        else:
            m.d.sync += [
                weight.eq(filter_read.data),
                value.eq(read),
                product.eq(weight * value),
            ]

        running = Signal(signed(config.psum_bits), reset_less=True)
        start = Signal(signed(config.psum_bits))
        total = Signal(signed(config.psum_bits))
        finished = Signal(signed(config.psum_bits), reset_less=True)
        m.d.comb += [
            start.eq(Mux(self.chained, self.psum_i, running)),
            total.eq(start + product),
        ]
        with m.If(self.valid):
            m.d.sync += running.eq(total)
        with m.If(self.last):
            m.d.sync += [running.eq(0), finished.eq(total)]
        m.d.comb += self.psum_o.eq(finished)
        return m
