"""The microcoded machine, for small devices: an engine runs the commands one after the other, in
place of the units that run side by side, and the GLB is one memory with one port. It runs the same
programs' commands, in more cycles; see docs/design/microcoded.md."""

import json

from ..errors import HwgenError
from .base import Bandwidths, Order

__all__ = ["MACHINE"]

_GLB_KIB = 64               # what 16-bit addresses reach


class _Synthesis:
    # On iCE40 the PEs must keep their boundaries: where two products are added, Yosys 0.70
    # (ice40_dsp) packs the register of one twice, as the product's into its own SB_MAC16 and as an
    # addend's into the other's. Its driver is disconnected, and the product lost.
    kept = ("pe",)
    blocks = (
        ("PEs", r"core\.array\.pe_\d"),
        ("array rows", r"core\.array\b"),
        ("NoC", r"core\.writer\b"),
        ("GLB", r"core\.glb\b"),
        ("output stage", r"core\.output\b"),
        ("loader", r"core\.mover\b"),
        ("DMA", r"core\.stream\b|(core\.)?m_axi_"),
        ("CSRs", r"csr\b|s_axi_|irq|core\.(base|pages|program|watchdog|expired)\b"),
        ("controller", r"core\b"),
    )
    single_port_glb = True
    reference = None

    def instances(self, config):
        return {"pe": ("core.array.pe_0_0.", config.rows * config.cols)}

    def logic_multipliers(self, config, count):
        pes = [f"pe_{row}_{column}" for row in range(config.rows) for column in range(config.cols)]
        return [f"chtype -set pe_logic pe_array/{pe}" for pe in pes[-count:]], []

    def output_dsps(self, config, each):
        """It multiplies bit by bit."""
        return 0

    def memories(self, config):
        from ..rtl.microcoded import firmware
        pes = config.rows * config.cols
        from ..rtl.microcoded.microcode import REGISTERS
        code, _ = firmware.build(config).words()
        return {
            "PEs": ((pes, 8 * -(-config.filter_spad // 4), 8), (pes, config.ifmap_spad, 9)),
            "GLB": ((1, 256 * config.glb_kib, 32),),
            "controller": ((1, len(code), 16), (1, REGISTERS, 16)),
        }

    def terms(self, config):
        pes = config.rows * config.cols
        names = (*(name for name, _ in self.blocks), "wiring")
        return dict.fromkeys(names, (1,)) | {
            "PEs": (pes,), "array rows": (1, pes, config.cols * config.psum_bits), "NoC": (1, pes)}


class _Microcoded:
    name = "microcoded"
    fixed = {"lanes": 1, "bus_bits": 32, "xbus_bytes": 1, "tables": False, "functions": 0,
             "zero_gate": False, "addr_bits": 32}
    in_order = True
    memories = {("pe", "filter_spad"): "filter spads", ("pe", "ifmap_spad"): "ifmap spads",
                ("global_buffer", "memory"): "GLB banks"}
    multipliers = {"pe": "array"}
    order = Order(tile_pieces=False, lookahead=None, strips_leave_early=False)
    synthesis = _Synthesis()

    @property
    def cost(self):
        from ..cost.microcoded import COST
        return COST

    def check(self, config):
        """The engine's words and addresses have fixed sizes."""
        for name, value in self.fixed.items():
            if getattr(config, name) != value:
                raise HwgenError(f"{name} = {json.dumps(getattr(config, name))} is not allowed "
                                 f"with machine = {self.name}: set it to {json.dumps(value)}, or "
                                 f"machine to parallel.")
        if config.glb_kib > _GLB_KIB:
            raise HwgenError(f"glb_kib = {config.glb_kib} is not allowed with machine = "
                             f"{self.name}, whose GLB has 16-bit addresses: set it to at most "
                             f"{_GLB_KIB}, or machine to parallel.")

    def bank_depth(self, config):
        """Words of 4 bytes for each column; a word of zero points stands beside them."""
        room = config.glb_kib * 1024 - config.params_bytes - 4
        return room // (config.cols * config.bank_bits // 8)

    def grown(self, base, rows, cols):
        """Its widths are fixed, and its GLB is the device's."""
        return {}

    def glb_address(self, config, word):
        return word << 8

    def glb_word(self, config, address):
        if address & 255:
            raise ValueError(f"GLB address {address:#x} is not a word's")
        return address >> 8

    def traffic(self, config):
        from ..energy.microcoded import MicrocodedTraffic
        return MicrocodedTraffic(config)

    def core(self, config):
        from ..rtl.microcoded.core import MicrocodedCore
        return MicrocodedCore(config)

    def bandwidths(self, config):
        """One port, and one value a cycle into the spads."""
        word = config.bus_bytes
        return Bandwidths(glb_read=word, glb_write=word, glb_psums=word, ybus=1, xbuses=1,
                          filters=1, ybus_cycles="xbus")


MACHINE = _Microcoded()
