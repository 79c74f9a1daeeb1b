"""Verilog modules as objects: read from text once, changed by passes, written once.

The reader takes the Verilog that Yosys writes, and the Verilog that :mod:`hwgen.verilog.writer`
makes of it. It is no reader for anything else: what it does not know, it refuses.

Expressions are tuples, so that equal ones are equal. Names in them are as Yosys gives them,
without the backslash of an escaped name: ``$7`` is a temporary, ``command.size`` a field.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Ref", "Part", "Word", "Const", "Op", "Assign", "If", "Case", "Process", "Net", "Memory",
           "Instance", "Module", "Widths", "parse", "process_targets", "refs", "substitute",
           "is_temporary", "target_names", "walk"]


class Ref(NamedTuple):
    """A whole net, or a constant with a name."""
    name: str


class Part(NamedTuple):
    """Bits ``msb`` to ``lsb`` of a net."""
    name: str
    msb: int
    lsb: int


class Word(NamedTuple):
    """A word of a memory, or bits of it: those of ``bits`` (msb, lsb)."""
    memory: str
    address: tuple
    bits: tuple | None
    kind: str = "word"


class Const(NamedTuple):
    """A constant: an integer, or its binary digits where some are ``x``, ``z`` or ``?``."""
    width: int
    value: int | str


class Op(NamedTuple):
    """An operator. Reductions are ``r&``, ``r|``, ``r^``; ``{}`` joins; ``rep`` repeats."""
    op: str
    args: tuple


@dataclass(slots=True)
class Assign:
    target: tuple
    value: tuple


@dataclass(slots=True)
class If:
    condition: tuple
    then: list
    other: list


@dataclass(slots=True)
class Case:
    """``casez``: ``items`` are pairs of patterns and statements; without patterns, the default."""
    subject: tuple
    items: list


@dataclass(slots=True)
class Process:
    """An ``always`` block, clocked by the rising edge of a net, or combinational (None)."""
    clock: str | None
    body: list


@dataclass(slots=True)
class Net:
    """A net or register: ``direction`` is ``input``, ``output`` or None.

    ``states`` are the names of an enumeration's values, ``comment`` what is written behind a port.
    """
    name: str
    width: int
    direction: str | None = None
    register: bool = False
    init: Const | None = None
    states: dict = field(default_factory=dict)
    comment: str = ""


@dataclass(slots=True)
class Memory:
    name: str
    width: int
    depth: int
    attributes: dict
    values: list


@dataclass(slots=True)
class Instance:
    module: str
    name: str
    pins: dict


@dataclass
class Module:
    """A module. ``assigns`` are pairs of a target and a value, ``constants`` are localparams."""
    name: str
    ports: list = field(default_factory=list)
    nets: dict = field(default_factory=dict)
    memories: dict = field(default_factory=dict)
    assigns: list = field(default_factory=list)
    processes: list = field(default_factory=list)
    instances: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    comments: list = field(default_factory=list)

    def statements(self):
        """Every statement of every process, outer ones first."""
        for process in self.processes:
            yield from walk(process.body)

    def values(self):
        """Every expression that is read, targets' addresses and instances' pins among them.

        A pin may as well be an output, which the instance drives.
        """
        for _, value in self.assigns:
            yield value
        for statement in self.statements():
            if isinstance(statement, Assign):
                yield statement.value
                if isinstance(statement.target, Word):
                    yield statement.target.address
            elif isinstance(statement, If):
                yield statement.condition
            else:
                yield statement.subject
        for instance in self.instances:
            yield from instance.pins.values()

    def rewrite(self, change):
        """Replace every value by ``change(value)``."""
        self.assigns = [(target, change(value)) for target, value in self.assigns]
        for statement in self.statements():
            if isinstance(statement, Assign):
                statement.value = change(statement.value)
                if isinstance(statement.target, Word):
                    word = statement.target
                    statement.target = word._replace(address=change(word.address))
            elif isinstance(statement, If):
                statement.condition = change(statement.condition)
            else:
                statement.subject = change(statement.subject)
        for instance in self.instances:
            instance.pins = {pin: change(value) for pin, value in instance.pins.items()}

    def rename(self, names):
        """Give nets, registers and memories other names, everywhere."""
        if not names:
            return

        def target(old):
            if isinstance(old, Ref):
                return Ref(names.get(old.name, old.name))
            if isinstance(old, Part):
                return old._replace(name=names.get(old.name, old.name))
            if isinstance(old, Word):
                return old._replace(memory=names.get(old.memory, old.memory))
            return Op(old.op, tuple(target(part) for part in old.args))

        change = _Renamer(names)
        self.rewrite(change)
        self.assigns = [(target(left), value) for left, value in self.assigns]
        for statement in self.statements():
            if isinstance(statement, Assign):
                statement.target = target(statement.target)
        for process in self.processes:
            process.clock = names.get(process.clock, process.clock)
        self.ports = [names.get(port, port) for port in self.ports]
        for group in (self.nets, self.memories):
            renamed = {names.get(name, name): item for name, item in group.items()}
            group.clear()
            group.update(renamed)
            for name, item in group.items():
                item.name = name
        self.constants = {names.get(name, name): value for name, value in self.constants.items()}

    def reads(self):
        """How often each name is read."""
        found = Counter()
        for value in self.values():
            found.update(refs(value))
        for process in self.processes:
            if process.clock:
                found[process.clock] += 1
        return found

    def targets(self):
        """Names that an assignment or a process drives."""
        found = {name for target, _ in self.assigns for name in target_names(target)}
        for process in self.processes:
            found.update(process_targets(process))
        return found


def process_targets(process):
    """Names that a process assigns, in their order, each once."""
    return dict.fromkeys(name for statement in walk(process.body) if isinstance(statement, Assign)
                         for name in target_names(statement.target))


def target_names(target):
    """The nets or memories that an assignment's target names."""
    if isinstance(target, Op):
        return [name for part in target.args for name in target_names(part)]
    return [target[0]]


def walk(body):
    """Every statement of a block, outer ones first."""
    for statement in body:
        yield statement
        if isinstance(statement, If):
            yield from walk(statement.then)
            yield from walk(statement.other)
        elif isinstance(statement, Case):
            for _, inside in statement.items:
                yield from walk(inside)


def is_temporary(name):
    """Whether a name is one that Amaranth or Yosys made up."""
    return re.fullmatch(r"\$\d+|_\d+_|\$auto\$.*", name) is not None


def refs(value):
    """The names that an expression reads, as often as it does."""
    if isinstance(value, (Ref, Part)):
        return [value.name]
    if isinstance(value, Const):
        return []
    if isinstance(value, Word):
        return [value.memory, *refs(value.address)]
    return [name for part in value.args for name in refs(part)]


def substitute(value, change):
    """``value`` with ``change(leaf)`` for each net, part of a net and constant in it."""
    if isinstance(value, Op):
        args = tuple([substitute(part, change) for part in value.args])
        return value if args == value.args else Op(value.op, args)
    if isinstance(value, Word):
        return value._replace(address=substitute(value.address, change))
    return change(value)


class _Renamer:
    def __init__(self, names):
        self._names = names
        self._done = {}

    def __call__(self, value):
        done = self._done.get(value)
        if done is None:
            done = self._done[value] = self._change(value)
        return done

    def _change(self, value):
        names = self._names
        if isinstance(value, Ref):
            return Ref(names[value.name]) if value.name in names else value
        if isinstance(value, Part):
            return value._replace(name=names[value.name]) if value.name in names else value
        if isinstance(value, Const):
            return value
        if isinstance(value, Word):
            return Word(names.get(value.memory, value.memory), self._change(value.address),
                        value.bits)
        return Op(value.op, tuple([self._change(part) for part in value.args]))


_ONE_BIT = frozenset(("==", "!=", "<", "<=", ">", ">=", "!", "&&", "||", "r&", "r|", "r^"))
# Values that are the same, and unsigned, in whichever context.
_WHOLE = _ONE_BIT | {"{}", "rep", "+:"}
_OPERANDS = frozenset(("&", "|", "^", "+", "-", "*"))


class Widths:
    """Widths and signs of a module's expressions, by themselves (IEEE 1364, section 5.4)."""

    def __init__(self, module):
        self._module = module

    def __call__(self, value):
        """Bits of an expression that stands alone."""
        if isinstance(value, Ref):
            net = self._module.nets.get(value.name)
            return net.width if net else self._module.constants[value.name].width
        if isinstance(value, Part):
            return value.msb - value.lsb + 1
        if isinstance(value, Const):
            return value.width
        if isinstance(value, Word):
            if value.bits:
                return value.bits[0] - value.bits[1] + 1
            return self._module.memories[value.memory].width
        op, args = value
        if op in _ONE_BIT:
            return 1
        if op in _OPERANDS:
            return max(self(args[0]), self(args[1]))
        if op == "{}":
            return sum(map(self, args))
        if op == "rep":
            return args[0].value * self(args[1])
        if op == "?:":
            return max(self(args[1]), self(args[2]))
        if op == "+:":
            return args[2].value
        return self(args[0])        # ~, negation, shifts, $signed

    def signed(self, value):
        """Whether an expression is signed."""
        if not isinstance(value, Op):
            return False
        op, args = value
        if op == "$signed":
            return True
        if op in _OPERANDS:
            return self.signed(args[0]) and self.signed(args[1])
        if op == "?:":
            return self.signed(args[1]) and self.signed(args[2])
        return op in ("~", "neg", "<<", ">>", "<<<", ">>>") and self.signed(args[0])

    def extends(self, value, width):
        """Whether more than ``width`` bits of a value are zero, in whichever context."""
        if isinstance(value, (Ref, Part, Const, Word)):
            return True
        op, args = value
        if op in _WHOLE:
            return True
        if op in ("&", "|", "^"):
            return all(self.extends(part, width) for part in args)
        if op == "?:":
            return all(self.extends(part, width) for part in args[1:])
        if op == ">>":
            return self.extends(args[0], width)
        if op in ("+", "*") and all(self.extends(part, width) for part in args) \
                and not self.signed(value):
            sizes = [self(part) for part in args]
            return (max(sizes) + 1 if op == "+" else sum(sizes)) <= width
        return False

    def has_low_bits(self, value, width):
        """Whether the low bits of a value are the same if only so many are computed."""
        if isinstance(value, (Ref, Part, Const, Word)):
            return True
        op, args = value
        if op in _WHOLE or op == "$signed":
            return True
        if op in ("+", "-", "*", "&", "|", "^", "~", "neg"):
            return all(self.has_low_bits(part, width) for part in args)
        if op == "?:":
            return all(self.has_low_bits(part, width) for part in args[1:])
        if op in ("<<", "<<<"):
            return self.has_low_bits(args[0], width)
        return op == ">>" and self.extends(args[0], width)


_TOKEN = re.compile(r"""
    "(?:[^"\\]|\\.)*" | \d*'s?[bdh][0-9a-fxz?_]+ | \$signed\b
    | \\\S+ | [A-Za-z_$][\w$]* | \d+ | <<< | >>> | << | >> | [=!<>]= | && | \|\| | \+: | \(\*
    | \*\) | [^\s]
    """, re.X)
_INITIAL = re.compile(r"^  initial begin\n((?:    \S+ *\[\d+\] = \S+;\n)+)  end\n", re.M)
_INITIAL_WORD = re.compile(r"^    (\S+) *\[(\d+)\] = (\S+);$", re.M)
_BINARY = {"||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7,
           ">=": 7, "<<": 8, ">>": 8, "<<<": 8, ">>>": 8, "+": 9, "-": 9, "*": 10}


def parse(text):
    """The modules of a Verilog text, by name, in their order."""
    modules = {}
    for body in re.findall(r"^module .*?^endmodule$", text, re.M | re.S):
        module = _Reader(body).module()
        modules[module.name] = module
    return modules


class _Reader:
    """Reads one module."""

    def __init__(self, text):
        self._words = {}
        for body in _INITIAL.findall(text):
            for memory, index, value in _INITIAL_WORD.findall(body):
                self._words.setdefault(memory.lstrip("\\"), {})[int(index)] = value
        if self._words:
            text = _INITIAL.sub("", text)
        text = re.sub(r"//.*|/\*.*?\*/", "", text)
        self._tokens = _TOKEN.findall(text)
        self._tokens.append("")
        self._at = 0

    # -- tokens

    def _next(self):
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _peek(self):
        return self._tokens[self._at]

    def _take(self, token):
        if self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _expect(self, token):
        found = self._next()
        if found != token:
            near = " ".join(self._tokens[max(0, self._at - 12):self._at + 5])
            raise ValueError(f"Verilog that hwgen does not read: {token!r} instead of {found!r} "
                             f"expected in: {near}")

    def _name(self):
        token = self._next()
        if token[0] == "\\":
            return token[1:]
        if not (token[0].isalpha() or token[0] in "_$"):
            self._at -= 1
            self._expect("a name")
        return token

    def _range(self):
        """A range ``[msb:0]`` as a number of bits, 1 if there is none."""
        if not self._take("["):
            return 1
        msb = self._value()
        self._expect(":")
        self._value()
        self._expect("]")
        return _integer(msb) + 1

    # -- module

    def module(self):
        self._expect("module")
        m = self._module = Module(self._name())
        self._expect("(")
        while not self._take(")"):
            if self._peek() in ("input", "output"):
                self._port_declaration(m)
            else:
                m.ports.append(self._name())
            self._take(",")
        self._expect(";")
        attributes = {}
        while not self._take("endmodule"):
            token = self._next()
            if token == "(*":
                name = self._next()
                self._expect("=")
                attributes[name] = self._next()
                self._expect("*)")
                continue
            if token in ("input", "output"):
                self._at -= 1
                self._port_declaration(m)
                self._expect(";")
            elif token in ("wire", "reg"):
                self._declaration(m, token, attributes)
            elif token == "localparam":
                width = self._range()
                name = self._name()
                self._expect("=")
                m.constants[name] = Const(width, _integer(self._value()))
                self._expect(";")
            elif token == "integer":
                self._skip()
            elif token == "assign":
                target = self._target()
                self._expect("=")
                m.assigns.append((target, self._value()))
                self._expect(";")
            elif token == "initial":
                self._expect("begin")
                depth = 1
                while depth:
                    depth += {"begin": 1, "end": -1}.get(self._next(), 0)
            elif token == "always":
                self._process(m)
            else:
                self._at -= 1
                self._instance(m)
            attributes = {}
        for name in [name for name in m.nets if name.startswith("$auto$verilog_backend")]:
            del m.nets[name]    # wakes combinational blocks; the writer does that anew
        return m

    def _skip(self):
        while self._next() != ";":
            pass

    def _port_declaration(self, m):
        direction = self._next()
        register = self._take("reg")
        self._take("wire")
        width = self._range()
        name = self._name()
        m.nets[name] = Net(name, width, direction, register)
        if name not in m.ports:
            m.ports.append(name)

    def _declaration(self, m, kind, attributes):
        width = self._range()
        while True:
            name = self._name()
            if self._take("["):
                first = _integer(self._value())
                self._expect(":")
                depth = max(first, _integer(self._value())) + 1
                self._expect("]")
                words = self._words.get(name, {})
                m.memories[name] = Memory(name, width, depth, attributes,
                                          [words.get(index) for index in range(depth)])
            else:
                net = m.nets.setdefault(name, Net(name, width))
                net.register |= kind == "reg"
                net.states = {
                    int(key.removeprefix("enum_value_"), 2): value.strip('"')
                    for key, value in attributes.items() if key.startswith("enum_value_")
                    and set(key.removeprefix("enum_value_")) <= {"0", "1"}}
                if "init" in attributes:
                    net.init = _constant(attributes["init"])
                if self._take("="):
                    value = self._value()
                    if kind == "reg":
                        net.init = value
                    else:
                        m.assigns.append((Ref(name), value))
            if self._take(";"):
                return
            self._expect(",")

    def _instance(self, m):
        module, name = self._name(), self._name()
        self._expect("(")
        pins = {}
        while not self._take(")"):
            self._expect(".")
            pin = self._name()
            self._expect("(")
            if not self._take(")"):
                pins[pin] = self._value()
                self._expect(")")
            self._take(",")
        self._expect(";")
        m.instances.append(Instance(module, name, pins))

    # -- processes

    def _process(self, m):
        self._expect("@")
        clock = None
        if self._take("("):
            if not self._take("*"):
                self._expect("posedge")
                clock = self._name()
            self._expect(")")
        else:
            self._expect("*")
        m.processes.append(Process(clock, self._body()))

    def _body(self):
        """One statement, or those between ``begin`` and ``end``."""
        if not self._take("begin"):
            return self._statement()
        body = []
        while not self._take("end"):
            body += self._statement()
        return body

    def _statement(self):
        if self._peek() == "begin":
            return self._body()
        if self._take(";"):
            return []
        if self._take("(*"):
            while not self._take("*)"):
                self._at += 1
            return self._statement()
        if self._take("if"):
            self._expect("(")
            condition = self._value()
            self._expect(")")
            then = self._body()
            other = self._body() if self._take("else") else []
            if not then and not other:
                return []           # the register that wakes combinational blocks
            return [If(condition, then, other)]
        if self._peek() in ("case", "casez"):
            return [self._case()]
        target = self._target()
        if not self._take("<="):
            self._expect("=")
        value = self._value()
        self._expect(";")
        return [Assign(target, value)]

    def _case(self):
        self._next()
        self._expect("(")
        subject = self._value()
        self._expect(")")
        items = []
        while not self._take("endcase"):
            if self._take("default"):
                self._expect(":")
                items.append(((), self._body()))
                continue
            patterns = [self._value()]
            while self._take(","):
                patterns.append(self._value())
            self._expect(":")
            items.append((tuple(patterns), self._body()))
        return Case(subject, items)

    def _target(self):
        if self._take("{"):
            parts = [self._target()]
            while self._take(","):
                parts.append(self._target())
            self._expect("}")
            return Op("{}", tuple(parts))
        return self._operand()

    # -- expressions

    def _value(self, level=0):
        left = self._operand()
        while True:
            token = self._peek()
            strength = _BINARY.get(token, 0)
            if strength > level:
                self._at += 1
                left = Op(token, (left, self._value(strength)))
            elif token == "?" and not level:
                self._at += 1
                then = self._value()
                self._expect(":")
                return Op("?:", (left, then, self._value()))
            else:
                return left

    def _operand(self):
        token = self._next()
        first = token[0]
        if first.isdigit() or first == "'":
            return _constant(token)
        if token == "(":
            value = self._value()
            self._expect(")")
            return value
        if token == "{":
            parts = [self._value()]
            if self._take("{"):
                inside = self._list()
                self._expect("}")
                return Op("rep", (parts[0], inside))
            while self._take(","):
                parts.append(self._value())
            self._expect("}")
            return Op("{}", tuple(parts))
        if token in ("~", "!"):
            return Op(token, (self._operand(),))
        if token in ("|", "&", "^"):
            return Op(f"r{token}", (self._operand(),))
        if token == "-":
            return Op("neg", (self._operand(),))
        if token == "$signed":
            self._expect("(")
            value = self._value()
            self._expect(")")
            return Op(token, (value,))
        self._at -= 1
        return self._selected(self._name())

    def _list(self):
        parts = [self._value()]
        while self._take(","):
            parts.append(self._value())
        self._expect("}")
        return parts[0] if len(parts) == 1 else Op("{}", tuple(parts))

    def _selected(self, name):
        if not self._take("["):
            return Ref(name)
        first = self._value()
        if name in self._module.memories:
            self._expect("]")
            bits = None
            if self._take("["):
                msb = lsb = _integer(self._value())
                if self._take(":"):
                    lsb = _integer(self._value())
                self._expect("]")
                bits = (msb, lsb)
            return Word(name, first, bits)
        if self._take("+:"):
            width = self._value()
            self._expect("]")
            return Op("+:", (Ref(name), first, width))
        if self._take(":"):
            last = self._value()
            self._expect("]")
            return Part(name, _integer(first), _integer(last))
        self._expect("]")
        if not isinstance(first, Const):
            return Op("+:", (Ref(name), first, Const(32, 1)))
        return Part(name, _integer(first), _integer(first))


_DIGITS = {"b": 1, "h": 4}


def _constant(text):
    width, _, digits = text.partition("'")
    if not digits:
        return Const(32, int(width))
    base, digits = digits.lstrip("s")[0], digits.lstrip("s")[1:].replace("_", "")
    width = int(width or 32)
    if base == "d":
        return Const(width, int(digits))
    if digits.isalnum() and not set(digits) & set("xz"):
        return Const(width, int(digits, {"b": 2, "h": 16}[base]))
    bits = "".join(digit * _DIGITS[base] if digit in "xz?" else f"{int(digit, 16):b}".zfill(
        _DIGITS[base]) for digit in digits)
    return Const(width, bits[-width:].rjust(width, bits[0] if bits[0] in "xz?" else "0"))


def _integer(value):
    """The integer of a constant expression such as ``8 - 1``."""
    if isinstance(value, Op) and value.op == "neg":
        return -_integer(value.args[0])
    if isinstance(value, Op) and value.op in ("-", "+"):
        left, right = map(_integer, value.args)
        return left - right if value.op == "-" else left + right
    return value.value
