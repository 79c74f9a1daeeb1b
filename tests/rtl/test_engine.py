"""The engine against an interpreter of its instructions, written from their list alone."""

from functools import partial
from unittest import mock

import numpy as np
import pytest

from hwgen.config import preset
from hwgen.rtl.microcoded.engine import Engine
from hwgen.rtl.microcoded.microcode import Input, Op, Port, Program, When
from sim.runner import SIMULATORS, BenchTest, run_block
from sim.tb_engine import BASE, PROGRAM
from tests.seed import SEED

_MASK = 0xFFFF


class Interpreter:
    """Runs assembled instructions until they give ``Port.DONE``."""

    def __init__(self, program, words):
        self.code, constants = program.words()
        self.registers = [0] * (256 - len(constants)) + constants[::-1]
        self.words, self.bit, self.taken = words, 0, 0
        self.acc = self.zero = self.negative = self.carry = 0

    def run(self):
        """What it gives, as (port, value)."""
        given, pc, links = [], 0, []
        while True:
            word, pc = self.code[pc], pc + 1
            kind, number, r = word >> 13, word >> 8 & 31, word & 255
            if word >> 15:
                when, target = word >> 12 & 7, word & 0xFFF
                if when == When.CALL:
                    links.append(pc)
                flag = (1, 1, self.zero, not self.zero, self.carry, not self.carry, self.negative,
                        not self.negative)[when]
                pc = target if flag else pc
            elif kind == 3:
                pc = links.pop()
            elif kind == 2:
                self.acc = self.registers[r] = self.get(number + 1)
            elif kind == 1:
                given.append((number, self.registers[r]))
                if number == Port.DONE:
                    return given
            else:
                self.op(Op(number), r)

    def get(self, bits):
        value = 0
        for i in range(bits):
            value |= (self.words[self.taken] >> self.bit & 1) << i
            self.bit = (self.bit + 1) % 32
            self.taken += self.bit == 0
        return value

    def input(self, number):
        if number in (Input.WORD_LO, Input.WORD_HI):
            word = self.words[self.taken]
            self.taken += number == Input.WORD_HI
            return word >> 16 * (number == Input.WORD_HI) & _MASK
        return (PROGRAM if number < Input.BASE_LO else BASE) >> 16 * (number % 2) & _MASK

    def op(self, op, r):
        acc, reg = self.acc, self.registers[r]
        sums = {Op.ADD: acc + reg, Op.ADDM: acc + reg, Op.ADC: acc + reg + self.carry,
                Op.SUB: acc + (~reg & _MASK) + 1, Op.INC: reg + 1, Op.DEC: reg + _MASK,
                Op.ADDR: acc + reg}
        if op == Op.NOP:
            return
        if op == Op.ST:
            self.registers[r] = acc
            return
        if op in sums:
            result, self.carry = sums[op] & _MASK, sums[op] >> 16
        elif op == Op.IN:
            result = self.input(r)
        else:
            result = {Op.LD: reg, Op.AND: acc & reg, Op.SHR: reg >> 1}[op]
        self.zero, self.negative = int(result == 0), result >> 15
        if op not in (Op.DEC, Op.ADDR):
            self.acc = result
        if op in (Op.ADDM, Op.INC, Op.DEC, Op.ADDR):
            self.registers[r] = result


def random_program(rng, length=150):
    """Arithmetic, bits and words of the stream, branches forward, loops and calls; gives what it
    has in between."""
    p, names = Program(overlaid=("A", "B")), ["A.x", "A.y", "B.x", "r", "s", "t"]
    pending = []
    p.go("start")
    p.label("inner")
    p.op(Op.ADDR, "r")
    p.ret()
    p.label("outer")
    p.op(Op.INC, "s")
    p.call("inner")
    p.out(Port.PAD, "s")
    p.ret()
    p.label("start")
    for name in names:
        p.set(name, int(rng.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF, rng.integers(1 << 16)))))
    for _ in range(length):
        name = str(rng.choice(names))
        kind = rng.integers(8)
        if kind < 4:
            op = Op(int(rng.choice([op for op in Op if op != Op.IN])))
            p.op(op, name)
        elif kind == 4:
            p.out(int(rng.choice([port for port in Port if port != Port.DONE])), name)
        elif kind == 5:
            p.get(int(rng.integers(1, 17)), name)
        elif kind == 6:
            label = p.forward()
            p.go(label, When(int(rng.integers(2, 8))))
            pending.append(label)
        else:
            p.call(str(rng.choice(("inner", "outer"))))
        if pending and rng.random() < 0.4:
            p.place(pending.pop(int(rng.integers(len(pending)))))
    for label in pending:
        p.place(label)
    # A loop; other inputs, and all registers.
    p.set("count", 5)
    again = p.label()
    p.out(Port.SRC, "count")
    p.op(Op.DEC, "count")
    p.go(again, When.NOT_ZERO)
    for number in (Input.PROGRAM_LO, Input.PROGRAM_HI, Input.BASE_LO, Input.BASE_HI):
        p.input(number)
        p.op(Op.ST, "in")
        p.out(Port.DST, "in")
    for name in names:
        p.out(Port.MODE, name)
    p.out(Port.DONE)
    return p


def run(program, words, simulator):
    interpreter = Interpreter(program, words)
    expected = interpreter.run()
    assert len(expected) > 4
    with mock.patch("hwgen.rtl.microcoded.engine.firmware.build", return_value=program):
        run_block(partial(Engine, preset("up5k")), BenchTest("sim.tb_engine", "gives"),
                  simulator=simulator, expected=expected, words=words, taken=interpreter.taken)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("number", range(3))
def test_random_programs(simulator, number):
    rng = np.random.default_rng((SEED, number))
    run(random_program(rng), rng.integers(1 << 32, size=200).tolist(), simulator)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_words_of_the_stream(simulator):
    """By bits over their ends, and by halves."""
    p = Program()
    for bits in (*range(1, 17), 16, 8):            # five words
        p.get(bits, "x")
        p.out(Port.PAD, "x")
    for number in (Input.WORD_LO, Input.WORD_HI, Input.WORD_LO, Input.WORD_LO, Input.WORD_HI):
        p.input(number)
        p.op(Op.ST, "x")
        p.out(Port.DST, "x")
    p.out(Port.DONE)
    run(p, np.random.default_rng(SEED).integers(1 << 32, size=9).tolist(), simulator)


def test_a_register_is_not_read_at_once():
    p = Program()
    p.op(Op.INC, "x")
    p.op(Op.LD, "x")
    p.op(Op.LD, "x")
    code, _ = p.words()
    assert [word >> 8 for word in code] == [Op.INC, Op.NOP, Op.LD, Op.LD]


def test_what_the_assembler_refuses():
    p = Program()
    p.label("here")
    with pytest.raises(ValueError, match="label here stands twice"):
        p.label("here")
    with pytest.raises(ValueError, match="more than 256 registers"):
        for number in range(300):
            p.reg(f"r{number}")
    p = Program()
    for _ in range(4097):
        p.op(Op.NOP)
    with pytest.raises(ValueError, match="4097 instructions, more than 4096"):
        p.words()
