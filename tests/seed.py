"""The seed of all random numbers of the tests: ``HWGEN_SEED`` in the environment, else 1."""

import os

__all__ = ["SEED"]

SEED = int(os.environ.get("HWGEN_SEED", "1"))
