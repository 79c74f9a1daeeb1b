"""Generated parts of the documents in docs/.

``python -m hwgen.artifacts.documents docs`` brings them up to date. A part stands between
``<!-- BEGIN GENERATED name -->`` and ``<!-- END GENERATED name -->``; the names are the keys of
:data:`PARTS`.
"""

import re
import sys
from pathlib import Path

from ..config import Config
from . import command_files as commands
from . import register_files as registers

__all__ = ["PARTS", "refresh"]

PARTS = {
    "commands": commands.markdown,
    "registers": lambda: registers.markdown(Config()).split("-->\n", 1)[1],
}


def refresh(text):
    """``text`` with every generated part as it is now."""
    def part(match):
        return f"{match[1]}\n{PARTS[match[2]]().strip()}\n{match[3]}"

    return re.sub(r"(<!-- BEGIN GENERATED (\w+) -->).*?(<!-- END GENERATED \2 -->)", part, text,
                  flags=re.S)


if __name__ == "__main__":
    for path in Path(sys.argv[1]).rglob("*.md"):
        path.write_text(refresh(path.read_text()))
