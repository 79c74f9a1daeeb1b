"""The order of a layer's commands, and their semaphores; and why no program locks up.

The controller hands commands out in program order, to four queues whose units run side by side. A
unit waits for semaphores, so it can stand still; its queue then fills, and a full queue holds up
all commands behind. A bad order can so lock up for ever.

**The rule.** Commands stand in an order in which each could run to its end before the next one
starts: whatever a command waits for has been given by commands before it. Then the first command
that is not done never waits for a later one, it always gets on, and so does the program, whatever
the depth of the queues and the speed of the units.

Two things bend it, on machines whose units run side by side; the second does not break it:

* Of a first tile that comes in strips, only two LOADs stand before the COMPUTE that waits for all
  of them; the others follow it. They wait for no semaphore, and what stands between them and the
  COMPUTE waits for none but that COMPUTE.
* LOADs that wait for a tile to be read (``deferred_loads``) do not all stand behind that tile's
  last COMPUTE, lest they fill their queue and hold up the COMPUTEs of the next step: all but
  ``Order.lookahead`` stand one by one behind those. They still come in the order of their steps and
  pieces, and before the COMPUTE that waits for them.

:func:`check_order` proves for one program what these sentences claim for all.
"""

from collections import deque
from dataclasses import dataclass

from ... import isa
from ...machines import machine_of
from .steps import Block, LoadRows, Step

__all__ = ["Compute", "Filter", "Load", "OrderError", "Params", "Store", "check_order", "ordered",
           "TILE", "TILE_FREE", "BLOCK", "BLOCK_FREE", "PARAMS", "PARAMS_FREE", "LAYER_WRITTEN"]

#: The semaphores, under the names that the disassembler gives them: pieces of ifmap tiles that are
#: loaded, and those whose place is free again; blocks of psums, or strips of them, that are
#: complete, and those whose slot is free again; blocks whose parameters are there, and those whose
#: place is free again; layers whose outputs are in DRAM, in a program of several.
TILE, TILE_FREE, BLOCK, BLOCK_FREE, PARAMS, PARAMS_FREE, LAYER_WRITTEN = (1 << n for n in range(7))

_DEPTH = 4                  # commands that wait in a queue at least, beside the one that is run
_HALVES = 2                 # passes whose weights the filter spads hold


# The commands, without addresses.

@dataclass(frozen=True)
class Load:
    """A LOAD of rows of a piece of a step's tile, whose first row is the tile's row ``top``."""
    step: Step
    piece: int
    top: int
    rows: LoadRows
    wait: int
    signal: int


@dataclass(frozen=True)
class Params:
    """A PARAMS of the block whose psums have the running number ``psums``; None: of all blocks, or
    of the layer's ``function`` table."""
    block: Block | None
    psums: int
    wait: int
    signal: int
    function: bool = False


@dataclass(frozen=True)
class Filter:
    """A FILTER with int8 part ``part`` of a block's weights for a step."""
    step: Step
    block: Block
    part: int


@dataclass(frozen=True)
class Compute:
    """A COMPUTE of a block on the channel groups from ``begin`` to before ``end`` of a step's tile.
    The other attributes are fields of the command."""
    step: Step
    block: Block
    psums: int
    begin: int
    end: int
    accumulate: bool
    feed_wait: int
    feed_signal: int
    psum_wait: int
    psum_signal: int
    feed_step: int
    wait_step: int
    signal_step: int


@dataclass(frozen=True)
class Store:
    """A STORE of the strips from ``strip`` on of a block of psums."""
    step: Step
    block: Block
    psums: int
    strip: int
    wait: int
    signal: int


def ordered(plan):
    """The commands of a :class:`~.steps.Plan` in order."""
    return _Ordering(plan).run()


class _Ordering:
    """Commands as they are put in order.

    Attributes
    ----------
    commands : list
    first_tile_loaded : int
        Pieces of the first tile whose LOADs are there.
    deferred_loads : deque of Load
        LOADs that are still to come: a COMPUTE each.
    """

    def __init__(self, plan):
        self.plan, self.commands = plan, []
        self.first_tile_loaded, self.deferred_loads = 0, deque()

    def run(self):
        plan = self.plan
        self.load_first_tile(1)
        if plan.function:       # the parameters, for which the STOREs wait, come behind it
            self.commands.append(Params(None, 0, 0, 0, function=True))
        if plan.parameters_once:
            self.commands.append(Params(None, 0, 0, PARAMS))
        for step in plan.steps:
            self.compute_step(step)
            self.commands += self.deferred_loads
            self.deferred_loads.clear()
            follower = plan.follower(step)
            if follower and not plan.in_turn(follower):
                self.load_behind(follower)
        return self.commands

    # LOAD.

    def loads(self, step, piece):
        """The LOADs of a piece: the first waits for its place, the last says that it is there."""
        plan = self.plan
        reused = step.index >= plan.mapping.buffers
        top, rows = plan.load_rows(step, piece)
        for n, part in enumerate(rows):
            waits = n == 0 and reused and (piece == 0 or plan.in_turn(step))
            yield Load(step, piece, top, part, TILE_FREE if waits else 0,
                       TILE if n == len(rows) - 1 else 0)

    def tile_loads(self, step):
        """The LOADs of all pieces of a step's tile."""
        return [load for piece in range(self.plan.pieces(step)) for load in self.loads(step, piece)]

    def load_first_tile(self, pieces):
        """Load the first tile up to so many pieces, as far as it has them."""
        first = self.plan.steps[0]
        for piece in range(self.first_tile_loaded, min(pieces, self.plan.pieces(first))):
            self.commands += self.loads(first, piece)
            self.first_tile_loaded = piece + 1

    def load_behind(self, step):
        """Load the tile that comes in the place of the one that has just been used: now, or later
        what would fill the queue."""
        loads, ahead = self.tile_loads(step), self.plan.order.lookahead
        now = len(loads) if ahead is None else ahead
        self.commands += loads[:now]
        self.deferred_loads += loads[now:]

    def load_deferred(self, step, piece):
        """Load what has been deferred of a step's tile, up to a piece."""
        while self.deferred_loads and self.deferred_loads[0].step is step \
                and self.deferred_loads[0].piece <= piece:
            self.commands.append(self.deferred_loads.popleft())

    # FILTER, COMPUTE and STORE.

    def compute_step(self, step):
        """Compute all blocks on a step's tile, and store those that are complete."""
        for n, block in enumerate(step.blocks):
            psums = step.first_psums + n
            if step.last:
                self.fetch_params(block, psums)
            for part in range(len(self.plan.layer.parts)):
                self.commands.append(Filter(step, block, part))
                self.compute(step, n, part)
                if step.index == n == part == 0:
                    for other in self.plan.steps[1:self.plan.mapping.buffers]:
                        self.commands += self.tile_loads(other)
            if step.last:
                self.store(step, block, psums)

    def compute(self, step, n, part):
        """The COMPUTEs of block ``n`` with part ``part`` of its weights, each followed by the LOADs
        that it makes room for.

        The first block waits for the tile's pieces, one after the other, and is cut likewise; the
        last block gives them up, and is cut likewise if the next tile comes in pieces there.
        """
        plan, tile = self.plan, self.plan.tiles[step.index]
        block, psums, last_part = step.blocks[n], step.first_psums + n, len(plan.layer.parts) - 1
        follower = plan.follower(step)
        in_turn = follower is not None and plan.in_turn(follower)
        entering = n == part == 0
        leaving = n == len(step.blocks) - 1 and part == last_part
        pieces = range(len(tile.ends))
        if not (entering or (leaving and in_turn)):
            pieces = pieces[-1:]
        for piece in pieces:
            first, last = piece == pieces[0], piece == pieces[-1]
            starts = step.first and part == 0 and first
            waits = starts and psums >= plan.mapping.slots
            done = step.last and part == last_part and last
            gives = follower is not None and leaving and (last or in_turn)
            opening = entering and step.index == 0
            if opening:
                self.load_first_tile(piece + 2)
            if entering:
                self.load_deferred(step, piece)
            self.commands.append(Compute(
                step, block, psums, 0 if first else tile.ends[piece - 1], tile.ends[piece],
                accumulate=not starts,
                feed_wait=TILE if entering else 0, feed_signal=TILE_FREE if gives else 0,
                psum_wait=BLOCK_FREE if waits else 0, psum_signal=BLOCK if done else 0,
                feed_step=tile.strips if entering else 0,
                wait_step=plan.wait_strips(psums) if waits else 0,
                signal_step=plan.leaving[psums].size if done else 0))
            if self.deferred_loads:
                self.commands.append(self.deferred_loads.popleft())
            if opening and (tile.strips or gives):      # all of it, before a piece of the next
                self.load_first_tile(plan.pieces(step))
            if gives and in_turn:
                self.load_deferred(step, plan.pieces(step))
                self.commands += self.loads(follower, piece)

    def store(self, step, block, psums):
        """The STOREs of a block: they wait for its strips and its parameters, and give its slot and
        its parameters' place to whatever still needs them."""
        plan, blocks = self.plan, len(self.plan.leaving)
        starts, next_psums = plan.leaving[psums].starts, psums + plan.mapping.slots
        for strip in starts:
            wait, signal, last = BLOCK, 0, strip == starts[-1]
            if strip == 0 and (psums == 0 or not plan.parameters_once):
                wait |= PARAMS
            if next_psums < blocks and (last or plan.wait_strips(next_psums)):
                signal |= BLOCK_FREE
            if last and not plan.parameters_once and psums + plan.parameter_slots < blocks:
                signal |= PARAMS_FREE
            self.commands.append(Store(step, block, psums, strip, wait, signal))

    def fetch_params(self, block, psums):
        """Fetch the parameters of a block that is about to be complete, unless they are there."""
        if not self.plan.parameters_once:
            reused = psums >= self.plan.parameter_slots
            self.commands.append(Params(block, psums, PARAMS_FREE if reused else 0, PARAMS))


# The proof.

class OrderError(Exception):
    """Commands stand in an order that can lock up."""


def check_order(commands, config):
    """Prove that a program runs to its end, whatever the timing; raise :exc:`OrderError` if not.

    Each semaphore is taken by one unit only, in the order of its commands, and a queue, too, is
    filled by one and emptied by one. So what a unit can do now it can still do later, whatever the
    others do first: nobody takes away what it waits for. Hence all timings do the same work in the
    end, and either all of them reach END or none does; it is enough to try one.

    The one tried has less room than the hardware, so that a lock-up of the hardware is one here: a
    COMPUTE feeds a strip only when it may write that strip's psums, and a pass's half of the filter
    spads is free only at the end of the pass. The hardware runs some words ahead; more room lets
    no unit do less.

    Parameters
    ----------
    commands : iterable of (str, dict)
        Names and fields of the commands between BEGIN and END, as :func:`hwgen.isa.unpack` gives
        them.
    config : Config
        The machine: its queues hold four commands each, besides those that are being run, or it
        starts a command when the one before has ended (``Machine.in_order``).
    """
    commands = list(commands)
    takers = {}
    for name, fields in commands:
        for field in ("wait", "feed_wait", "psum_wait"):
            for n in range(isa.SEMAPHORES):
                if fields.get(field, 0) >> n & 1:
                    unit = isa.COMMANDS[name].queue, field
                    if takers.setdefault(n, unit) != unit:
                        raise OrderError(f"semaphore {n} is taken by two units: {name}.{field} and "
                                         f"{takers[n][0]}.{takers[n][1]}")
    _Execution(commands, config).run()


class _Execution:
    """The units of a machine, each a generator that yields whether it got on.

    Attributes
    ----------
    semaphores : list of int
    queues : dict of str to deque
    running : dict of str to str
        The command that each unit runs.
    passes : deque of int
        Bytes of the packets of each pass that is still to come to the filter spads.
    weights : int
        Passes whose weights are in the filter spads.
    """

    def __init__(self, commands, config):
        self.commands, self.config = commands, config
        self.in_order = machine_of(config).in_order
        self.semaphores = [0] * isa.SEMAPHORES
        self.queues = {name: deque() for name in ("load", "filter", "compute", "store")}
        self.running, self.weights, self.dispatched = {}, 0, 0
        self.passes = deque(size for name, fields in commands if name == "COMPUTE"
                            for size in _pass_sizes(fields, config))

    def run(self):
        units = [self.dispatch(), *(self.unit(queue, work) for queue, work in (
            ("load", self.load), ("filter", self.filter), ("compute", self.compute),
            ("store", self.store)))]
        moved = True
        while moved:
            moved = False
            for unit in units:
                while next(unit):
                    moved = True
        if self.dispatched < len(self.commands) or self.running or any(self.queues.values()):
            where = ", ".join(f"{queue} in {name}" for queue, name in self.running.items())
            raise OrderError(f"locks up after {self.dispatched} of {len(self.commands)} commands, "
                             f"{where or 'all units idle'}: semaphores {self.semaphores}")
        if any(self.semaphores):
            raise OrderError(f"semaphores are left over: {self.semaphores}")
        if self.weights or self.passes:
            raise OrderError("weights and passes do not match: weights are left over or missing")

    def dispatch(self):
        for name, fields in self.commands:
            queue = self.queues[isa.COMMANDS[name].queue]
            while len(queue) == _DEPTH or self.in_order and self.busy():
                yield False
            queue.append((name, fields))
            self.dispatched += 1
            yield True
        while True:
            yield False

    def busy(self):
        """Whether a command other than FILTER waits or runs."""
        return any(name != "filter" for name in self.running) or any(
            queue for name, queue in self.queues.items() if name != "filter")

    def unit(self, queue, work):
        """Run the commands of a queue, one after the other."""
        while True:
            while not self.queues[queue]:
                yield False
            name, fields = self.queues[queue].popleft()
            self.running[queue] = name
            yield True
            yield from work(fields)
            del self.running[queue]
            yield True

    def take(self, mask):
        """Wait for all semaphores of a mask, and take them."""
        wanted = [n for n in range(isa.SEMAPHORES) if mask >> n & 1]
        while not all(self.semaphores[n] for n in wanted):
            yield False
        for n in wanted:
            self.semaphores[n] -= 1

    def give(self, mask):
        for n in range(isa.SEMAPHORES):
            self.semaphores[n] += mask >> n & 1

    def load(self, fields):
        yield from self.take(fields["wait"])
        self.give(fields["signal"])

    def store(self, fields):
        yield from self.take(fields["wait"])
        self.give(fields["signal"])
        self.give(fields["signal_written"])

    def filter(self, fields):
        left = fields["words"] * self.config.bus_bytes
        while left:
            if not self.passes or self.passes[0] > left:
                raise OrderError("a FILTER ends within a pass, or no COMPUTE takes its weights")
            while self.weights == _HALVES:
                yield False
            left -= self.passes.popleft()
            self.weights += 1
            yield True

    def compute(self, fields):
        strips, passes = fields["strips"], -(-fields["pairs"] // self.config.rows)
        for n in range(passes):
            while not self.weights:
                yield False
            for strip in range(strips) if n in (0, passes - 1) else ():
                for wait, every in ("feed_wait", "feed_step"), ("psum_wait", "wait_step"):
                    if n == 0 and strip % (fields[every] or strips) == 0:
                        yield from self.take(fields[wait])
                done = (strip + 1) % (fields["signal_step"] or strips) == 0 or strip == strips - 1
                if n == passes - 1 and done:
                    self.give(fields["psum_signal"])
            self.weights -= 1
            yield True
        self.give(fields["feed_signal"])


def _pass_sizes(fields, config):
    """Bytes of the filter packets of each pass of a COMPUTE."""
    word = config.bus_bytes
    groups = fields["depthwise_groups"] if fields["depthwise"] else \
        fields["multicast_mask"].bit_count()
    weights = fields["p"] * fields["tap_channels"] * fields["tap_cols"]
    for first in range(0, fields["pairs"], config.rows):
        rows = min(config.rows, fields["pairs"] - first)
        yield groups * (max(8, word) + -(-weights // word) * word * rows)
