"""Progress of work that several commands share."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..compiler import compile_network

__all__ = ["compiled"]


def compiled(network, config, console, **options):
    """The program that :func:`~hwgen.compiler.compile_network` makes with ``options``, with a bar
    on ``console`` of the layers that are planned, if it is a terminal."""
    with Progress(TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
                  TimeElapsedColumn(), console=console, transient=True,
                  disable=not console.is_terminal) as bar:
        task = bar.add_task("compiling")

        def planning(layer, index, count):
            bar.update(task, description=f"compiling {layer.name}", completed=index, total=count)
        return compile_network(network, config, planning=planning, **options)
