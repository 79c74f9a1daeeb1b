"""Packing of ECP5 netlists: the same outputs from fewer cells."""

import copy
import random
from collections import Counter

import pytest

from hwgen.synth.pack import pack

_SUM = f"{0x96AA:016b}"        # as Yosys makes adders: A + (B ^ C), with D = 1
_OUTPUTS = {"LUT4": ("Z",), "PFUMX": ("Z",), "CCU2C": ("S0", "S1", "COUT")}


class _Circuit:
    """A combinational module as Yosys writes it, in the order in which its cells can be run."""

    def __init__(self, inputs):
        self.inputs = list(range(2, 2 + inputs))
        self.next = 2 + inputs
        self.cells = {}

    def cell(self, kind, parameters, **inputs):
        """A new cell with new signals at its outputs, which are returned."""
        outputs = {}
        for port in _OUTPUTS[kind]:
            outputs[port], self.next = self.next, self.next + 1
        name = f"signal{self.next}_{kind}_Z"
        self.cells[name] = {
            "type": kind, "parameters": parameters, "attributes": {},
            "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
            "connections": {port: [bit] for port, bit in (inputs | outputs).items()}}
        return tuple(outputs.values())

    def lut(self, rng, sources):
        """A random LUT of one to four of the sources, more often a multiplexer than not."""
        table = rng.choice((0xCACA, 0xCACA, rng.getrandbits(16)))
        bits = rng.sample(sources, rng.randint(2, min(4, len(sources))))
        bits += rng.choices(("0", "1"), k=4 - len(bits))
        return self.cell("LUT4", {"INIT": f"{table:016b}"}, **dict(zip("ABCD", bits,
                                                                       strict=True)))[0]

    def adder(self, carry_in, pairs, subtract):
        """``(sums, carry out)`` of an even number of pairs of bits."""
        sums = []
        for first, second in zip(pairs[::2], pairs[1::2], strict=True):
            low, high, carry_in = self.cell(
                "CCU2C", {"INIT0": _SUM, "INIT1": _SUM}, CIN=carry_in,
                A0=first[0], B0=first[1], C0=subtract, D0="1",
                A1=second[0], B1=second[1], C1=subtract, D1="1")
            sums += [low, high]
        return sums, carry_in

    def module(self, outputs):
        return {"cells": self.cells, "ports": {"o": {"direction": "output", "bits": outputs}}}


def _run(module, values):
    """The values of the outputs; undefined inputs are random."""
    values = dict(values) | {"0": 0, "1": 1}
    waiting = dict(module["cells"])
    while waiting:
        for name, cell in list(waiting.items()):
            ports = {port: bits[0] for port, bits in cell["connections"].items()}
            inputs = {port: bit for port, bit in ports.items()
                      if cell["port_directions"][port] == "input"}
            if all(bit in values or bit == "x" for bit in inputs.values()):
                found = {port: values.get(bit, random.getrandbits(1))
                         for port, bit in inputs.items()}
                for port, value in _outputs(cell, found).items():
                    values[ports[port]] = value
                del waiting[name]
    return [values[bit] for bit in module["ports"]["o"]["bits"]]


def _outputs(cell, at):
    def table(parameter, *bits):
        return int(cell["parameters"][parameter], 2) >> sum(b << i for i, b in enumerate(bits)) & 1
    if cell["type"] == "LUT4":
        return {"Z": table("INIT", *(at[pin] for pin in "ABCD"))}
    if cell["type"] == "PFUMX":
        return {"Z": at["ALUT"] if at["C0"] else at["BLUT"]}
    carry, found = at["CIN"], {}
    for half in "01":
        propagate = table(f"INIT{half}", *(at[pin + half] for pin in "ABCD"))
        found[f"S{half}"] = propagate ^ carry
        carry = carry if propagate else table(f"INIT{half}", at["A" + half], at["B" + half])
    return found | {"COUT": carry}


def _kinds(module):
    return Counter(cell["type"] for cell in module["cells"].values())


def _same(module, inputs, rng):
    packed = copy.deepcopy(module)
    pack(packed)
    # nextpnr wants a LUT at each input of a PFUMX, with no other reader.
    cells = packed["cells"].values()
    driven = {cell["connections"]["Z"][0] for cell in cells if cell["type"] == "LUT4"}
    readers = Counter(bits[0] for cell in cells for port, bits in cell["connections"].items()
                      if cell["port_directions"][port] == "input")
    for cell in cells:
        if cell["type"] == "PFUMX":
            for port in ("ALUT", "BLUT"):
                bit = cell["connections"][port][0]
                assert bit in driven and readers[bit] == 1
    for _ in range(60):
        values = {bit: rng.getrandbits(1) for bit in inputs}
        assert _run(packed, values) == _run(module, values)
    return packed


def _reversed(module):
    return module | {"cells": dict(reversed(module["cells"].items()))}


def _random(rng):
    """Adders of inputs and LUTs of them, their sums and carries read or not, and LUTs of those."""
    circuit = _Circuit(12)
    sources = list(circuit.inputs)
    outputs = []
    for _ in range(3):
        pairs = [[rng.choice((rng.choice(sources), circuit.lut(rng, sources))) for _ in "AB"]
                 for _ in range(2 * rng.randint(1, 3))]
        constant = rng.choice("01")
        sums, carry = circuit.adder(constant, pairs, constant)
        read = rng.sample(sums, rng.randint(0, len(sums))) + rng.choice(([], [carry]))
        sources += read
        outputs += read
    trees = [circuit.lut(rng, sources) for _ in range(12)]
    trees = [circuit.lut(rng, trees) for _ in range(6)]
    outputs += [circuit.lut(rng, trees) for _ in range(2)]
    return circuit, circuit.module(outputs)


@pytest.mark.parametrize("seed", range(40))
def test_random_netlists(seed):
    rng = random.Random(seed)
    circuit, module = _random(rng)
    _same(module, circuit.inputs, rng)
    _same(_reversed(module), circuit.inputs, rng)


def test_multiplexer_goes_into_the_adder():
    circuit = _Circuit(9)
    a, b, c, d, e, f, g, h, select = circuit.inputs
    chosen = [circuit.cell("LUT4", {"INIT": f"{0xCACA:016b}"}, A=x, B=y, C=select, D="1")[0]
              for x, y in ((a, b), (c, d))]
    sums, _ = circuit.adder(e, [(f, chosen[0]), (g, chosen[1])], "0")
    module = circuit.module([*sums, h])
    assert _kinds(_same(module, circuit.inputs, random.Random(1))) == {"CCU2C": 1}


@pytest.mark.parametrize("constant", "01")
def test_constant_carry_in(constant):
    circuit = _Circuit(4)
    a, b, c, d = circuit.inputs
    _, carry = circuit.adder(constant, [(a, b), (c, d)], constant)
    packed = _same(circuit.module([carry]), circuit.inputs, random.Random(1))
    assert _kinds(packed) == {"CCU2C": 1}
    assert all(cell["connections"]["CIN"] == ["x"] for cell in packed["cells"].values())


@pytest.mark.parametrize("order", (lambda module: module, _reversed))
@pytest.mark.parametrize("levels, luts, selects", ((2, 2, 1), (3, 5, 2)))
def test_multiplexer(levels, luts, selects, order):
    """The two lower levels of a tree become LUTs and the multiplexers of their slices."""
    circuit = _Circuit(2 ** levels + levels)
    *bits, = circuit.inputs[:2 ** levels]
    for select in circuit.inputs[2 ** levels:]:
        bits = [circuit.cell("LUT4", {"INIT": f"{0xCACA:016b}"}, A=a, B=b, C=select, D="1")[0]
                for a, b in zip(bits[::2], bits[1::2], strict=True)]
    packed = _same(order(circuit.module(bits)), circuit.inputs, random.Random(1))
    assert _kinds(packed) == {"LUT4": luts, "PFUMX": selects}
