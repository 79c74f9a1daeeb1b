"""Writing a module as Verilog that people read."""

import textwrap

from .netlist import Assign, Case, Const, If, Op, Part, Ref, Size, Word, refs

__all__ = ["WIDTH", "write"]

#: Columns of a line.
WIDTH = 100
_SHORTEST_LOOP = 4

# Words that are reserved in SystemVerilog, or in Verilog.
_RESERVED = frozenset("""
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
    before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
    checker class clocking cmos config const constraint context continue cover covergroup coverpoint
    cross deassign default defparam design disable dist do edge else end endcase endchecker endclass
    endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
    endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event
    eventually expect export extends extern final first_match for force foreach forever fork
    forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins
    implements implies import incdir include initial inout input inside instance int integer
    interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new
    nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
    ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
    s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super
    supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
    unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    """.split())

_STRENGTH = {"?:": 0, "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7,
             ">": 7, ">=": 7, "<<": 8, ">>": 8, "<<<": 8, ">>>": 8, "+": 9, "-": 9, "*": 10}
_CHAINS = frozenset("|^&+")


def write(module):
    """The text of a module, from its comments to ``endmodule``."""
    parts = [*(_comment(line, 0) for line in module.comments), _header(module)]
    for section in (_constants, _registers, _memories, _wires, _assigns, _instances, _processes,
                    _initial):
        if text := section(module):
            parts += ["\n", text]
    return "".join([*parts, "endmodule\n"])


# -- sections

def _header(module):
    if not module.ports:
        return f"module {_name(module.name)} ();\n"
    rows = []
    for port in module.ports:
        net = module.nets[port]
        kind = "reg" if net.register else "wire"
        rows.append((f"{net.direction:6} {kind:4}", _range(net.width), _name(port), net.comment))
    widest = max(len(row[1]) for row in rows)
    longest = max(len(row[2]) for row in rows) + 1
    lines = []
    for index, (kind, size, name, comment) in enumerate(rows):
        name += "," if index < len(rows) - 1 else ""
        line = f"  {kind} {size:>{widest}} " if widest else f"  {kind} "
        full = f"{line}{name:{longest}}  // {comment}"
        if comment and len(full) <= WIDTH:
            lines.append(full)
        else:
            lines.append((_comment(comment, 2) if comment else "") + line + name)
    body = "\n".join(lines)
    parameters = ",\n".join(f"  parameter {name} = {value}"
                            for name, value in module.parameters.items())
    if parameters:
        parameters = f"#(\n{parameters}\n) "
    return f"module {_name(module.name)} {parameters}(\n{body}\n);\n"


def _comment(text, indent):
    start = " " * indent + "// "
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=start) + "\n"


def _constants(module):
    return "".join(f"  localparam {_range(value.width, ' ')}{_name(name)} = "
                   f"{_number(value)};\n" for name, value in module.constants.items())


def _registers(module):
    names = [name for name, net in module.nets.items() if net.register and not net.direction]
    return _declare(module, "reg", names) + ("  reg start_comb;\n" if _wakes(module) else "")


def _declare(module, kind, names):
    return "".join(f"  {kind} {_range(module.nets[name].width, ' ')}{_name(name)};\n"
                   for name in names)


def _memories(module):
    text = ""
    if any(end - first >= _SHORTEST_LOOP for memory in module.memories.values()
           for first, end, _ in _runs(memory)):
        text += "  integer start_word;\n"
    for memory in module.memories.values():
        text += "".join(f"  (* {name} = {value} *)\n" for name, value in memory.attributes.items())
        text += (f"  reg {_range(memory.width, ' ')}{_name(memory.name)} "
                 f"[0:{_less_one(memory.depth)}];\n{_start(memory)}")
    return text


def _start(memory):
    """The initial values of a memory, in loops where they are equal."""
    name, lines = _name(memory.name), []
    for first, end, value in _runs(memory):
        if end - first < _SHORTEST_LOOP:
            lines += [f"    {name}[{index}] = {value};\n" for index in range(first, end)]
        else:
            lines.append(f"    for (start_word = {first}; start_word < {end}; "
                         f"start_word = start_word + 1)\n      {name}[start_word] = {value};\n")
    return f"  initial begin\n{''.join(lines)}  end\n" if lines else ""


def _runs(memory):
    """Runs of equal words of a memory's initial value: first index, index after the last, value."""
    runs = []
    for index, value in enumerate(memory.values):
        if value is None:
            continue
        if runs and runs[-1][1] == index and runs[-1][2] == value:
            runs[-1][1] += 1
        else:
            runs.append([index, index + 1, value])
    if runs and runs[-1][1] == memory.depth:
        runs[-1][1] = memory.depth
    return runs


def _wires(module):
    """Wires that instances drive, that are driven in parts, or that stand in a circle."""
    assigned = {target.name for target, _ in module.assigns if isinstance(target, Ref)}
    early = _read_before(module, assigned)
    return _declare(module, "wire", [
        name for name, net in module.nets.items() if not net.register and not net.direction
        and (name not in assigned or name in early)])


def _read_before(module, assigned):
    """Wires that an assignment reads before their own."""
    early, seen = set(), set()
    for target, value in module.assigns:
        early.update(name for name in refs(value) if name in assigned and name not in seen)
        if isinstance(target, Ref):
            seen.add(target.name)
    return early


def _assigns(module):
    early = _read_before(module, {target.name for target, _ in module.assigns
                                  if isinstance(target, Ref)})
    lines = []
    for target, value in module.assigns:
        net = module.nets.get(target.name) if isinstance(target, Ref) else None
        if net and not net.direction and target.name not in early:
            head = f"  wire {_range(net.width, ' ')}{_name(target.name)}"
        else:
            head = f"  assign {_text(target)}"
        lines.append(_fill(f"{head} = {_text(value)};", 2))
    return "".join(lines)


def _instances(module):
    lines = []
    for instance in module.instances:
        pins = ",\n".join(_fill(f"    .{_name(pin)}({_text(value)})", 4).rstrip("\n")
                          for pin, value in instance.pins.items())
        parameters = ", ".join(f".{name}({value})" for name, value in instance.parameters.items())
        kind = f"{_name(instance.module)} #({parameters})" if parameters else _name(instance.module)
        lines.append(f"  {kind} {_name(instance.name)} (\n{pins}\n  );\n")
    return "\n".join(lines)


def _wakes(module):
    return any(process.clock is None for process in module.processes)


def _processes(module):
    blocks = []
    for process in module.processes:
        operator = "<=" if process.clock else "="
        body = _body(process.body, 4, operator)
        if process.clock:
            blocks.append(f"  always @(posedge {_name(process.clock)}) begin\n{body}  end\n")
        else:
            blocks.append(f"  always @* begin\n    if (start_comb) begin end\n{body}  end\n")
    return "\n".join(blocks)


def _initial(module):
    lines = ["    start_comb = 1'b0;\n"] if _wakes(module) else []
    lines += [f"    {_name(name)} = {_text(net.init)};\n" for name, net in module.nets.items()
              if net.register and net.init is not None]
    return f"  initial begin\n{''.join(lines)}  end\n" if lines else ""


# -- statements

def _body(body, indent, operator):
    return "".join(_statement(statement, indent, operator) for statement in body)


def _statement(statement, indent, operator):
    space = " " * indent
    if isinstance(statement, Assign):
        return _fill(f"{space}{_text(statement.target)} {operator} {_text(statement.value)};",
                     indent)
    if isinstance(statement, If):
        text = _fill(f"{space}if ({_text(statement.condition)}) begin", indent)
        while True:
            text += _body(statement.then, indent + 2, operator)
            other = statement.other
            if len(other) == 1 and isinstance(other[0], If):
                statement = other[0]
                text += _fill(f"{space}end else if ({_text(statement.condition)}) begin", indent)
                continue
            if other:
                text += f"{space}end else begin\n{_body(other, indent + 2, operator)}"
            return f"{text}{space}end\n"
    assert isinstance(statement, Case)
    wild = any(isinstance(getattr(pattern, "value", None), str)
               for patterns, _ in statement.items for pattern in patterns)
    text = f"{space}{'casez' if wild else 'case'} ({_text(statement.subject)})\n"
    for patterns, body in statement.items:
        label = ", ".join(map(_text, patterns)) or "default"
        if not body:
            text += f"{space}  {label}: ;\n"
        elif len(body) == 1 and isinstance(body[0], Assign):
            line = _statement(body[0], 0, operator).strip()
            text += _fill(f"{space}  {label}: {line}", indent + 2)
        else:
            text += f"{space}  {label}: begin\n{_body(body, indent + 4, operator)}{space}  end\n"
    return f"{text}{space}endcase\n"


def _fill(line, indent):
    """A line and its end, broken at spaces if it is long."""
    if len(line) <= WIDTH:
        return line + "\n"
    start = line[:len(line) - len(line.lstrip())]
    return textwrap.fill(line.lstrip(), WIDTH, initial_indent=start,
                         subsequent_indent=" " * (indent + 4), break_long_words=False,
                         break_on_hyphens=False) + "\n"


# -- expressions

def _name(name):
    return name if name.isidentifier() and name not in _RESERVED else f"\\{name} "


def _range(width, after=""):
    return "" if width == 1 else f"[{_less_one(width)}:0]{after}"


def _less_one(size):
    """The text of a size less one."""
    if not isinstance(size, Size):
        return str(size - 1)
    base, plus, number = size.text.rpartition(" + ")
    if not plus:
        return f"{size.text} - 1"
    return base if number == "1" else f"{base} + {int(number) - 1}"


def _text(value, strength=-1):
    """An expression; in brackets if it binds weaker than its place demands."""
    if isinstance(value, Ref):
        return _name(value.name)
    if isinstance(value, Part):
        return _name(value.name) + _bits(value.msb, value.lsb)
    if isinstance(value, Const):
        return _number(value)
    if isinstance(value, Word):
        bits = _bits(*value.bits) if value.bits else ""
        return f"{_name(value.memory)}[{_text(value.address)}]{bits}"
    op, args = value
    if op == "{}":
        return f"{{{', '.join(map(_text, args))}}}"
    if op == "rep":
        inner = _text(args[1])
        return f"{{{args[0].value}{inner if inner[0] == '{' else f'{{{inner}}}'}}}"
    if op == "$signed":
        return f"$signed({_text(args[0])})"
    if op == "+:":
        start = f"{_text(args[0])}[{_text(args[1])}"
        return f"{start}]" if args[2].value == 1 else f"{start} +: {args[2].value}]"
    if len(args) == 1:
        symbol = {"neg": "-"}.get(op, op.removeprefix("r"))
        text = symbol + _text(args[0], 12)
        return f"({text})" if strength > 0 and op[0] == "r" or strength > 11 else text
    own = _STRENGTH[op]
    if op == "?:":
        text = f"{_text(args[0], 1)} ? {_text(args[1], 1)} : {_text(args[2], 0)}"
        return f"({text})" if strength > 0 else text
    chained = own if op in _CHAINS and isinstance(args[0], Op) and args[0].op == op else 11
    text = f"{_text(args[0], chained)} {op} {_text(args[1], 11)}"
    return f"({text})" if strength > 0 and strength != own else text


def _bits(msb, lsb):
    return f"[{msb}]" if msb == lsb else f"[{msb}:{lsb}]"


def _number(value):
    width, number = value
    if isinstance(width, Size):
        if number == 1:
            return f"{{{{{_less_one(width)}{{1'b0}}}}, 1'b1}}"
        return f"{{{width}{{1'b{int(number > 0)}}}}}"
    if isinstance(number, str):
        return f"{width}'b{number}"
    if width == 1:
        return f"1'b{number}"
    if number < 256:
        return f"{width}'d{number}"
    return f"{width}'h{number:x}"
