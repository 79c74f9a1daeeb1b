"""Verilog modules as objects: read from text once, changed by passes, written once.

Expressions are tuples, so that equal ones are equal. Names in them are as Yosys gives them,
without the backslash of an escaped name: ``$7`` is a temporary, ``command.size`` a field.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Ref", "Part", "Word", "Const", "Op", "Assign", "If", "Case", "Process", "Net", "Memory",
           "Instance", "Module", "Size", "Widths", "process_targets", "refs", "substitute",
           "is_temporary", "target_names", "walk"]


class Size(int):
    """An integer that depends on its module's parameters: as it is by default, and its text."""

    def __new__(cls, value, text):
        size = super().__new__(cls, value)
        size.text = text
        return size

    def __str__(self):
        return self.text


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
    """An instance: expressions by pin; values by parameter, integers or texts as ``"block"``."""
    module: str
    name: str
    pins: dict
    parameters: dict = field(default_factory=dict)


@dataclass
class Module:
    """A module. ``assigns`` are pairs of a target and a value, ``constants`` are localparams.

    ``parameters`` are values by name, integers or texts as ``"auto"``.
    """
    name: str
    ports: list = field(default_factory=list)
    nets: dict = field(default_factory=dict)
    memories: dict = field(default_factory=dict)
    assigns: list = field(default_factory=list)
    processes: list = field(default_factory=list)
    instances: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    comments: list = field(default_factory=list)
    parameters: dict = field(default_factory=dict)

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
