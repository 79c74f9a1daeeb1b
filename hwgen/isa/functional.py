"""A functional model of the machine: runs a program's commands on NumPy memory.

Written from the text of ``hwgen/isa/commands.py`` alone, it knows nothing of the compiler. Numbers
are exact; time is not modelled, but order is: commands are dispatched in program order to four
queues of four, and the load, filter, feed, psum and store units run them in whatever order the
semaphores allow, chosen at random. (The microcoded machine runs a command when the one before it
has ended, whatever the semaphores would allow, but its filters come as they are needed.) Every unit
holds the GLB words that it reads or writes from its start to its end. A program that locks up, uses
a word that another unit holds, drains psums that are not complete, or breaks a rule of the command
set raises :exc:`ProgramError`. The GLB starts as random bytes, so that what is used without having
been written gives wrong results.
"""

from collections import deque

import numpy as np

from .. import isa
from ..machines import machine_of
from . import store_modes

__all__ = ["FunctionalModel", "ProgramError"]

_QUEUES = ("load", "filter", "compute", "store")
_DEPTH = 4                  # commands that a queue holds
_HALVES = 2                 # passes whose weights the filter spads hold


def _turns(strips, step):
    """Waits, or signals, of a COMPUTE."""
    return -(-strips // step) if step else 1


class ProgramError(Exception):
    """A program did what the command set forbids."""


def _require(condition, text):
    if not condition:
        raise ProgramError(text)


def _check_derived(name, c):
    for field, _ in isa.COMMANDS[name].fields():
        _require(field.derive is None
                 or c[field.name] == field.derive(c) & (1 << field.bits) - 1,
                 f"{name}.{field.name} is not what its other fields make it")


class FunctionalModel:
    """One accelerator and its DRAM.

    Parameters
    ----------
    config : hwgen.config.Config
    memory : numpy.ndarray
        DRAM, uint8; programs change it in place.
    seed : int
        Seed of the order in which units run.
    """

    def __init__(self, config, memory, seed=0):
        self.config, self.memory = config, memory
        self.machine = machine_of(config)
        self.rng = np.random.default_rng(seed)
        depth, cols, bank_bytes = config.bank_depth, config.cols, config.bank_bits // 8
        # One memory, seen as bytes, as ifmap words and as psums.
        self.glb = self.rng.integers(0, 256, (depth, cols, bank_bytes), np.uint8)
        self.ifmap = self.glb.reshape(-1)
        self.psum = self.glb.view(np.int32)
        words = config.param_words[0]       # more than of its channels, if there are tables
        self.params = self.rng.integers(0, 2 ** 31, (words * config.lanes, 2)).astype(np.int32)
        self.functions = np.random.default_rng((seed, 1)).integers(
            0, 256, (config.functions, 256), np.uint8)

    def run(self, program):
        """Run the program at byte offset ``program`` until its END.

        Returns the number of commands.
        """
        self.count, self.ended, self.busy, self.filtering = 0, False, 0, 0
        self.semaphores = [0] * isa.SEMAPHORES
        self.queues: dict[str, deque] = {name: deque() for name in _QUEUES}
        self.psum_queue: deque = deque()
        self.passes: deque = deque()           # weights in the spads
        self.holds = {}
        self.open = np.zeros(self.config.bank_depth, bool)      # psums that are not complete
        active = [self._fetch(program), *map(self._unit, (self._load, self._filter, self._feed,
                                                          self._psum, self._store))]
        while not self.ended or self.busy or any(self.queues.values()):
            # Each generator runs to a point where it can be held up; it yields whether it moved.
            moved = [next(active[i]) for i in self.rng.permutation(len(active))]
            _require(any(moved), f"locked up: semaphores {self.semaphores}, queues "
                     f"{ {name: [c for c, _ in queue] for name, queue in self.queues.items()} }")
        _require(not self.passes, "weights are left in the spads")
        _require(not any(self.semaphores), f"semaphores are left over: {self.semaphores}")
        return self.count

    # Fetch, dispatch, semaphores.

    def _fetch(self, address):
        begun = False
        while True:
            _require(address + isa.COMMAND_BYTES <= len(self.memory), "the program leaves memory")
            name, fields = isa.unpack(self.memory[address:address + isa.COMMAND_BYTES].tobytes())
            address += isa.COMMAND_BYTES
            self.count += 1
            _require(begun or name == "BEGIN", f"a program starts with {name}")
            for field in isa.forbidden(name, fields):
                raise ProgramError(f"{name}.{field} = {fields[field]} is not allowed")
            if name == "BEGIN":
                _require(fields["magic"] == isa.MAGIC, "wrong magic")
                _require(fields["hash"] == self.config.hash, "wrong hash")
                begun = True
            elif name == "END":
                self.ended = True
                while True:
                    yield False
            else:
                queue = self.queues[isa.COMMANDS[name].queue]
                while len(queue) == _DEPTH or (self.machine.in_order and self._runs()):
                    yield False
                queue.append((name, fields))
            yield True

    def _runs(self):
        """Whether a command other than FILTER waits or runs."""
        return self.busy > self.filtering or any(
            queue for name, queue in self.queues.items() if name != "filter")

    def _take(self, mask):
        wanted = [n for n in range(isa.SEMAPHORES) if mask >> n & 1]
        if not all(self.semaphores[n] for n in wanted):
            return False
        for n in wanted:
            self.semaphores[n] -= 1
        return True

    def _give(self, mask):
        for n in range(isa.SEMAPHORES):
            self.semaphores[n] += mask >> n & 1
            _require(self.semaphores[n] < 64, f"semaphore {n} overflows")

    def _unit(self, steps):
        """A unit: runs ``steps`` for ever, and dawdles now and then."""
        work = steps()
        while True:
            if self.rng.random() < 0.3:
                yield True
            yield next(work)

    def _commands(self, queue):
        """Wait for the next command of a queue; yields False until there is one."""
        while not queue:
            yield False
        self.busy += 1
        return queue.popleft()

    def _mask(self):
        """A flag for each ifmap word's room in the GLB: (bank word, bank, ifmap word in it)."""
        return np.zeros((self.config.bank_depth, self.config.cols, self.config.subwords), bool)

    def _hold(self, unit, mask, write):
        """Hold the masked parts of the GLB until ``holds`` is cleared of the unit; another unit's
        use of them at the same time is an error, unless both only read."""
        for other, (their, writes) in self.holds.items():
            if (write or writes) and (mask & their).any():
                raise ProgramError(f"{unit} and {other} use the same GLB words at a time")
        self.holds[unit] = mask, write

    # LOAD and PARAMS.

    def _load(self):
        while True:
            name, c = yield from self._commands(self.queues["load"])
            _check_derived(name, c)
            while not self._take(c["wait"]):
                yield False
            if name == "LOAD":
                at, values = self._load_bytes(c)
                mask = self._mask()
                mask.reshape(-1)[at // self.config.bus_bytes] = True
                self._hold("load", mask, True)
                yield True
                self.ifmap[at] = values
                del self.holds["load"]
            else:
                words = self.config.lanes
                data = self._dram(c["addr"], np.arange(c["count"] * words * 8))
                first = c["dst"] * words
                _require(c["addr"] % self.config.bus_bytes == 0, "PARAMS is not aligned")
                if c["dst"] >= isa.TABLE_DST:
                    yield True
                    self._load_tables(c, data)
                elif c["dst"] >= isa.FUNCTION_DST:
                    yield True
                    self._load_function(c, data)
                else:
                    _require(first + c["count"] * words <= len(self.params),
                             "PARAMS leaves the parameter memory")
                    yield True
                    self.params[first:first + c["count"] * words] = \
                        data.view(np.int32).reshape(-1, 2)
            self._give(c["signal"])
            self.busy -= 1
            yield True

    def _load_tables(self, c, data):
        """Tables A and B, for all lanes that have them: eight bytes an entry."""
        config, word = self.config, max(self.config.bus_bytes, 8)
        _require(config.tables and c["dst"] == isa.TABLE_DST and c["count"] == config.table_words,
                 "PARAMS is no tables")
        entries = np.ascontiguousarray(data.reshape(-1, word)[:, :8]).view(np.int32)
        lanes = self.params.reshape(-1, config.lanes, 2)
        lanes[:256, :config.table_lanes] = entries[:, None]

    def _load_function(self, c, data):
        """A function table, of which a bus word holds four entries."""
        number, rest = divmod(c["dst"] - isa.FUNCTION_DST, self.config.function_words)
        _require(number < self.config.functions and rest == 0
                 and c["count"] == self.config.function_words, "PARAMS is no function table")
        self.functions[number] = data.reshape(-1, self.config.bus_bytes)[:, :4].reshape(-1)

    def _load_bytes(self, c):
        """Ifmap byte addresses that a LOAD writes, and the bytes."""
        _require(c["first_channel_offset"] < c["q"], "LOAD.first_channel_offset is not below q")
        word = self.config.bus_bytes
        _require(self._words(c["glb_col_stride"]) == c["q"] // word and
                 self._words(c["start"])
                 == self._words(c["dst"]) + c["first_channel_offset"] // word,
                 "LOAD.start or glb_col_stride is not what dst, first_channel_offset and q make it")
        kept = np.arange(0, c["cols"], c["keep_every_col"])
        n = (np.arange(c["groups"])[:, None] * c["dram_channels"]
             + np.arange(c["dram_channels"])).reshape(-1)
        source = (c["addr"] + (n // c["dram_channels"] * c["group_stride"]
                               + n % c["dram_channels"])[:, None, None]
                  + np.arange(c["rows"])[:, None] * c["row_stride"] + kept * c["dram_channels"])
        rows = c["tpad"] + c["rows"] + c["bpad"]
        cols = c["lpad"] + len(kept) + c["rpad"]
        values = np.full((len(n), rows, cols), c["pad"], np.uint8)
        values[:, c["tpad"]:c["tpad"] + c["rows"], c["lpad"]:c["lpad"] + len(kept)] = \
            self._dram(0, source)
        n = n + c["first_channel_offset"]
        stream = (n // c["q"] * self._words(c["glb_cg_stride"]))[:, None] \
            + np.arange(rows) * self._words(c["glb_row_stride"]) + self._words(c["dst"])
        at = (stream * word)[:, :, None] + np.arange(cols) * c["q"] + (n % c["q"])[:, None, None]
        _require(at.max(initial=0) < self.ifmap.size, "LOAD leaves the GLB")
        _require(np.unique(at).size == at.size, "LOAD writes a byte twice")
        return at.reshape(-1), values.reshape(-1)

    def _words(self, address):
        """A GLB address or stride, in ifmap words."""
        try:
            return self.machine.glb_word(self.config, address)
        except ValueError as error:
            raise ProgramError(str(error)) from None

    def _dram(self, address, index):
        index = address + index
        _require(index.size == 0 or index.max() < len(self.memory), "a read leaves memory")
        return self.memory[index]

    # FILTER: one pass at a time goes to a half of the spads.

    def _filter(self):
        word = self.config.bus_bytes
        while True:
            _, c = yield from self._commands(self.queues["filter"])
            self.filtering = 1
            _require(c["addr"] % word == 0, "FILTER is not aligned")
            data, at, packets = self._dram(c["addr"], np.arange(c["words"] * word)), 0, []
            while at < len(data):
                try:
                    mask, size, row0, last = isa.unpack_filter_header(data[at:at + 8].tobytes())
                except ValueError as error:
                    raise ProgramError(str(error)) from None
                _require(size <= self.config.filter_spad, "filter packet beyond the spad")
                _require(mask >> self.config.cols == 0, "filter packet for a column beyond cols")
                at += max(8, word)
                rows = self.config.rows - row0
                words = -(-size // word)
                body = data[at:at + words * rows * word].reshape(words, rows, word)
                weights = body.transpose(1, 0, 2).reshape(rows, -1)[:, :size].view(np.int8)
                at += words * rows * word
                packets.append((mask, row0, weights))
                if last:
                    while len(self.passes) == _HALVES:
                        yield False
                    self.passes.append(packets)
                    packets = []
                    yield True
            _require(not packets, "a FILTER ends within a pass")
            self.busy -= 1
            self.filtering = 0
            yield True

    # COMPUTE, in two units: the feed reads ifmaps, the psum unit writes psums behind it.

    def _feed(self):
        while True:
            _, c = yield from self._commands(self.queues["compute"])
            for _ in range(_turns(c["strips"], c["feed_step"])):
                while not self._take(c["feed_wait"]):
                    yield False
            self._check_compute(c)
            at = self._streams(c)
            mask = self._mask()
            mask.reshape(-1)[at] = True
            self._hold("feed", mask, False)
            while len(self.psum_queue) == 2:
                yield False
            work = {"psums": None}
            self.psum_queue.append((c, work))
            weights: list = []
            for _ in range(-(-c["pairs"] // self.config.rows)):
                while not self.passes:
                    yield False
                weights.append(self._pass_weights(c, len(weights)))
                self.passes.popleft()
                yield True
            work["psums"] = self._convolve(c, at, weights)
            del self.holds["feed"]
            self._give(c["feed_signal"])
            yield True

    def _check_compute(self, c):
        config = self.config
        word = config.bus_bytes
        _require(c["strip_ifmap_rows"] == (c["e"] - 1) * c["u"] + (c["r"] - 1) * c["dil"] + 1,
                 "strip_ifmap_rows is wrong")
        _require(c["strip_advance"] == c["rounds"] * word - (c["psum_cols"] - 1) * c["col_advance"],
                 "strip_advance is wrong")
        _require(c["window"] + word <= config.ifmap_spad, "the window does not fit the ifmap spad")
        _require(c["p"] * c["tap_channels"] * c["tap_cols"] <= config.filter_spad,
                 "filters do not fit the spad")
        _require((c["psum_cols"] - 1) * c["col_advance"] + c["window"] <= c["rounds"] * word,
                 "rounds are too few")
        taps = (c["tap_cols"] - 1) * c["tap_col_stride"] + c["tap_channels"] \
            + (c["p"] - 1) * c["filter_reads_own_channel"]
        _require(taps <= c["window"], "taps beyond the window")
        words = c["strips"] * c["psum_cols"] * -(-c["p"] // config.lanes)
        _require(c["psum"] + words <= config.bank_depth, "psums leave the banks")
        if c["accumulate"] or c["pairs"] > config.rows:
            _require(words >= 2 and (words - 1) * config.lanes * c["tap_channels"]
                     * c["tap_cols"] >= 4,
                     "psums come back too early")
        if c["depthwise"]:
            _require(c["multicast_mask"] == 1 and c["depthwise_groups"] * c["e"] <= config.cols,
                     "wrong columns")
            _require(c["pairs"] == c["r"], "depthwise pairs are one channel group's")
        else:
            _require(c["depthwise_groups"] == 1 and c["pairs"] % c["r"] == 0,
                     "pairs are not whole groups")
        _require(c["active_cols"] == c["e"] * len(self._columns(c)), "active_cols is wrong")

    def _columns(self, c):
        """First column and channel group offset of each filter group."""
        if c["depthwise"]:
            return [(tg * c["e"], tg) for tg in range(c["depthwise_groups"])]
        columns = [(j, 0) for j in range(self.config.cols) if c["multicast_mask"] >> j & 1]
        _require(all(b[0] - a[0] >= c["e"] for a, b in zip(columns, columns[1:], strict=False))
                 and columns and columns[-1][0] + c["e"] <= self.config.cols
                 and c["multicast_mask"] >> self.config.cols == 0, "wrong columns")
        return columns

    def _streams(self, c):
        """Ifmap words that a COMPUTE may read: (channel group, strip, row, round)."""
        groups = c["depthwise_groups"] if c["depthwise"] else c["pairs"] // c["r"]
        strides = [self._words(c[k]) for k in ("cg_stride", "strip_stride", "row_stride")]
        at = self._words(c["ifmap"])
        for count, stride in zip((groups, c["strips"], c["strip_ifmap_rows"], c["rounds"]),
                                 [*strides, 1],
                                 strict=True):
            at = np.asarray(at)[..., None] + np.arange(count) * stride
        _require(at.max() < self.config.glb_words, "COMPUTE reads beyond the GLB")
        return at

    def _pass_weights(self, c, number):
        """``{column: (pairs, size) weights}`` of the pass at hand."""
        pairs = min(self.config.rows, c["pairs"] - number * self.config.rows)
        found = {}
        for mask, row0, weights in self.passes[0]:
            _require(row0 == self.config.rows - pairs, "a packet is for other rows")
            _require(weights.shape[1] == c["p"] * c["tap_channels"] * c["tap_cols"],
                     "a packet has another size")
            for j in range(self.config.cols):
                if mask >> j & 1:
                    _require(j not in found, "a column gets weights twice")
                    found[j] = weights
        return found

    def _convolve(self, c, at, weights):
        """Sums of a COMPUTE: ``{column: int32 (strips, psum_cols, p)}``."""
        data = self.ifmap.reshape(-1, self.config.bus_bytes)[at]
        data = data.view(np.int8) if c["xsigned"] else data
        zero = c["zx"] - 256 if c["xsigned"] and c["zx"] > 127 else c["zx"]
        x = data.reshape(*at.shape[:3], -1).astype(np.int32) - zero
        f = np.arange(c["psum_cols"])[:, None] * c["col_advance"]
        s = np.arange(c["tap_cols"]) * c["tap_col_stride"]
        sums = {}
        for first, group in self._columns(c):
            for y in range(c["e"]):
                w = np.concatenate([part[first + y] for part in weights])    # (pairs, size)
                w = w.reshape(c["pairs"], c["p"], c["tap_cols"],
                              c["tap_channels"]).astype(np.float64)
                rows = y * c["u"] + np.arange(c["r"]) * c["dil"]
                taps = x[group:group + 1] if c["depthwise"] else x
                taps = taps[:, :, rows]                              # (group, strip, r, byte)
                taps = taps.transpose(1, 0, 2, 3).reshape(c["strips"], c["pairs"], -1)
                if c["filter_reads_own_channel"]:
                    index = (f + s)[:, :, None] + np.arange(c["p"])
                    value = np.einsum("zkfsp,kps->zfp", taps[:, :, index].astype(np.float64),
                                      w[..., 0], optimize=True)
                else:
                    index = (f + s)[:, :, None] + np.arange(c["tap_channels"])
                    windows = taps[:, :, index].transpose(0, 2, 1, 3, 4)
                    value = windows.reshape(c["strips"] * c["psum_cols"], -1).astype(np.float64) \
                        @ w.transpose(0, 2, 3, 1).reshape(-1, c["p"])
                sums[first + y] = value.reshape(c["strips"], c["psum_cols"],
                                                c["p"]).astype(np.int64)
        return sums

    def _psum(self):
        lanes = self.config.lanes
        while True:
            while not self.psum_queue:
                yield False
            c, work = self.psum_queue[0]
            while not self._take(c["psum_wait"]):
                yield False
            words_per_column = -(-c["p"] // lanes)
            of_strip = c["psum_cols"] * words_per_column
            while work["psums"] is None:
                yield False
            for strip in range(c["strips"]):
                if strip and c["wait_step"] and strip % c["wait_step"] == 0:
                    while not self._take(c["psum_wait"]):
                        yield False
                words = slice(c["psum"] + strip * of_strip, c["psum"] + (strip + 1) * of_strip)
                mask = self._mask()
                mask[words] = True
                self._hold("psum", mask, True)
                self.open[words] = True
                yield True
                for column, value in work["psums"].items():
                    bank = self.psum[words, column].reshape(c["psum_cols"],
                                                            words_per_column * lanes)
                    old = bank[:, :c["p"]].astype(np.int64) if c["accumulate"] else 0
                    bank[:, :c["p"]] = (value[strip] + old).astype(np.int32)
                    self.psum[words, column] = bank.reshape(-1, lanes)
                del self.holds["psum"]
                last = strip == c["strips"] - 1
                if last or (c["signal_step"] and (strip + 1) % c["signal_step"] == 0):
                    if c["psum_signal"]:
                        start = strip // c["signal_step"] * c["signal_step"] \
                            if c["signal_step"] else 0
                        self.open[c["psum"] + start * of_strip:words.stop] = False
                    self._give(c["psum_signal"])
            self.psum_queue.popleft()
            self.busy -= 1
            yield True

    # STORE.

    def _store(self):
        while True:
            name, c = yield from self._commands(self.queues["store"])
            _check_derived(name, c)
            while not self._take(c["wait"]):
                yield False
            strips = -(-c["psum_rows"] // c["e"])
            words = slice(c["psum"], c["psum"] + strips * c["strip_words"])
            _require(words.stop <= self.config.bank_depth, "STORE leaves the banks")
            _require(not self.open[words].any(), "STORE of psums that are not complete")
            mask = self._mask()
            mask[words, c["bank"]:c["bank"] + c["groups"] * c["e"]] = True
            self._hold("store", mask, False)
            yield True
            for group in range(c["groups"]):
                self._drain(c, group, strips, words)
            del self.holds["store"]
            self._give(c["signal"])
            yield True
            self._give(c["signal_written"])
            self.busy -= 1
            yield True

    def _drain(self, c, group, strips, words):
        """One filter group of a STORE."""
        _require(c["strip_words"] == c["psum_cols"] * c["words_per_column"]
                 and c["p"] <= c["words_per_column"] * self.config.lanes,
                 "STORE of psums of another shape")
        bank = c["bank"] + group * c["e"]
        _require(bank + c["e"] <= self.config.cols, "STORE of columns beyond cols")
        acc = self.psum[words, bank:bank + c["e"]].reshape(strips, c["psum_cols"],
                                                           c["words_per_column"], c["e"], -1)
        acc = acc.transpose(0, 3, 1, 2, 4).reshape(strips * c["e"], c["psum_cols"], -1)
        acc = acc[:c["psum_rows"], :, :c["p"]]
        y = self._outputs(c, group, acc)
        pooled = self._pool(c, y)
        at = (c["addr"] + group * c["group_stride"]
              + np.arange(c["out_rows"])[:, None] * c["row_stride"]
              + np.arange(c["out_cols"] * c["p"] * y.itemsize))
        _require(at.max() < len(self.memory), "a write leaves memory")
        self.memory[at] = pooled.reshape(c["out_rows"], -1).view(np.uint8)

    def _outputs(self, c, group, psums):
        """Outputs of the psums of a filter group."""
        lanes, mode = self.config.lanes, store_modes.MODES.get(c["mode"])
        if mode is None or mode not in store_modes.available(self.config):
            raise ProgramError(f"there is no mode {c['mode']}")
        parameters = self.params.reshape(-1, lanes, 2)
        if mode.needs_tables:
            _require(c["params"] == 0 and c["param_stride"] == 0, "params must be 0 with tables")
        else:
            word = c["params"] + group * c["param_stride"]
            _require(word * lanes + c["p"] <= self.config.params_depth,
                     "STORE leaves the parameter memory")
            parameters = parameters[word:]
        _require(mode.may_pool or c["pool_r"] == c["pool_s"] == 1,
                 f"outputs of mode {mode.name} are not pooled")
        _require(c["function"] <= self.config.functions, f"there is no function {c['function']}")
        _require(c["function"] == 0 or not mode.raw, f"outputs of mode {mode.name} have a function")
        try:
            y = mode.outputs(c, self.config, psums, parameters)
        except ValueError as error:
            raise ProgramError(str(error)) from None
        if c["function"] == 0:
            return y
        table = self.functions[c["function"] % self.config.functions]
        return table[y.view(np.uint8)].view(y.dtype)

    def _pool(self, c, y):
        """The largest value of each window."""
        least = np.iinfo(y.dtype).min
        pooled = np.full((c["out_rows"], c["out_cols"], c["p"]), least, y.dtype)
        found = np.zeros(pooled.shape[:2], bool)
        for r in range(c["pool_r"]):
            rows = c["row0"] + np.arange(c["out_rows"]) * c["pool_u"] + r
            to_row = np.flatnonzero((rows >= 0) & (rows < c["psum_rows"]))
            for s in range(c["pool_s"]):
                cols = c["col0"] + np.arange(c["out_cols"]) * c["pool_v"] + s
                to_col = np.flatnonzero((cols >= 0) & (cols < c["psum_cols"]))
                where = np.ix_(to_row, to_col)
                pooled[where] = np.maximum(pooled[where], y[np.ix_(rows[to_row], cols[to_col])])
                found[where] = True
        _require(found.all(), "a pooling window holds no psum")
        return pooled
