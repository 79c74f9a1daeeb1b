"""The firmware's LOAD and PARAMS."""

from .firmware_common import Common
from .microcode import Move, Op, Phase, Port, When

__all__ = ["Load"]


class Load(Common):
    """LOAD moves a row, or a column of a DRAM group, at a time."""

    def load(self):
        p = self.p
        p.label("LOAD")
        self.phase(Phase.LOAD)
        self.fields("LOAD", "wait", "signal", "dst", "pad", "keep_every_col", "addr=dram",
                    "dram_channels", "groups",
                    "row_stride", "rows", "cols", "tpad", "bpad", "lpad", "rpad", "glb_row_stride",
                    "glb_cg_stride", "q",
                    "first_channel_offset", "row_last=last", "group_step", "row_is_contiguous")
        self.take("LOAD.wait")
        p.out(Port.PAD, "LOAD.pad")
        for name in ("LOAD.dst", "LOAD.glb_row_stride", "LOAD.glb_cg_stride"):
            self.double(name, name)
        p.op(Op.LD, "last.lo")
        p.op(Op.ADD, 1)
        p.op(Op.ST, "row bytes")
        for side in ("left", "right"):
            p.set(f"{side} bytes", 0)
            none = p.forward()
            p.op(Op.LD, f"LOAD.{side[0]}pad")
            p.go(none, When.ZERO)
            self.multiply(f"{side} bytes", "LOAD.q", f"LOAD.{side[0]}pad")
            p.place(none)
        p.set("channel", "LOAD.first_channel_offset")

        group = p.label()
        p.set("row", "LOAD.dst")
        for part, kind in (("tpad", Move.FILL), ("rows", Move.COPY), ("bpad", Move.FILL)):
            none = p.forward()
            p.op(Op.LD, f"LOAD.{part}")
            p.go(none, When.ZERO)
            p.op(Op.ST, "rows")
            p.set("kind", int(kind))
            again = p.label()
            p.call("move row")
            self.loop("rows", again)
            p.place(none)
        p.add("channel", "LOAD.dram_channels")
        hop, stay = p.label(), p.forward()
        p.op(Op.LD, "channel")
        p.op(Op.SUB, "LOAD.q")
        p.go(stay, When.NOT_CARRY)
        p.op(Op.ST, "channel")
        p.add("LOAD.dst", "LOAD.glb_cg_stride")
        p.go(hop)
        p.place(stay)
        self.loop("LOAD.groups", group)
        p.out(Port.MODE, int(Move.COPY))           # when the last byte has been moved
        self.give("LOAD.signal")
        p.go("next")

    def move_row(self):
        """A row, its padding included, from DRAM or, if "kind" is FILL, of padding alone."""
        p = self.p
        p.label("move row")
        filled, pieces, done = p.forward(), p.forward(), p.forward()
        p.op(Op.LD, "kind")
        p.go(filled, When.NOT_ZERO)
        p.call("words")
        p.call("read")
        p.out(Port.SRC, "dram.lo")
        p.place(filled)
        p.op(Op.LD, "LOAD.row_is_contiguous")
        p.go(pieces, When.ZERO)
        p.out(Port.DST, "row")
        for mode, size in ((int(Move.FILL), "left bytes"), ("kind", "row bytes"),
                           (int(Move.FILL), "right bytes")):
            p.out(Port.MODE, mode)
            p.out(Port.MOVE, size)
        p.go(done)

        p.place(pieces)
        p.set("column", "row")
        self.move_columns("lpad")
        p.out(Port.MODE, "kind")
        p.set("columns", "LOAD.cols")
        p.set("skip", 1)
        again, skipped, following = p.label(), p.forward(), p.forward()
        p.op(Op.DEC, "skip")
        p.go(skipped, When.NOT_ZERO)
        p.call("move column")
        p.set("skip", "LOAD.keep_every_col")
        p.go(following)
        p.place(skipped)
        p.op(Op.LD, "kind")
        p.go(following, When.NOT_ZERO)
        p.out(Port.MODE, int(Move.DROP))
        p.out(Port.MOVE, "LOAD.dram_channels")
        p.out(Port.MODE, int(Move.COPY))
        p.place(following)
        self.loop("columns", again)
        self.move_columns("rpad")

        # The rest of the last word, and on to the next row.
        p.place(done)
        p.add("row", "LOAD.glb_row_stride")
        finished, last_row = p.forward(), p.forward()
        p.op(Op.LD, "kind")
        p.go(finished, When.NOT_ZERO)
        p.op(Op.LD, "dram.lo")
        p.op(Op.ADD, "last.lo")
        p.op(Op.AND, 3)
        p.op(Op.ST, "rest")
        p.op(Op.LD, 3)
        p.op(Op.SUB, "rest")
        p.op(Op.ST, "rest")
        p.out(Port.MODE, int(Move.DROP))
        p.out(Port.MOVE, "rest")
        p.op(Op.LD, "rows")
        p.op(Op.SUB, 1)
        p.go(last_row, When.ZERO)
        self.add_long("dram", "LOAD.row_stride")
        p.ret()
        p.place(last_row)
        self.add_long("dram", "LOAD.group_step")
        p.place(finished)
        p.ret()

    def move_columns(self, pad):
        """Columns of padding."""
        p = self.p
        none = p.forward()
        p.op(Op.LD, f"LOAD.{pad}")
        p.go(none, When.ZERO)
        p.op(Op.ST, "columns")
        p.out(Port.MODE, int(Move.FILL))
        again = p.label()
        p.call("move column")
        self.loop("columns", again)
        p.place(none)

    def move_column(self):
        """A DRAM group of one column, to the channel groups that it touches."""
        p = self.p
        p.label("move column")
        p.set("stream", "column")
        p.op(Op.ADD, "channel")
        p.op(Op.ST, "place")
        p.set("left", "LOAD.dram_channels")
        p.op(Op.LD, "LOAD.q")
        p.op(Op.SUB, "channel")
        p.op(Op.ST, "run")
        again, fits, done = p.label(), p.forward(), p.forward()
        p.op(Op.LD, "left")
        p.op(Op.SUB, "run")
        p.go(fits, When.CARRY)
        p.set("run", "left")
        p.place(fits)
        p.out(Port.DST, "place")
        p.out(Port.MOVE, "run")
        p.op(Op.LD, "left")
        p.op(Op.SUB, "run")
        p.op(Op.ST, "left")
        p.go(done, When.ZERO)
        p.add("stream", "LOAD.glb_cg_stride")
        p.op(Op.ST, "place")
        p.set("run", "LOAD.q")
        p.go(again)
        p.place(done)
        p.add("column", "LOAD.q")
        p.ret()

    def parameters(self):
        p = self.p
        p.label("PARAMS")
        self.phase(Phase.LOAD)
        self.fields("PARAMS", "wait", "signal", "dst", "count", "addr=dram")
        self.take("PARAMS.wait")
        self.double("PARAMS.dst", "PARAMS.dst", "PARAMS.dst", "PARAMS.count")
        p.add("PARAMS.dst", 4 * self.params)
        p.set("count", "PARAMS.count")
        self.double("PARAMS.count", "PARAMS.count")
        p.call("read")
        p.out(Port.DST, "PARAMS.dst")
        p.out(Port.MODE, int(Move.COPY))
        p.out(Port.MOVE, "PARAMS.count")
        p.out(Port.MODE, int(Move.COPY))
        self.give("PARAMS.signal")
        p.go("next")
