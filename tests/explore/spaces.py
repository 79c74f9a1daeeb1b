"""Spaces for the tests: small ones, of small networks."""

SMALL = """
preset = "ecp5-25f"
relations = ["rows * cols <= 30"]

[parameters]
rows = [2, 4]
cols = { from = 4, to = 8, step = 2 }
glb_kib = [2, 28]
params_depth = "256 * lanes"

[[networks]]
name = "lenet5"
layers = "CONV*"
weight = 2
"""


def written(folder, text=SMALL):
    """A SPACE.toml in ``folder``."""
    path = folder / "space.toml"
    path.write_text(text)
    return path
