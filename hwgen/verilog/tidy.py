"""Tidying the Verilog that Yosys writes, so that people and linters can read it.

Yosys writes one declaration or statement a line; these functions rely on that, change names and
spelling only, and leave what they do not recognise as it is.
"""

import re
import textwrap
from collections import Counter

__all__ = ["tidy"]

# Strings, numbers, system functions, heads of instances and their port names are tokens of their
# own, so that nothing in them is taken for a signal.
_TOKEN = re.compile(r"""
    "(?:[^"\\]|\\.)*" | \d+'s?[bdh][0-9a-fxz?_]+ | \$[a-z]+
    | ^\ \ (?:\\\S+|\w+)\ .+\ \($ | \.(?:\\\S+\ |[\w$]+)
    | \\\S+\  | [A-Za-z_][\w$]*
    """, re.X | re.M)
# Words that are reserved in SystemVerilog, but not in the Verilog that Yosys writes.
_RESERVED = frozenset("""
    accept_on alias always_comb always_ff always_latch before bind bins binsof bit break byte
    chandle checker class clocking const constraint context continue covergroup coverpoint cross
    dist do
    endchecker endclass endclocking endgroup endinterface endpackage endprogram endproperty
    endsequence enum eventually expect export extends extern final first_match foreach forkjoin
    global iff ignore_bins illegal_bins implements implies import inside int interconnect interface
    intersect join_any join_none let local logic longint matches modport nettype new nexttime null
    package packed priority program property protected pure rand randc randcase randsequence ref
    reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with sequence
    shortint shortreal soft solve static string strong struct super sync_accept_on sync_reject_on
    tagged this throughout timeprecision timeunit type typedef union unique unique0 until until_with
    untyped var virtual void wait_order weak wildcard with within
    """.split())
_RANGE = r"(?:\[-?\d+:\d+\] )?"
_ESCAPE = "\\ "
_NAME = r"(\\\S+ |[\w$]+)"
_SHORTEST_LOOP = 4


def tidy(text, name, ports=None):
    """The text of one module, tidied.

    * Names are plain identifiers: ``\\$7`` becomes ``_7``, ``\\ready$3`` becomes ``ready$3``, and
      the input of register ``count`` becomes ``count$next``. SystemVerilog's reserved words are
      escaped.
    * A register has the name that the source gave it, not that of an alias, and is assigned in a
      clocked block by what the source says, not by way of a combinational block.
    * Signals that nothing reads, aliases mostly, are left out. Nets that stand for an output of an
      instance that nothing reads are named ``unused_*``, which linters understand.
    * Equal expressions have one signal, and one-bit expressions that are read once have none.
    * Initial values stand in ``initial`` statements, those of memories in loops.
    * Every ``case`` has a default. Attributes that only repeat the code are left out.
    * ``always @*`` blocks run once at time 0 under every language standard. Yosys makes each of
      them read a dummy register, whose initial value is to wake them; as an initialiser of a
      declaration it makes no event in SystemVerilog, as an ``initial`` statement after them it
      does.

    Parameters
    ----------
    text : str
        From ``module`` to ``endmodule``.
    name : str
        Name for the module.
    ports : list of str
        Order of its ports; Yosys's if not given.
    """
    text = re.sub(r"^ *\(\* (?:full_case|parallel_case|enum_\w+) = .*\*\)\n", "", text, flags=re.M)
    text = _plain_names(text)
    text = _name_registers(text)
    text = _clock_registers(text)
    text = re.sub(r"^ *\(\* init = .*\*\)\n", "", text, flags=re.M)
    text = _order(text)
    text = _share(text)
    text = _drop_unread(text)
    text = _inline(text)
    text = _default_cases(text)
    text = _loop_memories(text)
    text = _initial_statement(text)
    text = _declare_ports_once(text)
    text = _join_clocked(text)
    text = _join_wires(text)
    header = re.match(r"module [^(]*\(([^;]*)\);\n", text)
    ports = ports or re.split(r",\s*", header[1])
    text = textwrap.fill(f"module {name}({', '.join(ports)});", 96, subsequent_indent="    ",
                         break_on_hyphens=False) + "\n" + text[header.end():]
    return _substitute(text, {f"{dot}{word}": f"{dot}\\{word} "
                              for word in _RESERVED for dot in ("", ".")})


def _substitute(text, names):
    return _TOKEN.sub(lambda match: names.get(match[0], match[0]), text)


def _plain_names(text):
    taken = set(_TOKEN.findall(text))
    names = {}
    for name in sorted(taken):
        if name.startswith("\\$auto$verilog_backend"):
            names[name] = "start_comb"
            text = text.replace(f"reg {name} = 0;", f"reg {name} = 1'h0;")
        elif name.startswith("\\") and not name[1:-1].isidentifier():
            plain = re.sub(r"[^\w$]", "_", name[1:-1].replace("$", "_", name.startswith("\\$")))
            while plain in taken:
                plain += "_"
            names[name] = plain
            taken.add(plain)
    text = _substitute(text, names)
    inputs = re.findall(rf"^  always @\(posedge \w+\)\n    {_NAME} <= (_\d+);$", text, re.M)
    return _substitute(text, {value: _next(register) for register, value in inputs})


def _next(register):
    return f"{register.strip(_ESCAPE)}$next"


def _name_registers(text):
    ports = set(re.findall(rf"^  (?:input|output) {_RANGE}{_NAME};$", text, re.M))
    registers = {name: width for width, name in
                 re.findall(rf"^  reg ({_RANGE}){_NAME} = \S+;$", text, re.M)}
    aliases = dict(re.findall(rf"^  assign {_NAME} = {_NAME};$", text, re.M))
    names = {}
    for width, name in re.findall(rf"^  \(\* init = \S+ \*\)\n  wire ({_RANGE}){_NAME};$", text,
                                  re.M):
        register = aliases.get(name)
        if registers.get(register) == width and register not in ports and register not in names:
            names[register] = name
            text = re.sub(rf"^  wire {_RANGE}{re.escape(name)};\n"
                          rf"|^  assign {re.escape(name)} = .*\n", "", text, flags=re.M)
    names |= {_next(register): _next(name) for register, name in names.items()}
    return _substitute(text, names)


def _clock_registers(text):
    """Assign registers where they are clocked.

    Yosys computes what a register becomes in a combinational block, and clocks that. A simulator
    runs the block whenever one of its inputs changes, and computes and stores the next value of a
    register that keeps its value.
    """
    clocked = rf"^  always @\(posedge (\w+)\)\n    {_NAME} <= (\S+\$next);\n"
    registers = {value: (clock, register)
                 for clock, register, value in re.findall(clocked, text, re.M)}
    names = Counter(_TOKEN.findall(text))
    moved = set()

    def move(match):
        body = match[1]
        targets = Counter(re.findall(rf"^ +{_NAME}(?:\[[\d:]+\])? = ", body, re.M))
        value = next(iter(targets), None)
        # Its declaration and its register are the other places that may name it.
        if len(targets) != 1 or value not in registers or names[value] != targets[value] + 2:
            return match[0]
        clock, register = registers[value]
        moved.add(value)
        body = body.replace(f"    {value} = {register};\n", "", 1)
        body = re.sub(rf"^( +){re.escape(value)}((?:\[[\d:]+\])?) = ",
                      lambda target: f"{target[1]}{register}{target[2]} <= ", body, flags=re.M)
        return f"  always @(posedge {clock}) begin\n{body}  end\n"

    text = re.sub(r"^  always @\* begin\n    if \(start_comb\) begin end\n(.*?)^  end\n", move,
                  text, flags=re.M | re.S)
    text = re.sub(clocked, lambda match: "" if match[3] in moved else match[0], text, flags=re.M)
    text = re.sub(rf"^  reg {_RANGE}(\S+);\n",
                  lambda match: "" if match[1] in moved else match[0], text, flags=re.M)
    if "if (start_comb)" not in text:
        text = re.sub(r"^  reg start_comb = .*\n", "", text, flags=re.M)
    return text


def _drop_unread(text):
    lines = text.splitlines(keepends=True)
    ports, declarations, drivers = set(), {}, {}
    reads = Counter()
    for index, line in enumerate(lines):
        if match := re.fullmatch(rf"  (?:input|output) {_RANGE}{_NAME};\n", line):
            ports.add(match[1])
        elif match := re.fullmatch(rf"  wire {_RANGE}{_NAME};\n", line):
            declarations[match[1]] = index
        elif match := re.fullmatch(rf"  assign {_NAME}(?:\[[\d:]+\])? = (.*);\n", line):
            drivers.setdefault(match[1], []).append(index)
            reads.update(_TOKEN.findall(match[2]))
        else:
            reads.update(_TOKEN.findall(line))
    unread = [name for name in declarations if name not in ports and not reads[name]]
    for name in unread:
        lines[declarations[name]] = ""
        for index in drivers.get(name, ()):
            value = lines[index].split(" = ", 1)[1]
            lines[index] = ""
            for read in _TOKEN.findall(value):
                reads[read] -= 1
                if not reads[read] and read in declarations and read not in ports:
                    unread.append(read)
    text = "".join(lines)
    pins = re.findall(rf"^    \.\S+ ?\({_NAME}\),?$", text, re.M)
    return _substitute(text, {
        name: f"unused_{name.strip(_ESCAPE + '_')}" for name in pins
        if name in declarations and name not in ports and name not in drivers and reads[name] == 1})


def _order(text):
    """Put the assignments of wires one after the other, each after those that it reads."""
    pattern = rf"^  assign {_NAME} = (.*);\n"
    values = dict(re.findall(pattern, text, re.M))
    ordered, seen = [], set()
    for name in values:
        path = [] if name in seen else [name]
        while path:
            seen.add(path[-1])
            read = next((other for other in _TOKEN.findall(values[path[-1]])
                         if other in values and other not in seen), None)
            if read is None:
                ordered.append(path.pop())
            else:
                path.append(read)
    lines = "".join(f"  assign {name} = {values[name]};\n" for name in ordered)
    if not values:
        return text
    start = re.search(pattern, text, re.M).start()
    return text[:start] + lines + re.sub(pattern, "", text[start:], flags=re.M)


def _share(text):
    """Give equal expressions one signal."""
    widths = {name: width for width, name in
              re.findall(rf"^  (?:wire|output) ({_RANGE}){_NAME};$", text, re.M)}
    first, names = {}, {}
    for name, value in re.findall(rf"^  assign {_NAME} = (.*);$", text, re.M):
        other = first.setdefault((widths[name], _substitute(value, names)), name)
        if other != name and re.fullmatch(r"_\d+", name):
            names[name] = other
    return _substitute(_drop_signals(text, names), names)


def _drop_signals(text, names):
    """``text`` without the declarations and assignments of some signals."""
    return re.sub(rf"^  (?:wire {_RANGE}|assign )(_\d+)(?: = .*)?;\n",
                  lambda match: "" if match[1] in names else match[0], text, flags=re.M)


def _inline(text):
    """Write one-bit expressions that are read once where they are read.

    Only into ``if`` conditions and one-bit bitwise expressions, where they keep their width.
    """
    bits = set(re.findall(rf"^  (?:wire|reg|input|output) {_NAME}(?: = \S+)?;$", text, re.M))
    reads = Counter(_TOKEN.findall(text))

    def one_bit(term):
        return term in bits or re.fullmatch(rf"{_NAME}\[\d+\]|1'h[01]", term)

    def bitwise(value):
        terms = re.fullmatch(r"~ (\S+ ?)|(\S+ ?) [&|^] (\S+ ?)", value)
        return terms and all(one_bit(term) for term in terms.groups() if term)

    values = {}     # of the signals that may be written elsewhere
    inlined = set()

    def insert(value, length):
        """``value`` with the signals in it written out, if that makes at most 96 characters."""
        for name in _TOKEN.findall(value):
            if name in values and length + len(values[name]) + 2 <= 96:
                value = _substitute(value, {name: f"({values[name]})"})
                length += len(values[name]) + 2
                inlined.add(name)
        return value

    def assignment(match):
        name, value = match.groups()
        simple = name in bits and bitwise(value)
        if simple or re.match(r"[!&|^] \S+$", value) or re.search(r" (?:[=!<>]=|<|>) ", value):
            if simple:
                value = insert(value, len(match[0]))
            if re.fullmatch(r"_\d+", name) and name in bits and reads[name] == 3:
                values[name] = value
        return f"  assign {name} = {value};"

    text = re.sub(rf"^  assign {_NAME} = (.*);$", assignment, text, flags=re.M)
    text = re.sub(r"^( *(?:end else )?if \()(_\d+)\)",
                  lambda match: f"{match[1]}{insert(match[2], len(match[0]))})", text, flags=re.M)
    text = re.sub(r"^( *(?:end else )?if \()\((.*)\)\)( begin)?$", r"\1\2)\3", text, flags=re.M)
    return _drop_signals(text, inlined)


def _default_cases(text):
    lines, defaults = [], []
    for line in text.splitlines(keepends=True):
        if re.match(r" *case[xz]? \(", line):
            defaults.append(False)
        elif re.match(r" *default:", line):
            defaults[-1] = True
        elif match := re.match(r"( *)endcase\n", line):
            if not defaults.pop():
                lines.append(f"{match[1]}  default: ;\n")
        lines.append(line)
    return "".join(lines)


def _loop_memories(text):
    def loops(match):
        runs = []
        for memory, index, value in re.findall(rf"    {_NAME}\[(\d+)\] = (\S+);\n", match[0]):
            index = int(index)
            if runs and runs[-1][0] == memory and runs[-1][2:] == [index, value]:
                runs[-1][2] += 1
            else:
                runs.append([memory, index, index + 1, value])
        body = ""
        for memory, first, end, value in runs:
            if end - first < _SHORTEST_LOOP:
                body += "".join(f"    {memory}[{i}] = {value};\n" for i in range(first, end))
            else:
                body += (f"    for (start_word = {first}; start_word < {end}; "
                         f"start_word = start_word + 1)\n"
                         f"      {memory}[start_word] = {value};\n")
        return f"  initial begin\n{body}  end\n"

    text = re.sub(rf"^  initial begin\n(?:    {_NAME}\[\d+\] = \S+;\n)+  end\n", loops, text,
                  flags=re.M)
    if "start_word" in text:
        text = re.sub(r"^(module [^;]*;\n)", r"\1  integer start_word;\n", text, count=1)
    return text


def _initial_statement(text):
    values = []

    def declare(match):
        values.append(f"    {match[2]} = {match[3]};\n")
        return f"{match[1]};\n"

    text = re.sub(rf"^(  reg {_RANGE}{_NAME}) = (\S+);\n", declare, text, flags=re.M)
    if values:
        body = "".join(values)
        text = text.replace("\nendmodule\n", f"\n  initial begin\n{body}  end\nendmodule\n")
    return text


def _declare_ports_once(text):
    return re.sub(rf"^  (input|output) ({_RANGE})({_NAME});\n  (wire|reg) .*;\n",
                  lambda match: f"  {match[1]} {'reg ' if match[5] == 'reg' else ''}{match[2]}"
                                f"{match[3]};\n", text, flags=re.M)


def _join_clocked(text):
    """One ``always`` block a clock for all registers that have nothing but their next value."""
    pattern = r"^  always @\(posedge (\w+)\)\n(    .*;\n)"
    bodies = {}
    for clock, body in re.findall(pattern, text, re.M):
        bodies.setdefault(clock, []).append(body)

    def first(match):
        body = bodies.pop(match[1], None)
        return f"  always @(posedge {match[1]}) begin\n{''.join(body)}  end\n" if body else ""

    return re.sub(pattern, first, text, flags=re.M)


def _join_wires(text):
    """Declare the numbered wires of a width together."""
    pattern = rf"^  wire ({_RANGE})(_\d+);\n"
    wires = {}
    for width, name in re.findall(pattern, text, re.M):
        wires.setdefault(width, []).append(name)

    def first(match):
        names = wires.pop(match[1], None)
        return textwrap.fill(f"{match[1]}{', '.join(names)};", 96, initial_indent="  wire ",
                             subsequent_indent="    ") + "\n" if names else ""

    return re.sub(pattern, first, text, flags=re.M)
