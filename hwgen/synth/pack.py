"""What Yosys leaves undone on ECP5: logic that the cells beside it have room for.

Yosys maps adders before it maps logic, so that a carry cell takes two plain operands; here the LUT
in front of an operand moves into the carry cell's own LUT, a constant carry-in into the cell of the
lowest bits, and a LUT that selects between two others becomes the multiplexer of their slice.
"""

from collections import Counter
from functools import cache
from itertools import permutations

__all__ = ["pack"]

_PINS = "ABCD"

# A node is a pair: the signals that it depends on (bits of the netlist), and its table, an integer
# whose bit ``i`` is its value where the binary digits of ``i`` are those signals, lowest first.


@cache
def _composed(size, outer, where, inner_table, inner_where):
    """The table over ``size`` signals of a table whose inputs are ``where``: numbers of signals,
    or -1 for the inner table, whose inputs are ``inner_where``."""
    table = 0
    for i in range(1 << size):
        at = 0
        for k, source in enumerate(inner_where):
            at |= (i >> source & 1) << k
        inner = inner_table >> at & 1
        index = 0
        for k, source in enumerate(where):
            index |= (inner if source < 0 else i >> source & 1) << k
        table |= (outer >> index & 1) << i
    return table


@cache
def _without_constants(size, where, init):
    """The table over ``size`` signals of a LUT whose inputs are ``where``: numbers of signals, -1
    for a constant 0, -2 for a constant 1."""
    table = 0
    for i in range(1 << size):
        index = sum((i >> source & 1 if source >= 0 else source == -2) << k
                    for k, source in enumerate(where))
        table |= (int(init, 2) >> index & 1) << i
    return table


def _insert(node, bit, inner, limit):
    """``node`` with the node ``inner`` in place of the signal ``bit``; None if it would depend on
    more than ``limit`` signals."""
    signals, table = node
    union = tuple(dict.fromkeys((*(s for s in signals if s != bit), *inner[0])))
    if len(union) > limit:
        return None
    at = {signal: i for i, signal in enumerate(union)} | {bit: -1}
    return union, _composed(len(union), table, tuple(at[s] for s in signals), inner[1],
                            tuple(at[s] for s in inner[0]))


@cache
def _halves(size, table, select):
    """The tables of a function where input ``select`` is 0 and 1, and the inputs of each."""
    result = []
    for value in (0, 1):
        def look(i, value=value):
            return table >> (i & ~(1 << select) | value << select) & 1
        used = tuple(k for k in range(size) if k != select and
                     any(look(i) != look(i ^ 1 << k) for i in range(1 << size)))
        half = sum(look(sum((i >> n & 1) << k for n, k in enumerate(used))) << i
                   for i in range(1 << len(used)))
        result.append((used, half))
    return result


@cache
def _carry(size, propagate, generate):
    """How half a carry cell gets both functions: ``(pins, init)``, the signal's number or None for
    a constant 1 at each pin; None if it cannot.

    The cell propagates by its LUT; else its carry is that LUT's value at C = D = 0, so that what it
    generates follows from A and B alone.
    """
    for pins in permutations((*range(size), *(None,) * (4 - size))):
        init = {}
        for i in range(1 << size):
            digits = [1 if k is None else i >> k & 1 for k in pins]
            init[sum(digit << n for n, digit in enumerate(digits))] = propagate >> i & 1
        for i in range(1 << size):
            if not propagate >> i & 1:
                a, b = (1 if k is None else i >> k & 1 for k in pins[:2])
                if init.setdefault(a + 2 * b, generate >> i & 1) != generate >> i & 1:
                    break
        else:
            return pins, sum(value << i for i, value in init.items())
    return None


class _Netlist:
    """The cells of a flat module, with who drives and who reads each signal."""

    def __init__(self, module):
        self.cells = module["cells"]
        self._signals = max(bit for cell in self.cells.values()
                            for bits in cell["connections"].values() for bit in bits
                            if isinstance(bit, int))
        self.readers = Counter(bit for cell in self.cells.values()
                               for port, bits in cell["connections"].items()
                               if cell["port_directions"][port] == "input" for bit in bits)
        self.readers.update(bit for port in module["ports"].values()
                            if port["direction"] == "output" for bit in port["bits"])
        self.luts = {cell["connections"]["Z"][0]: name for name, cell in self.cells.items()
                     if cell["type"] == "LUT4"}
        self.halves = set()         # outputs of LUTs that a PFUMX selects from

    def node(self, cell, init="INIT", suffix=""):
        """The node of a LUT, or of half a carry cell's LUT."""
        bits = [cell["connections"][pin + suffix][0] for pin in _PINS]
        signals = tuple(dict.fromkeys(bit for bit in bits if isinstance(bit, int)))
        where = tuple(signals.index(bit) if isinstance(bit, int) else -1 - (bit == "1")
                      for bit in bits)
        return signals, _without_constants(len(signals), where, cell["parameters"][init])

    def lut(self, bit):
        """Name of the LUT that drives ``bit`` for a single reader; None if there is none."""
        return self.luts.get(bit) if self.readers[bit] == 1 else None

    def set_lut(self, name, node, output=None):
        """Give a LUT another node; with ``output``, make it first."""
        if output is not None:
            self.cells[name] = {
                "hide_name": 1, "type": "LUT4", "parameters": {}, "attributes": {},
                "port_directions": dict.fromkeys(_PINS, "input") | {"Z": "output"},
                "connections": {"Z": [output]}}
            self.luts[output] = name
        cell = self.cells[name]
        self._reconnect(cell, "INIT", "", (*range(len(node[0])), *(None,) * (4 - len(node[0]))),
                        node[0], sum((node[1] >> (i & (1 << len(node[0])) - 1) & 1) << i
                                     for i in range(16)))

    def set_carry(self, cell, half, pins, signals, init):
        self._reconnect(cell, f"INIT{half}", half, pins, signals, init)

    def _reconnect(self, cell, parameter, suffix, pins, signals, init):
        cell["parameters"] = cell["parameters"] | {parameter: f"{init:016b}"}
        for pin, number in zip(_PINS, pins, strict=True):
            bit = "1" if number is None else signals[number]
            for old in cell["connections"].get(pin + suffix, ()):
                self.readers[old] -= 1
            self.readers[bit] += 1
            cell["connections"][pin + suffix] = [bit]

    def unread(self):
        """A signal of its own for an output that nothing reads."""
        self._signals += 1
        return self._signals

    def remove_lut(self, name):
        cell = self.cells.pop(name)
        for pin in _PINS:
            self.readers[cell["connections"][pin][0]] -= 1
        del self.luts[cell["connections"]["Z"][0]]


def _start(netlist, name, cell, only_unread):
    """Give the lowest half of a chain its constant carry-in: the sum gets a LUT, if it is read."""
    ports = cell["connections"]
    total = ports["S0"][0]
    read = netlist.readers[total] > 0
    if ports["CIN"][0] not in ("0", "1") or read and only_unread:
        return
    carry_in = ports["CIN"][0] == "1"
    signals, propagate = netlist.node(cell, "INIT0", "0")
    low = _low(cell, "INIT0", "0", signals)
    every = (1 << (1 << len(signals))) - 1
    carry = propagate & (every if carry_in else 0) | ~propagate & low & every
    fit = _carry(len(signals), 0, carry)
    if fit is None:
        return
    if read:
        netlist.set_lut(f"{name}_LUT4_Z", (signals, propagate ^ (every if carry_in else 0)), total)
        ports["S0"] = [netlist.unread()]
    netlist.set_carry(cell, "0", fit[0], signals, fit[1])
    ports["CIN"] = ["x"]


def _low(cell, init, suffix, signals):
    """What half a carry cell generates, as a table over ``signals``."""
    bits = [cell["connections"][pin + suffix][0] for pin in "AB"]
    table = int(cell["parameters"][init], 2) & 15
    result = 0
    for i in range(1 << len(signals)):
        digits = [i >> signals.index(bit) & 1 if isinstance(bit, int) else bit == "1"
                  for bit in bits]
        result |= (table >> digits[0] + 2 * digits[1] & 1) << i
    return result


def _absorb(netlist, cell, half):
    """Move LUTs that feed half a carry cell alone into it, as far as there is room."""
    again = True
    while again:
        again = False
        node = netlist.node(cell, f"INIT{half}", half)
        for bit in node[0]:
            name = netlist.lut(bit)
            if name is None:
                continue
            inner = netlist.node(netlist.cells[name])
            generate = (node[0], _low(cell, f"INIT{half}", half, node[0]))
            whole = _insert(node, bit, inner, 4)
            if whole is None:
                continue
            signals, propagate = whole
            fit = _carry(len(signals), propagate, _insert(generate, bit, inner, 4)[1])
            if fit is not None:
                netlist.remove_lut(name)
                netlist.set_carry(cell, half, fit[0], signals, fit[1])
                again = True
                break


def _merge(netlist, bit, name):
    """Move LUTs that feed a LUT alone into it, as far as there is room."""
    again = True
    while again:
        again = False
        node = netlist.node(netlist.cells[name])
        for source in node[0]:
            inner = netlist.lut(source)
            if inner is not None:
                whole = _insert(node, source, netlist.node(netlist.cells[inner]), 4)
                if whole is not None:
                    netlist.remove_lut(inner)
                    netlist.set_lut(name, whole)
                    again = True
                    break


def _select(netlist, bit, name):
    """Make two LUTs and the multiplexer of their slice of a LUT and two that feed it alone; before
    that, of the latter."""
    if bit in netlist.halves:
        return
    node = netlist.node(netlist.cells[name])
    for source in node[0]:
        if netlist.lut(source):
            _select(netlist, source, netlist.lut(source))
    feeding = [source for source in node[0] if netlist.lut(source)]
    for k, one in enumerate(feeding):
        for other in feeding[k + 1:]:
            names = [netlist.lut(one), netlist.lut(other)]
            whole = _insert(node, one, netlist.node(netlist.cells[names[0]]), 8)
            whole = _insert(whole, other, netlist.node(netlist.cells[names[1]]), 9)
            if whole is None:
                continue
            signals, table = whole
            for select in range(len(signals)):
                halves = _halves(len(signals), table, select)
                if all(1 <= len(used) <= 4 for used, _ in halves):
                    break
            else:
                continue
            netlist.remove_lut(name)
            netlist.halves.update((one, other))
            for lut, (used, half) in zip(names, halves, strict=True):
                netlist.set_lut(lut, (tuple(signals[n] for n in used), half))
            netlist.readers[signals[select]] += 1
            netlist.cells[f"{name}_PFUMX_Z"] = {
                "hide_name": 1, "type": "PFUMX", "parameters": {}, "attributes": {},
                "port_directions": {"ALUT": "input", "BLUT": "input", "C0": "input",
                                    "Z": "output"},
                "connections": {"BLUT": [one], "ALUT": [other], "C0": [signals[select]],
                                "Z": [bit]}}
            return


def pack(module):
    """Pack a flat ECP5 module, in the form that Yosys writes as JSON, in place.

    What is left computes the same. A constant carry-in becomes undefined, and nothing depends on
    it: nextpnr would lead the constant through a cell of its own.
    """
    netlist = _Netlist(module)
    carries = {name: cell for name, cell in netlist.cells.items() if cell["type"] == "CCU2C"}
    for name, cell in carries.items():
        _start(netlist, name, cell, only_unread=True)
    for cell in carries.values():
        _absorb(netlist, cell, "0")
        _absorb(netlist, cell, "1")
    for name, cell in carries.items():
        _start(netlist, name, cell, only_unread=False)
    for step in (_merge, _select):
        for bit, name in list(netlist.luts.items()):
            if name in netlist.cells:
                step(netlist, bit, name)
