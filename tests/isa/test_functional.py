"""The functional model finds what is wrong with a program."""

import numpy as np
import pytest

from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.config import Config, preset
from hwgen.isa.functional import FunctionalModel, ProgramError

from ..compiler.layers import check, conv, load, network, tensor

CONFIG = Config(rows=3, cols=4, glb_kib=3, params_depth=32, tables=False, lanes=2)


def spoiled(change, seeds=6):
    """Run a small convolution's program, its commands changed by ``change(name, fields)``, in
    several orders; returns the first error's text."""
    rng = np.random.default_rng(5)
    layer = conv(rng, tensor("x", (8, 16, 16), rng), 24, (3, 3))
    net = network(layer)
    program = compile_network(net, CONFIG)
    memory, _ = load(net, program, rng)
    segment, = program.segments
    for at in range(segment.offset, segment.offset + segment.size, isa.COMMAND_BYTES):
        name, fields = isa.unpack(memory[at:at + isa.COMMAND_BYTES].tobytes())
        change(name, fields)
        memory[at:at + isa.COMMAND_BYTES] = np.frombuffer(isa.pack(name, **fields), np.uint8)
    for seed in range(seeds):
        try:
            FunctionalModel(CONFIG, memory.copy(), seed).run(segment.offset)
        except ProgramError as error:
            return str(error)
    return ""


def setter(command, field, value):
    def change(name, fields):
        if name == command and fields[field]:
            fields[field] = value
    return change


def test_an_unspoiled_program_runs():
    assert spoiled(lambda name, fields: None) == ""


@pytest.mark.parametrize("command, field, value, words", [
    ("LOAD", "signal", 0, "locked up"),
    ("LOAD", "wait", 0, "same GLB words"),
    ("COMPUTE", "feed_wait", 0, ""),
    ("COMPUTE", "psum_signal", 0, "locked up"),
    ("COMPUTE", "strip_ifmap_rows", 1, "strip_ifmap_rows"),
    ("COMPUTE", "p", 1, "size"),
    ("COMPUTE", "pairs", 1, ""),
    ("STORE", "wait", 0, ""),
    ("STORE", "signal", 0, "locked up"),
    ("STORE", "params", 400, "parameter memory"),
    ("LOAD", "dst", 0, ""),
    ("LOAD", "addr", 0xFFFFFFF0, "leaves memory"),
    ("FILTER", "addr", 0, "without its mark"),
    ("BEGIN", "hash", 1, "hash"),
    ("BEGIN", "magic", 1, "magic"),
])
def test_a_spoiled_program_is_caught(command, field, value, words):
    found = spoiled(setter(command, field, value))
    assert found and words in found


@pytest.mark.parametrize("shape, filters, kernel, options", [
    ((3, 115, 115), 32, (11, 11), dict(stride=(4, 4))),
    ((64, 56, 56), 32, (3, 3), dict(pads=(1, 1, 1, 1))),
    ((512, 14, 14), 64, (1, 1), {}),
])
def test_commands_of_a_microcoded_machine_run_one_after_the_other(shape, filters, kernel, options):
    rng = np.random.default_rng(3)
    net = network(conv(rng, tensor("x", shape, rng), filters, kernel, **options))
    check(net, compile_network(net, preset("up5k")), rng)
