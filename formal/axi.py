"""Contracts of the AXI4 masters and of the AXI4-Lite slave.

Ref: Arm IHI 0022, AMBA AXI Protocol Specification, A3 (handshake, bursts, 4 KiB rule), B1.
"""

from amaranth import Cat, Mux, Signal, Value

from hwgen.config import Config
from hwgen.rtl.csr import CSR
from hwgen.rtl.microcoded.stream import Stream
from hwgen.rtl.parallel.dma.bursts import PAGE
from hwgen.rtl.parallel.dma.read_dma import ReadDma
from hwgen.rtl.parallel.dma.write_dma import WriteDma

from .engine import Spec

__all__ = ["AxiSpec", "ReadDmaSpec", "WriteDmaSpec", "StreamSpec", "CsrSpec"]

_CONFIG = Config(name="formal", rows=1, cols=1, glb_kib=8, lanes=1, bus_bits=32, xbus_bytes=1,
                 ifmap_spad=32, params_depth=64, tables=False, burst=8)


class AxiSpec(Spec):
    """A block with AXI ports, of which all inputs are free but those that a subclass drives."""

    def __init__(self, block=None):
        super().__init__()
        self._block = block or self.block

    def _dut(self, m, *driven):
        m.submodules.dut = dut = self._block(_CONFIG)
        for name, (flow, value) in dut.ports().items():
            if flow == "i" and name not in driven:
                m.d.comb += value.eq(self.free(len(value), name=f"in_{name}"))
        return dut

    def _address(self, m, dut, x):
        """The rules of an address channel; returns whether a burst begins, and its beats."""
        valid, ready = getattr(dut, f"axi_{x}valid"), getattr(dut, f"axi_{x}ready")
        address, length = getattr(dut, f"axi_{x}addr"), getattr(dut, f"axi_{x}len")
        self.waits(m, x, valid, ready, Cat(address, length))
        first = address[2:12]
        self.must(f"{x}: no burst crosses 4 KiB", ~valid | (first + length < PAGE // 4))
        self.must(f"{x}: no burst is too long", ~valid | (length < _CONFIG.burst))
        self.must(f"{x}: words, INCR", ~valid | (
            (address[:2] == 0) & (getattr(dut, f"axi_{x}size") == 2)
            & (getattr(dut, f"axi_{x}burst") == 1)))
        self.can(f"{x}: a burst of the longest kind",
                 valid & ready & (length == _CONFIG.burst - 1))
        self.can(f"{x}: a burst ends at a page's end",
                 valid & ready & (length != 0) & (first + length == PAGE // 4 - 1))
        return valid & ready, length + 1

    def _silent_in_halt(self, m, dut, x):
        valid, ready = getattr(dut, f"axi_{x}valid"), getattr(dut, f"axi_{x}ready")
        halted, waited = Signal(name=f"{x}_halted"), Signal(name=f"{x}_kept")
        m.d.sync += [halted.eq(dut.halt), waited.eq(valid & ~ready)]
        self.must(f"{x}: no burst begins in halt", ~(halted & valid & ~waited))
        self.can(f"{x}: a burst waits in halt", halted & valid)


class ReadDmaSpec(AxiSpec):
    """:class:`~hwgen.rtl.parallel.dma.read_dma.ReadDma`."""
    block = ReadDma

    def describe(self, m):
        dut = self._dut(m, "base")
        m.d.comb += dut.base.eq(self.fixed(m, _CONFIG.addr_bits - 12) << 12)
        for k in range(3):
            req = getattr(dut, f"req_{k}")
            self.waits(m, f"req_{k}", req.valid, req.ready, req.payload, promise=True)
            self.given(~req.valid | ((req.payload.beats != 0) & (req.payload.addr[:2] == 0)))
        self.given(~dut.req_0.valid | ((dut.req_0.payload.beats == 8)
                                       & (dut.req_0.payload.addr[:5] == 0)))
        self._address(m, dut, "ar")
        self._silent_in_halt(m, dut, "ar")


class WriteDmaSpec(AxiSpec):
    """:class:`~hwgen.rtl.parallel.dma.write_dma.WriteDma`."""
    block = WriteDma

    def describe(self, m):
        dut = self._dut(m, "base")
        m.d.comb += dut.base.eq(self.fixed(m, _CONFIG.addr_bits - 12) << 12)
        segment = dut.segment
        self.waits(m, "segment", segment.valid, segment.ready, segment.payload, promise=True)
        self.waits(m, "data", dut.data.valid, dut.data.ready, dut.data.payload, promise=True)
        self.given(~segment.valid | (segment.payload.size != 0))
        self.given(~dut.data.valid | (dut.data.payload.count == 1))
        self._address(m, dut, "aw")
        self._silent_in_halt(m, dut, "aw")
        self.waits(m, "w", dut.axi_wvalid, dut.axi_wready,
                   Cat(dut.axi_wdata, dut.axi_wstrb, dut.axi_wlast))
        self.can("w: a last beat", dut.axi_wvalid & dut.axi_wready & dut.axi_wlast)


class StreamSpec(AxiSpec):
    """:class:`~hwgen.rtl.microcoded.stream.Stream`."""
    block = Stream

    def describe(self, m):
        dut = self._dut(m)
        # What the engine does: it sets addresses and begins runs when the stream is idle.
        self.given(~(dut.read & dut.write))
        starts = dut.read | dut.write | dut.set_addr_lo | dut.set_addr_hi | dut.set_lane
        self.given(~starts | dut.idle)
        self.given(~(dut.read | dut.write) | (dut.value != 0))
        self.given(~dut.push | dut.push_ready)
        halted = Signal()
        m.d.sync += halted.eq(dut.halt)
        self.given(~halted | dut.halt)
        self.given(~dut.halt | ~(dut.read | dut.write | dut.push))
        owed_r, owed_w = Signal(range(_CONFIG.burst + 1)), Signal(range(_CONFIG.burst + 1))
        owed_b = Signal()
        ar, beats = self._address(m, dut, "ar")
        aw, lengths = self._address(m, dut, "aw")
        r, w, b = (getattr(dut, f"axi_{x}valid") & getattr(dut, f"axi_{x}ready") for x in "rwb")
        # Memory answers what it was asked: beats that are owed, a write once its data are there.
        self.given(~dut.axi_rvalid | (owed_r != 0))
        self.given(~dut.axi_bvalid | (owed_b & (owed_w == 0)))
        m.d.sync += [owed_r.eq(owed_r + Mux(ar, beats, 0) - r),
                     owed_b.eq((owed_b | aw) & ~b)]
        sent = Signal(range(_CONFIG.burst + 1))      # before their address, too
        m.d.sync += sent.eq(Mux(b, 0, sent + w))
        length = Signal.like(sent)
        with m.If(aw):
            m.d.sync += length.eq(lengths)
        m.d.comb += owed_w.eq(length - sent)
        total = Mux(dut.axi_awvalid, dut.axi_awlen + 1, length)
        self.waits(m, "w", dut.axi_wvalid, dut.axi_wready,
                   Cat(dut.axi_wdata, dut.axi_wstrb, dut.axi_wlast))
        self.must("wlast in the last beat",
                  ~dut.axi_wvalid | (dut.axi_wlast == (sent == total - 1)))
        self.must("no more beats than were asked for", ~dut.axi_wvalid | (sent < total))
        self.must("one burst at a time",
                  ~((dut.axi_arvalid | dut.axi_awvalid) & ((owed_r != 0) | owed_b)))
        self.must("quiet when nothing is under way",
                  ~dut.quiet | ~(dut.axi_arvalid | dut.axi_awvalid | (owed_r != 0) | owed_b))
        self.must("a beat that is owed is taken", ~(r & (owed_r == 0)))
        kept = Signal()
        m.d.sync += kept.eq(dut.halt & dut.quiet)
        self.must("no burst begins in halt", ~kept | dut.quiet)
        self.can("a run's last word is read", r & (owed_r == 1) & dut.axi_rlast)
        self.can("a burst is written", b)


class CsrSpec(AxiSpec):
    """:class:`~hwgen.rtl.csr.CSR` as an AXI4-Lite slave."""
    block = CSR

    def describe(self, m):
        dut = self._dut(m)
        for x, payload in (("aw", dut.axi_awaddr), ("w", Cat(dut.axi_wdata, dut.axi_wstrb)),
                           ("ar", dut.axi_araddr)):
            self.waits(m, x, getattr(dut, f"axi_{x}valid"), getattr(dut, f"axi_{x}ready"),
                       payload, promise=True)
        self.waits(m, "b", dut.axi_bvalid, dut.axi_bready, dut.axi_bresp)
        self.waits(m, "r", dut.axi_rvalid, dut.axi_rready, Cat(dut.axi_rresp, dut.axi_rdata))
        took = {x: Value.cast(getattr(dut, f"axi_{x}valid") & getattr(dut, f"axi_{x}ready"))
                for x in ("aw", "w", "b", "ar", "r")}
        owed = {x: Signal(3, name=f"owed_{x}") for x in ("aw", "w", "ar")}
        m.d.sync += [owed["aw"].eq(owed["aw"] + took["aw"] - took["b"]),
                     owed["w"].eq(owed["w"] + took["w"] - took["b"]),
                     owed["ar"].eq(owed["ar"] + took["ar"] - took["r"])]
        self.must("b: no response unasked",
                  ~dut.axi_bvalid | ((owed["aw"] == 1) & (owed["w"] == 1)))
        self.must("r: no response unasked", ~dut.axi_rvalid | (owed["ar"] == 1))
        for x, name in owed.items():
            self.must(f"{x}: one at a time", name <= 1)
        for x in ("b", "r"):
            valid, response = getattr(dut, f"axi_{x}valid"), getattr(dut, f"axi_{x}resp")
            self.must(f"{x}: OKAY or SLVERR", ~valid | ~response[0])
            self.can(f"{x}: OKAY", took[x] & (response == 0))
            self.can(f"{x}: SLVERR", took[x] & (response == 2))
        # A write is answered in time: both parts there, and no response that waits.
        waited = Signal(range(8))
        both = dut.axi_awvalid & dut.axi_wvalid
        m.d.sync += waited.eq(Mux(both & ~dut.axi_bvalid, waited + 1, 0))
        self.must("w: answered within 2 cycles", waited <= 2)
