"""What the firmware's commands have in common."""

from ... import isa
from .microcode import Input, Move, Op, Port, Program, When

__all__ = ["Common"]

_MOST = 63                   # what a semaphore counts to


class Common:
    """Writes instructions; ``p`` is the program, ``config`` what it is written for.

    Registers are named after the fields of the commands. Those of 32 bits are two, ``.lo`` and
    ``.hi``. Addresses in the GLB are in words, but for those of the mover, in bytes.
    """

    def __init__(self, config):
        self.config = config
        self.params = config.glb_words             # where the parameters stand in the GLB
        self.zero = self.params + 2 * config.params_depth       # and a word of zero points
        self.p = Program(overlaid=("LOAD", "PARAMS", "COMPUTE", "STORE"))

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

    def add_register(self, name, value):
        """``name += value``, of 32 and 16 bits."""
        p = self.p
        p.add(f"{name}.lo", value)
        p.op(Op.LD, 0)
        p.op(Op.ADC, f"{name}.hi")
        p.op(Op.ST, f"{name}.hi")

    def copy_long(self, name, value):
        for half in ("lo", "hi"):
            self.p.set(f"{name}.{half}", f"{value}.{half}")

    def double(self, *names):
        for name in names:
            self.p.add(name, name)

    def multiply(self, name, a, b):
        """``name = a * b``, by adding ``a`` as often as ``b`` says, once or more."""
        p = self.p
        p.set("times", b)
        p.set(name, 0)
        again = p.label()
        p.add(name, a)
        p.op(Op.DEC, "times")
        p.go(again, When.NOT_ZERO)

    def loop(self, counter, label):
        self.p.op(Op.DEC, counter)
        self.p.go(label, When.NOT_ZERO)

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
        counts = p.forward()
        p.label("take")
        p.set("step", 0xFFFF)
        p.go(counts)
        p.label("give")
        p.set("step", 1)
        p.place(counts)
        for number in range(isa.SEMAPHORES):
            spared = p.forward()
            p.op(Op.LD, "semaphores")
            p.op(Op.AND, 1 << number)
            p.go(spared, When.ZERO)
            p.op(Op.LD, f"semaphore {number}")
            p.op(Op.ADD, "step")
            p.op(Op.ST, f"semaphore {number}")
            p.op(Op.AND, _MOST + 1)
            p.go(spared, When.ZERO)
            p.add("beyond", 1 << number)           # it was 0, or is too many
            p.place(spared)
        beyond = p.forward()
        p.op(Op.LD, "beyond")
        p.go(beyond, When.NOT_ZERO)
        p.ret()
        p.place(beyond)
        p.op(Op.LD, "step")
        p.go("no room", When.NOT_NEGATIVE)
        never = p.label()
        p.go(never)

    def drop(self, size):
        """Drop bytes that the stream still has of a command."""
        p = self.p
        p.out(Port.MODE, int(Move.DROP))           # every run of words ends with a whole one
        p.out(Port.MOVE, size)

    def fields(self, name, *wanted, checked=()):
        """Read the fields of a command behind its opcode, and drop what is behind them. Fields that
        follow one another may be one register: their names are joined by "+". A field's register
        may have another name: ``field=register``.

        Stops if a field is 0 that must not be; ``checked`` names those that the caller looks at."""
        p = self.p
        wanted = {tuple(names.partition("=")[0].split("+")):
                  names.partition("=")[2] or f"{name}.{names}" for names in wanted}
        every = list(isa.COMMANDS[name].fields())
        names = [field.name for field, _ in every]
        unknown = {name for group in wanted for name in group} - set(names)
        if unknown:
            raise ValueError(f"{name} has no {unknown}")
        unchecked = {field.name for field, _ in every if field.least}
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
            joined = [field for field, _ in every[index:index + len(group)]]
            bits = sum(field.bits for field in joined)
            some = len(joined) == 1 and bits <= 16 and joined[0].least == 1
            if every[index][0].glb:
                skip(lsb + 8)
                p.get(16, register)
                at += 16
                continue
            skip(lsb)
            following = every[index + len(group)][1] if index + len(group) < len(every) else 512
            if bits > 16 and joined[0].least and lsb % 32 == 0 and following >= lsb + 32:
                self.whole_word(register, bits)
                unchecked.discard(names[index])
                at = lsb + 32
                continue
            if bits > 16:
                p.get(16, f"{register}.lo")
                p.get(bits - 16, f"{register}.hi")
            else:
                p.get(bits, register, some)
            at += bits
            if some:
                unchecked.discard(names[index])
        skip(-(-at // 32) * 32)
        self.rest(at // 8)
        if unchecked - set(checked):
            raise ValueError(f"nobody checks the fields {unchecked - set(checked)} of {name}")

    def rest(self, at):
        """Drop a command from byte ``at`` on: words that the engine takes itself, then 16 bytes at
        a time, so that few constants are needed."""
        left = isa.COMMAND_BYTES - at
        for _ in range(left % 16 // 4):
            self.p.input(Input.WORD_HI)
        if left >= 16:
            self.drop(left // 16 * 16)

    def whole_word(self, register, bits):
        """Take a field of ``bits`` bits that has a word of the stream to itself, and must not be
        0."""
        p = self.p
        some = p.forward()
        p.input(Input.WORD_LO)
        p.op(Op.ST, f"{register}.lo")
        p.input(Input.WORD_HI)
        p.op(Op.AND, (1 << bits - 16) - 1)
        p.op(Op.ST, f"{register}.hi")
        p.go(some, When.NOT_ZERO)
        p.op(Op.LD, f"{register}.lo")
        p.go("no field", When.ZERO)
        p.place(some)

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
