"""Simulators of a design by name, with something to look at while they are built and run."""

import time

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..host.driver import Driver
from ..host.network_runner import collect, execute
from . import cosim, verilated
from .cosim import IcarusBus
from .verilated import VerilatedBus
from .waves import view

__all__ = ["SIMULATORS", "Watch", "prepare", "simulate"]

SIMULATORS = ("verilator", "icarus", "golden")


def prepare(sim, verilog, *, console, waves=None):
    """Compile the design for the simulator named ``sim``, with a spinner on ``console``.

    Parameters
    ----------
    waves : Waves
        Where the simulations record to, one at a time; gets its view for GTKWave.

    Returns
    -------
    callable
        ``(memory_bytes, dram=None)``: a new simulation, a :class:`~hwgen.host.driver.Bus` and
        context manager. The memory of the Verilator model ends at ``memory_bytes``.
    """
    status = console.status(f"building the simulator ({sim})")
    trace = waves and waves.form
    try:
        build = cosim.build if sim == "icarus" else verilated.build
        built = build(verilog, trace=trace, notice=status.start)
    finally:
        status.stop()
    if waves is not None:
        waves.view = view(verilog, waves.path, scope="" if sim == "icarus" else "TOP.")
    if sim == "icarus":
        return lambda memory_bytes, dram=None: IcarusBus(built, dram=dram, waves=waves)
    return lambda memory_bytes, dram=None: VerilatedBus(built, memory_bytes, dram=dram, waves=waves)


class Watch:
    """A progress bar of the program that runs: cycles, share of those foreseen, cycles a second.

    A context manager; :meth:`starting` and :meth:`progress` are for
    :func:`~hwgen.host.network_runner.execute`.

    Attributes
    ----------
    seconds : float
        Wall time since the first program started.
    """
    def __init__(self, bus, runs, console, waves=None):
        self._bus, self._waves = bus, waves
        self._count = runs
        self._index = 0
        self._bar = Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
                             TextColumn("{task.fields[cycles]:>12,} cycles"),
                             TextColumn("{task.fields[rate]:>9,.0f} cycles/s"),
                             TimeElapsedColumn(), console=console, transient=True)
        self._task = None
        self._first = 0
        self._layer_began = 0
        self._began = None

    @property
    def seconds(self):
        return 0 if self._began is None else time.perf_counter() - self._began

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *_):
        self._bar.stop()

    def starting(self, run):
        if self._waves is not None:
            self._bus.record(self._waves.wanted(run))
        self._index += 1
        self._first = self._bus.statistics()["cycles"]
        self._layer_began = time.perf_counter()
        if self._began is None:
            self._began = self._layer_began
        if self._task is not None:
            self._bar.remove_task(self._task)
        names = " to ".join(dict.fromkeys((run[0].name, run[-1].name)))
        self._task = self._bar.add_task(f"{self._index}/{self._count} {names}",
                                        total=sum(segment.cycles for segment in run), cycles=0,
                                        rate=0)

    def progress(self):
        cycles = self._bus.statistics()["cycles"] - self._first
        elapsed = max(time.perf_counter() - self._layer_began, 1e-3)
        self._bar.update(self._task, completed=cycles, cycles=cycles, rate=cycles / elapsed)


def simulate(network, program, inputs, bus, *, console, checkpoint=None, waves=None, trace=None):
    """Run every layer of a compiled network, with progress on ``console``.

    Parameters
    ----------
    network : Network
    program : Program
    inputs : dict of str to numpy.ndarray
    bus : Bus
    console : rich.console.Console
    checkpoint : Checkpoint
        Where finished layers are kept, and those of an earlier run are found.
    waves : Waves
        Where ``bus`` records to.
    trace : Trace
        Takes samples of the counters.

    Returns
    -------
    layers : list of LayerResult
    values : dict of str to numpy.ndarray
        Every tensor in memory at the end, and the network's outputs.
    seconds : float
        Wall time of the simulation.
    """
    with Watch(bus, len(program.runs), console, waves) as watch:
        run = execute(network, program, Driver(bus, program.config), inputs,
                      looking=True, starting=watch.starting, progress=watch.progress,
                      earlier=checkpoint and checkpoint.layers, trace=trace)
        layers, values = collect(checkpoint.keep(run) if checkpoint else run)
        return layers, values, watch.seconds
