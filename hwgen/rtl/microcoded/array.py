"""The microcoded machine's array: PEs in lock step, their sequencer, the writer of their spads.

Ref: Y.-H. Chen, T. Krishna, J. Emer, V. Sze, "Eyeriss: An Energy-Efficient Reconfigurable
Accelerator for Deep Convolutional Neural Networks", JSSC 52(1), 2017, section IV.
"""

from functools import reduce
from operator import add

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..block import Block
from ..common.arithmetic import tree_sum
from ..common.delay import delay
from ..common.ram import Ram
from .microcode import Setting

__all__ = ["LockstepArray", "LockstepPE", "Writer", "GO"]

#: What GO says of a strip: the first array row that takes part, whether it is the first and the
#: last strip of a pass, and whether psums are added to those that stand in the buffer.
GO = data.StructLayout({"row0": 5, "first": 1, "last": 1, "accumulate": 1})

_BYTES = 4                   # of a word of the buffer and of the stream

# What the columns do with a product: it counts, it is the psum's last, which is a pass's first, and
# is added to the one in the buffer.
_CONTROL = data.StructLayout({"valid": 1, "last": 1, "first": 1, "accumulate": 1})


def _half(config):
    """Words of a half of the filter spads: whole words of the stream."""
    return -(-config.filter_spad // _BYTES)


class LockstepPE(Block):
    """Two spads and a multiplier: ``product = filter_spad[filter_addr] * ifmap_spad[ifmap_addr]``.

    The product is there :attr:`LATENCY` cycles after the addresses; one a cycle.

    Members
    -------
    filter_we, ifmap_we : In(1)
        Write ``filter_wdata``, ``ifmap_wdata`` at the write address.
    filter_waddr, filter_wdata, ifmap_waddr, ifmap_wdata : In
        Signed 8-bit weights, signed 9-bit ifmap values.
    filter_addr, ifmap_addr : In
    product : Out(signed(17))
    """

    module_name = "pe"

    #: Cycles from an address to its product.
    LATENCY = 3

    def __init__(self, config):
        self._config = config
        weights = range(2 * _BYTES * _half(config))
        super().__init__({
            "filter_we": In(1), "filter_waddr": In(weights), "filter_wdata": In(signed(8)),
            "ifmap_we": In(1), "ifmap_waddr": In(range(config.ifmap_spad)),
            "ifmap_wdata": In(signed(9)),
            "filter_addr": In(weights), "ifmap_addr": In(range(config.ifmap_spad)),
            "product": Out(signed(17)),
        })

    def body(self, platform):
        m = Module()

        def spad(name, shape, depth, enable, address, value, read_address):
            # A tap is issued only when its operands stand in the spads: what is read of a word
            # that is being written is never used.
            m.submodules[name] = memory = Ram(shape, depth)
            write, read = memory.write, memory.read
            m.d.comb += [write.en.eq(enable), write.addr.eq(address), write.data.eq(value),
                         read.addr.eq(read_address)]
            return read.data
        weight = Signal(signed(8), reset_less=True)
        value = Signal(signed(9), reset_less=True)
        product = Signal(signed(17), reset_less=True)
        m.d.sync += [
            weight.eq(spad("filter_spad", signed(8), 2 * _BYTES * _half(self._config),
                           self.filter_we, self.filter_waddr, self.filter_wdata,
                           self.filter_addr)),
            value.eq(spad("ifmap_spad", signed(9), self._config.ifmap_spad, self.ifmap_we,
                          self.ifmap_waddr, self.ifmap_wdata, self.ifmap_addr)),
            product.eq(weight * value),
        ]
        m.d.comb += self.product.eq(product)
        return m


class Writer(Block):
    """Writes words into the spads of a row, a value a cycle.

    A word is written in the 4 cycles after it was given; the next can be given in the last of them.

    Members
    -------
    value : In(16)
    set_row, set_mask, set_mask_hi, set_place : In(1)
        See :class:`.microcode.Port`; when ``ready``. ``set_place`` gives a word within the half of
        the filter spads that is filled. ``set_row`` and ``set_mask_hi`` are there if there are
        several rows, and more columns.
    zx, xsigned : In(8), In(1)
        Zero point of the ifmap, whether it is signed.
    filter, ifmap : In(1)
        Write ``word``, which for ``ifmap`` comes in the next cycle; when ``ready``.
    word : In(32)
    ready : Out(1)
    round : In(1)
        The next ifmap word goes to the next place of the ring; when ``ready``.
    filled : In(1)
        The half is filled, and the other one is next.
    filter_we, ifmap_we : Out(rows * cols)
        Row by row.
    filter_addr, filter_data, ifmap_addr, ifmap_data : Out
    ifmap_writes, filter_writes : Out(range(cols + 1))
        PEs that are written.
    """

    module_name = "spad_writer"

    def __init__(self, config):
        self._config = config
        pes, written = config.rows * config.cols, range(config.cols + 1)
        super().__init__({
            "value": In(16), "set_mask": In(1),
            **({"set_row": In(1)} if config.rows > 1 else {}),
            **({"set_mask_hi": In(1)} if config.cols > 16 else {}),
            "set_place": In(1), "zx": In(8), "xsigned": In(1),
            "filter": In(1), "ifmap": In(1), "word": In(32), "ready": Out(1),
            "round": In(1), "filled": In(1),
            "filter_we": Out(pes), "ifmap_we": Out(pes),
            "filter_addr": Out(range(2 * _BYTES * _half(config))), "filter_data": Out(signed(8)),
            "ifmap_addr": Out(range(config.ifmap_spad)), "ifmap_data": Out(signed(9)),
            "ifmap_writes": Out(written), "filter_writes": Out(written),
        })

    def body(self, platform):
        config = self._config
        m = Module()
        row, first_row = (Signal(range(config.rows), name=name, reset_less=True)
                          for name in ("row", "first_row"))
        mask = Signal(config.cols, reset_less=True)
        place = Signal(range(_half(config)), reset_less=True)
        ring = Signal(range(config.ifmap_spad // _BYTES))
        half = Signal()
        word = Signal(32, reset_less=True)
        index = Signal(range(_BYTES))
        coming = Signal()                          # the word is
        writing = Signal()                         # the word is being written
        is_filter = Signal(reset_less=True)
        end = Signal()                             # the last value is written
        m.d.comb += [
            end.eq(writing & index.all()),
            self.ready.eq(~coming & (~writing | end)),
        ]
        m.d.sync += coming.eq(self.ifmap)
        with m.If(writing):
            m.d.sync += [index.eq(index + 1), word.eq(word >> 8)]
        with m.If(end):
            m.d.sync += writing.eq(0)
            with m.If(~is_filter):
                m.d.sync += mask.eq(mask << 1)
            with m.Elif(row == config.rows - 1):
                m.d.sync += [row.eq(first_row), place.eq(place + 1)]
            with m.Else():
                m.d.sync += row.eq(row + 1)
        with m.If(self.filter | coming):
            m.d.sync += [word.eq(self.word), writing.eq(1), is_filter.eq(~coming)]
        if config.rows > 1:
            with m.If(self.set_row):
                m.d.sync += [row.eq(self.value), first_row.eq(self.value)]
        with m.If(self.set_mask):
            m.d.sync += mask[:16].eq(self.value)
        if config.cols > 16:
            with m.If(self.set_mask_hi):
                m.d.sync += mask[16:].eq(self.value)
        with m.If(self.set_place):
            m.d.sync += place.eq(self.value)
        m.d.sync += [ring.eq(ring + self.round), half.eq(half ^ self.filled)]

        copies = tree_sum(mask[i] for i in range(config.cols))
        wide = Cat(word[:8], word[7] & self.xsigned).as_signed()
        zero = Cat(self.zx, self.zx[7] & self.xsigned).as_signed()
        for kind, enable in (("filter", is_filter), ("ifmap", ~is_filter)):
            here = writing & enable
            m.d.comb += [
                getattr(self, f"{kind}_we").eq(Cat(
                    Mux(here & (row == i), mask, 0)[:config.cols] for i in range(config.rows))),
                getattr(self, f"{kind}_writes").eq(Mux(here, copies, 0)),
            ]
        m.d.comb += [
            self.filter_addr.eq(Cat(index, place) + Mux(half, _BYTES * _half(config), 0)),
            self.filter_data.eq(word[:8]),
            self.ifmap_addr.eq(Cat(index, ring)),
            self.ifmap_data.eq(wide - zero),
        ]
        return m


class LockstepArray(Block):
    """``rows`` x ``cols`` PEs that all work on the same tap, and what sequences them.

    A column sums the products of its rows. For each output column of a strip and each of ``p``
    filters the ``tap_cols * tap_channels`` taps of the window are issued, one a cycle; then a psum
    of every column leaves, which takes the buffer ``2 * cols`` cycles, ``cols`` if it is not added.
    The next filter's taps go on meanwhile.

    Members
    -------
    value : In(16); set : In(len(Setting))
        Set what the bit stands for; while nothing runs.
    go : In(1), go_ready : Out(1)
        The next strip, ``value`` as :data:`GO`; one can wait while another runs.
    round : In(1), space : Out(1)
        A word has arrived in the ring of every PE that takes part; there is room for another.
    filter_free, filled : Out(1), In(1)
        A half of the filter spads is free; one has been filled.
    idle : Out(1)
        No strip is held, and every psum is in the buffer.
    pe_* : In
        Writes of the spads, from the :class:`Writer`.
    read, write : Out(1)
        Reads, or writes, the psum at ``address`` of the buffer, without waiting.
    address, wdata, rdata : Out(14), Out(32), In(32)
        ``rdata`` in the cycle after the read.
    issue : Out(1)
        A tap is issued.
    waits_psum : Out(1)
        It is not, because the psum before has not left yet.
    macs : Out(range(rows * cols + 1))
    """

    module_name = "pe_array"

    def __init__(self, config):
        self._config = config
        pes, weights = config.rows * config.cols, range(2 * _BYTES * _half(config))
        super().__init__({
            "value": In(16), "set": In(len(Setting)), "go": In(1), "go_ready": Out(1),
            "round": In(1), "space": Out(1), "filter_free": Out(1), "filled": In(1),
            "idle": Out(1),
            "filter_we": In(pes), "filter_waddr": In(weights), "filter_wdata": In(signed(8)),
            "ifmap_we": In(pes), "ifmap_waddr": In(range(config.ifmap_spad)),
            "ifmap_wdata": In(signed(9)),
            "read": Out(1), "write": Out(1), "address": Out(14), "wdata": Out(32),
            "rdata": In(32),
            "issue": Out(1), "waits_psum": Out(1), "macs": Out(range(pes + 1)),
        })

    def body(self, platform):
        m = Module()
        self._room = Signal()                      # the columns have room for a psum
        self._left = Signal()                      # and all have left
        self._products = [[] for _ in range(self._config.cols)]
        self._columns(m, self._sequence(m))
        return m

    def _setting(self, m, which, shape):
        """The register of a setting."""
        register = Signal(shape, name=which.name.lower(), reset_less=True)
        with m.If(self.set[which]):
            m.d.sync += register.eq(self.value)
        return register

    def _sequence(self, m):
        """Issue the taps; returns what the columns do with the products, see ``_control``."""
        config = self._config
        ring = range(config.ifmap_spad)
        tap_channels, tap_cols = (self._setting(m, which, shape) for which, shape in (
            (Setting.TAP_CHANNELS, ring), (Setting.TAP_COLS, range(min(config.ifmap_spad, 64)))))
        tap_col_stride, col_advance, strip_advance = (self._setting(m, which, 7) for which in (
            Setting.TAP_COL_STRIDE, Setting.COL_ADVANCE, Setting.STRIP_ADVANCE))
        filter_reads_own_channel = self._setting(m, Setting.FILTER_READS_OWN_CHANNEL, 1)
        window = self._setting(m, Setting.WINDOW, range(config.ifmap_spad + 1))
        filters = self._setting(m, Setting.P, range(config.filter_spad))
        psum_cols = self._setting(m, Setting.PSUM_COLS, 12)
        active_cols = self._setting(m, Setting.ACTIVE_COLS, range(config.cols + 1))

        strip_end = Signal()
        now, running, take = self._strips(m, strip_end)
        c = Signal.like(tap_channels, reset_less=False)
        s = Signal.like(tap_cols, reset_less=False)
        p = Signal.like(filters, reset_less=False)
        step = Signal(12)
        half = Signal()
        start, origin, column, address = (Signal(ring, name=name) for name in (
            "start", "origin", "column", "tap"))
        half_size = _BYTES * _half(config)
        filter_address = Signal(range(2 * half_size))
        first = Signal(init=1)                     # tap of a psum
        last_c = c == tap_channels
        last_s = s == tap_cols
        last_p = p == filters
        last_step = step == psum_cols
        last = Signal()
        level = Signal(range(-127, config.ifmap_spad + 1))
        issue = Signal()
        has_ifmap = Signal()
        m.d.comb += [
            last.eq(last_c & last_s),
            has_ifmap.eq(~first | (level >= window)),
            issue.eq(running & has_ifmap & (~last | self._room)),
            strip_end.eq(issue & last & last_p & last_step),
            self.space.eq(level <= config.ifmap_spad - _BYTES),
            self.issue.eq(issue),
            self.waits_psum.eq(running & has_ifmap & last & ~self._room),
        ]
        pass_end = strip_end & now.last

        # One adder moves whatever comes after the last channel of a window's column.
        moved = Signal(ring)
        onward = Mux(last_step, strip_advance, col_advance)
        advance = Signal(7)
        m.d.comb += moved.eq(Mux(last_s, Mux(last_p, start, origin), column)
                             + Mux(last_s, Mux(last_p, onward, filter_reads_own_channel),
                                   tap_col_stride))
        m.d.sync += level.eq(level + Mux(self.round, _BYTES, 0) - advance)
        with m.If(issue):
            m.d.sync += [first.eq(last), filter_address.eq(filter_address + 1)]
            with m.If(~last_c):
                m.d.sync += [c.eq(c + 1), address.eq(address + 1)]
            with m.Else():
                m.d.sync += [c.eq(0), s.eq(Mux(last_s, 0, s + 1)), column.eq(moved),
                             address.eq(moved)]
            with m.If(last):
                m.d.sync += [p.eq(Mux(last_p, 0, p + 1)), origin.eq(moved)]
                with m.If(last_p):
                    m.d.comb += advance.eq(onward)
                    m.d.sync += [
                        start.eq(moved), step.eq(Mux(last_step, 0, step + 1)),
                        filter_address.eq(Mux(half ^ pass_end, half_size, 0)),
                    ]
            with m.If(pass_end):
                m.d.sync += half.eq(~half)

        # Halves of the filter spads that are filled, or used.
        filled = Signal(2)
        m.d.sync += filled.eq(filled + self.filled - pass_end)
        m.d.comb += [
            self.filter_free.eq(~filled[1]),
            self.idle.eq(~running & self.go_ready & self._left),
        ]

        m.d.comb += self.macs.eq(tree_sum(
            Mux(issue & (now.row0 <= row), active_cols, 0) for row in range(config.rows)))

        # The addresses go to the PEs at once, the control comes with the products.
        self._pes(m, address, filter_address)
        return self._control(m, now, take, issue, last)

    def _strips(self, m, strip_end):
        """The strip that runs, and the one that waits; returns the first, whether there is one,
        and that the next one begins."""
        now = Signal(GO, reset_less=True)
        waiting = Signal(GO, reset_less=True)
        running = Signal()
        waits = Signal()
        take = Signal()
        m.d.comb += [self.go_ready.eq(~waits), take.eq(waits & (strip_end | ~running))]
        with m.If(self.go):
            m.d.sync += [waiting.eq(self.value), waits.eq(1)]
        with m.If(take):
            m.d.sync += [now.eq(waiting), waits.eq(0), running.eq(1)]
        with m.Elif(strip_end):
            m.d.sync += running.eq(0)
        return now, running, take

    @staticmethod
    def _control(m, now, take, issue, last):
        """What the columns do with the products. The first psum of a pass is the first of the
        pass's first strip."""
        begun = Signal()
        with m.If(take):
            m.d.sync += begun.eq(0)
        with m.Elif(issue & last):
            m.d.sync += begun.eq(1)
        control = Signal(_CONTROL)
        m.d.comb += [
            control.valid.eq(issue), control.last.eq(issue & last),
            control.first.eq(now.first & ~begun), control.accumulate.eq(now.accumulate),
        ]
        return control

    def _pes(self, m, address, filter_address):
        """The PEs."""
        config = self._config
        for row in range(config.rows):
            for col in range(config.cols):
                m.submodules[f"pe_{row}_{col}"] = pe = LockstepPE(config)
                number = row * config.cols + col
                m.d.comb += [
                    pe.filter_we.eq(self.filter_we[number]),
                    pe.filter_waddr.eq(self.filter_waddr), pe.filter_wdata.eq(self.filter_wdata),
                    pe.ifmap_we.eq(self.ifmap_we[number]),
                    pe.ifmap_waddr.eq(self.ifmap_waddr), pe.ifmap_wdata.eq(self.ifmap_wdata),
                    pe.filter_addr.eq(filter_address), pe.ifmap_addr.eq(address),
                ]
                self._products[col].append(pe.product)

    def _columns(self, m, issued):
        """Sum up the products, and take finished psums to the buffer, one column after the other.
        """
        config = self._config
        control = delay(m, issued, LockstepPE.LATENCY, "control")
        psum = signed(config.psum_bits)
        finished = [Signal(psum, name=f"finished_{col}", reset_less=True)
                    for col in range(config.cols)]
        leaving = Signal()
        accumulate = Signal(reset_less=True)
        for col, products in enumerate(self._products):
            running = Signal(psum, name=f"running_{col}")
            total = Signal(psum, name=f"total_{col}")
            m.d.comb += total.eq(running + reduce(add, products))
            with m.If(control.valid):
                m.d.sync += running.eq(Mux(control.last, 0, total))
            with m.If(control.last):
                m.d.sync += finished[col].eq(total)
            with m.Elif(self.write):
                m.d.sync += finished[col].eq(finished[(col + 1) % config.cols])

        # A psum is under way from its last tap on. The next one may end as soon as this one will
        # have left before it.
        under_way = Signal()
        added = Signal()                           # the old psum has been read
        left = Signal(range(config.cols))          # columns to come after this one
        base = self._setting(m, Setting.PSUM, 14)
        address = Signal(14, reset_less=True)
        m.d.comb += [
            self._room.eq(~under_way), self._left.eq(~under_way & ~leaving),
            self.read.eq(leaving & accumulate & ~added),
            self.write.eq(leaving & (~accumulate | added)),
            self.address.eq(address),
            self.wdata.eq(finished[0] + Mux(accumulate, self.rdata, 0).as_signed()),
        ]
        m.d.sync += added.eq(self.read)
        with m.If(issued.last):
            m.d.sync += under_way.eq(1)
        with m.Elif(self.write & (left == min(1, config.cols - 1))):
            m.d.sync += under_way.eq(0)
        with m.If(control.last):
            m.d.sync += [leaving.eq(1), left.eq(config.cols - 1),
                         accumulate.eq(control.accumulate)]
            with m.If(control.first):
                m.d.sync += address.eq(base)
        with m.If(self.write):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
            with m.If(left == 0):
                m.d.sync += leaving.eq(0)
