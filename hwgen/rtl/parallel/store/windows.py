"""What travels between the parts of the drain.

A STORE makes outputs; each is the largest of a *window* of psums (1 x 1 without pooling). A window
has rows and columns of psums, of which only those inside the block of psums are read. A psum *word*
holds the psums of ``lanes`` channels.
"""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from ....isa import FUNCTION_BITS
from ....isa.store_modes import MODE_BITS

__all__ = ["READ", "WINDOW_ROWS", "WINDOW_COLUMNS", "TAG", "Settings"]

#: Which psum word of the GLB to read.
READ = data.StructLayout({"bank": 5, "off": 16})

#: The rows of an output row's windows that lie in the block: number of them less one, bank and
#: strip of the first one (``bank``, ``strip``: address of the strip's first word), banks of each
#: strip's first and last row. ``last_of_group``: the output row is its filter group's last.
WINDOW_ROWS = data.StructLayout({"strip": 16, "bank": 5, "first_bank": 5, "last_bank": 5,
                                 "count": 5, "last_of_group": 1})

#: The columns of a window that lie in the block: number of them less one, address of the first
#: within a strip. ``last``: the window is its row's last.
WINDOW_COLUMNS = data.StructLayout({"address": 16, "count": 5, "last": 1})

#: Of a psum word that was read. ``first``, ``last``: of its window. ``last_word``: it has the last
#: channels of its filter group, ``last_of_group``: and is the group's last at all. A word may be
#: read several times: ``part`` counts its reads, ``again`` tells that there is one more.
TAG = data.StructLayout({"first": 1, "last": 1, "last_word": 1, "last_of_group": 1, "part": 2,
                         "again": 1})


def Settings(config):
    """What the output stage needs of a command: zero point and bounds, and of the mode whether
    psums are stored ``raw`` or ``looked_up`` in tables; with tables the mode and common scale,
    with function tables the function."""
    return wiring.Signature({
        "zy": Out(8), "lo": Out(8), "hi": Out(8), "ysigned": Out(1), "raw": Out(1),
        "looked_up": Out(1),
        **({"mode": Out(MODE_BITS), "scale": Out(32)} if config.tables else {}),
        **({"function": Out(FUNCTION_BITS)} if config.functions else {})})
