"""Reading Verilog into the objects of :mod:`hwgen.verilog.netlist`.

The reader takes the Verilog that Yosys writes, and the Verilog that :mod:`hwgen.verilog.writer`
makes of it. It is no reader for anything else: what it does not know, it refuses.
"""

import re

from .netlist import (
    Assign,
    Case,
    Const,
    If,
    Instance,
    Memory,
    Module,
    Net,
    Op,
    Part,
    Process,
    Ref,
    Word,
)

__all__ = ["elaborate", "parse"]

_TOKEN = re.compile(r"""
    "(?:[^"\\]|\\.)*" | \d*'s?[bdh][0-9a-fxz?_]+ | \$(?:signed|clog2)\b
    | \\\S+ | [A-Za-z_$][\w$]* | \d+ | <<< | >>> | << | >> | [=!<>]= | && | \|\| | \+: | \(\*
    | \*\) | [^\s]
    """, re.X)
_INITIAL = re.compile(r"^  initial begin\n((?:    \S+ *\[\d+\] = \S+;\n)+)  end\n", re.M)
_INITIAL_WORD = re.compile(r"^    (\S+) *\[(\d+)\] = (\S+);$", re.M)
_BINARY = {"||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7,
           ">=": 7, "<<": 8, ">>": 8, "<<<": 8, ">>>": 8, "+": 9, "-": 9, "*": 10}


def parse(text):
    """The modules of a Verilog text, by name, in their order; parameters have their defaults."""
    return {name: _Reader(body, {}).module() for name, body in _bodies(text).items()}


def elaborate(text, top):
    """The modules of a design, by name, each with parameters once for all their values there are.

    A module's parameters are behind its name, as in ``ram #(16, 65, "auto")``; instances name it
    so.
    """
    bodies, modules = _bodies(text), {}

    def add(name, given):
        module = _Reader(bodies[name], given).module()
        if module.parameters:
            module.name += f" #({', '.join(map(str, module.parameters.values()))})"
        if module.name not in modules:
            for instance in module.instances:
                instance.module = add(instance.module, instance.parameters)
            modules[module.name] = module
        return module.name

    add(top, {})
    return modules


def _bodies(text):
    return {match[1]: match[0] for match in
            re.finditer(r"^module \\?([^\s(]+).*?^endmodule$", text, re.M | re.S)}


class _Reader:
    """Reads one module."""

    def __init__(self, text, given):
        self._given = given
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
        return self._integer(msb) + 1

    def _integer(self, value):
        """The integer of a constant expression such as ``$clog2(DEPTH) - 1``."""
        if isinstance(value, Ref):
            return self._module.parameters[value.name]
        if not isinstance(value, Op):
            return value.value
        args = [self._integer(part) for part in value.args]
        if value.op == "$clog2":
            return (args[0] - 1).bit_length()
        if value.op == "neg":
            return -args[0]
        return args[0] - args[1] if value.op == "-" else args[0] + args[1]

    def _parameter(self):
        """The value of a parameter: an integer, a text in quotes, or what a parameter has."""
        if self._peek()[0] == '"':
            return self._next()
        return self._integer(self._value())

    # -- module

    def module(self):
        self._expect("module")
        m = self._module = Module(self._name())
        if self._take("#"):
            self._expect("(")
            while not self._take(")"):
                self._expect("parameter")
                name = self._name()
                self._expect("=")
                value = self._parameter()
                m.parameters[name] = self._given.get(name, value)
                self._take(",")
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
                text = self._next()
                attributes[name] = m.parameters.get(text, text)
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
                m.constants[name] = Const(width, self._integer(self._value()))
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
                first = self._integer(self._value())
                self._expect(":")
                depth = max(first, self._integer(self._value())) + 1
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
        module = self._name()
        parameters, pins = {}, {}
        if self._take("#"):
            self._expect("(")
            while not self._take(")"):
                self._expect(".")
                parameter = self._name()
                self._expect("(")
                parameters[parameter] = self._parameter()
                self._expect(")")
                self._take(",")
        name = self._name()
        self._expect("(")
        while not self._take(")"):
            self._expect(".")
            pin = self._name()
            self._expect("(")
            if not self._take(")"):
                pins[pin] = self._value()
                self._expect(")")
            self._take(",")
        self._expect(";")
        m.instances.append(Instance(module, name, pins, parameters))

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
                return Op("rep", (Const(32, self._integer(parts[0])), inside))
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
        if token in ("$signed", "$clog2"):
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
                msb = lsb = self._integer(self._value())
                if self._take(":"):
                    lsb = self._integer(self._value())
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
            return Part(name, self._integer(first), self._integer(last))
        self._expect("]")
        if not isinstance(first, Const):
            return Op("+:", (Ref(name), first, Const(32, 1)))
        return Part(name, self._integer(first), self._integer(first))


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
