"""Power-up: nothing depends on what registers and memories hold before the reset.

Icarus Verilog, in four states, runs both machines without their `initial` blocks but those of ROMs:
whatever the reset does not set is X, and an X that is read from the CSRs, or that reaches the
memory, fails. Bytes that a write's strobes leave out may be X.
"""

import re
import shutil

import pytest

from hwgen.compiler import compile_network
from hwgen.config import Config
from hwgen.host import inputs
from hwgen.host.driver import Driver
from hwgen.host.network_runner import execute
from hwgen.importer import onnx_import
from hwgen.network import golden
from hwgen.simulate import cosim, verilated
from hwgen.simulate.cosim import IcarusBus
from hwgen.simulate.dram import Dram
from hwgen.simulate.hardware import generated
from hwgen.simulate.verilated import VerilatedBus
from hwgen.verify.random_layers import random_case
from hwgen.verilog.contents import Netlist
from tests.simulate.test_top import _LENET, _MICROCODED, _SMALL

_INITIAL = re.compile(r"^  initial begin\n((?:    .*\n)*)  end\n", re.M)
#: Counters that tell what was done, whenever it was.
_WORK = ("MACS", "ARRAY_BUSY", "DRAM_WRITE_WORDS", "GLB_WRITES", "YBUS_WORDS",
         "XBUS_WRITES", "FILTER_WRITES", "OUTPUTS")


def without_initial(verilog):
    """The text without `initial` blocks, but for those of memories that nothing writes."""
    def module(match):
        text = match[0]
        written = set(re.findall(r"^ +(\w+)\[.*\] <=", text, re.M))

        def initial(match):
            memories = set(re.findall(r"^ +(\w+)\[", match[1], re.M))
            return match[0] if memories and not memories & written else ""
        return _INITIAL.sub(initial, text)
    return re.sub(r"^module .*?^endmodule\n", module, verilog, flags=re.M | re.S)


def without_idle_bytes(verilog, config):
    """The text with a top around its top, in which the bytes without a strobe are 0."""
    ports = Netlist(verilog).ports
    inner = re.sub(r"^module hwgen \(", "module hwgen_inside (", verilog, flags=re.M)
    rows = ",\n".join(f"  {port['direction']} wire [{port['width'] - 1}:0] {port['name']}"
                      for port in ports)
    pins = ",\n".join(f"    .{port['name']}({port['name'].replace('m_axi_wdata', 'data')})"
                      for port in ports)
    masked = ", ".join(f"m_axi_wstrb[{i}] ? data[{8 * i} +: 8] : 8'd0"
                       for i in reversed(range(config.bus_bytes)))
    return (f"{inner}\nmodule hwgen (\n{rows}\n);\n  wire [{config.bus_bits - 1}:0] data;\n"
            f"  assign m_axi_wdata = {{{masked}}};\n  hwgen_inside whole (\n{pins}\n  );\n"
            "endmodule\n")


def _run(network, given, config):
    """Run a network on the stripped design; every layer against the golden model, the counters
    against those of the whole design in Verilator."""
    if not shutil.which("iverilog"):
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    program = compile_network(network, config)
    expected = golden.run(network, given)
    verilog = generated(config).verilog
    counters = []
    stripped = without_initial(verilog)
    assert len(_INITIAL.findall(stripped)) == (config.machine == "microcoded")
    image = cosim.build(without_idle_bytes(stripped, config))
    for bus in (IcarusBus(image, dram=Dram(base=0x4000_0000)),
                VerilatedBus(verilated.build(verilog), program.memory_bytes)):
        with bus:
            found = []
            for layer in execute(network, program, Driver(bus, config), given):
                assert (layer.value == layer.expected(expected)).all(), layer.tensor
                if layer.counters:
                    found.append({name: layer.counters[name] for name in _WORK})
                    assert layer.counters["CYCLES"] > 0
                    booked = sum(count for name, count in layer.counters.items() if name in (
                        "ARRAY_BUSY", "START", "FINISH") or name.startswith("STALL_"))
                    assert booked == layer.counters["CYCLES"]
        counters.append(found)
    assert counters[0] and counters[0] == counters[1]


@pytest.mark.parametrize("config", (_SMALL, _MICROCODED), ids=lambda config: config.name)
@pytest.mark.parametrize("seed", (0, 3))
def test_random_layers(config: Config, seed):
    case = random_case(seed, 12_000)
    _run(onnx_import.load(case.model, tables=config.tables), case.inputs, config)


@pytest.mark.long
@pytest.mark.parametrize("config", (_SMALL, _MICROCODED), ids=lambda config: config.name)
def test_lenet5(config):
    network = onnx_import.load(_LENET / "lenet5.onnx", tables=config.tables)
    _run(network, inputs.load([(None, _LENET / "digits" / "7.png")], network), config)
