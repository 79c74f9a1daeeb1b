"""Memories, multipliers and ports as counted in the Verilog, against the configuration."""

from hwgen.artifacts import summary
from hwgen.verilog.contents import Netlist


def test_counts(small):
    config, verilog = small
    netlist = Netlist(verilog)
    figures = summary.figures(config, netlist)
    assert netlist.counts["pe"] == 6 and netlist.counts["requant"] == config.lanes
    multipliers = 2 * config.lanes + config.table_lanes
    assert figures["multipliers"] == {"array": 6, "output stage": multipliers, "other": 0}
    bits = figures["memory_bits"]
    assert bits["filter spads"] == 6 * 2 * 8 * config.filter_spad
    assert bits["ifmap spads"] == 6 * 9 * config.ifmap_spad
    assert bits["GLB banks"] == 3 * config.bank_depth * config.bank_bits
    assert bits["parameter memory"] == 8 * config.params_bytes
    assert bits["FIFOs and tables"] > 0
    assert figures["peak_gmacs_per_second"] == 6 * 200 / 1000


def test_ports(small):
    ports = {port["name"]: (port["direction"], port["width"]) for port in Netlist(small[1]).ports}
    assert list(ports)[:2] == ["aclk", "aresetn"]
    assert ports["aclk"] == ("input", 1)
    assert ports["irq"] == ("output", 1)
    assert ports["m_axi_wdata"] == ("output", 64)
    assert ports["m_axi_rready"] == ("output", 1)
    assert ports["s_axi_araddr"] == ("input", 12)
    assert ports["s_axi_rdata"] == ("output", 32)
