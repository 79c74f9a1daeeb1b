"""``hwgen report``: results as one HTML file."""

import click

from ...errors import HwgenError
from ...files import check_target, write_whole
from ...report import saved

__all__ = ["command"]


@click.command()
@click.argument("results", nargs=-1, required=True, metavar="RUN.json...")
@click.option("--out", required=True, metavar="FILE.html", help="The file to write.")
def command(results, out):
    """Show what the --json of bench, run or map holds, as one HTML file with charts.

    The file needs no network: a browser shows it anywhere. Several results stand side by side.
    """
    check_target("--out", out)
    found = [result for path in results for result in saved.read(path)]
    try:
        from ...report.html.page import page
    except ModuleNotFoundError as error:
        raise HwgenError(f"the report needs {error.name}, which is not installed: pip install "
                         f"'hwgen[report]'.") from None
    text = page(found).encode()
    write_whole(out, lambda file: file.write(text))
    click.echo(f"written to {out}", err=out == "-")
