"""The engine's instructions, and an assembler for them.

An instruction has 16 bits::

    000 op:5   register:8     arithmetic on the accumulator and a register, see Op
    001 port:5 register:8     the register goes to a port of a unit, see Port; waits until it may
    010 some:1 bits:4 register:8    the next bits (less one) of what is read from DRAM, into the
                              register; some: stops with ErrorCode.FIELD if they are all 0
    011 0                     goes on behind the last CALL, from two levels at most
    1   when:3 target:12      goes on at the target, see When

One is done each cycle; one more where it goes on elsewhere, if that depends on a flag, and 16 for
bits from DRAM. A register that an instruction writes is there for the next but one: the assembler
puts a NOP between.
"""

import enum

__all__ = ["Op", "Input", "When", "Port", "Phase", "Move", "Setting", "Program", "REGISTERS"]

#: Registers of 16 bits.
REGISTERS = 256


class Op(enum.IntEnum):
    """What is done with the accumulator, the register, or both."""
    NOP = 0
    LD = 1              # acc = r
    ST = 2              # r = acc
    ADD = 3             # acc = acc + r
    ADDM = 4            # r = acc = acc + r
    ADC = 5             # acc = acc + r + carry
    SUB = 6             # acc = acc - r; carry unless acc < r, both unsigned
    INC = 7             # r = acc = r + 1
    DEC = 8             # r = r - 1
    AND = 9             # acc = acc & r
    SHR = 10            # acc = r >> 1
    IN = 11             # acc = input number r, see Input
    ADDR = 12           # r = acc + r


class Input(enum.IntEnum):
    """Inputs of the engine. Halves of the stream's word wait for it; the upper one takes it."""
    PROGRAM_LO, PROGRAM_HI, BASE_LO, BASE_HI, WORD_LO, WORD_HI = range(6)


class When(enum.IntEnum):
    """When to go on at the target. The flags are of the last Op but NOP and ST, or of its value."""
    ALWAYS = 0
    CALL = 1            # ALWAYS; to come back
    ZERO = 2
    NOT_ZERO = 3
    CARRY = 4           # of sums and differences
    NOT_CARRY = 5
    NEGATIVE = 6        # bit 15
    NOT_NEGATIVE = 7


class Port(enum.IntEnum):
    """Ports of the units, and what a port does with the value; it waits until it can."""
    # Program and errors.
    START = 0           # waits for the start of a program; nothing runs before
    DONE = 1            # the program has ended
    NEXT = 2            # the next command begins
    ERROR = 3           # stops with this error code, and ADDR as its information
    PHASE = 4           # Phase: what idle cycles of the array are booked as
    # Stream to or from DRAM.
    ADDR_LO = 5         # of the address in DRAM
    ADDR_HI = 6
    READ = 7            # reads so many words
    WRITE = 8           # writes so many words
    # Mover, from the stream into the GLB.
    DST = 9             # byte address in the GLB
    SRC = 10            # byte within the stream's word
    PAD = 11            # value of padding
    MODE = 12           # Move
    MOVE = 13           # moves so many bytes
    # Writer of the spads.
    ROW = 14            # array row that is written
    MASK = 15           # columns that are written; moves one up with each ifmap word
    MASK_HI = 16        # of columns from 16 on
    PLACE = 17          # word of the filter spads that is written
    FILTER = 18         # the stream's next word into filter spads; then the next row, or word
    IFMAP = 19          # the GLB's word at this address into ifmap spads
    SPACE = 20          # waits until ifmap spads have room for a word
    ROUND = 21          # all rows and columns have had their word
    HALF = 22           # waits until a half of the filter spads is free
    # Sequencer: see Setting; PSUM is the GLB word of the first psum.
    SETTING = 23        # what the next VALUE sets
    VALUE = 24          # and the one after that sets the next
    GO = 25             # Go: a strip
    IDLE = 26           # waits until every psum is in the GLB
    # Output unit and what it gives the stream.
    LOAD = 27           # the GLB's word at this address is the sum
    ADD = 28            # and this one is added
    SCALE = 29          # this is its scale: requantise; the largest since the last PUSH is kept
    RAW = 30            # the sum's lowest byte is the output; the others move down
    PUSH = 31           # 0: the output is the stream's next byte; 1: its word ends here


class Phase(enum.IntEnum):
    """What the engine is at."""
    IDLE, LOAD, FILTER, FEED, STORE, FINISH = range(6)


class Move(enum.IntEnum):
    """What the mover does with bytes."""
    COPY, FILL, DROP = range(3)


class Setting(enum.IntEnum):
    """What the sequencer and the output unit know; counts are one less than the number."""
    TAP_CHANNELS, TAP_COLS, TAP_COL_STRIDE, FILTER_READS_OWN_CHANNEL, WINDOW, COL_ADVANCE, \
        STRIP_ADVANCE, P, PSUM_COLS, PSUM, ACTIVE_COLS, ZX, OUT, BOUNDS, LANE = range(15)


class Program:
    """Instructions as they are written, with labels and named registers.

    Parameters
    ----------
    overlaid : tuple of str
        Registers named after these, ``LOAD.addr`` and ``STORE.psum``, may be the same ones: what
        is in them is not needed at the same time.
    """

    def __init__(self, overlaid=()):
        self._overlaid = {prefix: 0 for prefix in overlaid}     # registers of each
        self._code = []         # (instruction without target, label or None)
        self._labels = {}
        self._registers = {}
        self._used = 0
        self._constants = {}    # value: the number of its register
        self._anonymous = 0
        self._written = None    # register that the instruction before writes

    # Registers.

    def reg(self, name):
        """The number of the register of that name."""
        if name not in self._registers:
            prefix, dot, _ = name.partition(".")
            if dot and prefix in self._overlaid:
                self._overlaid[prefix] += 1
                self._registers[name] = self.reg(f"overlaid {self._overlaid[prefix]}")
            else:
                self._registers[name] = self._used
                self._used += 1
                self._check()
        return self._registers[name]

    def _const(self, value):
        """The number of a register that always holds ``value``: those are the uppermost."""
        number = self._constants.setdefault(value & 0xFFFF, REGISTERS - 1 - len(self._constants))
        self._check()
        return number

    def _number(self, name):
        """The number of a named register, or of one that holds a number."""
        return self._const(name) if isinstance(name, int) else self.reg(name)

    def _check(self):
        # What is decoded as constants is a power of two.
        if self._used > REGISTERS - (1 << (len(self._constants) - 1).bit_length()):
            raise ValueError(f"the firmware has more than {REGISTERS} registers")

    # Instructions.

    def _append(self, word, label=None, *, reads=None, writes=None):
        if reads is not None and reads == self._written:
            self._code.append((Op.NOP << 8, None))
        self._code.append((word, label))
        self._written = writes

    def op(self, op, name=None):
        """An arithmetic instruction; ``name`` of its register, or a number."""
        register = self._number(name) if name is not None else 0
        writes = register if op in (Op.ST, Op.ADDM, Op.INC, Op.DEC, Op.ADDR) else None
        reads = None if op in (Op.ST, Op.NOP, Op.IN) else register
        self._append(op << 8 | register, reads=reads, writes=writes)

    def input(self, number):
        self._append(Op.IN << 8 | number)

    def out(self, port, name=0):
        """Give a register, or a number, to a port."""
        register = self._number(name)
        self._append(1 << 13 | port << 8 | register, reads=register)

    def get(self, bits, name, some=False):
        """The next 1 to 16 bits from DRAM; ``some``: an error if they are all 0."""
        register = self.reg(name)
        self._append(2 << 13 | some << 12 | bits - 1 << 8 | register, writes=register)

    def go(self, label, when=When.ALWAYS):
        self._append(1 << 15 | when << 12, label)

    def call(self, label):
        self.go(label, When.CALL)

    def ret(self):
        self._append(3 << 13)

    def label(self, name=None):
        """A label here; returns its name."""
        return self.place(self.forward() if name is None else name)

    def forward(self):
        """The name of a label that :meth:`place` puts down later."""
        self._anonymous += 1
        return f".{self._anonymous}"

    def place(self, name):
        """Put a label down here; returns its name."""
        if name in self._labels:
            raise ValueError(f"label {name} stands twice")
        self._labels[name] = len(self._code)
        return name

    # Several at a time.

    def set(self, name, value):
        """``name = value``, a register or a number."""
        self.op(Op.LD, value)
        self.op(Op.ST, name)

    def add(self, name, value):
        """``name += value``."""
        self.op(Op.LD, value)
        self.op(Op.ADDM, name)

    def words(self):
        """``(code, constants)``: the instructions, and what the uppermost registers always hold,
        from the last one down; the others hold anything at first."""
        code = [word | (self._labels[label] if label is not None else 0)
                for word, label in self._code]
        if len(code) > 1 << 12:
            raise ValueError(f"the firmware has {len(code)} instructions, more than {1 << 12}")
        return code, list(self._constants)
