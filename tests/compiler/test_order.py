"""The order of commands: no program locks up, and none that could passes for one that cannot."""

import numpy as np
import pytest

from hwgen import isa
from hwgen.compiler import compile_network
from hwgen.compiler.lower import lower as lowering
from hwgen.compiler.lower.order import (
    BLOCK,
    BLOCK_FREE,
    TILE,
    TILE_FREE,
    Compute,
    Load,
    OrderError,
    check_order,
)
from hwgen.config import Config, resolve
from hwgen.isa.disassemble import commands
from hwgen.isa.functional import FunctionalModel, ProgramError
from tests.seed import SEED

from .layers import check, conv, load, network, program_commands, random_config, random_conv, tensor

CONFIG = Config(rows=3, cols=4, glb_kib=4, params_depth=64, tables=False, lanes=2, filter_spad=32,
                ifmap_spad=32)


def command(name, **fields):
    """A command as it is unpacked."""
    return isa.unpack(isa.pack(name, **fields))


def compute(**fields):
    return command("COMPUTE", **{"pairs": 3, "r": 3, "p": 1, "tap_channels": 1, "tap_cols": 8,
                                 "multicast_mask": 1, "strips": 4, "psum_cols": 1, **fields})


#: The weights of such a COMPUTE: a packet of a header and a word for each of three rows.
FILTER = command("FILTER", words=32 // CONFIG.bus_bytes)


def test_what_is_given_before_is_taken():
    check_order([command("LOAD", signal=TILE), FILTER,
                 compute(feed_wait=TILE, psum_signal=BLOCK),
                 command("STORE", wait=BLOCK)], CONFIG)


@pytest.mark.parametrize("waiting, ends", [(5, True), (6, False)])
def test_a_queue_holds_four_and_its_unit_one(waiting, ends):
    """LOADs that wait for a COMPUTE behind them: the sixth holds it up."""
    loads = [command("LOAD", wait=TILE_FREE)] + [command("LOAD")] * (waiting - 1)
    program = [*loads, FILTER, compute(feed_signal=TILE_FREE)]
    if ends:
        check_order(program, CONFIG)
    else:
        with pytest.raises(OrderError, match=r"locks up after 5 of 8 commands, load in LOAD"):
            check_order(program, CONFIG)


@pytest.mark.parametrize("program, error", [
    ([compute()] * 6 + [FILTER] * 6, "locks up after 5 of 12 commands, compute in COMPUTE"),
    ([FILTER, compute(feed_wait=TILE)], "locks up after 2 of 2 commands, compute in COMPUTE"),
    ([command("LOAD", signal=TILE)], "semaphores are left over"),
    ([FILTER], "no COMPUTE takes its weights"),
    ([FILTER, compute(pairs=2)], "ends within a pass"),
    ([compute()], "locks up after 1 of 1"),
    ([command("LOAD", signal=TILE), command("STORE", wait=TILE),
      FILTER, compute(feed_wait=TILE)], "semaphore 0 is taken by two units"),
    # Waits for strips of a block that is drained only when the whole block is complete.
    ([FILTER, compute(psum_signal=BLOCK), FILTER,
      compute(psum_wait=BLOCK_FREE, wait_step=2, psum_signal=BLOCK),
      command("STORE", wait=BLOCK, signal=BLOCK_FREE), command("STORE", wait=BLOCK)],
     "compute in COMPUTE"),
], ids=range(8))
def test_broken_orders(program, error):
    with pytest.raises(OrderError, match=error):
        check_order(program, CONFIG)


def test_strips_are_waited_for_one_by_one():
    check_order([FILTER, compute(psum_signal=BLOCK, signal_step=2), FILTER,
                 compute(psum_wait=BLOCK_FREE, wait_step=2, psum_signal=BLOCK),
                 *[command("STORE", wait=BLOCK, signal=BLOCK_FREE)] * 2,
                 command("STORE", wait=BLOCK)], CONFIG)


def test_commands_in_order_need_what_is_before_them():
    """A machine that runs one command after the other: a STORE must not stand before what it
    waits for, though its queue has room."""
    program = [command("STORE", wait=BLOCK), FILTER, compute(psum_signal=BLOCK)]
    check_order(program, CONFIG)
    microcoded = resolve(preset_name="up5k").replace(rows=3)
    program[1] = command("FILTER", words=(8 + 3 * 8) // microcoded.bus_bytes)
    with pytest.raises(OrderError, match="locks up after 1 of 3 commands, store in STORE"):
        check_order(program, microcoded)


@pytest.mark.parametrize("number", range(30))
def test_what_passes_never_locks_up(number):
    """Programs with a LOAD, PARAMS or STORE moved: the functional model, written without the
    compiler, agrees that those that pass get to their end or break another rule."""
    rng = np.random.default_rng((SEED, number))
    x = tensor("x", (int(rng.integers(4, 20)), *(int(n) for n in rng.integers(4, 12, 2))), rng)
    net = network(random_conv(rng, x, most=16))
    program = compile_network(net, CONFIG)
    memory, _ = load(net, program, rng)
    begin, size = program.segments[0].offset, isa.COMMAND_BYTES
    code = memory[begin:begin + program.segments[0].size].reshape(-1, size).copy()
    movable = [at for at, (name, _) in enumerate(program_commands(program, program.segments[0]), 1)
               if name in ("LOAD", "PARAMS", "STORE")]
    for _ in range(12):
        source, target = int(rng.choice(movable)), int(rng.integers(1, len(code) - 1))
        moved = np.insert(np.delete(code, source, 0), target, code[source], 0)
        spoiled = memory.copy()
        spoiled[begin:begin + moved.size] = moved.reshape(-1)
        try:
            check_order([isa.unpack(each.tobytes()) for each in moved[1:-1]], CONFIG)
        except OrderError:
            continue
        for seed in range(3):
            try:
                FunctionalModel(CONFIG, spoiled.copy(), seed).run(begin)
            except ProgramError as error:
                assert "locked up" not in str(error)


@pytest.fixture
def ordered(monkeypatch):
    """The plans of all layers that are compiled, and their commands without fields."""
    found, original = [], lowering.ordered

    def record(plan):
        found.append((plan, original(plan)))
        return found[-1][1]
    monkeypatch.setattr(lowering, "ordered", record)
    return found


def loads_are_in_order(plan, made):
    """LOADs come in the order of steps and pieces, and before the COMPUTE that takes them."""
    loads = [(each.step.index, each.piece) for each in made if isinstance(each, Load)]
    assert loads == sorted(loads)
    loaded, computed = 0, 0
    for each in made:
        if isinstance(each, Load):
            loaded += bool(each.signal & TILE)
        elif isinstance(each, Compute) and each.feed_wait & TILE:
            computed += 1 if not each.feed_step else plan.pieces(each.step)
            assert computed <= loaded or each.feed_step


@pytest.mark.parametrize("number", range(30))
def test_loads_come_in_the_order_of_their_tiles(ordered, number):
    rng = np.random.default_rng((SEED, number))
    x = tensor("x", tuple(int(n) for n in rng.integers(4, 60, 3)), rng)
    fields = {"buffers": 1, "slots": 1, "resident": 1}
    compile_network(network(random_conv(rng, x)), random_config(rng), mappings={
        "conv": {name: n for name, n in fields.items() if rng.random() < 0.7}})
    for plan, made in ordered:
        loads_are_in_order(plan, made)


class SlowLoads(FunctionalModel):
    """A machine whose loader is slower than all else."""

    def _unit(self, steps):
        work = steps()
        while True:
            while steps == self._load and self.rng.random() < 0.97:
                yield True
            yield next(work)


def test_a_slow_loader_is_waited_for(ordered):
    """A tile in six pieces behind another one, in one buffer: the next tile's first piece must not
    be taken for this one's last."""
    rng, config = np.random.default_rng(SEED), resolve(preset_name="ecp5-25f")
    net = network(conv(rng, tensor("x", (960, 7, 7), rng), 60, (1, 1)))
    given = {"q": 8, "p": 9, "e": 1, "t": 6, "chunk": 32, "buffers": 1, "resident": 1, "slots": 1}
    program = compile_network(net, config, mappings={"conv": given})
    for plan, made in ordered:
        assert max(plan.pieces(step) for step in plan.steps) == 6
        loads_are_in_order(plan, made)
    memory, _ = load(net, program, rng)
    SlowLoads(config, memory, SEED).run(program.segments[0].offset)


def test_more_loads_than_a_queue_holds(ordered):
    """Tiles of so much padding that each takes many LOADs, in one buffer."""
    rng = np.random.default_rng(SEED)
    net = network(conv(rng, tensor("x", (2, 30, 33), rng), 3, (2, 2), pads=(700, 3, 700, 3)))
    given = {"q": 2, "p": 3, "e": 8, "t": 1, "tile_rows": 800, "tile_cols": 1, "buffers": 1}
    program = compile_network(net, Config(), mappings={"conv": given})
    check_order(program_commands(program, program.segments[0]), Config())
    (plan, made), = ordered
    assert sum(isinstance(each, Load) for each in made) > 12 * len(plan.steps)
    loads_are_in_order(plan, made)


@pytest.mark.parametrize("rows", [500, 520, 600])
def test_more_strips_than_a_command_counts(rows):
    """Pieces of more than 63 strips: such a tile, or block, comes and leaves whole."""
    rng = np.random.default_rng(SEED)
    config = Config(rows=3, cols=2, glb_kib=108, lanes=1, bus_bits=32, tables=False)
    net = network(conv(rng, tensor("x", (1, rows, 3), rng), 2, (1, 1)))
    program = compile_network(net, config, mappings={"conv": {
        "e": 1, "tile_rows": rows, "tile_cols": 3}})
    steps = {fields[name] for _, fields in program_commands(program, program.segments[0])
             for name in ("feed_step", "signal_step") if name in fields}
    assert steps == ({0, 63} if rows == 500 else {0})
    check(net, program, rng)


def test_disassembled_programs_can_be_checked():
    rng = np.random.default_rng(SEED)
    net = network(conv(rng, tensor("x", (8, 12, 12), rng), 16, (3, 3)))
    program = compile_network(net, CONFIG)
    found = [(name, fields) for _, name, fields in commands(program.image)]
    check_order(found[1:-1], CONFIG)
