"""Testbench of the psum controller: whole traces against the documented order and timing."""

import random
from collections import defaultdict, deque

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hwgen.rtl.parallel.glb.glb_bank import psum_control
from hwgen.rtl.parallel.glb.psum_controller import PASS
from sim.settings import CONFIG, option
from sim.streams import receive, send, start

COUNT = option("count", 30)
CONTROL = psum_control(CONFIG)
INPUTS = ["passes__valid", "passes__payload", "full", "semaphores__ready"]
QUEUE = 2       # cycles from taking a pass into the queue to the first in which it can begin
OUT = 4         # cycles from taking a psum to adding it


def pack(f):
    return sum(f[name] << field.offset for name, field in PASS)


def unpack(value):
    return {name: value >> field.offset & (1 << field.width) - 1 for name, field in CONTROL}


def psums(f):
    """``(bank word, lane, last of its word)`` of a pass's psums: strip, step, filter."""
    p, psum_cols, strips = f["p"] + 1, f["psum_cols"] + 1, f["strips"] + 1
    words = -(-p // CONFIG.lanes)
    return [(f["psum"] + (strip * psum_cols + step) * words + i // CONFIG.lanes, i % CONFIG.lanes,
             i == p - 1 or i % CONFIG.lanes == CONFIG.lanes - 1)
            for strip in range(strips) for step in range(psum_cols) for i in range(p)]


def random_blocks(rng):
    """The passes of blocks of one to three passes each, COUNT or a few more in all."""
    passes = []
    while len(passes) < COUNT:
        shape = {"p": rng.choice((0, rng.randrange(2 * CONFIG.lanes), rng.randrange(20))),
                 "psum_cols": rng.randrange(4), "strips": rng.randrange(3)}
        words = -(-(shape["p"] + 1) // CONFIG.lanes) * (shape["psum_cols"] + 1) \
            * (shape["strips"] + 1)
        shape["psum"] = rng.choice((CONFIG.bank_depth - words,
                                    rng.randint(0, CONFIG.bank_depth - words)))
        count, accumulate = rng.randint(1, 3), rng.randrange(2)
        wait, signal = rng.randrange(256), rng.randrange(256)
        shape |= {"wait_step": rng.randrange(3), "signal_step": rng.randrange(3)}
        passes += [{**shape, "accumulate": int(i > 0 or accumulate), "first": int(i == 0),
                    "last": int(i == count - 1), "wait": wait, "signal": signal}
                   for i in range(count)]
    return passes


def ends(strip, step):
    """Whether ``step`` strips end with ``strip`` of them done."""
    return step > 0 and strip % step == 0


def times(f, step):
    """Waits, or signals, of a block."""
    return -(-(f["strips"] + 1) // f[step]) if f[step] else 1


def reference(passes, trace):
    """What the controller does in each cycle, given its inputs; ``(cycles, takes)``."""
    passes, queue = deque(passes), deque()
    want = defaultdict(dict)
    current, left, permitted, unfinished, done, takes = None, deque(), False, 0, -OUT, 0
    hold, strip, of_strip = False, 0, 0

    def read(cycle, address):
        want[cycle + 2] |= {"read": 1, "read_addr": address}
        want[cycle + 4]["load"] = 1

    for t, seen in enumerate(trace):
        want[t]["idle"] = int(unfinished == 0 and t > done)
        if seen["accepted"]:
            queue.append((t + QUEUE, passes.popleft()))
            unfinished += 1
        if hold:
            want[t] |= {"waiting": 1, "wait": current["wait"]}
            hold = not seen["granted"]
        elif left:
            if seen["full"]:
                address, lane, word_end = left.popleft()
                takes += 1
                want[t]["take"] = 1
                want[t + OUT] |= {"add": 1, "lane": lane}
                if word_end:
                    want[t + OUT + 1] |= {"write": 1, "write_addr": address}
                    if left and current["accumulate"]:
                        read(t, left[0][0])
                if not left:
                    unfinished, done = unfinished - 1, t + OUT + 2
                if len(left) % of_strip == 0:
                    strip += 1
                    if current["last"] and (not left or ends(strip, current["signal_step"])):
                        want[t + OUT + 2]["give"] = current["signal"]
                    hold = bool(left and current["first"] and ends(strip, current["wait_step"]))
        elif queue and queue[0][0] <= t:
            head = queue[0][1]
            if head["first"] and not permitted:
                want[t] |= {"waiting": 1, "wait": head["wait"]}
                permitted = bool(seen["granted"])
            else:
                queue.popleft()
                current, left, permitted = head, deque(psums(head)), False
                strip, of_strip = 0, len(left) // (head["strips"] + 1)
                if head["accumulate"]:
                    read(t, head["psum"])
                else:
                    want[t + 4]["clear"] = 1
    return want, takes


async def record(dut, trace):
    while True:
        await RisingEdge(dut.clk)
        waiting = int(dut.semaphores__valid.value)
        trace.append({
            **unpack(int(dut.control.value)),
            **{name: int(getattr(dut, name).value)
               for name in ("full", "take", "give", "idle")},
            "accepted": int(dut.passes__valid.value) & int(dut.passes__ready.value),
            "waiting": waiting,
            "wait": int(dut.semaphores__payload.value) if waiting else None,
            "granted": int(dut.semaphores__ready.value)})


async def offer(dut, stall):
    """Drive ``full``, in runs of cycles and single ones."""
    while True:
        chance = random.choice((0, stall, 1)) if stall else 0
        for _ in range(random.randint(1, 12)):
            dut.full.value = int(random.random() >= chance)
            await RisingEdge(dut.clk)


def check(passes, trace):
    want, takes = reference(passes, trace)
    flags = ("take", "read", "load", "clear", "add", "write", "give", "waiting", "idle")
    for t, seen in enumerate(trace):
        for name in flags:
            assert seen[name] == want[t].get(name, 0), \
                f"cycle {t}: {name} is {seen[name]}, expected {want[t]}"
        for name in ("read_addr", "lane", "write_addr", "wait"):
            if name in want[t]:
                assert seen[name] == want[t][name], \
                    f"cycle {t}: {name} is {seen[name]}, expected {want[t]}"
    assert takes == sum(len(psums(f)) for f in passes)


async def run(dut, passes, stall):
    for name in INPUTS:
        getattr(dut, name).value = 0
    await start(dut)
    trace, taken = [], []
    cocotb.start_soon(record(dut, trace))
    cocotb.start_soon(offer(dut, stall))
    cocotb.start_soon(receive(dut, "semaphores", taken.append, 2 * stall))
    await send(dut, "passes", [pack(f) for f in passes], stall)
    for _ in range(20_000):
        await ClockCycles(dut.clk, 10)
        if all(seen["idle"] for seen in trace[-10:]):
            break
    else:
        raise AssertionError("the psum controller hangs")
    check(passes, trace)
    assert taken == [f["wait"] for f in passes if f["first"]
                     for _ in range(times(f, "wait_step"))]
    assert [seen["give"] for seen in trace if seen["give"]] == \
        [f["signal"] for f in passes if f["last"] and f["signal"]
         for _ in range(times(f, "signal_step"))]
    return trace


@cocotb.test()
async def passes_stalled(dut):
    await run(dut, random_blocks(random.Random(random.random())), 0.4)


@cocotb.test()
async def passes_unstalled(dut):
    await run(dut, random_blocks(random.Random(random.random())), 0)


@cocotb.test()
async def passes_scarce(dut):
    """The queue runs empty between passes."""
    await run(dut, random_blocks(random.Random(random.random()))[:10], 0.95 / 2)


@cocotb.test()
async def throughput(dut):
    """The passes of a block take a cycle a psum, and one more each."""
    shape = {"psum": 3, "p": 6, "psum_cols": 4, "strips": 1, "wait": 1, "signal": 2, "wait_step": 0,
             "signal_step": 1}
    passes = [{**shape, "accumulate": int(i > 0), "first": int(i == 0), "last": int(i == 3)}
              for i in range(4)]
    trace = await run(dut, passes, 0)
    cycles = [t for t, seen in enumerate(trace) if seen["take"]]
    assert cycles[-1] - cycles[0] + 1 == 4 * 7 * 5 * 2 + 3
