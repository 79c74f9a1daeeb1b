"""Where a command prints."""

from rich.console import Console

from ..files import is_standard_output

__all__ = ["consoles"]


def consoles(*files, width=0):
    """The consoles of a command: one for what it found, one for what it does meanwhile.

    Parameters
    ----------
    files : path or None
        Files that the command writes. If one of them is standard output, what it found goes to
        standard error, so that nothing is mixed into the file.
    width : int
        The least number of columns of what it found.

    Returns
    -------
    (rich.console.Console, rich.console.Console)
    """
    console = Console(stderr=any(map(is_standard_output, files)))
    console.width = max(console.width, width)
    return console, Console(stderr=True)
