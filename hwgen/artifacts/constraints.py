"""Timing constraints of the one clock, for tools that take them from a file."""

__all__ = ["lpf", "sdc"]


def sdc(config):
    """Synopsys Design Constraints, which most tools take: the clock, with the period in ns."""
    return (f"# {config.name}: the accelerator's one clock; all ports are synchronous to it.\n"
            f"create_clock -name aclk -period {1000 / config.clock_mhz:.3f} [get_ports aclk]\n")


def lpf(config):
    """Lattice Preferences, for nextpnr-ecp5 and Diamond: the clock, in MHz."""
    return (f"# {config.name}: the accelerator's one clock; all ports are synchronous to it.\n"
            f'FREQUENCY PORT "aclk" {config.clock_mhz:.3f} MHZ;\n')
