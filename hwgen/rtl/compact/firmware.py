"""The firmware of the engine: what it does for each command of :mod:`hwgen.isa`.

It is written for one configuration, whose numbers of rows and columns stand in it.
"""

from ... import isa
from ...registers import ErrorCode
from .microcode import Input, Move, Op, Phase, Port, Program, Setting, When

__all__ = ["build"]

_WORDS = isa.COMMAND_BYTES // 4


def build(config):
    """The firmware, as a :class:`~.microcode.Program`."""
    return _Firmware(config).program


class _Firmware:
    """Registers are named after the fields of the commands. Those of 32 bits are two, ``.lo`` and
    ``.hi``. Addresses in the GLB are in words, but for those of the mover, in bytes.
    """

    def __init__(self, config):
        self.config = config
        self.params = config.glb_words             # where the parameters stand in the GLB
        self.zero = self.params + 2 * config.params_depth
        self.program = self.p = Program(overlaid=("LOAD", "PARAMS", "COMPUTE", "STORE"))
        self.main()
        self.load()
        self.parameters()
        self.filter()
        self.compute()
        self.store()
        self.errors()
        self.subroutines()

    # Common pieces.

    def settings(self, first, *names):
        """Settings from ``first`` on."""
        self.p.out(Port.SETTING, int(first))
        for name in names:
            self.p.out(Port.VALUE, name)

    def phase(self, phase):
        self.p.out(Port.PHASE, int(phase))

    def add_long(self, name, value):
        """``name += value`` of 32 bits."""
        p = self.p
        p.add(f"{name}.lo", f"{value}.lo")
        p.op(Op.LD, f"{value}.hi")
        p.op(Op.ADC, f"{name}.hi")
        p.op(Op.ST, f"{name}.hi")

    def copy_long(self, name, value):
        for half in ("lo", "hi"):
            self.p.set(f"{name}.{half}", f"{value}.{half}")

    def double(self, *names):
        for name in names:
            self.p.add(name, name)

    def to_words(self, *names):
        """Psum words to words of the GLB."""
        p = self.p
        for name in names:
            p.op(Op.LD, name)
            p.call("times cols")
            p.op(Op.ST, name)

    def times_cols(self):
        """The accumulator times the number of columns."""
        p = self.p
        p.label("times cols")
        p.op(Op.ST, "once")
        for bit in f"{self.config.cols:b}"[1:]:
            p.op(Op.ST, "twice")
            p.op(Op.ADD, "twice")
            if bit == "1":
                p.op(Op.ADD, "once")
        p.ret()

    def multiply(self, name, a, b):
        """``name = a * b``, by adding ``a`` as often as ``b`` says, once or more."""
        p = self.p
        p.set("times", b)
        p.set(name, 0)
        again = p.label()
        p.add(name, a)
        p.op(Op.DEC, "times")
        p.go(again, When.NOT_ZERO)

    def take(self, mask, strips=None, step=None):
        """Take the semaphores of a mask; for strips, again for every ``step``-th (0: once)."""
        self.turns("take", mask, strips, step)

    def give(self, mask, strips=None, step=None):
        self.turns("give", mask, strips, step)

    def turns(self, what, mask, strips, step):
        p = self.p
        p.set("semaphores", mask)
        if step is None:
            p.call(what)
            return
        p.set("strips", strips)
        again, done = p.label(), p.forward()
        p.call(what)
        p.op(Op.LD, step)
        p.go(done, When.ZERO)
        p.op(Op.LD, "strips")
        p.op(Op.SUB, step)
        p.op(Op.ST, "strips")
        p.go(done, When.ZERO)
        p.go(again, When.CARRY)
        p.place(done)

    def semaphores(self):
        """Take or give those of a mask. Commands run one after the other, so one that is not there
        will never be: then nothing moves any more."""
        p = self.p
        for what in ("take", "give"):
            p.label(what)
            for number in range(isa.SEMAPHORES):
                spared = p.forward()
                p.op(Op.LD, "semaphores")
                p.op(Op.AND, 1 << number)
                p.go(spared, When.ZERO)
                if what == "take":
                    p.op(Op.LD, f"semaphore {number}")
                    p.go("never", When.ZERO)
                    p.op(Op.DEC, f"semaphore {number}")
                else:
                    p.op(Op.INC, f"semaphore {number}")
                p.place(spared)
            p.ret()
        p.label("never")
        p.go("never")

    def loop(self, counter, label):
        self.p.op(Op.DEC, counter)
        self.p.go(label, When.NOT_ZERO)

    def drop(self, size):
        """Drop bytes that the stream still has of a command."""
        p = self.p
        p.out(Port.MODE, int(Move.DROP))           # every run of words ends with a whole one
        p.out(Port.MOVE, size)

    def fields(self, name, *wanted):
        """Read the fields of a command behind its opcode, and drop what is behind them. Fields that
        follow one another may be one register: their names are joined by "+". A field's register
        may have another name: ``field=register``."""
        p = self.p
        wanted = {tuple(names.partition("=")[0].split("+")):
                  names.partition("=")[2] or f"{name}.{names}" for names in wanted}
        every = list(isa.COMMANDS[name].fields())
        names = [field.name for field, _ in every]
        unknown = {name for group in wanted for name in group} - set(names)
        if unknown:
            raise ValueError(f"{name} has no {unknown}")
        at = 8

        def skip(until):
            nonlocal at
            while at < until:
                bits = min(until - at, 16)
                p.get(bits, "skipped")
                at += bits
        for index, (_, lsb) in enumerate(every):
            group = next((group for group in wanted if names[index] == group[0]), None)
            if group is None:
                continue
            register = wanted[group]
            bits = sum(field.bits for field, _ in every[index:index + len(group)])
            if every[index][0].glb:
                skip(lsb + 8)
                p.get(16, register)
                at += 16
                continue
            skip(lsb)
            if bits > 16:
                p.get(16, f"{register}.lo")
                p.get(bits - 16, f"{register}.hi")
            else:
                p.get(bits, register)
            at += bits
        skip(-(-at // 32) * 32)
        if at < 8 * isa.COMMAND_BYTES:
            self.drop(isa.COMMAND_BYTES - at // 8)

    # The commands' order.

    def main(self):
        p, config = self.p, self.config
        p.label("ready")
        p.out(Port.START)
        self.phase(Phase.IDLE)
        for number, name in ((Input.PROGRAM_LO, "command.lo"), (Input.PROGRAM_HI, "command.hi"),
                             (Input.BASE_LO, "base.lo"), (Input.BASE_HI, "base.hi")):
            p.input(number)
            p.op(Op.ST, name)
        p.op(Op.LD, 0)
        for number in range(isa.SEMAPHORES):
            p.op(Op.ST, f"semaphore {number}")
        p.call("fetch")
        p.get(16, "info.lo")
        p.get(16, "info.hi")
        p.get(8, "skipped")
        p.get(16, "skipped")
        p.op(Op.LD, "opcode")
        p.op(Op.SUB, isa.COMMANDS["BEGIN"].opcode)
        p.go("no magic", When.NOT_ZERO)
        for half, value in (("lo", isa.MAGIC & 0xFFFF), ("hi", isa.MAGIC >> 16)):
            p.op(Op.LD, f"info.{half}")
            p.op(Op.SUB, value)
            p.go("no magic", When.NOT_ZERO)
        p.get(16, "info.lo")
        p.get(16, "info.hi")
        for half, value in (("lo", config.hash & 0xFFFF), ("hi", config.hash >> 16)):
            p.op(Op.LD, f"info.{half}")
            p.op(Op.SUB, value)
            p.go("no hash", When.NOT_ZERO)
        self.drop(isa.COMMAND_BYTES - 12)

        p.label("next")
        self.phase(Phase.IDLE)
        p.out(Port.NEXT)
        p.op(Op.LD, isa.COMMAND_BYTES)
        p.op(Op.ADDM, "command.lo")
        p.op(Op.LD, 0)
        p.op(Op.ADC, "command.hi")
        p.op(Op.ST, "command.hi")
        p.call("fetch")
        p.op(Op.LD, "opcode")
        at = 0                                     # what has been taken from the opcode
        for command in sorted(isa.COMMANDS.values(), key=lambda command: command.opcode):
            if command.name != "BEGIN":
                p.op(Op.SUB, command.opcode - at)
                at = command.opcode
                p.go(command.name, When.ZERO)
        p.go("no opcode")

        p.label("END")
        self.phase(Phase.FINISH)
        self.fields("END")
        p.out(Port.DONE)
        p.go("ready")

    def errors(self):
        """Stop; the engine is held from then on."""
        p = self.p
        stop = p.forward()
        for name, code, info in (("opcode", ErrorCode.OPCODE, "opcode"),
                                 ("magic", ErrorCode.MAGIC, None), ("hash", ErrorCode.HASH, None),
                                 ("mode", ErrorCode.MODE, "STORE.mode")):
            p.label(f"no {name}")
            if info:
                p.set("info.lo", info)
                p.set("info.hi", 0)
            p.set("code", int(code))
            p.go(stop)
        p.place(stop)
        self.drop(0xFFFC)                          # whatever the stream still has
        p.out(Port.ADDR_LO, "info.lo")
        p.out(Port.ADDR_HI, "info.hi")
        p.out(Port.ERROR, "code")
        p.label("no mark")
        p.out(Port.ERROR, int(ErrorCode.FILTER))

    def subroutines(self):
        p = self.p
        # Begin to read the command, and its opcode.
        p.label("fetch")
        self.copy_long("dram", "command")
        p.set("count", _WORDS)
        self.address()
        p.out(Port.READ, "count")
        p.get(8, "opcode")
        p.ret()

        # Give the stream the address "dram".
        p.label("read")
        self.address()
        p.out(Port.READ, "count")
        p.ret()

        # Words that ``last`` + 1 bytes from "dram" on touch: "count".
        p.label("words")
        p.op(Op.LD, "dram.lo")
        p.op(Op.AND, 3)
        p.op(Op.ADD, 4)
        p.op(Op.ADD, "last.lo")
        p.op(Op.ST, "count")
        p.op(Op.LD, 0)
        p.op(Op.ADC, "last.hi")
        p.op(Op.ST, "times")
        p.op(Op.SHR, "count")
        p.op(Op.ST, "count")
        p.op(Op.SHR, "count")
        p.op(Op.ST, "count")
        done = p.forward()
        p.op(Op.LD, "times")
        p.go(done, When.ZERO)
        more = p.label()
        p.add("count", 0x4000)
        self.loop("times", more)
        p.place(done)
        p.ret()
        self.move_row()
        self.move_column()
        self.next_pair()
        self.feed_zeros()
        self.times_cols()
        self.semaphores()
        self.walk()
        self.step_row()

    def address(self):
        p = self.p
        p.op(Op.LD, "dram.lo")
        p.op(Op.ADD, "base.lo")
        p.op(Op.ST, "address.lo")
        p.op(Op.LD, "dram.hi")
        p.op(Op.ADC, "base.hi")
        p.op(Op.ST, "address.hi")
        p.out(Port.ADDR_LO, "address.lo")
        p.out(Port.ADDR_HI, "address.hi")

    # LOAD, PARAMS

    def load(self):
        p = self.p
        p.label("LOAD")
        self.phase(Phase.LOAD)
        self.fields("LOAD", "wait", "signal", "dst", "pad", "wstep", "addr=dram", "g", "groups",
                    "row_stride", "rows", "cols", "tpad", "bpad", "lpad", "rpad", "glb_row_stride",
                    "glb_cg_stride", "q",
                    "off0", "row_last=last", "group_step", "whole")
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
        p.set("channel", "LOAD.off0")

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
        p.add("channel", "LOAD.g")
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
        p.op(Op.LD, "LOAD.whole")
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
        p.set("skip", "LOAD.wstep")
        p.go(following)
        p.place(skipped)
        p.op(Op.LD, "kind")
        p.go(following, When.NOT_ZERO)
        p.out(Port.MODE, int(Move.DROP))
        p.out(Port.MOVE, "LOAD.g")
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
        p.set("left", "LOAD.g")
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

    # FILTER, COMPUTE

    def filter(self):
        """Passes take their packets one by one."""
        p = self.p
        p.label("FILTER")
        self.fields("FILTER", "addr")
        p.go("next")

    def compute(self):
        p, config = self.p, self.config
        p.label("COMPUTE")
        self.fields("COMPUTE", "feed_wait", "feed_signal", "psum_wait", "psum_signal", "ifmap",
                    "row_stride", "cg_stride", "rounds", "strip_stride",
                    "pairs", "r", "e", "colpat", "u", "dil", "tg", "active_cols", "nc", "ns",
                    "sstep", "pstep", "window", "adv", "strip_adv", "xsigned+zx",
                    "feed_step", "p", "steps", "strips", "psum", "accumulate", "wait_step",
                    "signal_step")
        self.take("COMPUTE.feed_wait", "COMPUTE.strips", "COMPUTE.feed_step")
        self.take("COMPUTE.psum_wait", "COMPUTE.strips", "COMPUTE.wait_step")
        for name in ("nc", "ns", "p", "steps"):
            p.op(Op.DEC, f"COMPUTE.{name}")
        self.to_words("COMPUTE.psum")
        self.settings(Setting.NC, *(f"COMPUTE.{name}" for name in (
            "nc", "ns", "sstep", "pstep", "window", "adv", "strip_adv", "p", "steps", "psum",
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
        self.add_number("FILTER.addr", 8)
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

    def add_number(self, name, number):
        self.add_register(name, number)

    def add_register(self, name, value):
        """``name += value``, of 32 and 16 bits."""
        p = self.p
        p.add(f"{name}.lo", value)
        p.op(Op.LD, 0)
        p.op(Op.ADC, f"{name}.hi")
        p.op(Op.ST, f"{name}.hi")

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
        p.out(Port.MASK, "COMPUTE.colpat.lo")
        if self.config.cols > 16:
            p.out(Port.MASK_HI, "COMPUTE.colpat.hi")
        p.set("groups", "COMPUTE.tg")
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

    # STORE

    def store(self):
        p, config = self.p, self.config
        p.label("STORE")
        self.phase(Phase.STORE)
        self.fields("STORE", "wait", "signal", "signal_written", "psum", "params", "addr=dram",
                    "row_stride", "bank", "groups", "e", "p", "pw", "steps", "psum_rows",
                    "zy+ysigned", "lo+hi", "out_rows", "out_cols",
                    "row0", "col0", "pool_r", "pool_s", "pool_u", "pool_v", "strip_words",
                    "param_stride", "mode", "row_bytes=last", "col_step", "col_first", "group_step")
        raw, checked = p.forward(), p.forward()
        p.op(Op.LD, "STORE.mode")
        p.go(checked, When.ZERO)
        p.op(Op.SUB, int(isa.StoreMode.RAW))
        p.go("no mode", When.NOT_ZERO)
        p.place(checked)
        self.take("STORE.wait")
        self.settings(Setting.OUT, "STORE.zy+ysigned", "STORE.lo+hi")
        for name in ("row0", "col0"):
            positive = p.forward()
            p.op(Op.LD, f"STORE.{name}")
            p.op(Op.AND, 0x80)
            p.go(positive, When.ZERO)
            p.add(f"STORE.{name}", 0xFF00)
            p.place(positive)
        self.to_words("STORE.psum", "STORE.pw", "STORE.strip_words", "STORE.col_step",
                      "STORE.col_first")
        p.add("STORE.psum", "STORE.bank")
        p.op(Op.LD, "STORE.strip_words")
        p.op(Op.SUB, "STORE.e")
        p.op(Op.ST, "strip step")                  # from a strip's last row to the next one's first
        self.double("STORE.params", "STORE.param_stride")
        p.add("STORE.params", self.params)
        p.op(Op.DEC, "last.lo")
        no_borrow = p.forward()
        p.go(no_borrow, When.CARRY)
        p.op(Op.DEC, "last.hi")
        p.place(no_borrow)
        # A window of one psum needs no walk.
        p.op(Op.LD, "STORE.pool_r")
        p.op(Op.ADD, "STORE.pool_s")
        p.op(Op.SUB, 2)
        p.op(Op.ST, "pooled")

        group = p.label()
        p.set("psum", "STORE.psum")                # of the window's first row that is in the block
        p.set("in strip", 0)                       # that row's number in its strip
        p.set("y", "STORE.row0")
        p.op(Op.LD, "y")
        p.call("walk")
        p.set("rows", "STORE.out_rows")
        row = p.label()
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
        # The next row of windows.
        advance, inside, walk = p.forward(), p.forward(), p.forward()
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
        p.go(advance, When.ZERO)
        self.add_long("dram", "STORE.row_stride")
        p.op(Op.DEC, "rows")
        p.go(row)
        p.place(advance)
        self.add_long("dram", "STORE.group_step")
        p.add("STORE.psum", "STORE.e")
        p.add("STORE.params", "STORE.param_stride")
        self.loop("STORE.groups", group)
        self.give("STORE.signal")
        self.give("STORE.signal_written")          # the next run of words waits for the writes
        p.go("next")

        p.place(raw)
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
        p.go(following)

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
        self.window("x", "pool_s", "steps", "window columns")
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
        p.add("b", "STORE.pw")
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
