"""What each command of a microcoded machine moves, where that differs from a parallel one's."""

from ..cost.geometry import ceildiv
from ..isa.store_modes import MODES
from .traffic import Traffic

__all__ = ["MicrocodedTraffic"]


class MicrocodedTraffic(Traffic):
    """Its engine feeds each PE on its own; parameters and a word of zeros stand in its GLB."""
    dropped = 0
    whole_padding = True

    def _params(self, c):
        yield from super()._params(c)
        yield "glb_parameter_writes", 2 * c["count"] * self.config.lanes

    def _compute(self, c):
        yield from super()._compute(c)
        yield "glb_ifmap_writes", 1             # the word of zeros

    def _weights(self, number):
        """Whole bus words."""
        return ceildiv(number, self.config.bus_bytes) * self.config.bus_bytes

    def _psums(self, c, passes, psums, taps):
        """Products of a column meet in an adder tree, whose end holds the running psum."""
        issued = passes * c["active_cols"] * psums
        yield "psum_reads", issued * (taps - 1)
        yield "psum_writes", issued * taps
        yield "psum_moves", c["pairs"] * c["active_cols"] * psums * taps

    def _ifmaps(self, c, passes):
        """Each array row reads its words itself; one that takes no part gets a word of zeros in
        each round."""
        config = self.config
        rounds = c["strips"] * c["rounds"]
        words = c["pairs"] * rounds * c["e"] * c["depthwise_groups"]
        zeros = (passes * config.rows - c["pairs"]) * rounds
        written = (words * c["multicast_mask"].bit_count() + zeros * config.cols) \
            * (config.bus_bytes // config.xbus_bytes)
        for item in ("ybus_words", "xbus_words", "glb_ifmap_reads"):
            yield item, words + zeros
        yield "ifmap_spad_writes", written
        yield "ifmap_deliveries", written

    def _outputs(self, c, columns):
        """Each psum by itself, with its bias and, unless it is stored raw, its scale."""
        yield "glb_psum_reads", columns * c["p"]
        yield "glb_parameter_reads", columns * c["p"] * (1 if MODES[c["mode"]].raw else 2)
