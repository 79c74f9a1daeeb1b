"""Control and status registers."""

import pytest

from hwgen.config import Config
from hwgen.isa.registers import REGISTERS
from hwgen.rtl.csr import CSR
from sim.runner import SIMULATORS, run_block


def test_map():
    """Registers do not overlap, fields stay within 32 bits and do not overlap."""
    offsets = [register.offset for register in REGISTERS.values()]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and offset < 4096 for offset in offsets)
    for register in REGISTERS.values():
        free = 0
        for field in register.fields:
            assert field.lsb >= free and field.value(Config()) < 1 << field.bits, register.name
            free = field.lsb + field.bits
        assert free <= 32, register.name


def run(simulator, addr_bits, tests):
    run_block(CSR(Config(rows=32, cols=32, addr_bits=addr_bits)), "sim.tb_csr", simulator=simulator,
              env={"CSR_ADDR_BITS": str(addr_bits), "COCOTB_TEST_FILTER": tests})


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_csr(simulator):
    run(simulator, 40, "registers|concurrent|programs|soft_reset|running_counts")


@pytest.mark.parametrize("addr_bits", [32, 64])
def test_address_widths(addr_bits):
    run("icarus", addr_bits, "registers")


@pytest.mark.long
def test_carry():
    run("verilator", 40, "carry")
