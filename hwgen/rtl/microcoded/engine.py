"""The engine: a microcoded sequencer that runs the commands of a program one after the other."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..block import Block
from ..common.ram import Ram, Rom
from . import firmware
from .microcode import REGISTERS, Input, Op, When

__all__ = ["Engine"]

_WIDTH = 16
_LEVELS = 2                  # of calls
_BLOCK = 256                 # instructions in the smallest block RAM that there is


class _Flags:
    """What branches look at, of the last operation that says."""

    def __init__(self):
        self.zero, self.negative, self.carry = (Signal(name=name, reset_less=True)
                                                for name in ("zero", "negative", "carry"))

    def chosen(self, m, when):
        """The flag that a branch looks at."""
        flag = Signal()
        with m.Switch(when):
            for which, value in ((When.ZERO, self.zero), (When.CARRY, self.carry),
                                 (When.NEGATIVE, self.negative)):
                with m.Case(which >> 1):
                    m.d.comb += flag.eq(value)
        return flag


class Engine(Block):
    """Runs the firmware: instructions of :mod:`.microcode`.

    Three stages: an instruction is fetched, its register is read, it is executed. Throughput is an
    instruction a cycle; a conditional branch that is taken costs one more, GET 15 more, and a port
    that is not ready holds all stages.

    Members
    -------
    port : Out(5), value : Out(16), give : Out(1)
        The port that is given ``value``; it takes it if it is ``ready``.
    ready : In(1)
        The addressed port takes what it is given in this cycle; may depend on ``port``, ``value``.
    forbidden : Out(1)
        A GET that wants bits that are not all 0 has found none; for a cycle.
    hold : In(1)
        Nothing is executed.
    word, word_valid, word_taken : In(32), In(1), Out(1)
        The stream that GET reads bits from, lowest bit first; and IN its halves.
    program, base : In(32)
    """

    module_name = "engine"

    def __init__(self, config):
        self._config = config
        super().__init__({
            "port": Out(5), "value": Out(_WIDTH), "give": Out(1), "ready": In(1),
            "forbidden": Out(1), "hold": In(1),
            "word": In(32), "word_valid": In(1), "word_taken": Out(1),
            "program": In(32), "base": In(32),
        })

    def body(self, platform):
        m = Module()
        code, constants = firmware.build(self._config).words()
        m.submodules.code = code_memory = Rom(16, [*code, *[0] * (-len(code) % _BLOCK)])
        m.submodules.registers = register_memory = Ram(_WIDTH, REGISTERS, "block")
        read, write = register_memory.read, register_memory.write
        go = Signal()                              # no port and no bit holds the engine
        taken = Signal()                           # a branch
        fetched, now, valid = self._fetch(m, code_memory.read, go, taken)
        m.d.comb += [read.addr.eq(fetched[:8]), read.en.eq(go)]
        register = self._constants(m, constants, fetched, go, read.data)

        # The instruction.
        is_op, is_out, is_get = (valid & (now[13:16] == kind) for kind in range(3))
        op = now[8:13]
        is_word = is_op & (op == Op.IN) & now[2]   # an input that is the stream's word
        acc = Signal(_WIDTH, reset_less=True)
        flags = _Flags()
        step, shifted, wanted, last_bit, get_done = self._get(m, is_get, op, acc)
        m.d.comb += [
            self.port.eq(now[8:13]), self.value.eq(register), self.give.eq(is_out & ~self.hold),
            go.eq(~self.hold & ~(is_out & ~self.ready) & ~(is_get & ~get_done)
                  & ~(is_word & ~self.word_valid)),
            self.word_taken.eq((step & wanted & last_bit) | (is_word & go & now[0])),
            taken.eq(valid & now[15] & now[13:15].any() & (flags.chosen(m, now[13:15]) ^ now[12])),
        ]
        result, carry = self._operate(m, now, acc, register, flags)

        def among(*ops):
            return Cat(op == which for which in ops).any()

        with m.If(is_op & go & ~among(Op.NOP, Op.ST)):
            m.d.sync += [flags.zero.eq(result == 0), flags.negative.eq(result[-1])]
            with m.If(~among(Op.DEC, Op.ADDR)):
                m.d.sync += acc.eq(result)
            with m.If(~among(Op.LD, Op.AND, Op.SHR, Op.IN)):
                m.d.sync += flags.carry.eq(carry)
        with m.If(step):
            m.d.sync += acc.eq(shifted)
        writes = among(Op.ST, Op.ADDM, Op.INC, Op.DEC, Op.ADDR)
        m.d.comb += [
            write.addr.eq(now[:8]),
            write.data.eq(Mux(is_get, shifted, result)),
            write.en.eq((is_op & writes & go) | get_done),
        ]
        return m

    @staticmethod
    def _constants(m, constants, fetched, go, stored):
        """What the instruction's register holds: what is stored, or in the uppermost registers a
        constant. These are logic, lest anything depend on what a RAM holds at power-up."""
        bits = (len(constants) - 1).bit_length()
        constant = Signal(_WIDTH, reset_less=True)
        is_constant = Signal(reset_less=True)
        with m.If(go):
            m.d.sync += [is_constant.eq(fetched[bits:8].all()), constant.eq(0)]
            with m.Switch(~fetched[:bits]):
                for number, value in enumerate(constants):
                    with m.Case(number):
                        m.d.sync += constant.eq(value)
        register = Signal(_WIDTH)
        m.d.comb += register.eq(Mux(is_constant, constant, stored))
        return register

    @staticmethod
    def _fetch(m, fetch, go, taken):
        """Fetch instructions; calls and jumps go on elsewhere at once, branches when they are
        executed and ``taken``.

        Returns the fetched instruction, whose register is read, the one before it, which is
        executed, and whether that is valid.
        """
        address = fetch.addr.shape()
        pc = Signal(address)                       # of the one after the fetched one
        fetched = fetch.data
        fetched_valid = Signal()
        valid = Signal()
        now = Signal(16, reset_less=True)
        links = [Signal(address, name=f"link_{level}", reset_less=True)
                 for level in range(_LEVELS)]
        next_address = Signal(address)
        m.d.comb += [fetch.addr.eq(next_address), fetch.en.eq(go)]
        branch = fetched[15] & fetched_valid
        when = fetched[12:15]
        back = (fetched[13:16] == 3) & fetched_valid
        m.d.comb += next_address.eq(pc)
        with m.If(taken):
            m.d.comb += next_address.eq(now[:len(pc)])
        with m.Elif(branch & ((when == When.ALWAYS) | (when == When.CALL))):
            m.d.comb += next_address.eq(fetched[:len(pc)])
        with m.Elif(back):
            m.d.comb += next_address.eq(links[0])
        with m.If(go):
            m.d.sync += [
                pc.eq(next_address + 1), fetched_valid.eq(1), now.eq(fetched),
                valid.eq(fetched_valid & ~taken),
            ]
            with m.If(branch & (when == When.CALL) & ~taken):
                m.d.sync += [links[0].eq(pc), links[1].eq(links[0])]
            with m.If(back & ~taken):
                m.d.sync += links[0].eq(links[1])
        return fetched, now, valid

    def _operate(self, m, now, acc, register, flags):
        """The result of an operation and its carry; one adder does all sums: of the accumulator or
        0, and the register or its inverse."""
        op = now[8:13]
        outside = Signal(_WIDTH)
        with m.Switch(now[:3]):
            for number, half in ((Input.PROGRAM_LO, self.program[:16]),
                                 (Input.PROGRAM_HI, self.program[16:]),
                                 (Input.BASE_LO, self.base[:16]), (Input.BASE_HI, self.base[16:]),
                                 (Input.WORD_LO, self.word[:16]), (Input.WORD_HI, self.word[16:])):
                with m.Case(number):
                    m.d.comb += outside.eq(half)
        invert = op == Op.SUB
        alone = (op == Op.LD) | (op == Op.INC) | (op == Op.DEC)
        left = Signal(_WIDTH)
        right = Signal(_WIDTH)
        total = Signal(_WIDTH + 1)
        result = Signal(_WIDTH)
        m.d.comb += [
            left.eq(Mux(alone, (op == Op.DEC).replicate(_WIDTH), acc)),
            right.eq(register ^ invert.replicate(_WIDTH)),
            total.eq(left + right + (invert | (op == Op.INC) | ((op == Op.ADC) & flags.carry))),
        ]
        with m.Switch(op):
            with m.Case(Op.ST):
                m.d.comb += result.eq(acc)
            with m.Case(Op.AND):
                m.d.comb += result.eq(acc & register)
            with m.Case(Op.SHR):
                m.d.comb += result.eq(register[1:])
            with m.Case(Op.IN):
                m.d.comb += result.eq(outside)
            with m.Default():
                m.d.comb += result.eq(total)
        return result, total[-1]

    def _get(self, m, is_get, op, acc):
        """GET: sixteen cycles, in the first of which bits come in; behind them zeros.

        Returns whether a bit moves, the accumulator with it, whether the bit is the stream's and
        the last of its word, and whether it is the last of all.
        """
        position = Signal(5)                       # of the bit in the word
        count = Signal(range(_WIDTH))
        wanted = count <= op[:4]
        shifted = Signal(_WIDTH)
        step = Signal()
        get_done = Signal()
        some = Signal()                            # of the bits before are not 0
        m.d.comb += [
            self.forbidden.eq(get_done & op[4] & ~some & ~shifted[-1]),
            step.eq(is_get & ~self.hold & (~wanted | self.word_valid)),
            shifted.eq(Cat(acc[1:], wanted & self.word.bit_select(position, 1))),
            get_done.eq(step & (count == _WIDTH - 1)),
        ]
        with m.If(step):
            m.d.sync += [count.eq(count + 1), some.eq(~get_done & (some | shifted[-1]))]
            with m.If(wanted):
                m.d.sync += position.eq(position + 1)
        return step, shifted, wanted, position.all(), get_done
