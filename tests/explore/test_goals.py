"""Objectives, constraints, and the front."""

import itertools

import numpy as np
import pytest

from hwgen.config import PRESETS
from hwgen.errors import HwgenError
from hwgen.explore import goals

from ..seed import SEED


def test_the_front_is_what_no_point_beats():
    """Against the definition, on random points with many equal values."""
    rng = np.random.default_rng(SEED)
    for _ in range(50):
        rows = [{"cycles": int(a), "utilisation": int(b)} for a, b in rng.integers(0, 6, (20, 2))]
        found = goals.front(rows, {"cycles": False, "utilisation": True})

        def beats(a, b):
            return a["cycles"] <= b["cycles"] and a["utilisation"] >= b["utilisation"] and a != b
        wanted = {tuple(row.values()) for row in rows
                  if not any(beats(other, row) for other in rows)}
        assert {tuple(rows[i].values()) for i in found} == wanted
        assert len(found) == len(wanted)
        assert all(rows[a]["cycles"] < rows[b]["cycles"] for a, b in itertools.pairwise(found))


def test_a_constraint_holds_or_tells_by_how_much_it_is_missed():
    rule = goals.constraint("cells <= 1000")
    assert rule.excess(None, {"cells": 1000}) == 0
    assert rule.excess(None, {"cells": 1500}) == pytest.approx(0.5)
    assert goals.constraint("utilisation>=0.9").excess(None, {"utilisation": 0.45}) == \
        pytest.approx(0.5)


def test_fits_asks_the_area_model():
    fits = goals.constraint("fits=ecp5-25f")
    assert fits.excess(PRESETS["ecp5-25f"], {}) == 0
    assert fits.excess(PRESETS["eyeriss"], {}) > 0.5


@pytest.mark.parametrize("text", ["cells", "cellz<=3", "cells==3", "cells<=x", "fits=gates",
                                  "fits=", "cells<=1e"])
def test_one_sentence_for_a_wrong_constraint(text):
    with pytest.raises(HwgenError, match=r"^--constraint .* (is neither a bound|names no device)"):
        goals.constraint(text)


@pytest.mark.parametrize("text", ["", "cyclez", "cycles,cycles"])
def test_one_sentence_for_a_wrong_objective(text):
    with pytest.raises(HwgenError, match="^--objective"):
        goals.objectives(text)
