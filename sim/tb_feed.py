"""Random COMPUTE commands on the feed alone: every Y-bus message, read, pass and semaphore."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hwgen import isa
from hwgen.rtl.parallel.array.messages import RowProgram, Tag, YKind, program_words, ymessage
from hwgen.rtl.parallel.glb.psum_controller import PASS
from sim.settings import SEED
from sim.tb_datapath import COMMANDS, CONFIG, Case

#: Cycles from a request to its message.
LATENCY = 5


def unpacked(layout, word):
    """``{member: value}`` of a struct."""
    return {name: word >> field.offset & (1 << field.width) - 1 for name, field in layout}


def widened(word, f):
    """The GLB word's values less the zero point, 9 bits each."""
    out = 0
    for i in range(CONFIG.bus_bytes):
        x, zero = word >> 8 * i & 0xFF, f["zx"]
        if f["xsigned"]:
            x, zero = (x ^ 128) - 128, (zero ^ 128) - 128
        out |= (x - zero & 0x1FF) << 9 * i
    return out


def row_program(f):
    """The row program's expected members, counts less one."""
    same = ("tap_col_stride", "filter_reads_own_channel", "window", "col_advance", "strip_advance",
            "active_cols", "multicast_mask")
    less_one = ("tap_channels", "tap_cols", "p", "psum_cols", "strips")
    return {name: f[name] for name in same} | {name: f[name] - 1 for name in less_one} \
        | {"copies": f["multicast_mask"].bit_count()}


def reference(case, f):
    """Passes, addresses of the reads, and messages of one command, in order."""
    passes, reads, messages = [], [], []
    flat = case.stored.reshape(-1, CONFIG.bus_bytes)
    for first in range(0, f["pairs"], CONFIG.rows):
        pairs = range(first, min(first + CONFIG.rows, f["pairs"]))
        last = pairs.stop == f["pairs"]
        passes.append(dict(
            psum=f["psum"], p=f["p"] - 1, psum_cols=f["psum_cols"] - 1, strips=f["strips"] - 1,
            accumulate=int(f["accumulate"] or first > 0), first=int(first == 0), last=int(last),
            wait=f["psum_wait"], signal=f["psum_signal"], wait_step=f["wait_step"],
            signal_step=f["signal_step"]))
        group0 = first // f["r"]
        for i, pair in enumerate(pairs):
            group, r = divmod(pair, f["r"])
            messages.append(("tag", dict(
                row=CONFIG.rows - len(pairs) + i, first=int(i == 0), u=f["u"], e=f["e"] - 1,
                depthwise=f["depthwise"]), r * f["dil"], group - group0))
        messages.append(("program", row_program(f)))
        rows = range(f["strip_ifmap_rows"])
        if f["depthwise"]:
            inside = [(h, c) for c in range(f["depthwise_groups"]) for h in rows]
        else:
            inside = [(h, c) for h in rows for c in range(pairs[-1] // f["r"] - group0 + 1)]
        for strip in range(f["strips"]):
            for round_ in range(f["rounds"]):
                for i, (h, c) in enumerate(inside):
                    word = (((group0 + c) * case.h + strip * f["e"] * f["u"] + h) * f["rounds"]
                            + round_)
                    reads.append(isa.glb_address(CONFIG, case.base + word))
                    value = int.from_bytes(flat[word].tobytes(), "little")
                    messages.append(("word", widened(value, f), h, None if f["depthwise"] else c,
                                     int(i == len(inside) - 1)))
    return passes, reads, messages


def first_pass_words(f):
    """GLB words that a strip of the first pass reads."""
    groups = f["depthwise_groups"] if f["depthwise"] else (min(f["pairs"],
                                                               CONFIG.rows) - 1) // f["r"] + 1
    return f["rounds"] * f["strip_ifmap_rows"] * groups


class Bench:
    """Drives the feed's inputs and notes what it sends, cycle by cycle."""

    def __init__(self, dut, rng, stalls):
        self.dut, self.rng, self.stalls = dut, rng, stalls
        self.glb = {}
        self.events = []                     # taken, given, passes
        self.reads, self.messages = [], []
        self.parts = []                      # of a row program

    def stalled(self):
        return self.rng.random() < self.stalls

    async def answer(self):
        """Stall every input; answer a read four cycles after its request."""
        dut = self.dut
        data = deque([0] * 3)
        stop = 0
        while True:
            dut.semaphores__ready.value = int(not self.stalled())
            dut.passes__ready.value = int(not self.stalled())
            dut.read_ready.value = int(not self.stalled())
            if self.rng.random() < 0.3:      # stops last for some cycles
                stop = int(self.stalled())
            dut.stop.value = stop
            await RisingEdge(dut.clk)
            granted = int(dut.read.value) and int(dut.read_ready.value)
            data.append(self.glb[int(dut.read_addr.value)] if granted
                        else self.rng.getrandbits(CONFIG.bus_bits))
            dut.read_data.value = data.popleft()

    async def watch(self):
        dut = self.dut
        stops = deque([0] * LATENCY)
        sent = deque([0] * LATENCY)          # reads that were granted
        while True:
            await RisingEdge(dut.clk)
            taken = int(dut.semaphores__valid.value) and int(dut.semaphores__ready.value)
            if taken:
                self.events.append(("take", int(dut.semaphores__payload.value), len(self.reads)))
            if int(dut.command__valid.value):
                assert int(dut.command__ready.value) == taken
            if int(dut.give.value):
                self.events.append(("give", int(dut.give.value), len(self.reads)))
            if int(dut.passes__valid.value) and int(dut.passes__ready.value):
                self.events.append(("pass", unpacked(PASS, int(dut.passes__payload.value))))
            granted = int(dut.read.value) and int(dut.read_ready.value)
            if granted:
                self.reads.append(int(dut.read_addr.value))
            stopped, was_read = stops.popleft(), sent.popleft()
            stops.append(int(dut.stop.value))
            sent.append(granted)
            assert int(dut.words.value) == was_read
            if int(dut.y_valid.value):
                assert not stopped and not int(dut.idle.value)
                self.message(unpacked(ymessage(CONFIG), int(dut.y.value)), was_read)

    def message(self, y, was_read):
        assert (y["kind"] == YKind.DATA) == was_read
        if y["kind"] == YKind.DATA:
            self.messages.append(("word", y["data"], y["h"], y["c"], y["end"]))
        elif y["kind"] == YKind.TAG:
            assert not y["end"]
            tag = unpacked(Tag, y["data"])
            self.messages.append(("tag", tag, y["h"], y["c"]))
        else:
            assert y["kind"] == YKind.PROGRAM
            self.parts.append(y["data"])
            if y["end"]:
                assert len(self.parts) == program_words(CONFIG)
                size = 9 * CONFIG.bus_bytes
                word = sum(part << i * size for i, part in enumerate(self.parts))
                layout = RowProgram(CONFIG)
                word >>= len(self.parts) * size - layout.size
                self.messages.append(("program", unpacked(layout, word)))
                self.parts = []

    async def run(self, word):
        dut = self.dut
        while self.stalled():
            await RisingEdge(dut.clk)
        dut.command__payload.value = word
        dut.command__valid.value = 1
        while True:
            await RisingEdge(dut.clk)
            if int(dut.command__ready.value):
                break
            assert not int(dut.idle.value)
        dut.command__valid.value = 0
        for _ in range(100000):
            await RisingEdge(dut.clk)
            if int(dut.idle.value):
                return
        raise AssertionError("the feed is not idle after 100000 cycles")


def check(bench, case, f):
    passes, reads, messages = reference(case, f)
    assert bench.reads == reads
    # Every ``feed_step`` strips of the first pass a wait, before the words that it is for.
    words = first_pass_words(f)
    again = range(f["feed_step"], f["strips"], f["feed_step"]) if f["feed_step"] else ()
    assert bench.events == [
        ("take", f["feed_wait"], 0), ("pass", passes[0]),
        *(("take", f["feed_wait"], strip * words) for strip in again),
        *(("pass", p) for p in passes[1:]), ("give", f["feed_signal"], len(reads))]
    assert len(bench.messages) == len(messages) and not bench.parts
    for i, (got, expected) in enumerate(zip(bench.messages, messages, strict=True)):
        if expected[0] == "word" and expected[3] is None:    # depthwise: c has no meaning
            got = (*got[:3], None, got[4])
        assert got == expected, f"message {i}: {got}, not {expected}"


@cocotb.test()
async def random_commands(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for stalls in (0.0, 0.4):
        rng = random.Random(SEED)
        bench = Bench(dut, rng, stalls)
        dut.command__valid.value = 0
        dut.command__payload.value = 0
        dut.read_data.value = 0
        for name in ("semaphores__ready", "passes__ready", "read_ready", "stop"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        for _ in range(6):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        tasks = [cocotb.start_soon(bench.watch()), cocotb.start_soon(bench.answer())]
        for _ in range(COMMANDS):
            case = Case(rng, psum=rng.randrange(CONFIG.bank_depth))
            f = isa.unpack(case.command)[1] | dict(
                feed_wait=rng.randrange(256), feed_signal=rng.randint(1, 255),
                psum_wait=rng.randrange(256), psum_signal=rng.randrange(256),
                feed_step=rng.choice((0, 1, 2, 3)), wait_step=rng.randrange(64),
                signal_step=rng.randrange(64), accumulate=rng.randrange(2))
            bench.glb = {
                isa.glb_address(CONFIG, case.base + i): int.from_bytes(word.tobytes(), "little")
                for i, word in enumerate(case.stored.reshape(-1, CONFIG.bus_bytes))}
            bench.events, bench.reads, bench.messages = [], [], []
            await bench.run(int.from_bytes(isa.pack("COMPUTE", **f), "little"))
            dut._log.info(f"{f['pairs']} pairs, depthwise={f['depthwise']}, "
                          f"{len(bench.reads)} words")
            check(bench, case, f)
        for task in tasks:
            task.cancel()
