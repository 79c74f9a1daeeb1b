"""Control and status registers."""

import pytest

from hwgen.config import Config
from hwgen.registers import REGISTERS
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


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("addr_bits", [32, 40, 64])
def test_csr(simulator, addr_bits):
    long = simulator == "verilator" and addr_bits == 32
    run_block(CSR(Config(addr_bits=addr_bits)), "sim.tb_csr", simulator=simulator,
              env={"CSR_ADDR_BITS": str(addr_bits), "CSR_LONG": str(int(long))})
