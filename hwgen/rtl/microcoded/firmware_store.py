"""The firmware's STORE."""

from ... import isa
from .firmware_common import Common
from .microcode import Op, Phase, Port, Setting, When

__all__ = ["Store"]


class Store(Common):
    """STORE makes the outputs of a row, psum by psum."""

    def store(self):
        p = self.p
        p.label("STORE")
        self.phase(Phase.STORE)
        self.fields("STORE", "wait", "signal", "signal_written", "psum", "params", "addr=dram",
                    "row_stride", "bank", "groups", "e", "p", "words_per_column", "psum_cols",
                    "psum_rows",
                    "zy+ysigned", "lo+hi", "out_rows", "out_cols",
                    "row0", "col0", "pool_r", "pool_s", "pool_u", "pool_v", "strip_words",
                    "param_stride", "mode", "row_bytes=last", "col_step", "col_first", "group_step",
                    checked=("row_bytes",))
        self.prepare()
        group = p.label()
        p.set("psum", "STORE.psum")                # of the window's first row that is in the block
        p.set("in strip", 0)                       # that row's number in its strip
        p.set("y", "STORE.row0")
        p.op(Op.LD, "y")
        p.call("walk")
        p.set("rows", "STORE.out_rows")
        row, end = p.label(), p.forward()
        raw, following = self.row()
        self.next_row(row, end)
        p.place(end)
        self.add_long("dram", "STORE.group_step")
        p.add("STORE.psum", "STORE.e")
        p.add("STORE.params", "STORE.param_stride")
        self.loop("STORE.groups", group)
        self.give("STORE.signal")
        self.give("STORE.signal_written")          # the next run of words waits for the writes
        p.go("next")
        p.place(raw)
        self.raw(following)

    def prepare(self):
        """Check mode and size, take the semaphores, and bring the fields into the engine's
        units."""
        p = self.p
        checked = p.forward()
        p.op(Op.LD, "STORE.mode")
        p.go(checked, When.ZERO)
        p.op(Op.SUB, isa.store_modes.RAW.number)
        p.go("no mode", When.NOT_ZERO)
        p.place(checked)
        p.op(Op.DEC, "last.lo")
        no_borrow = p.forward()
        p.go(no_borrow, When.CARRY)
        p.op(Op.DEC, "last.hi")
        p.go("no field", When.NOT_CARRY)
        p.place(no_borrow)
        self.take("STORE.wait")
        self.settings(Setting.OUT, "STORE.zy+ysigned", "STORE.lo+hi")
        for name in ("row0", "col0"):
            positive = p.forward()
            p.op(Op.LD, f"STORE.{name}")
            p.op(Op.AND, 0x80)
            p.go(positive, When.ZERO)
            p.add(f"STORE.{name}", 0xFF00)
            p.place(positive)
        self.to_words("STORE.psum", "STORE.words_per_column", "STORE.strip_words", "STORE.col_step",
                      "STORE.col_first")
        p.add("STORE.psum", "STORE.bank")
        p.op(Op.LD, "STORE.strip_words")
        p.op(Op.SUB, "STORE.e")
        p.op(Op.ST, "strip step")                  # from a strip's last row to the next one's first
        self.double("STORE.params", "STORE.param_stride")
        p.add("STORE.params", self.params)
        # A window of one psum needs no walk.
        p.op(Op.LD, "STORE.pool_r")
        p.op(Op.ADD, "STORE.pool_s")
        p.op(Op.SUB, 2)
        p.op(Op.ST, "pooled")

    def row(self):
        """The outputs of a row; returns where raw outputs are made, which is not here, and where
        to go on behind a column."""
        p = self.p
        raw = p.forward()
        self.window("y", "pool_r", "psum_rows", "window rows")
        p.call("words")
        self.settings(Setting.LANE, "dram.lo")
        self.address()
        p.out(Port.WRITE, "count")
        p.set("x", "STORE.col0")
        p.set("of x", "STORE.col_first")
        p.set("columns", "STORE.out_cols")
        column, one, following = p.label(), p.forward(), p.forward()
        p.set("channels", "STORE.p")
        p.set("bias", "STORE.params")
        p.op(Op.LD, "STORE.mode")
        p.go(raw, When.NOT_ZERO)
        p.op(Op.LD, "pooled")
        p.go(one, When.ZERO)
        self.pool(following)
        p.place(one)
        self.no_pool()
        p.place(following)
        p.add("x", "STORE.pool_v")
        p.add("of x", "STORE.col_step")
        self.loop("columns", column)
        p.out(Port.PUSH, 1)
        return raw, following

    def next_row(self, row, end):
        """Go on with the next row of windows at ``row``; behind the last one at ``end``."""
        p = self.p
        inside, walk = p.forward(), p.forward()
        p.op(Op.LD, "y")
        p.go(inside, When.NOT_NEGATIVE)
        p.add("y", "STORE.pool_u")
        p.go(walk)
        p.place(inside)
        p.add("y", "STORE.pool_u")
        p.op(Op.LD, "STORE.pool_u")
        p.place(walk)
        p.call("walk")
        p.op(Op.LD, "rows")
        p.op(Op.SUB, 1)
        p.go(end, When.ZERO)
        self.add_long("dram", "STORE.row_stride")
        p.op(Op.DEC, "rows")
        p.go(row)

    def raw(self, done):
        """The channels of an output column, each a psum as it is."""
        p, config = self.p, self.config
        p.op(Op.LD, "psum")
        p.op(Op.ADD, "of x")
        p.op(Op.ST, "a")
        channel = p.label()
        p.out(Port.LOAD, "a")
        p.out(Port.ADD, "bias")
        for _ in range(4):
            p.out(Port.RAW)
            p.out(Port.PUSH, 0)
        p.add("a", config.cols)
        p.add("bias", 2)
        self.loop("channels", channel)
        p.go(done)

    def walk(self):
        """Move on as many rows as the accumulator says, if it is above 0."""
        p = self.p
        p.label("walk")
        done = p.forward()
        p.go(done, When.NEGATIVE)
        p.go(done, When.ZERO)
        p.op(Op.ST, "ahead")
        again = p.label()
        p.set("a", "psum")
        p.set("row", "in strip")
        p.call("step row")
        p.set("psum", "a")
        p.set("in strip", "row")
        self.loop("ahead", again)
        p.place(done)
        p.ret()

    def step_row(self):
        """From psum "a" in row "row" of its strip to the one below."""
        p = self.p
        p.label("step row")
        same = p.forward()
        p.op(Op.INC, "a")
        p.op(Op.INC, "row")
        p.op(Op.SUB, "STORE.e")
        p.go(same, When.NOT_ZERO)
        p.op(Op.ST, "row")
        p.add("a", "strip step")
        p.place(same)
        p.ret()

    def window(self, at, size, limit, count):
        """``count``: how much of a window of that size lies between 0 and a limit."""
        p = self.p
        whole, outside = p.forward(), p.forward()
        p.op(Op.LD, at)
        p.op(Op.ADD, f"STORE.{size}")
        p.op(Op.ST, count)
        p.op(Op.SUB, f"STORE.{limit}")
        p.go(whole, When.NEGATIVE)
        p.set(count, f"STORE.{limit}")
        p.place(whole)
        p.op(Op.LD, at)
        p.go(outside, When.NEGATIVE)
        p.op(Op.LD, count)
        p.op(Op.SUB, at)
        p.op(Op.ST, count)
        p.place(outside)

    def pool(self, done):
        """The channels of an output column, each the largest of a window."""
        p, config = self.p, self.config
        self.window("x", "pool_s", "psum_cols", "window columns")
        before, first = p.forward(), p.forward()
        p.op(Op.LD, "x")
        p.go(before, When.NEGATIVE)
        p.op(Op.LD, "psum")
        p.op(Op.ADD, "of x")
        p.go(first)
        p.place(before)
        p.op(Op.LD, "psum")
        p.place(first)
        p.op(Op.ST, "window")
        p.op(Op.LD, "bias")
        p.op(Op.ADD, 1)
        p.op(Op.ST, "scale")
        channel = p.label()
        p.set("a", "window")
        p.set("row", "in strip")
        p.set("rows left", "window rows")
        row = p.label()
        p.set("b", "a")
        p.set("columns left", "window columns")
        column, end = p.label(), p.forward()
        p.out(Port.LOAD, "b")
        p.out(Port.ADD, "bias")
        p.out(Port.SCALE, "scale")
        p.add("b", "STORE.words_per_column")
        self.loop("columns left", column)
        p.op(Op.DEC, "rows left")
        p.go(end, When.ZERO)
        p.call("step row")
        p.go(row)
        p.place(end)
        p.add("window", config.cols)
        p.add("bias", 2)
        p.op(Op.ADD, 1)
        p.op(Op.ST, "scale")
        p.out(Port.PUSH, 0)
        self.loop("channels", channel)
        p.go(done)

    def no_pool(self):
        """The channels of an output column, each one psum."""
        p, config = self.p, self.config
        p.op(Op.LD, "psum")
        p.op(Op.ADD, "of x")
        p.op(Op.ST, "a")
        channel = p.label()
        p.out(Port.LOAD, "a")
        p.out(Port.ADD, "bias")
        p.op(Op.INC, "bias")
        p.op(Op.LD, config.cols)
        p.out(Port.SCALE, "bias")
        p.op(Op.ADDM, "a")
        p.op(Op.INC, "bias")
        p.op(Op.DEC, "channels")
        p.out(Port.PUSH, 0)
        p.go(channel, When.NOT_ZERO)
