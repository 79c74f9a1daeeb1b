"""``hwgen bench``: the layers of known networks on the RTL, measured."""

import dataclasses
import fnmatch
from contextlib import nullcontext

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...compiler.map import given_mappings
from ...errors import HwgenError
from ...files import write_json
from ...host.driver import SimulationError
from ...host.layer_bench import CAUSES, bench_layer, total_energy, totals
from ...host.trace import Trace
from ...network.shapes import NETWORKS
from ...report.energy import energy_table as energy_rows
from ...report.saved import hint, stamp
from ...simulate.dram import Dram
from ...simulate.simulators import prepare
from ..options import accelerator, energy_table, json_report, tracing, waves
from ..terminal import consoles

__all__ = ["command"]

_WIDTH = 160                 # of the tables; a narrower terminal wraps them


@click.command()
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK...")
@accelerator
@click.option("--layers", metavar="PATTERN",
              help="Layers by name, with * and ?; several separated by commas.  [default: "
              "convolutions; of a network without any, all]")
@click.option("--model-only", is_flag=True, help="Only the performance model, no simulation.")
@click.option("--dram-bytes-per-cycle", type=click.FloatRange(0.01, 1024), metavar="B",
              help="Bytes that reads and writes together may move a cycle.  [default: a beat each]")
@click.option("--dram-latency", type=click.IntRange(0, 100_000), default=40, show_default=True,
              metavar="L", help="Cycles to the first beat of a read.")
@click.option("--sparsity", type=click.FloatRange(0, 1), default=0.4, show_default=True,
              help="Share of zeros in the inputs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the data.")
@click.option("--mapping", "mappings", metavar="FILE.toml|eyeriss", multiple=True,
              help="Fields of the mappings that are given, see 'hwgen map'.")
@energy_table
@tracing
@waves
@json_report
def command(networks, accelerator, layers, model_only, dram_bytes_per_cycle,
            dram_latency, sparsity, seed, mappings, energies, trace_file, waves, json_file):
    """Measure the layers of NETWORKs on the RTL: cycles, stalls, traffic, against the golden model.

    Equal layers run once and count as often as they occur. Exit code 1 if an output differs.
    """
    console, notes = consoles(json_file, width=_WIDTH)
    if waves and model_only:
        raise HwgenError("--waves needs a simulation: leave out --model-only.")
    if trace_file and model_only:
        raise HwgenError("--trace needs a simulation: leave out --model-only.")
    if trace_file and len(networks) > 1:
        raise HwgenError(f"--trace records one network, and {len(networks)} are named: name one.")
    if waves and waves.layer is not None:
        layers = waves.layer
    design = accelerator.design()
    config = design.config
    chosen = []
    for name in networks:
        if name not in NETWORKS:
            raise HwgenError(f"network {name!r} is unknown: choose among {', '.join(NETWORKS)}.")
        shapes = _chosen(NETWORKS[name], layers)
        if not shapes:
            raise HwgenError(f"--layers {layers!r} matches no layer of {name}; its layers are "
                             f"{', '.join(shape.name for shape in NETWORKS[name])}.")
        fixed = given_mappings.gather(mappings, config, shapes=NETWORKS[name], network=name)
        chosen.append((name, shapes, fixed))
    measured = sum(len(shapes) for _, shapes, _ in chosen)
    if waves and measured > 1:
        raise HwgenError(f"--waves records one layer, and {measured} are chosen: name one with "
                         f"--layer.")
    dram = Dram(read_latency=dram_latency, total_bytes=dram_bytes_per_cycle or 0)
    start = None
    if not model_only:
        start = prepare("verilator", design.verilog, console=notes, waves=waves)
    reports, differing, trace = [], 0, Trace() if trace_file else None
    for name, shapes, fixed in chosen:
        with waves or nullcontext():
            results = _run(name, shapes, config, start, notes, mappings=fixed, dram=dram,
                           sparsity=sparsity, seed=seed, table=energies, trace=trace)
        for table in _tables(name, config, results):
            console.print(table)
        for line in _summary(results, config, dram, model_only):
            console.print(line, highlight=False)
        differing += sum(result.mismatches or 0 for result in results)
        reports.append({**stamp("bench", config), "network": name,
                        "dram": dataclasses.asdict(dram), "modelled": model_only,
                        "layers": [result.to_dict() for result in results],
                        "total": totals(results), "timeline": trace and trace.samples})
    if trace:
        trace.write(trace_file, f"{networks[0]} on {config.name}")
    if json_file:
        report = reports[0] if len(reports) == 1 else reports
        write_json(json_file, report)
    console.print(hint(json_file), highlight=False, markup=False, soft_wrap=True)
    return 1 if differing else 0


def _chosen(shapes, layers):
    """Those of a network's layers that ``--layers`` asks for."""
    if layers is None:
        return [shape for shape in shapes if not shape.fc] or shapes
    return [shape for shape in shapes if any(
        fnmatch.fnmatch(shape.name, pattern) for pattern in layers.split(","))]


def _run(name, shapes, config, start, notes, *, mappings, **options):
    results, alike, running = [], {}, {}
    with Progress(TextColumn("{task.description}"), BarColumn(),
                  TextColumn("{task.fields[cycles]:>12,} cycles"), TimeElapsedColumn(),
                  console=notes, transient=True) as bar:
        for index, shape in enumerate(shapes):
            what = dataclasses.replace(shape, name="", count=1)
            if what in alike and not mappings:
                results.append(dataclasses.replace(alike[what], shape=shape, seconds=0))
                continue
            task = bar.add_task(f"{name} {index + 1}/{len(shapes)} {shape.name}", total=None,
                                cycles=0)

            def starting(simulation, segment, task=task):
                running["bus"] = simulation
                bar.update(task, total=segment.cycles)

            def progress(task=task):
                cycles = running["bus"].statistics()["cycles"]
                bar.update(task, completed=cycles, cycles=cycles)
            try:
                results.append(bench_layer(name, shape, config, start, mappings=mappings,
                                           starting=starting, progress=progress, **options))
            except SimulationError as error:
                raise HwgenError(f"layer {shape.name} of {name}: {error}") from None
            alike[what] = results[-1]
            bar.remove_task(task)
    return results


def _number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def _percent(part, whole):
    return _number(100 * part / whole, 1)


def _grid(title, headings, rows, total):
    table = Table(title=title)
    table.add_column("layer")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, cells in rows:
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("total", *total)
    return table


def _tables(name, config, results):
    """The tables of a network: cycles; if measured, what the array did in them; data moved."""
    total, measured = totals(results), all(result.counters for result in results)

    def rows(cells):
        return [(result.shape.name, [str(result.shape.count), *cells(result)])
                for result in results]
    yield _grid(
        f"{name} on {config.name}: cycles",
        ("x", "MMACs", "cycles" if measured else "cycles (predicted)", "util %", "bound",
         "% of bound", "predicted", "error %", "active PEs", "Eyeriss cycles", "its PEs",
         "x Eyeriss", "≠ golden"),
        rows(lambda r: (
            _number(r.shape.macs / 1e6, 1), _number(r.cycles), _number(100 * r.utilisation, 1),
            _number(r.bound), _percent(r.bound, r.cycles), _number(r.predicted),
            _number(100 * (r.predicted / r.cycles - 1), 2) if measured else "-",
            _number(r.active_pes), _number(r.published and r.published.cycles),
            _number(r.published and r.published.active_pes), _number(r.ratio, 2),
            _number(r.mismatches))),
        ("", _number(total["macs"] / 1e6, 1), _number(total["cycles"]),
         _number(100 * total["utilisation"], 1), _number(total["bound_cycles"]),
         _percent(total["bound_cycles"], total["cycles"]), _number(total["predicted_cycles"]),
         _number(100 * (total["predicted_cycles"] / total["cycles"] - 1), 2) if measured else "-",
         "", _number(total["eyeriss_cycles"]), "",
         _number(total["eyeriss_cycles"] and total["eyeriss_cycles"] / total["cycles"], 2),
         _number(total["mismatches"] if measured else None)))
    if measured:
        yield _grid(
            f"{name} on {config.name}: what the array did in them", ("x", *CAUSES),
            rows(lambda r: map(_number, r.causes.values())),
            ("", *map(_number, total["causes"].values())))
    yield _grid(
        f"{name} on {config.name}: data moved",
        ("x", "DRAM read kB", "write kB", "kB", "/ compulsory", "bytes a cycle", "Eyeriss kB",
         "GLB kwords", "NoC kwords", "spad kwords"),
        rows(lambda r: (
            _number(r.dram_read and r.dram_read / 1e3),
            _number(r.dram_write and r.dram_write / 1e3),
            _number(r.dram / 1e3), _number(r.dram / r.shape.compulsory_bytes, 2),
            _number(r.dram / r.cycles, 2), _number(r.published and r.published.dram_bytes / 1e3),
            *(_number(words / 1e3) for words in (r.glb_words, r.noc_words, r.spad_words)))),
        ("", "", "", _number(total["dram_bytes"] / 1e3),
         _number(total["dram_bytes"] / total["compulsory_bytes"], 2),
         _number(total["dram_bytes"] / total["cycles"], 2), "", "", "", ""))
    yield energy_rows(
        f"{name} on {config.name}",
        ((r.shape.name + (f" x {r.shape.count}" if r.shape.count > 1 else ""),
          r.energy * r.shape.count) for r in results), total_energy(results))


def _summary(results, config, dram, model_only):
    total = totals(results)
    what = "predicted" if model_only else "measured"
    yield (f"total: {total['macs'] / 1e6:,.1f} M MACs in {total['cycles']:,} cycles ({what}), "
           f"{100 * total['utilisation']:.1f} % of {config.rows * config.cols} PEs; predicted "
           f"{total['predicted_cycles']:,}; DRAM {total['dram_bytes'] / 1e6:.2f} MB, "
           f"{total['dram_bytes'] / total['compulsory_bytes']:.2f} of compulsory; "
           f"mismatches {total['mismatches']}")
    if not model_only:
        cycles = sum(result.cycles for result in results if result.seconds)
        seconds = sum(result.seconds for result in results)
        yield f"simulated {cycles:,} cycles in {seconds:.1f} s: {cycles / seconds:,.0f} cycles/s"
    limit = f", {dram.total_bytes} bytes a cycle in all" if dram.total_bytes else ""
    yield (f"DRAM: {config.bus_bits}-bit port, a beat a cycle each way, {dram.read_latency} cycles "
           f"to the first beat of a read{limit}")
    yield ("bound: array cycles of the mapping with the fewest; compulsory: weights, input and "
           "output once, a byte each; Eyeriss: processing only, 16-bit values, feature maps "
           "compressed in DRAM")
