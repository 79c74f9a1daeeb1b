"""Testbench of the global buffer: all of its users at once, against a memory in Python."""

import random
from collections import defaultdict

import cocotb
from cocotb.triggers import RisingEdge

from hwgen.rtl.parallel.glb.glb_bank import psum_control
from sim.settings import CONFIG, SEED, option
from sim.streams import start

COUNT = option("count", 2000)
BUS = CONFIG.bus_bits
CONTROL = psum_control(CONFIG)
INPUTS = ["psum", "control", "feed_read", "feed_addr", "drain__valid",
          "drain__payload", "load__valid", "load__payload"]


def schedule(rng):
    """Random passes as the psum controller tells them: ``{cycle: fields of control}``.

    A word is read three cycles before its first psum at the latest, loaded two cycles after the
    read (where a pass starts from 0, its first word is cleared then), and written in the cycle
    after its last psum.
    """
    cycles = defaultdict(dict)

    def read(cycle, address):
        cycles[cycle] |= {"read": 1, "read_addr": address}
        cycles[cycle + 2]["load"] = 1

    now = 0
    while now < COUNT:
        accumulate = int(rng.random() < 0.6)
        words, busy = rng.randint(1, 6), rng.choice((1, 0.5, 0.1))
        first = random_off(rng) % (CONFIG.bank_depth - words)
        if accumulate:
            read(now, first)
        else:
            cycles[now + 2]["clear"] = 1
        for address in range(first, first + words):
            used = rng.randint(1, CONFIG.lanes)
            for lane in range(used):
                now += 1
                while rng.random() >= busy:
                    now += 1
                cycles[now + 2] |= {"add": 1, "lane": lane}
            cycles[now + 3] |= {"write": 1, "write_addr": address}
            if accumulate and address + 1 < first + words:
                read(now, address + 1)
        now += rng.choice((1, 1, 5, 30))
    return cycles


def random_off(rng):
    """A bank word, mostly one of a few."""
    return rng.randrange(12 if rng.random() < 0.8 else CONFIG.bank_depth)


def random_place(rng):
    """``(sub, bank, off)`` of an ifmap word."""
    return rng.randrange(CONFIG.subwords), rng.randrange(CONFIG.cols), random_off(rng)


def glb_address(sub, bank, off):
    return sub | bank << 3 | off << 8


class Model:
    """The banks, and the accumulators' registers."""

    def __init__(self):
        self.banks = [[0] * CONFIG.bank_depth for _ in range(CONFIG.cols)]
        self.old = [0] * CONFIG.cols
        self.lanes = [[0] * CONFIG.lanes for _ in range(CONFIG.cols)]
        self.reading = None             # bank word that the accumulator asked for a cycle ago
        self.read = None                # what the banks gave for it
        self.load = None                # the loader's write accepted a cycle ago

    def step(self, control, psum, load):
        """One cycle: ``load`` is the write accepted, ``(sub, bank, off, data, mask)`` or None."""
        before, self.read = self.read, \
            None if self.reading is None else [bank[self.reading] for bank in self.banks]
        self.reading = control["read_addr"] if control["read"] else None
        if control["write"]:
            assert self.load is None, "the loader and the accumulator write at once"
            for bank, lanes in zip(self.banks, self.lanes, strict=True):
                bank[control["write_addr"]] = sum(v << 32 * i for i, v in enumerate(lanes))
        if self.load is not None:
            sub, bank, off, word, mask = self.load
            bits = sum(0xFF << 8 * i for i in range(BUS // 8) if mask >> i & 1) << BUS * sub
            self.banks[bank][off] = self.banks[bank][off] & ~bits | word << BUS * sub & bits
        self.load = load
        if control["add"]:
            lane = control["lane"]
            for i in range(CONFIG.cols):
                value = psum >> i * CONFIG.psum_bits & (1 << CONFIG.psum_bits) - 1
                value -= value >> CONFIG.psum_bits - 1 << CONFIG.psum_bits
                value += self.old[i] >> 32 * lane
                self.lanes[i][lane] = value & 0xFFFFFFFF
        if control["load"]:
            self.old = before
        if control["clear"]:
            self.old = [0] * CONFIG.cols


@cocotb.test()
async def random_use(dut):
    """Stretches of 100 cycles, crowded or sparse; then the drain reads every word."""
    rng = random.Random(SEED)
    for name in INPUTS:
        getattr(dut, name).value = 0
    await start(dut)

    model = Model()
    cycles = schedule(rng)
    every = [(0, bank, off) for off in range(CONFIG.bank_depth) for bank in range(CONFIG.cols)]
    busy = max(cycles) + 2
    feed = drain = load = None
    asked, expected = [], {}
    tally = defaultdict(int)
    cycle = tail = 0
    loaded = False
    before, psum_before = {name: 0 for name, _ in CONTROL}, 0
    while tail < 5:
        if cycle % 100 == 0:
            chance = rng.choice((1, 0.6, 0.2))
        # Requests stand until they are granted. At the end the drain reads everything.
        if feed is None and cycle < busy and rng.random() < chance:
            feed = random_place(rng)
        if load is None and cycle < busy and rng.random() < chance:
            load = (*random_place(rng), rng.getrandbits(BUS), rng.getrandbits(BUS // 8))
        if drain is None and cycle < busy and rng.random() < chance:
            drain = random_place(rng)
        elif drain is None and cycle >= busy + 2 and every:
            drain = every.pop()
        control = {name: rng.getrandbits(field.width) for name, field in CONTROL}
        control |= dict.fromkeys(("read", "load", "clear", "add", "write"), 0)
        control |= cycles.get(cycle, {})
        psum = rng.getrandbits(CONFIG.cols * CONFIG.psum_bits)

        dut.psum.value = psum
        dut.control.value = sum(control[name] << field.offset for name, field in CONTROL)
        dut.feed_read.value = int(feed is not None)
        dut.feed_addr.value = glb_address(*feed) if feed else rng.getrandbits(24)
        dut.drain__valid.value = int(drain is not None)
        dut.drain__payload.value = drain[1] | drain[2] << 5 if drain else rng.getrandbits(21)
        dut.load__valid.value = int(load is not None)
        dut.load__payload.value = \
            glb_address(*load[:3]) | load[3] << 24 | load[4] << 24 + BUS if load \
            else rng.getrandbits(24 + BUS + BUS // 8)
        await RisingEdge(dut.clk)

        # Grants.
        feed_go = feed is not None and not before["read"]
        drain_go = drain is not None and not before["read"] \
            and (feed is None or feed[1] != drain[1])
        load_go = load is not None and not control["write"]
        assert feed is None or int(dut.feed_ready.value) == feed_go, f"cycle {cycle}: feed"
        assert drain is None or int(dut.drain__ready.value) == drain_go, f"cycle {cycle}: drain"
        assert load is None or int(dut.load__ready.value) == load_go, f"cycle {cycle}: load"

        # Outputs, as earlier cycles asked for.
        want = {"drain_valid": 0} | expected.pop(cycle, {})
        for name, value in want.items():
            found = int(getattr(dut, name).value)
            assert found == value, f"cycle {cycle}: {name} is {found:#x}, not {value:#x}"
            tally[name] += name != "drain_valid" or value
        counts = {"reads": CONFIG.cols if before["read"] else feed_go + drain_go}
        # The loader's word is written a cycle after it was accepted.
        counts["writes"] = CONFIG.cols if before["write"] else int(loaded)
        loaded = load_go
        expected.setdefault(cycle + 1, {}).update(counts)

        # The banks answer a cycle after the grant, with the writes of earlier cycles.
        for name, (sub, bank, off) in asked:
            word = model.banks[bank][off]
            answer = {"drain_data": word, "drain_valid": 1} if name == "drain" else \
                {"feed_data": word >> BUS * sub & (1 << BUS) - 1}
            expected.setdefault(cycle + 3, {}).update(answer)
        asked = [("feed", feed)] * feed_go + [("drain", drain)] * drain_go
        model.step(before, psum_before, load if load_go else None)
        before, psum_before = control, psum        # the banks have them a cycle later
        feed = None if feed_go else feed
        drain = None if drain_go else drain
        load = None if load_go else load
        tail += cycle >= busy + 2 and not every and drain is None
        cycle += 1
    dut._log.info(f"{cycle} cycles, compared {dict(tally)}")
    assert tally["feed_data"] >= COUNT // 10
    assert tally["drain_data"] >= CONFIG.bank_depth * CONFIG.cols + COUNT // 10
