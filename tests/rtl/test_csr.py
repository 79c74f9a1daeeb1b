"""Control and status registers."""

import pytest

from hwgen.config import Config
from hwgen.isa.registers import REGISTERS
from hwgen.rtl.csr import CSR
from sim.runner import SIMULATORS, each_test, run_block


def test_registers_and_fields_do_not_overlap():
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


def run(case, simulator, addr_bits):
    run_block(CSR, case, simulator=simulator, config=Config(rows=32, cols=32, addr_bits=addr_bits))


@pytest.mark.parametrize("simulator", SIMULATORS)
@each_test("sim.tb_csr", "(?!carry)")
def test_registers_and_counters(case, simulator):
    run(case, simulator, 40)


@pytest.mark.parametrize("addr_bits", [32, 64])
@each_test("sim.tb_csr", "registers")
def test_address_widths(case, addr_bits):
    run(case, "icarus", addr_bits)


@pytest.mark.long
@each_test("sim.tb_csr", "carry")
def test_counters_carry_into_their_upper_halves(case):
    run(case, "verilator", 40)
