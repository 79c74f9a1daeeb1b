"""Spaces: what a SPACE.toml means, and what is refused in one sentence."""

import tomllib

import pytest

from hwgen.config import PRESETS
from hwgen.errors import HwgenError
from hwgen.explore.space import Space, example

from .spaces import SMALL, written


def test_points_are_all_combinations_for_which_the_relations_hold(tmp_path):
    space = Space.read(written(tmp_path))
    points = list(space.points())
    assert space.size == 12
    assert len(points) == 10                    # 4 x 8 PEs are too many, with either GLB
    assert {(p["rows"], p["cols"]) for p in points} == {(2, 4), (2, 6), (2, 8), (4, 4), (4, 6)}


def test_what_is_not_searched_is_the_presets_and_expressions_follow(tmp_path):
    space = Space.read(written(tmp_path))
    config = space.config({"rows": 2, "cols": 6, "glb_kib": 28})
    base = PRESETS["ecp5-25f"]
    assert (config.rows, config.cols, config.glb_kib) == (2, 6, 28)
    assert config.params_depth == 256 * base.lanes
    assert config.filter_spad == base.filter_spad
    assert space.target.name == "ecp5-25f"


def test_points_are_filed_under_what_differs_from_the_base(tmp_path):
    """A parameter that is searched later does not change the keys of the points that are known."""
    space = Space.read(written(tmp_path))
    more = SMALL.replace("glb_kib =", "xbus_bytes = [4, 8]\nglb_kib =")
    wider = Space.read(written(tmp_path, more))
    point = {"rows": 2, "cols": 4, "glb_kib": 2}
    assert space.key(point) == wider.key({**point, "xbus_bytes": 4})
    assert space.key(point) != wider.key({**point, "xbus_bytes": 8})
    assert space.hash == wider.hash


def test_the_example_is_a_space(tmp_path):
    space = Space.read(written(tmp_path, example()))
    assert tomllib.loads(example())["preset"] == space.base.name
    assert all(space.config(point).clock_mhz == 100 for point in space.points())


@pytest.mark.parametrize("old, new, told", [
    ("rows = [2, 4]", "rowz = [2, 4]", "parameter 'rowz' is unknown: the parameters are rows"),
    ("rows = [2, 4]", "rows = [2, 2]", "rows = [2, 2] has a value twice"),
    ("rows = [2, 4]", "rows = [2, 'a']", "is not a list of values of type int"),
    ("rows = [2, 4]", "rows = []", "is not a list of values of type int"),
    ("rows = [2, 4]", "rows = { from = 2 }", "is no range"),
    ("rows = [2, 4]", "rows = { from = 2, to = 4, step = 0 }", "is no range"),
    ("256 * lanes", "256 * lames", "'256 * lames' cannot be evaluated"),
    ("256 * lanes", "__import__('os')", "cannot be evaluated"),
    ("rows * cols <= 30", "rows / (cols - 4) < 9", "cannot be evaluated"),
    ("ecp5-25f", "ecp6", "--preset 'ecp6' is unknown"),
    ('weight = 2', "weight = 0", "more than 0"),
    ('weight = 2', "weight = 2\nfoo = 1", "a network is name, layers"),
    ('[[networks]]\nname = "lenet5"\nlayers = "CONV*"\nweight = 2', "", "names no network"),
    ("[parameters]", "[dram]\nlatency = -1\n[parameters]", "not latency = -1"),
    ("[parameters]", "[device]\n[parameters]", "'device' is unknown"),
    ("relations = [", "target = 'x'\nrelations = [", "target = 'x' is unknown"),
    ("relations = [", "energy = 1\nrelations = [", "energy = 1 is not a text"),
])
def test_one_sentence_for_a_wrong_space(tmp_path, old, new, told):
    assert old in SMALL
    with pytest.raises(HwgenError) as error:
        Space.read(written(tmp_path, SMALL.replace(old, new)))
    assert told in str(error.value)
    assert str(error.value).endswith(".")
