"""The firmware's FILTER and COMPUTE."""

from ... import isa
from .firmware_common import Common
from .microcode import Input, Move, Op, Phase, Port, Setting, When

__all__ = ["Compute"]


class Compute(Common):
    """Each pass of COMPUTE takes its packets of weights, then sends its ifmap words."""

    def filter(self):
        """Passes take their packets one by one."""
        p = self.p
        p.label("FILTER")
        self.fields("FILTER", "addr", "words")
        p.go("next")

    def compute(self):
        p, config = self.p, self.config
        p.label("COMPUTE")
        self.fields("COMPUTE", "feed_wait", "feed_signal", "psum_wait", "psum_signal", "ifmap",
                    "row_stride", "cg_stride", "rounds", "strip_stride",
                    "pairs", "r", "e", "multicast_mask", "u", "dil", "depthwise_groups",
                    "active_cols", "tap_channels", "tap_cols",
                    "tap_col_stride", "filter_reads_own_channel", "window", "col_advance",
                    "strip_advance", "xsigned+zx",
                    "feed_step", "p", "psum_cols", "strips", "psum", "accumulate", "wait_step",
                    "signal_step")
        self.take("COMPUTE.feed_wait", "COMPUTE.strips", "COMPUTE.feed_step")
        self.take("COMPUTE.psum_wait", "COMPUTE.strips", "COMPUTE.wait_step")
        for name in ("tap_channels", "tap_cols", "p", "psum_cols"):
            p.op(Op.DEC, f"COMPUTE.{name}")
        self.to_words("COMPUTE.psum")
        self.settings(Setting.TAP_CHANNELS, *(f"COMPUTE.{name}" for name in (
            "tap_channels", "tap_cols", "tap_col_stride", "filter_reads_own_channel", "window",
            "col_advance", "strip_advance", "p", "psum_cols", "psum",
            "active_cols", "xsigned+zx")))
        # A word of zero points, for rows that take no part in a pass.
        p.op(Op.SHR, "COMPUTE.xsigned+zx")
        p.op(Op.ST, "zx")
        p.out(Port.DST, 4 * self.zero)
        p.out(Port.PAD, "zx")
        p.out(Port.MODE, int(Move.FILL))
        p.out(Port.MOVE, 4)
        self.multiply("u rows", "COMPUTE.row_stride", "COMPUTE.u")
        self.multiply("dil rows", "COMPUTE.row_stride", "COMPUTE.dil")
        p.op(Op.LD, "COMPUTE.strip_stride")
        p.op(Op.SUB, "COMPUTE.rounds")
        p.op(Op.ST, "next strip")                  # from behind a strip's last word
        for name in ("group", "pair"):
            p.set(name, "COMPUTE.ifmap")
        p.set("r", 0)
        fresh = p.forward()
        p.set("go", "COMPUTE.accumulate")
        p.go(fresh, When.ZERO)
        p.set("go", 1 << 7)
        p.place(fresh)

        p.label("pass")
        every = p.forward()
        p.op(Op.LD, config.rows)
        p.op(Op.SUB, "COMPUTE.pairs")
        p.op(Op.ST, "row0")
        p.go(every, When.CARRY)                    # as many as there are rows, or fewer
        p.set("row0", 0)
        p.place(every)
        self.packets()
        self.phase(Phase.FEED)
        self.pairs()
        self.strips()
        p.set("go", 1 << 7)                        # later passes accumulate
        p.op(Op.LD, "COMPUTE.pairs")
        p.go("pass", When.NOT_ZERO)
        p.out(Port.IDLE)
        self.give("COMPUTE.feed_signal")
        self.give("COMPUTE.psum_signal", "COMPUTE.strips", "COMPUTE.signal_step")
        p.go("next")

    def packets(self):
        """The packets of a pass, into a half of the filter spads."""
        p, config = self.p, self.config
        self.phase(Phase.FILTER)
        p.out(Port.HALF)
        packet = p.label()
        self.copy_long("dram", "FILTER.addr")
        p.set("count", 2)
        p.call("read")
        self.add_register("FILTER.addr", 8)
        for number, name in ((Input.WORD_LO, "mask"), (Input.WORD_HI, "mask.hi"),
                             (Input.WORD_LO, "size"), (Input.WORD_HI, "mark")):
            p.input(number)
            p.op(Op.ST, name)
        p.op(Op.AND, 0xFF00)
        p.op(Op.SUB, isa.FILTER_MAGIC << 8)
        p.go("no mark", When.NOT_ZERO)
        # Words for each row, and for all of them.
        p.op(Op.LD, "size")
        p.op(Op.AND, 0x7FF)
        p.op(Op.ADD, 3)
        for _ in range(2):
            p.op(Op.ST, "size")
            p.op(Op.SHR, "size")
        p.op(Op.ST, "size")
        p.op(Op.LD, config.rows)
        p.op(Op.SUB, "row0")
        p.op(Op.ST, "rows")
        self.multiply("count", "size", "rows")
        self.copy_long("dram", "FILTER.addr")
        p.call("read")
        p.out(Port.ROW, "row0")
        p.out(Port.MASK, "mask")
        if config.cols > 16:
            p.out(Port.MASK_HI, "mask.hi")
        p.out(Port.PLACE, 0)
        p.set("size", "count")
        word = p.label()
        p.out(Port.FILTER)
        self.loop("size", word)
        self.double("count", "count")
        self.add_register("FILTER.addr", "count")
        p.op(Op.LD, "mark")
        p.op(Op.AND, 1)
        p.go(packet, When.ZERO)

    def pairs(self):
        """The next ifmap word of each array row's pair: its first."""
        p = self.p
        p.set("rows", "row0")                      # that take no part
        for row in range(self.config.rows):
            idle = p.forward()
            p.op(Op.DEC, "rows")
            p.go(idle, When.NOT_NEGATIVE)
            p.set(f"word {row}", "pair")
            p.call("next pair")
            p.place(idle)

    def next_pair(self):
        """On to the next pair of channel group and filter row."""
        p = self.p
        p.label("next pair")
        same = p.forward()
        p.op(Op.DEC, "COMPUTE.pairs")
        p.op(Op.INC, "r")
        p.op(Op.SUB, "COMPUTE.r")
        p.go(same, When.NOT_ZERO)
        p.op(Op.ST, "r")
        p.add("group", "COMPUTE.cg_stride")
        p.op(Op.ST, "pair")
        p.ret()
        p.place(same)
        p.add("pair", "dil rows")
        p.ret()

    def strips(self):
        """Send the ifmap words of a pass, strip by strip."""
        p, config = self.p, self.config
        p.set("strips", "COMPUTE.strips")
        p.op(Op.LD, "row0")
        p.op(Op.ADD, 1 << 5)
        p.op(Op.ADDM, "go")
        strip, more = p.label(), p.forward()
        p.op(Op.LD, "strips")
        p.op(Op.SUB, 1)
        p.go(more, When.NOT_ZERO)
        p.add("go", 1 << 6)
        p.place(more)
        p.out(Port.GO, "go")
        later = p.forward()
        p.op(Op.LD, "go")
        p.op(Op.AND, 1 << 5)
        p.go(later, When.ZERO)
        p.op(Op.LD, "go")
        p.op(Op.SUB, 1 << 5)
        p.op(Op.ST, "go")
        p.place(later)
        p.set("rounds", "COMPUTE.rounds")
        again = p.label()
        p.out(Port.SPACE)
        for row in range(config.rows):
            self.feed(row)
        p.out(Port.ROUND)
        self.loop("rounds", again)
        p.op(Op.LD, "next strip")
        for row in range(config.rows):
            p.op(Op.ADDR, f"word {row}")
        self.loop("strips", strip)

    def feed(self, row):
        """A word for each column of an array row."""
        p = self.p
        idle, done = p.forward(), p.forward()
        p.out(Port.ROW, row)
        if row < self.config.rows - 1:             # the last one takes part in every pass
            p.op(Op.LD, "row0")
            p.op(Op.SUB, row + 1)
            p.go(idle, When.CARRY)
        p.out(Port.MASK, "COMPUTE.multicast_mask.lo")
        if self.config.cols > 16:
            p.out(Port.MASK_HI, "COMPUTE.multicast_mask.hi")
        p.set("groups", "COMPUTE.depthwise_groups")
        p.op(Op.LD, f"word {row}")
        p.op(Op.ST, "stream")
        group = p.label()
        p.op(Op.ST, "word")
        p.set("columns", "COMPUTE.e")
        p.op(Op.LD, "u rows")
        word = p.label()
        p.out(Port.IFMAP, "word")
        p.op(Op.ADDR, "word")
        self.loop("columns", word)
        p.op(Op.DEC, "groups")
        p.go(done, When.ZERO)
        p.add("stream", "COMPUTE.cg_stride")
        p.go(group)
        if row < self.config.rows - 1:
            p.place(idle)
            p.call("feed zeros")
        p.place(done)
        p.op(Op.INC, f"word {row}")

    def feed_zeros(self):
        """A word of zero points for every column of an array row."""
        p = self.p
        p.label("feed zeros")
        p.out(Port.MASK, 0xFFFF)
        if self.config.cols > 16:
            p.out(Port.MASK_HI, 0xFFFF)
        p.out(Port.IFMAP, self.zero)
        p.ret()
