"""What a test tells the bench that it runs, see :func:`sim.runner.run_block`.

Attributes
----------
CONFIG : Config
    The configuration of the block.
SEED : int
    Of the bench's random numbers.
"""

import json
import os

from hwgen.config import Config

__all__ = ["CONFIG", "SEED", "option"]

_GIVEN = json.loads(os.environ.get("HWGEN_BENCH", "{}"))
CONFIG = Config(**_GIVEN.get("config", {}))
SEED = _GIVEN.get("seed", 1)


def option(name, default=None):
    """The bench's own option ``name``; ``default`` when the test gives none."""
    return _GIVEN.get("options", {}).get(name, default)
