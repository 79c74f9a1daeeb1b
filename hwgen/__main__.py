"""``python -m hwgen``."""

import sys

from .process import surroundings


def start():
    """Run the command line as a process of its own; ends it with the exit code."""
    with surroundings():
        from .cli import main  # takes long: a signal may come meanwhile
        code = main()
    sys.exit(code)


if __name__ == "__main__":
    start()
