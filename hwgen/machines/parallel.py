"""The parallel machine: units that run side by side, and a GLB of a bank for each column."""

from .base import Bandwidths, Order

__all__ = ["MACHINE"]


class _Synthesis:
    # Modules that are instantiated often. Registers of resets, lest those of several blocks become
    # one.
    kept = ("pe", "array_row", "glb_bank", "requant", "reset_register")
    blocks = (
        ("PEs", r"core\.array\.row_\d+\.pe_\d"),
        ("array rows", r"core\.array\.row_\d"),
        ("NoC", r"core\.(array|feed|filters)\b"),
        ("GLB", r"core\.(glb|psums)\b"),
        ("output stage", r"core\.drain\b"),
        ("loader", r"core\.loader\b"),
        ("DMA", r"core\.(read|write)_dma\b|(core\.)?m_axi_"),
        ("controller", r"core\.controller\b"),
        ("CSRs", r"csr\b|s_axi_|irq|core\.(base|pages|program|watchdog|expired|events|progress)\b"),
    )
    single_port_glb = False
    reference = "ecp5"

    def instances(self, config):
        return {"pe": ("core.array.row_0.pe_0.", config.rows * config.cols),
                "array_row": ("core.array.row_0.", config.rows),
                "glb_bank": ("core.glb.bank_0.", config.cols)}

    def logic_multipliers(self, config, count):
        """Whole rows at the bottom, and the last PEs of one more row."""
        lines, modules = [], []
        for row in range(config.rows - 1, -1, -1):
            here = min(count, config.cols)
            if not here:
                break
            kind = f"array_row_{here}_logic"
            if kind not in modules:
                modules.append(kind)
                lines.append(f"copy array_row {kind}")
                lines += [f"chtype -set pe_logic {kind}/pe_{column}"
                          for column in range(config.cols - here, config.cols)]
            lines.append(f"chtype -set {kind} pe_array/row_{row}")
            count -= here
        return lines, modules

    def output_dsps(self, config, each):
        """Of each lane, and one more of those that have tables."""
        return each * config.lanes + config.table_lanes

    def memories(self, config):
        from ..rtl.common.fifo import LARGE
        from ..rtl.parallel.dma.bursts import fetch_beats
        chunk, bus = config.xbus_bytes, config.bus_bits
        block = 2 * config.burst * 9 * config.bus_bytes >= LARGE            # marked as block RAM
        return {
            "PEs": ((config.rows * config.cols, 2 * config.filter_spad, 8),
                    (config.rows * config.cols, config.ifmap_spad // chunk, 9 * chunk)),
            "array rows": ((config.rows, 16, bus + 1),
                           (config.rows, 16, 9 * config.bus_bytes + 4)),
            "GLB": ((config.cols, config.bank_depth, config.bank_bits), (1, 8, 79)),
            "output stage": (*((2, words, 32) for words in config.param_words),
                             *((config.lanes, 64 * config.functions, 32),) * (config.functions > 0),
                             (1, 32, 9 * config.lanes)),
            "DMA": ((2, max(128, 2 * config.burst), bus + 1),
                    (1, 2 * fetch_beats(config), bus + 1), (1, 8, 32), (1, 16, 35),
                    (1, max(2 * config.burst, 65 if block else 1), 9 * config.bus_bytes)),
            "controller": ((1, 128, 64),),
        }

    def terms(self, config):
        rows, cols, lanes, bus = config.rows, config.cols, config.lanes, config.bus_bytes
        pes, chunk = rows * cols, config.xbus_bytes
        rams = -(-config.ifmap_spad // chunk // 16) * -(-9 * chunk // 4)    # 16 words of 4 bits
        return {
            "PEs": (pes, pes * config.psum_bits, pes * rams, pes * (chunk - 1)),
            "array rows": (rows, rows * cols, rows * bus),
            "NoC": (1, rows, bus),
            "GLB": (1, cols * lanes),
            "output stage": (1, lanes),
            "loader": (1, bus),
            "DMA": (1, bus),
            "controller": (1, bus),
            "CSRs": (1,),
            "wiring": (1, bus),
        }


class _Parallel:
    name = "parallel"
    fixed: dict[str, object] = {}
    in_order = False
    memories = {("pe", "filter_spad"): "filter spads", ("pe", "ifmap_spad"): "ifmap spads",
                ("glb_bank", "memory"): "GLB banks",
                **{(module, memory): "parameter memory" for memory in ("biases", "scales")
                   for module in ("parameters", "parameters_with_tables")},
                ("function_table", "memory"): "function tables"}
    multipliers = {"pe": "array", "requant": "output stage",
                   "parameters_with_tables": "output stage"}
    # The load queue holds four commands, and the unit a fifth.
    order = Order(tile_pieces=True, lookahead=4, strips_leave_early=True)
    synthesis = _Synthesis()

    @property
    def cost(self):
        from ..cost.parallel import COST
        return COST

    def check(self, config):
        """Every configuration can be built."""

    def bank_depth(self, config):
        room = config.glb_kib * 1024 - config.params_bytes
        return room // (config.cols * config.bank_bits // 8)

    def grown(self, base, rows, cols):
        """The widths of the buses double as often as the PEs do (256 bits at most), with them the
        lanes (8 at most) and, from the second time on, the ifmap spads (128 at most); the GLB
        grows or shrinks so that a bank keeps its number of bus words."""
        from ..config.parameters import param_words
        factor = 1
        while 2 * factor ** 2 * base.rows ** 2 * base.cols ** 2 < (rows * cols) ** 2:
            factor *= 2         # the nearest power of two
        lanes = min(factor * base.lanes, 8)
        bus_bits = min(factor * base.bus_bits, 256)
        wider = bus_bits // base.bus_bits
        params_depth = min(base.params_depth * wider, 2048)
        size = (8 * sum(param_words(lanes, params_depth, base.tables))
                + base.bank_depth * wider * cols * 4 * base.lanes)
        return {"bus_bits": bus_bits, "lanes": lanes,
                "xbus_bytes": min(factor * base.xbus_bytes, 8), "params_depth": params_depth,
                "ifmap_spad": min(max(factor // 2, 1) * base.ifmap_spad, 128),
                "glb_kib": min(max(-(-size // 1024), 2), 4096)}

    def glb_address(self, config, word):
        """A mixed-radix number: bank word, bank, ifmap word in the bank word."""
        rest, sub = divmod(word, config.subwords)
        off, bank = divmod(rest, config.cols)
        return off << 8 | bank << 3 | sub

    def glb_word(self, config, address):
        sub, bank, off = address & 7, address >> 3 & 31, address >> 8
        if sub >= config.subwords or bank >= config.cols:
            raise ValueError(f"GLB address {address:#x} is not a mixed-radix number")
        return (off * config.cols + bank) * config.subwords + sub

    def traffic(self, config):
        from ..energy.traffic import Traffic
        return Traffic(config)

    def core(self, config):
        from ..rtl.parallel.core import Core
        return Core(config)

    def bandwidths(self, config):
        banks = config.cols * config.bank_bits // 8
        return Bandwidths(glb_read=banks, glb_write=banks, glb_psums=2 * banks,
                          ybus=config.bus_bytes, xbuses=config.rows * config.xbus_bytes,
                          filters=config.bus_bytes, ybus_cycles="ybus")


MACHINE = _Parallel()
