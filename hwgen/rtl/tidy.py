"""Tidying the Verilog that Yosys writes, so that people and linters can read it.

Yosys writes one declaration or statement a line; these functions rely on that, change names and
spelling only, and leave what they do not recognise as it is.
"""

import re
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
    accept_on alias always_comb always_ff always_latch before bind bins binsof bit break byte chandle
    checker class clocking const constraint context continue covergroup coverpoint cross dist do
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


def tidy(text):
    """The text of one module, tidied.

    * Names are plain identifiers: ``\\$7`` becomes ``_7``, ``\\ready$3`` becomes ``ready$3``, and the
      input of register ``count`` becomes ``count$next``. SystemVerilog's reserved words are escaped.
    * A register has the name that the source gave it, not that of an alias.
    * Signals that nothing reads, aliases mostly, are left out. Nets that stand for an output of an
      instance that nothing reads are named ``unused_*``, which linters understand.
    * Initial values stand in ``initial`` statements, those of memories in loops.
    * Every ``case`` has a default. Attributes that only repeat the code are left out.
    * ``always @*`` blocks run once at time 0 under every language standard. Yosys makes each of
      them read a dummy register, whose initial value is to wake them; as an initialiser of a
      declaration it makes no event in SystemVerilog, as an ``initial`` statement after them it
      does.
    """
    text = re.sub(r"^ *\(\* (?:full_case|parallel_case|enum_\w+) = .*\*\)\n", "", text, flags=re.M)
    text = _plain_names(text)
    text = _name_registers(text)
    text = re.sub(r"^ *\(\* init = .*\*\)\n", "", text, flags=re.M)
    text = _drop_unread(text)
    text = _default_cases(text)
    text = _loop_memories(text)
    text = _initial_statement(text)
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
        text = re.sub(r"^(module [^;]*;\n)", r"\1  integer start_word;\n", text, count=1, flags=re.M)
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
