"""The driver in C: freestanding, and on the simulated accelerator."""

import ctypes
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwgen.artifacts import command_files as commands
from hwgen.artifacts import register_files as registers
from hwgen.compiler import save
from hwgen.compiler.header import c_header
from hwgen.compiler.layout.dram import Placement
from hwgen.isa import MAGIC
from hwgen.isa.registers import COUNTERS, REGISTERS, ErrorCode
from hwgen.network.graph import Tensor

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_PORT = ['-DHWGEN_PORT="c_port.h"', f"-I{_HERE}"]
_STRICT = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I."]
_STATUS = ("OK", "NO_DEVICE", "OTHER_CONFIG", "NO_MEMORY", "NOT_READY", "STOPPED", "TIMEOUT")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, lenet):
    """What ``hwgen build`` and ``hwgen compile`` write for C."""
    folder = tmp_path_factory.mktemp("driver")
    registers.write(lenet.config, folder)
    (folder / "commands.h").write_text(commands.c_header())
    for name, text in commands.c_driver().items():
        (folder / name).write_text(text)
    save.save(lenet.network, lenet.program, folder / "network")
    shutil.copy(folder / "network" / "program.h", folder)
    return folder


def _link(lenet):
    return lenet.library, f"-Wl,-rpath,{lenet.library.parent}"


def _compile(folder, *arguments):
    subprocess.run([*_STRICT, *map(str, arguments)], cwd=folder, check=True)


@pytest.mark.parametrize("options", (["-O0"], ["-O2"], ["-Os", "-m32"]), ids=" ".join)
def test_freestanding(folder, options):
    """It needs memcpy and nothing else, has no data of its own, and no header of a C library."""
    probe = subprocess.run(["gcc", *options, "-ffreestanding", "-x", "c", "-fsyntax-only", "-"],
                           input="#include <stdint.h>", text=True, capture_output=True)
    if probe.returncode:
        pytest.skip("the compiler has no such target")
    flags = ["-ffreestanding", "-Wconversion", "-Wshadow", "-Wcast-align=strict",
             "-Wstrict-prototypes"]
    _compile(folder, *options, *flags, "-c", "hwgen.c", "-o", "hwgen.o")
    symbols = subprocess.run(["nm", "hwgen.o"], cwd=folder, check=True, capture_output=True,
                             text=True).stdout.split("\n")
    kinds = {line.split()[-1]: line.split()[-2] for line in symbols if line}
    wanted = [name for name, kind in kinds.items() if kind == "U"]
    assert set(wanted) - {"_GLOBAL_OFFSET_TABLE_"} == {"memcpy"}
    assert not set(kinds.values()) & set("dDbBC")
    used = subprocess.run(["gcc", "-MM", "-H", "-ffreestanding", "hwgen.c"], cwd=folder, check=True,
                          capture_output=True, text=True).stderr
    system = set(re.findall(r"^\.+ .*/(\w+\.h)$", used, re.M))
    assert system <= {"stdbool.h", "stddef.h", "stdint.h", "stdint-gcc.h", "stdatomic.h"}


def test_lenet(folder, lenet):
    """Tensors as the golden model has them, counters as the driver in Python reads them, errors."""
    _compile(folder, *_PORT, _HERE / "c_driver.c", "hwgen.c", *_link(lenet), "-o", "driver")
    places = lenet.program.tensors
    first = next(iter(places))
    (folder / "input").write_bytes(lenet.expected[first].tobytes())
    done = subprocess.run([str(folder / "driver"), "network/program.bin", "input", "output"],
                          cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    data = (folder / "output").read_bytes()
    for name, place in places.items():
        size = int(np.prod(place.shape)) * place.dtype.itemsize
        assert data[:size] == lenet.expected[name].tobytes(), name
        data = data[size:]
    assert not data
    lines = [line.split(maxsplit=6) for line in done.stdout.splitlines()]
    counters = [(name, dict(zip(COUNTERS, map(int, " ".join(values).split()), strict=True)))
                for kind, name, *values in lines if kind == "counters"]
    wanted = [(segment.name, layer.counters) for segment, layer in
              zip(lenet.program.segments, lenet.layers, strict=True)]
    assert counters == [*wanted, wanted[0]]
    base, segment = 0x4000_0000, lenet.program.segments[0]
    errors = {name: values for kind, name, *values in lines if kind == "error"}
    for name, code, info in (
            ("read", ErrorCode.AXI_READ, base + places[first].offset),
            ("write", ErrorCode.AXI_WRITE, base + places[segment.y].offset),
            ("watchdog", ErrorCode.WATCHDOG, 0),
            ("hash", ErrorCode.HASH, lenet.config.hash ^ 1)):
        status, number, found, _, text = errors.pop(name)
        assert _STATUS[int(status)] == "STOPPED"
        assert (int(number), int(found), text) == (code, info, code.doc)
    assert not errors


@pytest.mark.parametrize("digit", (4, 7))
def test_the_example_of_the_documentation(folder, lenet, digit):
    text = (_ROOT / "docs" / "use" / "driver.md").read_text()
    example, = re.findall(r"```c\n(.*?)```", text, re.S)
    (folder / "example.c").write_text(example)
    with Image.open(_ROOT / "examples" / "lenet5" / "digits" / f"{digit}.png") as picture:
        (folder / "pixels").write_bytes(np.asarray(picture.convert("L")).tobytes())
    _compile(folder, *_PORT, "example.c", _HERE / "c_example.c", "hwgen.c", *_link(lenet),
             "-o", "example")
    done = subprocess.run([str(folder / "example"), "network/program.bin", "pixels"], cwd=folder,
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{digit}\n"


# The plain driver, whose registers are memory.

class _Device(ctypes.Structure):
    _fields_ = [("registers", ctypes.c_void_p), ("memory", ctypes.c_void_p),
                ("address", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
                ("wait", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class _Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), *((name, ctypes.c_uint32) for name in (
        "offset", "channels", "height", "width", "group", "row_stride", "group_stride")),
        ("value_bytes", ctypes.c_uint8), ("is_signed", ctypes.c_bool), ("host", ctypes.c_bool),
        ("zero_point", ctypes.c_int32), ("scale", ctypes.c_float)]


class _Program(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("config_hash", ctypes.c_uint32),
                ("image_bytes", ctypes.c_uint64), ("memory_bytes", ctypes.c_uint64),
                ("tensors", ctypes.c_void_p), ("segments", ctypes.c_void_p),
                ("tensor_count", ctypes.c_uint32), ("segment_count", ctypes.c_uint32)]


@pytest.fixture(scope="module")
def plain(folder):
    _compile(folder, "-shared", "-fPIC", "-DHWGEN_RESET_LOOKS=9", "hwgen.c", "-o", "plain.so")
    library = ctypes.CDLL(str(folder / "plain.so"))
    library.hwgen_error_text.restype = ctypes.c_char_p
    return library


def _offset(name):
    return REGISTERS[name].offset // 4


@pytest.fixture
def page(lenet):
    """``(device, registers, memory)``, all memory; the registers hold identity and hash."""
    registers, memory = np.zeros(1024, np.uint32), np.zeros(1 << 16, np.uint8)
    registers[_offset("ID")], registers[_offset("CONFIG_HASH")] = MAGIC, lenet.config.hash
    return _Device(registers.ctypes.data, memory.ctypes.data, 1 << 31, len(memory)), registers, \
        memory


def test_identity_is_checked_before_anything_is_written(plain, page):
    device, registers, _ = page
    for name, status in (("ID", "NO_DEVICE"), ("CONFIG_HASH", "OTHER_CONFIG")):
        before = registers.copy()
        registers[_offset(name)] += 1
        changed = registers.copy()
        assert _STATUS[plain.hwgen_open(ctypes.byref(device))] == status
        np.testing.assert_array_equal(registers, changed)
        registers[:] = before
    assert _STATUS[plain.hwgen_open(ctypes.byref(device))] == "OK"
    assert registers[_offset("CTRL")] == 2 and registers[_offset("WATCHDOG")] == 1 << 20
    registers[_offset("STATUS")] = 8
    assert _STATUS[plain.hwgen_reset(ctypes.byref(device))] == "TIMEOUT"


def test_loading(plain, page, lenet):
    device, registers, memory = page
    image = bytes(range(200))

    def load(device=device, **changes):
        program = _Program(**{"config_hash": lenet.config.hash, "image_bytes": len(image),
                              "memory_bytes": len(memory), **changes})
        return _STATUS[plain.hwgen_load(ctypes.byref(device), ctypes.byref(program), image)]

    def at(address):
        return _Device(device.registers, device.memory, address, device.bytes)

    assert load(config_hash=1) == "OTHER_CONFIG"
    assert load(memory_bytes=len(memory) + 1) == "NO_MEMORY"
    assert load(at(256)) == load(at((1 << 32) - 4096)) == load(at(1 << 40)) == "NO_MEMORY"
    assert load(at((1 << 64) - 4096)) == "NO_MEMORY"
    assert not memory.any()
    for state in (1, 4, 8):
        registers[_offset("STATUS")] = state
        assert load() == "NOT_READY"
    registers[_offset("STATUS")] = 2
    assert load() == "OK" and load(at((1 << 32) - len(memory))) == "OK"
    assert registers[_offset("BASE_LO")] == (1 << 32) - len(memory)
    assert memory[:len(image)].tobytes() == image and not memory[len(image):].any()


def test_tensors_lie_where_the_compiler_places_them(plain, page):
    device, _, memory = page
    rng = np.random.default_rng(1)
    print("seed 1")
    for dtype in map(np.dtype, ("uint8", "int8", "int32")):
        for shape in ((1, 1, 1), (5, 1, 1), (7, 3, 5), (16, 4, 2)):
            g = int(rng.integers(1, shape[0] + 2))
            place = Placement.place(Tensor("x", shape, dtype, 0, 1.0, shape), g, 8 * g, 8)
            tensor = _Tensor(b"x", place.offset, *shape, g, place.row_stride, place.group_stride,
                             dtype.itemsize)
            values = rng.integers(-100, 100, shape).astype(dtype)
            memory[:] = 0
            plain.hwgen_write(ctypes.byref(device), ctypes.byref(tensor),
                              values.ctypes.data_as(ctypes.c_void_p))
            end = place.offset + place.size
            assert memory[place.offset:end].tobytes() == place.pack(values)
            assert not memory[:place.offset].any() and not memory[end:].any()
            found = np.zeros_like(values)
            plain.hwgen_read(ctypes.byref(device), ctypes.byref(tensor),
                             found.ctypes.data_as(ctypes.c_void_p))
            np.testing.assert_array_equal(found, values)


def test_texts_of_errors(plain):
    assert [plain.hwgen_error_text(code.value).decode() for code in ErrorCode] == \
        [code.doc for code in ErrorCode]
    assert plain.hwgen_error_text(99) == b"An error that this driver does not know."


def test_names_that_are_no_identifiers(folder, lenet):
    """Tensors whose names are alike in C, and a network whose name is no identifier."""
    names = ["a/b", "a.b", 'quote"\\?', "ü */ /*", "main", "8"]
    rename = dict(zip(lenet.program.tensors, names, strict=True))

    def tensor(old):
        return replace(old, name=rename.get(old.name, old.name))

    layers = {id(layer): replace(layer, x=tensor(layer.x), y=tensor(layer.y))
              for layer in lenet.network.layers if hasattr(layer, "y")}
    network = replace(lenet.network, name="2nd */ net", layers=list(layers.values()))
    program = replace(
        lenet.program,
        tensors={name: replace(place, name=name) for name, place
                 in zip(names, lenet.program.tensors.values(), strict=True)},
        segments=tuple(replace(segment, layers=tuple(layers[id(layer)] for layer in segment.layers))
                       for segment in lenet.program.segments))
    (folder / "odd.h").write_text(c_header(network, program, "image"))
    strings = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    (folder / "odd.c").write_text(
        '#include <string.h>\n#include "odd.h"\n'
        f"static const char *names[] = {{{strings}}};\n"
        "int main(void)\n{\n    int bad = NET_2ND____NET_TENSOR_A_B_2 != 1;\n"
        "    for (int i = 0; i < NET_2ND____NET_TENSORS; i++)\n"
        "        bad |= strcmp(names[i], net_2nd____net_program.tensors[i].name);\n"
        "    return bad;\n}\n")
    _compile(folder, "odd.c", "-o", "odd")
    assert subprocess.run([str(folder / "odd")]).returncode == 0
