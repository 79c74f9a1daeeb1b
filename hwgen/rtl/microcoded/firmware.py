"""The firmware of the engine: what it does for each command of :mod:`hwgen.isa`.

It is written for one configuration, whose numbers of rows and columns stand in it.
"""

from ... import isa
from ...isa.registers import ErrorCode
from .firmware_compute import Compute
from .firmware_load import Load
from .firmware_store import Store
from .microcode import Input, Op, Phase, Port, When

__all__ = ["build"]

_WORDS = isa.COMMAND_BYTES // 4


def build(config):
    """The firmware, as a :class:`~.microcode.Program`."""
    return _Firmware(config).p


class _Firmware(Load, Compute, Store):
    """The order of the commands, errors, and subroutines."""

    def __init__(self, config):
        super().__init__(config)
        self.main()
        self.load()
        self.parameters()
        self.filter()
        self.compute()
        self.store()
        self.errors()
        self.subroutines()

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
        p.op(Op.ST, "beyond")
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
        self.rest(12)

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
        short, long, stop = p.forward(), p.forward(), p.forward()
        for name, code, info in (("opcode", ErrorCode.OPCODE, "opcode"),
                                 ("mode", ErrorCode.MODE, "STORE.mode"),
                                 ("room", ErrorCode.SEMAPHORE, "beyond"),
                                 ("field", ErrorCode.FIELD, 0)):
            p.label(f"no {name}")
            p.set("info.lo", info)
            p.op(Op.LD, int(code))
            p.go(short)
        for name, code in ("magic", ErrorCode.MAGIC), ("hash", ErrorCode.HASH):
            p.label(f"no {name}")
            p.op(Op.LD, int(code))
            p.go(long)
        p.place(short)
        p.op(Op.ST, "code")
        p.set("info.hi", 0)
        p.go(stop)
        p.place(long)
        p.op(Op.ST, "code")
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
