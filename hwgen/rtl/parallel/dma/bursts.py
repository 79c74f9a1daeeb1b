"""AXI4 bursts: what both DMAs know of them.

Ref: Arm IHI 0022, AMBA AXI Protocol Specification, A3 (handshake, bursts, 4 KiB rule).
"""

from amaranth import Cat, Mux
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .... import isa

__all__ = ["REQUEST", "SEGMENT", "OUTSTANDING", "PAGE", "words", "transfer", "fetch_beats",
           "address_channel", "constants", "burst_beats", "based", "leaves"]

#: A read request: byte offset, a multiple of the bus word, and number of words, 1 or more.
REQUEST = data.StructLayout({"addr": 32, "beats": 24})

#: A contiguous run of bytes to write: byte offset, any, and number of bytes, 1 or more.
SEGMENT = data.StructLayout({"addr": 32, "size": 24})

#: Bursts that each DMA has under way at most.
OUTSTANDING = 8

#: No burst crosses a multiple of so many bytes.
PAGE = 4096


def words(config):
    """A word that was read, and whether it is the last one of its request."""
    return data.StructLayout({"data": config.bus_bits, "last": 1})


def transfer(config):
    """The next ``count`` bytes of a segment, 1 to ``lanes``, from the lowest."""
    return data.StructLayout({"bytes": 8 * config.lanes, "count": range(config.lanes + 1)})


def fetch_beats(config):
    """Beats of a request of client 0: a command, or as much of it as a burst may be long."""
    return min(isa.COMMAND_BYTES // config.bus_bytes, config.burst)


def address_channel(config, x):
    """Members of an AXI address channel; ``x`` is "ar" or "aw"."""
    return {f"axi_{x}id": Out(1), f"axi_{x}addr": Out(config.addr_bits), f"axi_{x}len": Out(8),
            f"axi_{x}size": Out(3), f"axi_{x}burst": Out(2), f"axi_{x}cache": Out(4),
            f"axi_{x}prot": Out(3), f"axi_{x}valid": Out(1), f"axi_{x}ready": In(1)}


def constants(m, config, dma, x):
    """Drive what is the same in every burst: INCR, whole words, normal non-cacheable bufferable."""
    m.d.comb += [
        getattr(dma, f"axi_{x}id").eq(0),
        getattr(dma, f"axi_{x}prot").eq(0),
        getattr(dma, f"axi_{x}size").eq(exact_log2(config.bus_bytes)),
        getattr(dma, f"axi_{x}burst").eq(1),
        getattr(dma, f"axi_{x}cache").eq(0b0011),
    ]


def burst_beats(config, position, left):
    """Beats of the next burst, from word ``position`` of a page: the ``left`` words, at most
    ``burst``, to the end of the page."""
    low = exact_log2(config.burst)
    room = Mux(position[low:].all(), config.burst - position[:low], config.burst)
    longest = Mux(left[low:].any(), config.burst, left[:low])
    return Mux(room < longest, room, longest)


def leaves(pages, page):
    """Whether a page, counted from the base, lies beyond a window of so many; 0: there is none."""
    return pages.any() & (page >= pages)


def based(config, base, offset):
    """``base + offset``; the base is a multiple of the page."""
    bits = exact_log2(PAGE)
    return Cat(offset[:bits], base[bits:] + offset[bits:])[:config.addr_bits]
